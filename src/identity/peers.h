/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The peers of the gateway's tunnels while they are read. */
#ifndef TUNMAP_IDENTITY_PEERS_H
#define TUNMAP_IDENTITY_PEERS_H

#include "include/compiler.h"
#include "include/identity.h"

/* All zero at first. */
struct peer_list {
	struct wireguard_peers peers; /* in the order in which they came */
	size_t capacity;
	size_t first;                /* the first peer of the interface that is read now */
	struct wireguard_peer *last; /* the last one of it; NULL: none */
};

/* What follows is about another interface. */
void peer_list_next_interface(struct peer_list *list);

/* Forget what was read of this interface. */
void peer_list_restart_interface(struct peer_list *list);

/*
 * What follows is about the peer with this key: a new one, unless it was the last of this
 * interface, which then goes on.  Returns 0 or -ENOMEM.
 */
int peer_list_add(struct peer_list *list, const struct config_wireguard_key *key) MUST_CHECK;

/* The outer address of the last peer of this interface; there must be one. */
void peer_list_set_endpoint(struct peer_list *list, const struct addr *endpoint);

/*
 * An allowed IP of the last peer of this interface, which there must be: the address of @family in
 * network order at @octets, of which the first @len bits count.  Returns 0, -EPROTO for a length or
 * family that cannot be, -ENOMEM.
 */
int peer_list_allow(
	struct peer_list *list, int family, const void *octets, unsigned int len) MUST_CHECK;

/* Bring the peers into their order and give them to @out; @list is empty then. */
void peer_list_finish(struct peer_list *list, struct wireguard_peers *out);

void peer_list_fini(struct peer_list *list);

#endif
