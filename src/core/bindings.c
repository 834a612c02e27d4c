/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "include/bindings.h"

#include "include/compiler.h"

#define ADDR_BITS 128
#define IPV4_BITS 32

size_t bindings_memory(uint32_t capacity)
{
	return capacity * sizeof(struct binding) + hash_chains(capacity) * sizeof(uint32_t);
}

void bindings_init(struct bindings *b, void *memory, uint32_t capacity,
	const struct hash_key *hash_key, struct users *users)
{
	memset(b, 0, sizeof(*b));
	b->binding = memory;
	b->head = (uint32_t *)(void *)(b->binding + capacity);
	b->capacity = capacity;
	b->mask = hash_chains(capacity) - 1;
	b->free = BINDING_NONE;
	b->hash_key = *hash_key;
	b->users = users;
}

static struct addr mask_addr(const struct addr *addr, unsigned len)
{
	struct addr masked = *addr;

	for (unsigned i = 0; i < sizeof(masked.octet); i++) {
		unsigned kept = len > i * 8 ? len - i * 8 : 0;

		if (kept < 8)
			masked.octet[i] &= (uint8_t)(0xff00u >> kept);
	}
	return masked;
}

struct config_prefix prefix_of_host(const struct addr *addr)
{
	return (struct config_prefix){.addr = *addr, .len = ADDR_BITS};
}

/* The shortest prefix that may hold @addr: a wide IPv6 prefix does not mean mapped IPv4 as well. */
static unsigned shortest_for(const struct addr *addr)
{
	return addr_is_v4(addr) ? ADDR_BITS - IPV4_BITS : 0;
}

bool prefix_has(const struct config_prefix *prefix, const struct addr *addr)
{
	struct addr masked = mask_addr(addr, prefix->len);

	return prefix->len >= shortest_for(addr) && addr_equal(&masked, &prefix->addr);
}

/* Heads hold an index plus one, as in the table of leases: zeroed memory is an empty table. */
static uint32_t *head_of(const struct bindings *b, const struct config_prefix *prefix)
{
	uint64_t word[3];

	memcpy(word, prefix->addr.octet, sizeof(prefix->addr.octet));
	word[2] = prefix->len;
	return &b->head[hash_words(&b->hash_key, word, ARRAY_LEN(word)) & b->mask];
}

static bool is_prefix(const struct binding *binding, const struct config_prefix *prefix)
{
	return binding->prefix.len == prefix->len &&
	       addr_equal(&binding->prefix.addr, &prefix->addr);
}

uint32_t bindings_find(
	const struct bindings *b, const struct config_prefix *prefix, enum binding_source source)
{
	uint32_t at = *head_of(b, prefix) - 1;

	while (at != BINDING_NONE &&
		(b->binding[at].source != source || !is_prefix(&b->binding[at], prefix)))
		at = b->binding[at].next;
	return at;
}

/* Of the bindings of one prefix, that of the source that knows best. */
static uint32_t best_of_prefix(const struct bindings *b, const struct config_prefix *prefix)
{
	uint32_t best = BINDING_NONE;

	for (uint32_t at = *head_of(b, prefix) - 1; at != BINDING_NONE; at = b->binding[at].next)
		if (is_prefix(&b->binding[at], prefix) &&
			(best == BINDING_NONE || b->binding[at].source > b->binding[best].source))
			best = at;
	return best;
}

uint32_t bindings_match(const struct bindings *b, const struct addr *addr)
{
	for (unsigned len = BINDING_LENGTHS; len-- > shortest_for(addr);) {
		struct config_prefix prefix = {.len = (uint8_t)len};
		uint32_t found;

		if (b->of_length[len] == 0)
			continue;
		prefix.addr = mask_addr(addr, len);
		found = best_of_prefix(b, &prefix);
		if (found != BINDING_NONE)
			return found;
	}
	return BINDING_NONE;
}

static uint32_t free_entry(struct bindings *b)
{
	uint32_t n = b->free;

	if (n != BINDING_NONE)
		b->free = b->binding[n].next;
	else if (b->used < b->capacity)
		n = b->used++;
	return n;
}

static void user_link(struct bindings *b, uint32_t n)
{
	struct binding *binding = &b->binding[n];
	struct user *user = &b->users->user[binding->user];

	binding->prev_of_user = BINDING_NONE;
	binding->next_of_user = user->first_binding;
	if (user->first_binding != BINDING_NONE)
		b->binding[user->first_binding].prev_of_user = n;
	user->first_binding = n;
}

static void user_unlink(struct bindings *b, uint32_t n)
{
	const struct binding *binding = &b->binding[n];

	if (binding->prev_of_user == BINDING_NONE)
		b->users->user[binding->user].first_binding = binding->next_of_user;
	else
		b->binding[binding->prev_of_user].next_of_user = binding->next_of_user;
	if (binding->next_of_user != BINDING_NONE)
		b->binding[binding->next_of_user].prev_of_user = binding->prev_of_user;
}

uint32_t bindings_add(struct bindings *b, const struct config_prefix *prefix,
	enum binding_source source, uint32_t user)
{
	uint32_t n = free_entry(b);
	uint32_t *head = head_of(b, prefix);

	if (n == BINDING_NONE)
		return BINDING_NONE;
	b->binding[n] = (struct binding){
		.prefix = *prefix,
		.user = user,
		.next = *head - 1,
		.source = (uint8_t)source,
		.used = true,
	};
	*head = n + 1;
	b->of_length[prefix->len]++;
	user_link(b, n);
	return n;
}

void bindings_remove(struct bindings *b, uint32_t binding)
{
	struct binding *gone = &b->binding[binding];
	uint32_t *head = head_of(b, &gone->prefix);
	uint32_t at = *head - 1;

	if (at == binding) {
		*head = gone->next + 1;
	} else {
		while (b->binding[at].next != binding)
			at = b->binding[at].next;
		b->binding[at].next = gone->next;
	}
	b->of_length[gone->prefix.len]--;
	user_unlink(b, binding);
	gone->used = false;
	gone->next = b->free;
	b->free = binding;
}

bool bindings_home(const struct bindings *b, uint32_t user, struct addr *out)
{
	uint32_t best = BINDING_NONE;

	/* The chain begins with the latest, and the first is wanted. */
	for (uint32_t at = b->users->user[user].first_binding; at != BINDING_NONE;
		at = b->binding[at].next_of_user) {
		const struct binding *binding = &b->binding[at];
		const struct addr *addr = &binding->prefix.addr;

		if (binding->prefix.len != ADDR_BITS || !addr_is_v4(addr) ||
			b->binding[bindings_match(b, addr)].user != user)
			continue;
		if (best == BINDING_NONE || binding->source <= b->binding[best].source)
			best = at;
	}
	if (best != BINDING_NONE)
		*out = b->binding[best].prefix.addr;
	return best != BINDING_NONE;
}
