/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "include/nft.h"

#include "include/log.h"
#include "src/nft/handle.h"
#include "src/nft/probe.h"
#include "src/nft/ruleset.h"
#include "src/nft/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_LEN      ((size_t)4 * 1024 * 1024)
#define BATCH_EDITS    ((size_t)4096) /* in one transaction; the engine never has more */
#define BATCH_MESSAGES (BATCH_EDITS * ELEMENT_MESSAGES_MAX)
#define SOCKET_BUFFER  ((size_t)8 * 1024 * 1024) /* BATCH_LEN, and a refusal of every message */
#define SLACK_MS       5000 /* an element that is younger counts as made just now */

static enum nft_error classify(int err)
{
	switch (err) {
	case 0:
		return NFT_OK;
	case -EPERM:
	case -EACCES:
		return NFT_NO_PERMISSION;
	case -EPROTONOSUPPORT:
	case -EAFNOSUPPORT:
	case -EOPNOTSUPP:
	case -ENOENT: /* an expression or a type of chain that is not there */
		return NFT_NO_SUPPORT;
	default:
		return NFT_FAILED;
	}
}

const char *nft_way(const struct nft *nft)
{
	static const char *const way[2][2] = {
		{"renewed by delete and add, removals repeated without what is gone",
			"renewed by delete and add, removals forgive what is gone"},
		{"refreshed in place, removals repeated without what is gone",
			"refreshed in place, removals forgive what is gone"},
	};

	return way[nft->support.refresh][nft->support.destroy];
}

static int open_all(struct nft *nft)
{
	int err = batch_init(&nft->batch, BATCH_LEN, BATCH_MESSAGES);

	if (err)
		return err;
	err = channel_open(&nft->channel, SOCKET_BUFFER);
	if (err)
		return err;
	err = probe_elements(&nft->channel, &nft->batch, &nft->support);
	if (err)
		return err;
	nft->flows = flows_new(&err);
	return err;
}

enum nft_error nft_open(struct nft **out, int *err)
{
	struct nft *nft = calloc(1, sizeof(*nft));

	*err = nft ? open_all(nft) : -ENOMEM;
	if (*err) {
		nft_close(nft);
		return classify(*err);
	}
	log_info("kernel: mappings are %s", nft_way(nft));
	*out = nft;
	return NFT_OK;
}

void nft_close(struct nft *nft)
{
	if (!nft)
		return;
	flows_free(nft->flows);
	outer_fini(&nft->outer);
	channel_close(&nft->channel);
	batch_fini(&nft->batch);
	free(nft);
}

/* The mappings of a table that is about to go. */
struct old {
	struct mapping *mapping;
	size_t len, size;
};

