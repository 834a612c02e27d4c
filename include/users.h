/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who may ask, what they hold and how fast they ask.  A user has a name, from the policy or a
 * session; an address that no user claims is a user of its own, without a name.  Pure, like
 * include/lease.h.
 */
#ifndef TUNMAP_USERS_H
#define TUNMAP_USERS_H

#include "include/addr.h"
#include "include/config.h"
#include "include/hash.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define USER_NONE UINT32_MAX

struct user {
	char name[CONFIG_USER_MAX]; /* "": the user is the address @addr */
	struct addr addr;
	int64_t refilled_ms;
	int64_t banned_until_ms; /* 0: not banned; INT64_MAX: until lifted */
	uint32_t tokens_milli;   /* thousandths of a request that may be made at once */
	uint32_t class;          /* of a named user: index into the configuration's classes */
	uint32_t ports;          /* external port numbers with a live lease, static ones aside */
	uint32_t claimed;        /* those, and numbers that rest: what the quota counts */
	uint32_t leases;         /* leases live or resting */
	uint32_t first_lease;    /* head of their chain; LEASE_NONE: none */
	uint32_t first_binding; /* head of the chain of this user's addresses; BINDING_NONE: none */
	uint32_t next;          /* same hash; of free entries, the next free */
	bool known;
	bool in_policy; /* the policy names this user */
};

struct users {
	struct user *user;
	uint32_t *head; /* of hash chains, by name or address */
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

/* The user that is the address @addr, or USER_NONE. */
uint32_t users_find_address(const struct users *u, const struct addr *addr);

/*
 * The user that is the address @addr, made if need be.  When the table is full, a user that
 * holds nothing and has been quiet is forgotten for it; USER_NONE when there is none to forget.
 */
uint32_t users_take_address(struct users *u, const struct addr *addr, int64_t now_ms);

/* The user of that name, or USER_NONE. */
uint32_t users_find_name(const struct users *u, const char *name);

/* The user of that name, made if need be, without a class; USER_NONE when the table is full. */
uint32_t users_take_name(struct users *u, const char *name, int64_t now_ms);

/* Forget all users who hold nothing, are nobody's word any more and have been quiet. */
void users_forget_idle(struct users *u, int64_t now_ms);

/*
 * Take one request off the user's allowance of @rate a second with bursts of twice that.
 * Returns false when there is none left.
 */
bool users_admit(struct users *u, uint32_t user, uint32_t rate, int64_t now_ms);

static inline bool user_is_banned(const struct user *user, int64_t now_ms)
{
	return user->banned_until_ms > now_ms;
}

#endif
