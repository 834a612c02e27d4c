/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Numbers for random tests.  Name the seed in every message of such a test; the variable
 * TUNMAP_TEST_SEED brings it back.
 */
#ifndef TUNMAP_TEST_RANDOM_H
#define TUNMAP_TEST_RANDOM_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

struct random {
	unsigned long long seed;
	uint64_t state;
};

static inline struct random random_start(void)
{
	const char *text = getenv("TUNMAP_TEST_SEED");
	struct timespec now = {0};
	struct random r;

	clock_gettime(CLOCK_REALTIME, &now);
	r.seed = text ? strtoull(text, NULL, 0) : (unsigned long long)now.tv_nsec;
	r.state = r.seed;
	return r;
}

/* splitmix64: short, and any seed will do. */
static inline uint64_t random_next(struct random *r)
{
	uint64_t z = r->state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* Below @end. */
static inline uint32_t random_below(struct random *r, uint32_t end)
{
	return (uint32_t)(random_next(r) % end);
}

static inline void random_fill(struct random *r, void *out, size_t len)
{
	uint8_t *at = out;

	for (size_t i = 0; i < len; i++)
		at[i] = (uint8_t)random_next(r);
}

#endif
