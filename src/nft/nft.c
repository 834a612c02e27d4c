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

static void log_support(const struct element_support *s)
{
	log_info("kernel: timeouts are refreshed %s, missing elements are deleted %s",
		s->refresh ? "in place" : "by deletion and addition",
		s->destroy ? "silently" : "with an error");
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
	log_support(&nft->support);
	*out = nft;
	return NFT_OK;
}

void nft_close(struct nft *nft)
{
	if (!nft)
		return;
	flows_free(nft->flows);
	channel_close(&nft->channel);
	batch_fini(&nft->batch);
	free(nft);
}

static int take_old_mapping(const struct mapping *m, void *arg)
{
	return flows_add(arg, m);
}

static void forget_old_mappings(void *arg)
{
	flows_forget(arg);
}

/* The old table's mappings end with it, and so do those that ran out while nobody was there. */
static int queue_old_flows(
	struct nft *nft, const struct nft_rules *rules, const struct gateway *gateway)
{
	int err = table_each_mapping(
		&nft->channel, take_old_mapping, forget_old_mappings, nft->flows);

	if (!err)
		flows_add_pool(nft->flows, rules->pool, gateway);
	return err;
}

static int replace_table(
	struct nft *nft, const struct nft_rules *rules, const struct gateway *gateway, bool over)
{
	uint32_t nobody;

	channel_begin(&nft->channel, &nft->batch);
	ruleset_put(&nft->batch, rules, gateway, over);
	return channel_commit(&nft->channel, &nft->batch, &nobody);
}

enum nft_error nft_install(
	struct nft *nft, const struct nft_rules *rules, const struct gateway *gateway, int *err)
{
	enum table_owner owner;

	*err = table_find(&nft->channel, TABLE_NAME, &owner);
	if (*err)
		return classify(*err);
	if (owner == TABLE_FOREIGN) {
		*err = -EEXIST;
		return NFT_FOREIGN_TABLE;
	}
	if (owner == TABLE_OURS)
		*err = queue_old_flows(nft, rules, gateway);
	if (!*err)
		*err = replace_table(nft, rules, gateway, owner == TABLE_OURS);
	if (*err) {
		flows_forget(nft->flows);
		/* Somebody's table came up since we looked. */
		return *err == -EEXIST ? NFT_FOREIGN_TABLE : classify(*err);
	}
	flows_begin(nft->flows);
	return NFT_OK;
}

int nft_update(struct nft *nft, const struct nft_rules *rules, const struct gateway *gateway)
{
	uint32_t nobody;

	channel_begin(&nft->channel, &nft->batch);
	ruleset_put_update(&nft->batch, rules, gateway);
	return channel_commit(&nft->channel, &nft->batch, &nobody);
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
	int err = flows_add(nft->flows, mapping);

	if (err)
		log_error("cannot end the flows of a mapping: %s", strerror(-err));
	flows_begin(nft->flows);
}

struct backend nft_backend(struct nft *nft)
{
	static const struct backend_ops ops = {.apply = apply, .end_flows = end_flows};

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
