/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The whole table as one transaction.  What it says is at the head of ruleset.c. */
#ifndef TUNMAP_NFT_RULESET_H
#define TUNMAP_NFT_RULESET_H

#include "include/gateway.h"
#include "include/nft.h"
#include "src/nft/batch.h"
#include "src/nft/outer.h"

/* Put the table with chains, rules, sets and their contents.  @over: in place of one of ours. */
void ruleset_put(struct batch *b, const struct nft_rules *rules, const struct gateway *gateway,
	const struct outer *outer, bool over);

/* Put what brings the rules and sets of a standing table in line; mappings stay. */
void ruleset_put_update(struct batch *b, const struct nft_rules *rules,
	const struct gateway *gateway, const struct outer *outer);

/* Put a chain of @table hooked into NAT before routing, for the probe. */
void ruleset_put_probe_chain(struct batch *b, const char *table);

#endif
