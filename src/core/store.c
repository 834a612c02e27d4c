/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/core/store.h"

#include "include/users.h"

#define PORT_HEADS ((size_t)GATEWAY_EXTERNALS_MAX * 65536)

size_t lease_table_memory(uint32_t capacity)
{
	return capacity * (sizeof(struct lease_node) + sizeof(uint32_t)) +
	       (hash_chains(capacity) + PORT_HEADS) * sizeof(uint32_t);
}

/*
 * Chains hold a node's index plus one, so that memory which is zero is a table that is
 * empty, and a large table costs nothing until it fills.
 */
static uint32_t head_get(uint32_t stored)
{
	return stored - 1; /* 0 becomes LEASE_NONE */
}

static uint32_t head_put(uint32_t n)
{
	return n + 1;
}

void lease_table_init(struct lease_table *t, void *memory, uint32_t capacity,
	const struct hash_key *hash_key, struct users *users)
{
	memset(t, 0, sizeof(*t));
	t->node = memory;
	t->heap = (uint32_t *)(void *)(t->node + capacity);
	t->by_key = t->heap + capacity;
	t->by_port = t->by_key + hash_chains(capacity);
	t->capacity = capacity;
	t->key_mask = hash_chains(capacity) - 1;
	t->free = LEASE_NONE;
	t->hash_key = *hash_key;
	t->users = users;
}

uint32_t store_free_node(const struct lease_table *t)
{
	if (t->free != LEASE_NONE)
		return t->free;
	return t->used < t->capacity ? t->used : LEASE_NONE;
}

/* Heap of ends: the parent of place i is (i - 1) / 2. */

static int64_t heap_end(const struct lease_table *t, uint32_t place)
{
	return t->node[t->heap[place]].lease.ends_ms;
}

static void heap_set(struct lease_table *t, uint32_t place, uint32_t n)
{
	t->heap[place] = n;
	t->node[n].heap_at = place;
}

static void heap_swap(struct lease_table *t, uint32_t a, uint32_t b)
{
	uint32_t n = t->heap[a];

	heap_set(t, a, t->heap[b]);
	heap_set(t, b, n);
}

static uint32_t heap_rise(struct lease_table *t, uint32_t place)
{
	while (place > 0 && heap_end(t, place) < heap_end(t, (place - 1) / 2)) {
		heap_swap(t, place, (place - 1) / 2);
		place = (place - 1) / 2;
	}
	return place;
}

static void heap_sink(struct lease_table *t, uint32_t place)
{
	for (;;) {
		uint32_t least = place;

		for (uint32_t child = 2 * place + 1; child <= 2 * place + 2; child++)
			if (child < t->heap_len && heap_end(t, child) < heap_end(t, least))
				least = child;
		if (least == place)
			return;
		heap_swap(t, place, least);
		place = least;
	}
}

static void heap_restore(struct lease_table *t, uint32_t place)
{
	heap_sink(t, heap_rise(t, place));
}

static void heap_insert(struct lease_table *t, uint32_t n)
{
	heap_set(t, t->heap_len, n);
	heap_rise(t, t->heap_len++);
}

static void heap_remove(struct lease_table *t, uint32_t n)
{
	uint32_t place = t->node[n].heap_at;

	t->heap_len--;
	if (place == t->heap_len)
		return;
	heap_set(t, place, t->heap[t->heap_len]);
	heap_restore(t, place);
}

/* The index by internal tuple. */

static uint32_t *key_head(const struct lease_table *t, const struct addr *internal,
	uint8_t protocol, uint16_t internal_port)
{
	uint64_t word[3];

	memcpy(word, internal->octet, sizeof(internal->octet));
	word[2] = (uint64_t)protocol << 16 | internal_port;
	return &t->by_key[hash_words(&t->hash_key, word, ARRAY_LEN(word)) & t->key_mask];
}

uint32_t store_first_of_key(const struct lease_table *t, const struct addr *internal,
	uint8_t protocol, uint16_t internal_port)
{
	return head_get(*key_head(t, internal, protocol, internal_port));
}

bool store_has_key(const struct lease *l, const struct addr *internal, uint8_t protocol,
	uint16_t internal_port)
{
	return l->internal_port == internal_port && l->protocol == protocol &&
	       addr_equal(&l->internal, internal);
}

static void key_link(struct lease_table *t, uint32_t n)
{
	const struct lease *l = &t->node[n].lease;
	uint32_t *head = key_head(t, &l->internal, l->protocol, l->internal_port);

	t->node[n].next_of_key = head_get(*head);
	*head = head_put(n);
}

static void key_unlink(struct lease_table *t, uint32_t n)
{
	const struct lease *l = &t->node[n].lease;
	uint32_t *head = key_head(t, &l->internal, l->protocol, l->internal_port);
	uint32_t at = head_get(*head);

	if (at == n) {
		*head = head_put(t->node[n].next_of_key);
		return;
	}
	while (t->node[at].next_of_key != n)
		at = t->node[at].next_of_key;
	t->node[at].next_of_key = t->node[n].next_of_key;
}

/* The index by external port number, and with it the port pool and the user's quota. */

static uint32_t *port_head(const struct lease_table *t, uint32_t external, uint16_t port)
{
	return &t->by_port[(size_t)external << 16 | port];
}

uint32_t store_first_of_port(const struct lease_table *t, uint32_t external, uint16_t port)
{
	return head_get(*port_head(t, external, port));
}