static int take_old_mapping(const struct mapping *m, void *arg)
{
	struct old *old = arg;

	if (old->len == old->size) {
		size_t size = old->size ? 2 * old->size : 256;
		struct mapping *grown = reallocarray(old->mapping, size, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		old->mapping = grown;
		old->size = size;
	}
	old->mapping[old->len++] = *m;
	return 0;
}

static void forget_old_mappings(void *arg)
{
	struct old *old = arg;

	old->len = 0;
}

/*
 * What there was ended with its table.  And what is not in there any more, because it ran out
 * while nobody was there, or because somebody removed the table, was in the pool.
 */
static void end_old_flows(struct nft *nft, const struct old *old, const struct nft_rules *rules,
	const struct gateway *gateway)
{
	for (size_t i = 0; i < old->len; i++)
		flows_add(nft->flows, &old->mapping[i]);
	flows_add_pool(nft->flows, rules->pool, gateway);
	flows_begin(nft->flows);
}

/* Send the batch, which also puts all outer addresses. */
static int commit_with_outer(struct nft *nft)
{
	uint32_t nobody;
	int err = channel_commit(&nft->channel, &nft->batch, &nobody);

	if (!err)
		nft->outer_unsure = false;
	return err;
}

static int replace_table(
	struct nft *nft, const struct nft_rules *rules, const struct gateway *gateway, bool over)
{
	channel_begin(&nft->channel, &nft->batch);
	ruleset_put(&nft->batch, rules, gateway, &nft->outer, over);
	return commit_with_outer(nft);
}

enum nft_error nft_install(
	struct nft *nft, const struct nft_rules *rules, const struct gateway *gateway, int *err)
{
	struct old old = {0};
	enum table_owner owner;

	*err = table_find(&nft->channel, TABLE_NAME, &owner);
	if (*err)
		return classify(*err);
	if (owner == TABLE_FOREIGN) {
		*err = -EEXIST;
		return NFT_FOREIGN_TABLE;
	}
	if (owner == TABLE_OURS)
		*err = table_each_mapping(
			&nft->channel, take_old_mapping, forget_old_mappings, &old);
	if (!*err)
		*err = replace_table(nft, rules, gateway, owner == TABLE_OURS);
	if (!*err)
		end_old_flows(nft, &old, rules, gateway);
	free(old.mapping);
	/* Somebody's table came up since we looked. */
	return *err == -EEXIST ? NFT_FOREIGN_TABLE : classify(*err);
}

int nft_update(struct nft *nft, const struct nft_rules *rules, const struct gateway *gateway)
{
	channel_begin(&nft->channel, &nft->batch);
	ruleset_put_update(&nft->batch, rules, gateway, &nft->outer);
	return commit_with_outer(nft);
}

static int change_outer(struct nft *nft, const struct outer *next)
{
	uint32_t nobody;

	channel_begin(&nft->channel, &nft->batch);
	outer_put_change(&nft->batch, &nft->outer, next);
	return channel_commit(&nft->channel, &nft->batch, &nobody);
}

static int replace_outer(struct nft *nft, const struct outer *next)
{
	channel_begin(&nft->channel, &nft->batch);
	outer_put_flush(&nft->batch);
	outer_put(&nft->batch, next);
	return commit_with_outer(nft);
}

int nft_set_outer(struct nft *nft, const struct addr *addr, size_t len)
{
	struct outer next;
	int err = outer_init(&next, addr, len);

	if (err)
		return err;
	/* Somebody may have removed what the change was to remove. */
	if (nft->outer_unsure || change_outer(nft, &next) < 0) {
		nft->outer_unsure = true;
		err = replace_outer(nft, &next);
	}
	outer_fini(&nft->outer);
	nft->outer = next;
	return err;
}

static bool same_key(const struct mapping *a, const struct mapping *b)
{
	return a->external_port == b->external_port && a->protocol == b->protocol &&
	       addr_equal(&a->external, &b->external);
}

/* A later edit of the same batch may undo what this one did. */
static bool is_last_word(const struct edit *edit, size_t len)
{
	for (size_t i = 1; i < len; i++)
		if (same_key(&edit[0].mapping, &edit[i].mapping))
			return false;
	return true;
}

/*
 * The acknowledgement was lost.  A batch is done as a whole or not at all, so its edits tell,
 * each that no later one touches: when all of them are true, that is what was asked for.
 */
static int read_back(struct nft *nft, const struct edit *edit, size_t len)
{
	log_warning("the kernel's answer was lost; reading back");
	for (size_t i = len; i-- > 0;) {
		int holds;

		if (!is_last_word(&edit[i], len - i))
			continue;
		holds = table_holds(&nft->channel, &edit[i], SLACK_MS);
		if (holds <= 0)
			return holds < 0 ? holds : -ENOBUFS;
	}
	return 0;
}

static int apply(void *self, const struct edit *edit, size_t len, size_t *culprit)
{
	struct nft *nft = self;
	uint32_t owner;
	int err;

	*culprit = len;
	channel_begin(&nft->channel, &nft->batch);
	for (size_t i = 0; i < len; i++) {
		err = element_check_edit(&edit[i]);
		if (err) {
			*culprit = i;
			return err;
		}
		element_put_edit(&nft->batch, &nft->support, &edit[i], (uint32_t)i);
	}
	err = channel_commit(&nft->channel, &nft->batch, &owner);
	if (owner != CHANNEL_NOBODY)
		*culprit = owner;
	return err == -ENOBUFS ? read_back(nft, edit, len) : err;
}

static void end_flows(void *self, const struct mapping *mapping)
{
	struct nft *nft = self;

	flows_add(nft->flows, mapping);
	flows_begin(nft->flows);
}

static void adopt_flows(void *self, const struct mapping *mapping)
{
	struct nft *nft = self;

	flows_adopt(nft->flows, mapping);
	flows_begin(nft->flows);
}

static void end_flows_of(void *self, const struct addr *internal)
{
	struct nft *nft = self;

	flows_add_addr(nft->flows, internal);
	flows_begin(nft->flows);
}

struct backend nft_backend(struct nft *nft)
{
	static const struct backend_ops ops = {.apply = apply,
		.end_flows = end_flows,
		.adopt_flows = adopt_flows,
		.end_flows_of = end_flows_of};

	return (struct backend){.ops = &ops, .self = nft};
}

int nft_flows_fd(const struct nft *nft)
{
	return flows_fd(nft->flows);
}

void nft_flows_continue(struct nft *nft)
{
	flows_continue(nft->flows);
}

bool nft_flows_pending(const struct nft *nft)
{
	return flows_pending(nft->flows);
}
