/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/nft/probe.h"

#include "src/nft/compat.h"
#include "src/nft/ruleset.h"
#include "src/nft/sets.h"
#include "src/nft/table.h"

#include <errno.h>
#include <linux/netlink.h>

/* A table that sleeps: none of its hooks sees a packet. */
#define PROBE_TABLE "tunmap_probe"
#define PROBE_SET   "probe"

#define LONG_MS  3600000
#define SHORT_MS 1800000

static const uint8_t key[4] = {192, 0, 2, 1};
static const uint8_t missing_key[4] = {192, 0, 2, 2};

/* The element that all is tried on.  A deletion has no @left_ms. */
static void put_element(
	struct batch *b, uint16_t type, uint16_t flags, const uint8_t *octets, uint64_t left_ms)
{
	struct nlattr *list, *nest, *value;

	batch_open(b, type, flags, 0, false);
	batch_put_str(b, NFTA_SET_ELEM_LIST_TABLE, PROBE_TABLE);
	batch_put_str(b, NFTA_SET_ELEM_LIST_SET, PROBE_SET);
	list = batch_nest(b, NFTA_SET_ELEM_LIST_ELEMENTS);
	nest = batch_nest(b, NFTA_LIST_ELEM);
	value = batch_nest(b, NFTA_SET_ELEM_KEY);
	batch_put(b, NFTA_DATA_VALUE, octets, sizeof(key));
	batch_nest_end(b, value);
	if (left_ms) {
		batch_put_u64(b, NFTA_SET_ELEM_TIMEOUT, LONG_MS);
		batch_put_u64(b, NFTA_SET_ELEM_EXPIRATION, left_ms);
	}
	batch_nest_end(b, nest);
	batch_nest_end(b, list);
	batch_close(b);
}

/* The table of a probe that was killed is ours to replace; anybody else's stays. */
static int make_table(struct channel *c, struct batch *b)
{
	enum table_owner owner;
	uint32_t nobody;
	int err = table_find(c, PROBE_TABLE, &owner);

	/* A subsystem that is not there is an invalid one. */
	if (err)
		return err == -EINVAL ? -EOPNOTSUPP : err;
	if (owner == TABLE_FOREIGN)
		return -EEXIST;
	channel_begin(c, b);
	if (owner == TABLE_OURS)
		table_put_delete(b, PROBE_TABLE);
	table_put(b, PROBE_TABLE, NFT_TABLE_F_DORMANT, NLM_F_EXCL);
	ruleset_put_probe_chain(b, PROBE_TABLE);
	sets_put_probe(b, PROBE_TABLE, PROBE_SET);
	put_element(b, NFT_MSG_NEWSETELEM, NLM_F_CREATE, key, SHORT_MS);
	return channel_commit(c, b, &nobody);
}

static int remove_table(struct channel *c, struct batch *b)
{
	uint32_t nobody;

	channel_begin(c, b);
	table_put_delete(b, PROBE_TABLE);
	return channel_commit(c, b, &nobody);
}

/* Older kernels say yes and do nothing. */
static int try_refresh(struct channel *c, struct batch *b, bool *can)
{
	uint64_t left_ms;
	uint32_t nobody;
	int err;

	channel_begin(c, b);
	put_element(b, NFT_MSG_NEWSETELEM, NLM_F_CREATE, key, LONG_MS);
	err = channel_commit(c, b, &nobody);
	if (err)
		return err;
	err = table_element_left(c, PROBE_TABLE, PROBE_SET, key, sizeof(key), &left_ms);
	*can = !err && left_ms > (SHORT_MS + LONG_MS) / 2;
	return err;
}

/* Older kernels know no such message. */
static bool can_destroy(struct channel *c, struct batch *b)
{
	uint32_t nobody;

	channel_begin(c, b);
	put_element(b, COMPAT_MSG_DESTROYSETELEM, 0, missing_key, 0);
	return channel_commit(c, b, &nobody) == 0;
}

int probe_elements(struct channel *c, struct batch *b, struct element_support *support)
{
	int err = make_table(c, b);
	int removed;

	*support = (struct element_support){0};
	if (err)
		return err;
	err = try_refresh(c, b, &support->refresh);
	support->destroy = can_destroy(c, b);
	removed = remove_table(c, b);
	return err ? err : removed;
}
