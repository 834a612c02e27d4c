/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed hash, so that a client who chooses
 * ports cannot choose collisions.
 */
#ifndef TUNMAP_HASH_H
#define TUNMAP_HASH_H

#include <stddef.h>
#include <stdint.h>

#define HASH_KEY_LEN 16

struct hash_key {
	uint64_t k0;
	uint64_t k1;
};

/* The number of hash chains for @capacity entries: a power of two, one entry a chain on average. */
static inline uint32_t hash_chains(uint32_t capacity)
{
	uint32_t n = 1;

	while (n < capacity)
		n *= 2;
	return n;
}

/* The hash of the @len 64-bit words at @word under @key. */
uint64_t hash_words(const struct hash_key *key, const uint64_t *word, size_t len);

#endif
