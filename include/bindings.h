/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which tunnel addresses are whose: prefixes from the policy and from WireGuard's peers, single
 * addresses from sessions.  The longest prefix decides; of equal ones a session's before
 * WireGuard's before the policy's.  Pure, like include/lease.h.
 */
#ifndef TUNMAP_BINDINGS_H
#define TUNMAP_BINDINGS_H

#include "include/addr.h"
#include "include/config.h"
#include "include/hash.h"
#include "include/users.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BINDING_NONE    UINT32_MAX
#define BINDING_LENGTHS 129 /* of prefixes: 0 to 128 */

enum binding_source {
	BINDING_POLICY,
	BINDING_WIREGUARD,
	BINDING_SESSION
};

struct binding {
	struct config_prefix prefix; /* without host bits */
	uint32_t user;
	uint32_t next;                       /* same hash; of free entries, the next free */
	uint32_t next_of_user, prev_of_user; /* other bindings of the user */
	uint8_t source;                      /* enum binding_source */
	bool used;
	char id[CONFIG_USER_MAX];     /* of a session; "": none */
	char class[CONFIG_CLASS_MAX]; /* that a session gives its user; "": none */
};

struct bindings {
	struct binding *binding;
	uint32_t *head; /* of hash chains, by prefix */
	uint32_t capacity;
	uint32_t mask;
	uint32_t used; /* entries that were ever in use */
	uint32_t free;
	uint32_t of_length[BINDING_LENGTHS]; /* how many prefixes have each length */
	struct hash_key hash_key;
	struct users *users;
};

size_t bindings_memory(uint32_t capacity);

/* As lease_table_init(). */
void bindings_init(struct bindings *b, void *memory, uint32_t capacity,
	const struct hash_key *hash_key, struct users *users);

/* The binding that decides whose @addr is, or BINDING_NONE. */
uint32_t bindings_match(const struct bindings *b, const struct addr *addr);

/* The binding of exactly this prefix from this source, or BINDING_NONE. */
uint32_t bindings_find(
	const struct bindings *b, const struct config_prefix *prefix, enum binding_source source);

/*
 * Bind a prefix to @user; the source must not have bound it already.  Returns the binding, or
 * BINDING_NONE when the table is full.
 */
uint32_t bindings_add(struct bindings *b, const struct config_prefix *prefix,
	enum binding_source source, uint32_t user);
void bindings_remove(struct bindings *b, uint32_t binding);

/* The prefix that holds @addr alone. */
struct config_prefix prefix_of_host(const struct addr *addr);
bool prefix_has(const struct config_prefix *prefix, const struct addr *addr);

/*
 * The IPv4 address at which a user's static ports are served: the first single one of the
 * policy, else of WireGuard, else of a session, unless it is somebody else's now.  False: none.
 */
bool bindings_home(const struct bindings *b, uint32_t user, struct addr *out);

#endif
