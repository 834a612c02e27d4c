/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "include/ports.h"

#include "include/compiler.h"

#define PORT_ANNOUNCE 5350
#define PORT_REQUEST  5351

static uint64_t free_word(const struct port_pool *pool, size_t w)
{
	return pool->open.word[w] & ~pool->taken.word[w];
}

static uint32_t count_bits(uint64_t word)
{
	return (uint32_t)__builtin_popcountll(word);
}

static void recount_word(struct port_pool *pool, size_t w)
{
	uint32_t now = count_bits(free_word(pool, w));
	uint16_t *block = &pool->free_in_block[w / PORTS_BLOCK_WORDS];

	*block = (uint16_t)(*block - pool->free_in_word[w] + now);
	pool->free_in_word[w] = (uint8_t)now;
}

void port_pool_open(
	struct port_pool *pool, struct port_range range, const struct port_set *reserved)
{
	memset(&pool->open, 0, sizeof(pool->open));
	for (uint32_t port = range.first; port <= range.last; port++)
		if (port != PORT_ANNOUNCE && port != PORT_REQUEST &&
			!port_set_has(reserved, (uint16_t)port))
			port_set_add(&pool->open, (uint16_t)port);
	for (size_t w = 0; w < ARRAY_LEN(pool->open.word); w++)
		recount_word(pool, w);
}

bool port_pool_is_open(const struct port_pool *pool, uint16_t port)
{
	return port_set_has(&pool->open, port);
}

void port_pool_take(struct port_pool *pool, uint16_t port)
{
	port_set_add(&pool->taken, port);
	recount_word(pool, port / 64);
}

void port_pool_release(struct port_pool *pool, uint16_t port)
{
	pool->taken.word[port / 64] &= ~(UINT64_C(1) << (port % 64));
	recount_word(pool, port / 64);
}

/* How many free ports are smaller than @port, which may be 65536. */
static uint32_t count_below(const struct port_pool *pool, uint32_t port)
{
	size_t word = port / 64;
	size_t block = word / PORTS_BLOCK_WORDS;
	uint32_t n = 0;

	for (size_t b = 0; b < block; b++)
		n += pool->free_in_block[b];
	for (size_t w = block * PORTS_BLOCK_WORDS; w < word; w++)
		n += pool->free_in_word[w];
	if (port % 64)
		n += count_bits(free_word(pool, word) & ((UINT64_C(1) << (port % 64)) - 1));
	return n;
}

/* The free port that has exactly @n free ports below it; there must be one. */
static uint16_t select_port(const struct port_pool *pool, uint32_t n)
{
	size_t block = 0;
	size_t word;
	uint64_t bits;

	while (n >= pool->free_in_block[block])
		n -= pool->free_in_block[block++];
	word = block * PORTS_BLOCK_WORDS;
	while (n >= pool->free_in_word[word])
		n -= pool->free_in_word[word++];
	bits = free_word(pool, word);
	while (n--)
		bits &= bits - 1;
	return (uint16_t)(word * 64 + (size_t)__builtin_ctzll(bits));
}

uint32_t port_pool_count_taken(const struct port_pool *pool)
{
	uint32_t n = 0;

	for (size_t w = 0; w < ARRAY_LEN(pool->taken.word); w++)
		n += count_bits(pool->taken.word[w]);
	return n;
}

uint32_t port_pool_count_free(const struct port_pool *pool, struct port_range range)
{
	return count_below(pool, range.last + 1u) - count_below(pool, range.first);
}

uint16_t port_pool_pick(const struct port_pool *pool, struct port_range range, uint64_t random)
{
	uint32_t below = count_below(pool, range.first);
	uint32_t n = count_below(pool, range.last + 1u) - below;

	/* At most 65,536 of 2^64 values: the remainder's bias is below 2^-48. */
	return n ? select_port(pool, below + (uint32_t)(random % n)) : 0;
}

struct port_range ports_longest_run(
	struct port_range within, struct port_range pool, const struct port_set *in_use)
{
	struct port_range best = {0, 0};
	uint32_t best_len = 0;
	uint32_t len = 0;

	for (uint32_t port = within.first; port <= within.last; port++) {
		bool usable = (port < pool.first || port > pool.last) &&
			      !port_set_has(in_use, (uint16_t)port);

		len = usable ? len + 1 : 0;
		if (len > best_len) {
			best_len = len;
			best = (struct port_range){(uint16_t)(port - len + 1), (uint16_t)port};
		}
	}
	return best;
}

bool ports_have_any(struct port_range range, const struct port_set *set)
{
	for (uint32_t port = range.first; port <= range.last; port++)
		if (port_set_has(set, (uint16_t)port))
			return true;
	return false;
}
