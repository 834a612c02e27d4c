/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "include/users.h"

#include "include/bindings.h"
#include "include/compiler.h"
#include "include/lease.h"

#define BURST_S       INT64_C(2) /* seconds' worth of requests that may come at once */
#define FORGET_STEPS  64         /* entries looked at to find one to forget */
#define MILLI         1000
#define USER_QUIET_MS (BURST_S * 1000) /* after so long every allowance is full again */

size_t users_memory(uint32_t capacity)
{
	return capacity * sizeof(struct user) + hash_chains(capacity) * sizeof(uint32_t);
}

void users_init(struct users *u, void *memory, uint32_t capacity, const struct hash_key *hash_key)
{
	memset(u, 0, sizeof(*u));
	u->user = memory;
	u->head = (uint32_t *)(void *)(u->user + capacity);
	u->capacity = capacity;
	u->mask = hash_chains(capacity) - 1;
	u->free = USER_NONE;
	u->hash_key = *hash_key;
}

static uint32_t *head_of_words(const struct users *u, const uint64_t *word, size_t len)
{
	/* Heads hold an index plus one, as in the table of leases: zeroed memory is an empty table.
	 */
	return &u->head[hash_words(&u->hash_key, word, len) & u->mask];
}

static uint32_t *head_of_address(const struct users *u, const struct addr *addr)
{
	uint64_t word[2];

	memcpy(word, addr->octet, sizeof(addr->octet));
	return head_of_words(u, word, ARRAY_LEN(word));
}

static uint32_t *head_of_name(const struct users *u, const char *name)
{
	uint64_t word[CONFIG_USER_MAX / sizeof(uint64_t)] = {0};

	memcpy(word, name, strnlen(name, sizeof(word)));
	return head_of_words(u, word, ARRAY_LEN(word));
}

static uint32_t *head_of(const struct users *u, const struct user *user)
{
	return user->name[0] ? head_of_name(u, user->name) : head_of_address(u, &user->addr);
}

uint32_t users_find_address(const struct users *u, const struct addr *addr)
{
	uint32_t n = *head_of_address(u, addr) - 1;

	while (n != USER_NONE && (u->user[n].name[0] || !addr_equal(&u->user[n].addr, addr)))
		n = u->user[n].next;
	return n;
}

uint32_t users_find_name(const struct users *u, const char *name)
{
	uint32_t n = *head_of_name(u, name) - 1;

	while (n != USER_NONE && strncmp(u->user[n].name, name, sizeof(u->user[n].name)) != 0)
		n = u->user[n].next;
	return n;
}

static void forget(struct users *u, uint32_t n)
{
	struct user *user = &u->user[n];
	uint32_t *head = head_of(u, user);
	uint32_t at = *head - 1;

	if (at == n) {
		*head = user->next + 1;
	} else {
		while (u->user[at].next != n)
			at = u->user[at].next;
		u->user[at].next = user->next;
	}
	user->known = false;
	user->next = u->free;
	u->free = n;
}

static bool may_be_forgotten(const struct user *user, int64_t now_ms)
{
	return user->known && user->leases == 0 && !user->in_policy &&
	       user->first_binding == BINDING_NONE && !user_is_banned(user, now_ms) &&
	       now_ms - user->refilled_ms >= USER_QUIET_MS;
}

/* Forget at most one user, looking at a bounded number of entries from where the last search ended.
 */
static void forget_somebody(struct users *u, int64_t now_ms)
{
	for (int i = 0; i < FORGET_STEPS; i++) {
		uint32_t n = u->hand;

		u->hand = (u->hand + 1) % u->capacity;
		if (may_be_forgotten(&u->user[n], now_ms)) {
			forget(u, n);
			return;
		}
	}
}

void users_forget_idle(struct users *u, int64_t now_ms)
{
	for (uint32_t n = 0; n < u->used; n++)
		if (may_be_forgotten(&u->user[n], now_ms))
			forget(u, n);
}

static uint32_t free_entry(struct users *u, int64_t now_ms)
{
	uint32_t n;

	if (u->free == USER_NONE && u->used < u->capacity)
		return u->used++;
	if (u->free == USER_NONE)
		forget_somebody(u, now_ms);
	n = u->free;
	if (n != USER_NONE)
		u->free = u->user[n].next;
	return n;
}

static uint32_t add(struct users *u, const struct user *value)
{
	uint32_t n = free_entry(u, value->refilled_ms);
	uint32_t *head;

	if (n == USER_NONE)
		return USER_NONE;
	head = head_of(u, value);
	u->user[n] = *value;
	u->user[n].refilled_ms -= USER_QUIET_MS;
	u->user[n].first_lease = LEASE_NONE;
	u->user[n].first_binding = BINDING_NONE;
	u->user[n].next = *head - 1;
	u->user[n].known = true;
	*head = n + 1;
	return n;
}

uint32_t users_take_address(struct users *u, const struct addr *addr, int64_t now_ms)
{
	uint32_t n = users_find_address(u, addr);

	if (n != USER_NONE)
		return n;
	return add(u, &(struct user){.addr = *addr, .refilled_ms = now_ms});
}

uint32_t users_take_name(struct users *u, const char *name, int64_t now_ms)
{
	struct user value = {.refilled_ms = now_ms};
	uint32_t n = users_find_name(u, name);

	if (n != USER_NONE)
		return n;
	memcpy(value.name, name, strnlen(name, sizeof(value.name) - 1));
	return add(u, &value);
}

bool users_admit(struct users *u, uint32_t user, uint32_t rate, int64_t now_ms)
{
	struct user *who = &u->user[user];
	int64_t full = (int64_t)rate * BURST_S * MILLI;
	int64_t passed_ms = now_ms - who->refilled_ms;
	int64_t tokens = full;
	bool admitted;

	/* A thousandth of a request a millisecond, for each request a second. */
	if (passed_ms < USER_QUIET_MS && who->tokens_milli + passed_ms * rate < full)
		tokens = who->tokens_milli + passed_ms * rate;
	who->refilled_ms = now_ms;
	admitted = tokens >= MILLI;
	who->tokens_milli = (uint32_t)(admitted ? tokens - MILLI : tokens);
	return admitted;
}
