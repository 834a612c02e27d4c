/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The port numbers of one external address: which may be given, which are free.  Choosing
 * uniformly among the free ones costs the same however few they are.
 */
#ifndef TUNMAP_PORTS_H
#define TUNMAP_PORTS_H

#include "include/config.h"
#include "include/gateway.h"

#include <stdbool.h>
#include <stdint.h>

#define PORTS_BLOCK_WORDS 64

struct port_pool {
	struct port_set open;  /* in the pool, and nobody's but the clients' */
	struct port_set taken; /* somebody holds the number, or it rests in quarantine */
	/* Counts of open ports that are not taken, by word and by block of words. */
	uint8_t free_in_word[65536 / 64];
	uint16_t free_in_block[65536 / 64 / PORTS_BLOCK_WORDS];
};

/*
 * Make @pool hold the ports of @range without those of @reserved and without 5350 and 5351,
 * which no client may ever get (RFC 6887 11.3).  Ports that are taken stay taken.  A pool
 * starts as zeros.
 */
void port_pool_open(
	struct port_pool *pool, struct port_range range, const struct port_set *reserved);

/* True when @port may be given to a client at all. */
bool port_pool_is_open(const struct port_pool *pool, uint16_t port);

void port_pool_take(struct port_pool *pool, uint16_t port);
void port_pool_release(struct port_pool *pool, uint16_t port);

/* How many ports are taken. */
uint32_t port_pool_count_taken(const struct port_pool *pool);

/* How many ports of @range are open and not taken. */
uint32_t port_pool_count_free(const struct port_pool *pool, struct port_range range);

/*
 * A port of @range that is open and not taken, each with the same chance when @random is
 * uniform.  Returns 0 when there is none.
 */
uint16_t port_pool_pick(const struct port_pool *pool, struct port_range range, uint64_t random);

/* The ports that need no privilege. */
#define PORTS_UNPRIVILEGED ((struct port_range){1024, 65535})

/*
 * The longest run in @within that holds no port of @pool and none of @in_use: source ports for
 * everybody whose flows are not a mapping's.  { 0, 0 } when there is none.
 */
struct port_range ports_longest_run(
	struct port_range within, struct port_range pool, const struct port_set *in_use);

/* True when @range holds a port of @set. */
bool ports_have_any(struct port_range range, const struct port_set *set);

#endif
