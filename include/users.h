/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who is behind an address, what they hold and how fast they may ask.  Until the policy names
 * users, every tunnel address is a user of its own.  Pure, like include/lease.h.
 */
#ifndef TUNMAP_USERS_H
#define TUNMAP_USERS_H

#include "include/addr.h"
#include "include/hash.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define USER_NONE UINT32_MAX

struct user {
	struct addr addr;
	int64_t refilled_ms;
	uint32_t tokens_milli; /* thousandths of a request that may be made at once */
	uint32_t class;        /* index into the configuration's classes */
	uint32_t ports;        /* external port numbers held: what the quota counts */
	uint32_t leases;       /* leases live or resting */
	uint32_t first_lease;  /* head of their chain; LEASE_NONE: none */
	uint32_t next;         /* same hash; of free entries, the next free */
	bool known;
};

struct users {
	struct user *user;
	uint32_t *by_addr; /* heads of hash chains */
	uint32_t capacity;
	uint32_t mask;
	uint32_t used; /* entries that were ever in use */
	uint32_t free;
	uint32_t hand; /* where the search for a user to forget goes on */
	struct hash_key hash_key;
};

size_t users_memory(uint32_t capacity);

/* Make @u empty over the users_memory(@capacity) octets at @memory, which must be zero. */
void users_init(struct users *u, void *memory, uint32_t capacity, const struct hash_key *hash_key);

/*
 * The user behind @addr.  An unknown address becomes a user; when the table is full, one that
 * holds nothing and has been quiet is forgotten for it.  Returns USER_NONE when there is none to
 * forget.
 */
uint32_t users_identify(struct users *u, const struct addr *addr, int64_t now_ms);

/* As users_identify(), but an unknown address stays unknown: USER_NONE. */
uint32_t users_find(const struct users *u, const struct addr *addr);

/*
 * Take one request off the user's allowance of @rate a second with bursts of twice that.
 * Returns false when there is none left.
 */
bool users_admit(struct users *u, uint32_t user, uint32_t rate, int64_t now_ms);

#endif