bool store_counts(const struct lease *l)
{
	return l->origin != MAPPING_STATIC && (l->state == LEASE_LIVE || !l->rests_free);
}

static bool counts(const struct lease *l, bool resting_too)
{
	return store_counts(l) && (resting_too || l->state == LEASE_LIVE);
}

/* Does one of @user's leases on the port number count, resting ones taken in or not? */
static bool user_has_port(const struct lease_table *t, uint32_t user, uint32_t external,
	uint16_t port, bool resting_too)
{
	uint32_t at = store_first_of_port(t, external, port);

	while (at != LEASE_NONE &&
		(t->node[at].lease.user != user || !counts(&t->node[at].lease, resting_too)))
		at = t->node[at].next_of_port;
	return at != LEASE_NONE;
}

/* What the lease @l adds to its user's counts while it is not in its port's chain. */
static void count_port(struct lease_table *t, const struct lease *l, uint32_t by)
{
	struct user *user = &t->users->user[l->user];

	if (counts(l, true) && !user_has_port(t, l->user, l->external, l->external_port, true))
		user->claimed += by;
	if (counts(l, false) && !user_has_port(t, l->user, l->external, l->external_port, false))
		user->ports += by;
}

static void port_link(struct lease_table *t, uint32_t n)
{
	const struct lease *l = &t->node[n].lease;
	uint32_t *head = port_head(t, l->external, l->external_port);

	count_port(t, l, 1);
	if (head_get(*head) == LEASE_NONE)
		port_pool_take(&t->pool[l->external], l->external_port);
	t->node[n].next_of_port = head_get(*head);
	*head = head_put(n);
}

static void port_unlink(struct lease_table *t, uint32_t n)
{
	const struct lease *l = &t->node[n].lease;
	uint32_t *head = port_head(t, l->external, l->external_port);
	uint32_t at = head_get(*head);

	if (at == n) {
		*head = head_put(t->node[n].next_of_port);
	} else {
		while (t->node[at].next_of_port != n)
			at = t->node[at].next_of_port;
		t->node[at].next_of_port = t->node[n].next_of_port;
	}
	if (head_get(*head) == LEASE_NONE)
		port_pool_release(&t->pool[l->external], l->external_port);
	count_port(t, l, UINT32_MAX); /* minus one */
}

/* The leases of a user. */

static void user_link(struct lease_table *t, uint32_t n)
{
	struct lease_node *node = &t->node[n];
	struct user *user = &t->users->user[node->lease.user];

	node->prev_of_user = LEASE_NONE;
	node->next_of_user = user->first_lease;
	if (user->first_lease != LEASE_NONE)
		t->node[user->first_lease].prev_of_user = n;
	user->first_lease = n;
	user->leases++;
}

static void user_unlink(struct lease_table *t, uint32_t n)
{
	struct lease_node *node = &t->node[n];
	struct user *user = &t->users->user[node->lease.user];

	if (node->prev_of_user == LEASE_NONE)
		user->first_lease = node->next_of_user;
	else
		t->node[node->prev_of_user].next_of_user = node->next_of_user;
	if (node->next_of_user != LEASE_NONE)
		t->node[node->next_of_user].prev_of_user = node->prev_of_user;
	user->leases--;
}

/* Free nodes: a chain of those used before, then those never used. */

/* Mostly the first of the chain; undoing changes takes back a certain one. */
static void free_take(struct lease_table *t, uint32_t n)
{
	uint32_t at = t->free;

	if (n == t->used) {
		t->used++;
		return;
	}
	if (at == n) {
		t->free = t->node[n].next_of_key;
		return;
	}
	while (t->node[at].next_of_key != n)
		at = t->node[at].next_of_key;
	t->node[at].next_of_key = t->node[n].next_of_key;
}

static void free_give(struct lease_table *t, uint32_t n)
{
	t->node[n].lease.state = LEASE_FREE;
	t->node[n].next_of_key = t->free;
	t->free = n;
}

static void unlink_node(struct lease_table *t, uint32_t n)
{
	t->live -= t->node[n].lease.state == LEASE_LIVE;
	heap_remove(t, n);
	key_unlink(t, n);
	port_unlink(t, n);
	user_unlink(t, n);
}

static void link_node(struct lease_table *t, uint32_t n)
{
	heap_insert(t, n);
	key_link(t, n);
	port_link(t, n);
	user_link(t, n);
	t->live += t->node[n].lease.state == LEASE_LIVE;
}

/* True when @b can take @a's place without another index but the heap changing. */
static bool same_places(const struct lease *a, const struct lease *b)
{
	return a->state == b->state && a->user == b->user && counts(a, true) == counts(b, true) &&
	       a->external == b->external && a->external_port == b->external_port &&
	       store_has_key(a, &b->internal, b->protocol, b->internal_port);
}

void store_put(struct lease_table *t, uint32_t n, const struct lease *value)
{
	struct lease_node *node = &t->node[n];

	if (node->lease.state != LEASE_FREE && same_places(&node->lease, value)) {
		node->lease = *value;
		heap_restore(t, node->heap_at);
		return;
	}
	if (node->lease.state != LEASE_FREE)
		unlink_node(t, n);
	else
		free_take(t, n);
	if (value->state == LEASE_FREE) {
		free_give(t, n);
		return;
	}
	node->lease = *value;
	link_node(t, n);
}
