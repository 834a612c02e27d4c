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

/* The hash of the @len 64-bit words at @word under @key. */
uint64_t hash_words(const struct hash_key *key, const uint64_t *word, size_t len);

#endif
