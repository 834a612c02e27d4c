/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/identity/peers.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define V4_PREFIX_LEN  96 /* bits before the IPv4 address in a struct addr */
#define PEERS_CAPACITY 16 /* at first */

static void drop_peers(struct peer_list *list, size_t len)
{
	while (list->peers.len > len)
		free(list->peers.peer[--list->peers.len].allowed);
}

void peer_list_next_interface(struct peer_list *list)
{
	list->first = list->peers.len;
	list->last = NULL;
}

void peer_list_restart_interface(struct peer_list *list)
{
	drop_peers(list, list->first);
	list->last = NULL;
}

static int grow(struct peer_list *list)
{
	size_t capacity = list->capacity ? list->capacity * 2 : PEERS_CAPACITY;
	struct wireguard_peer *peer = reallocarray(list->peers.peer, capacity, sizeof(*peer));

	if (!peer)
		return -ENOMEM;
	list->peers.peer = peer;
	list->capacity = capacity;
	return 0;
}

int peer_list_add(struct peer_list *list, const struct config_wireguard_key *key)
{
	if (list->last && memcmp(list->last->key.octet, key->octet, sizeof(key->octet)) == 0)
		return 0;
	if (list->peers.len == list->capacity) {
		int err = grow(list);

		if (err)
			return err;
	}
	list->last = &list->peers.peer[list->peers.len++];
	*list->last = (struct wireguard_peer){.key = *key};
	return 0;
}

void peer_list_set_endpoint(struct peer_list *list, const struct addr *endpoint)
{
	list->last->endpoint = *endpoint;
	list->last->has_endpoint = true;
}

/* Make room for one more; there is some for their number, rounded up to a power of two. */
static int grow_allowed(struct wireguard_peer *peer)
{
	size_t len = peer->allowed_len;
	struct config_prefix *allowed;

	if ((len & (len - 1)) != 0)
		return 0;
	allowed = reallocarray(peer->allowed, len ? len * 2 : 1, sizeof(*allowed));
	if (!allowed)
		return -ENOMEM;
	peer->allowed = allowed;
	return 0;
}

int peer_list_allow(struct peer_list *list, int family, const void *octets, unsigned int len)
{
	struct wireguard_peer *peer = list->last;
	struct config_prefix prefix;
	int err = grow_allowed(peer);

	if (err)
		return err;
	if (family == AF_INET && len <= 32) {
		prefix.addr = addr_from_v4(octets);
		prefix.len = (uint8_t)(V4_PREFIX_LEN + len);
	} else if (family == AF_INET6 && len <= 128) {
		prefix.addr = addr_from_v6(octets);
		prefix.len = (uint8_t)len;
		/*
		 * Written as IPv6, an IPv4 address would become that IPv4 client's here.  The
		 * kernel takes no packet from such a source, so nobody is behind it.
		 */
		if (addr_is_v4(&prefix.addr) && len >= V4_PREFIX_LEN)
			return 0;
	} else {
		return -EPROTO;
	}
	/* The same prefix is always the same octets. */
	prefix.addr = addr_mask(&prefix.addr, prefix.len);
	peer->allowed[peer->allowed_len++] = prefix;
	return 0;
}

static int compare_prefixes(const void *left, const void *right)
{
	const struct config_prefix *a = left;
	const struct config_prefix *b = right;
	int order = memcmp(a->addr.octet, b->addr.octet, sizeof(a->addr.octet));

	return order ? order : (a->len > b->len) - (a->len < b->len);
}

static int compare_allowed(const struct wireguard_peer *a, const struct wireguard_peer *b)
{
	int order = (a->allowed_len > b->allowed_len) - (a->allowed_len < b->allowed_len);

	for (size_t i = 0; order == 0 && i < a->allowed_len; i++)
		order = compare_prefixes(&a->allowed[i], &b->allowed[i]);
	return order;
}

/* By all there is: the peers of two interfaces with one key need an order, too. */
static int compare_peers(const void *left, const void *right)
{
	const struct wireguard_peer *a = left;
	const struct wireguard_peer *b = right;
	int order = memcmp(a->key.octet, b->key.octet, sizeof(a->key.octet));

	if (order == 0)
		order = compare_allowed(a, b);
	if (order == 0)
		order = (int)a->has_endpoint - (int)b->has_endpoint;
	if (order == 0)
		order = memcmp(a->endpoint.octet, b->endpoint.octet, sizeof(a->endpoint.octet));
	return order;
}

void peer_list_finish(struct peer_list *list, struct wireguard_peers *out)
{
	struct wireguard_peers *peers = &list->peers;

	for (size_t i = 0; i < peers->len; i++) {
		struct wireguard_peer *p = &peers->peer[i];

		if (p->allowed_len > 0)
			qsort(p->allowed, p->allowed_len, sizeof(*p->allowed), compare_prefixes);
	}
	if (peers->len > 0)
		qsort(peers->peer, peers->len, sizeof(*peers->peer), compare_peers);
	*out = *peers;
	*list = (struct peer_list){0};
}

void peer_list_fini(struct peer_list *list)
{
	drop_peers(list, 0);
	free(list->peers.peer);
	*list = (struct peer_list){0};
}

void wireguard_peers_fini(struct wireguard_peers *peers)
{
	for (size_t i = 0; i < peers->len; i++)
		free(peers->peer[i].allowed);
	free(peers->peer);
	*peers = (struct wireguard_peers){0};
}

bool wireguard_peers_equal(const struct wireguard_peers *a, const struct wireguard_peers *b)
{
	if (a->len != b->len)
		return false;
	for (size_t i = 0; i < a->len; i++) {
		if (compare_peers(&a->peer[i], &b->peer[i]) != 0)
			return false;
	}
	return true;
}
