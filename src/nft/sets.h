/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table's sets: which there are, and what is in those that are not mappings. */
#ifndef TUNMAP_NFT_SETS_H
#define TUNMAP_NFT_SETS_H

#include "include/gateway.h"
#include "include/nft.h"
#include "src/nft/batch.h"

#define SET_TUNNELS  "tunnels"
#define SET_EXTERNAL "external"
#define SET_RESERVED "reserved"

/* Put the creation of every set and map, all empty. */
void sets_put(struct batch *b);

/* Put what empties the sets that sets_fill() fills. */
void sets_flush(struct batch *b);

/* Put the gateway's interfaces, addresses and ports. */
void sets_fill(struct batch *b, const struct nft_rules *rules, const struct gateway *gateway);

/*
 * Put an anonymous set { tcp, udp } for the next rule, which names it by @id, a number that
 * appears once in a batch and is not 0.
 */
void sets_put_transports(struct batch *b, uint32_t id);

/* Put a timed set of addresses for the probe; see probe.c. */
void sets_put_probe(struct batch *b, const char *table, const char *name);

/* Numbers that sets_put() uses for its own sets, beginning with 1. */
#define SETS_IDS_MAX 32

#endif
