/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/nft/batch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>

#include <libmnl/libmnl.h>

/* Always kept free at the end of the buffer, so that batch_finish() cannot fail for room. */
#define EDGE (sizeof(struct nlmsghdr) + sizeof(struct nfgenmsg))

_Static_assert(EDGE % MNL_ALIGNTO == 0, "headers are not padded");

int batch_init(struct batch *b, size_t size, size_t messages_max)
{
	memset(b, 0, sizeof(*b));
	b->buf = calloc(1, size);
	b->mark = calloc(messages_max, sizeof(*b->mark));
	if (!b->buf || !b->mark) {
		batch_fini(b);
		return -ENOMEM;
	}
	b->size = size;
	b->marks_max = messages_max;
	return 0;
}

void batch_fini(struct batch *b)
{
	free(b->buf);
	free(b->mark);
	memset(b, 0, sizeof(*b));
}

static struct nlmsghdr *put_header(
	struct batch *b, uint16_t type, uint16_t flags, uint32_t seq, uint8_t family, uint16_t res)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(b->buf + b->len);
	struct nfgenmsg *nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	nlh->nlmsg_seq = seq;
	nfg->nfgen_family = family;
	nfg->version = NFNETLINK_V0;
	nfg->res_id = htons(res);
	return nlh;
}

static void put_edge(struct batch *b, uint16_t type, uint32_t seq)
{
	const struct nlmsghdr *nlh =
		put_header(b, type, 0, seq, NFPROTO_UNSPEC, NFNL_SUBSYS_NFTABLES);

	b->len += nlh->nlmsg_len;
}

void batch_begin(struct batch *b, uint32_t seq)
{
	b->len = 0;
	b->count = 0;
	b->last = 0;
	b->seq = seq;
	b->open = NULL;
	b->err = 0;
	put_edge(b, NFNL_MSG_BATCH_BEGIN, seq);
}

void batch_fail(struct batch *b, int err)
{
	if (!b->err)
		b->err = err;
	b->open = NULL;
}

void batch_open(struct batch *b, uint16_t type, uint16_t flags, uint32_t owner, bool optional)
{
	if (b->err)
		return;
	if (b->count == b->marks_max || b->size - b->len < 2 * EDGE) {
		batch_fail(b, -EMSGSIZE);
		return;
	}
	b->mark[b->count] = (struct batch_mark){.owner = owner, .optional = optional};
	b->open = put_header(b, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), flags,
		b->seq + 1 + (uint32_t)b->count, NFPROTO_INET, 0);
}

void batch_close(struct batch *b)
{
	if (!b->open)
		return;
	b->last = b->len;
	b->len += b->open->nlmsg_len;
	b->count++;
	b->open = NULL;
}

/* How long the open message may become. */
static size_t limit(const struct batch *b)
{
	return b->size - b->len - EDGE;
}

static size_t padding(size_t len)
{
	return -len & (MNL_ALIGNTO - 1);
}

void batch_put(struct batch *b, uint16_t type, const void *data, size_t len)
{
	if (!b->open)
		return;
	if (!mnl_attr_put_check(b->open, limit(b), type, len, data)) {
		batch_fail(b, -EMSGSIZE);
		return;
	}
	/* The library leaves in the padding what an earlier message had there. */
	memset((uint8_t *)b->open + b->open->nlmsg_len - padding(len), 0, padding(len));
}

void batch_put_str(struct batch *b, uint16_t type, const char *text)
{
	batch_put(b, type, text, strlen(text) + 1);
}

void batch_put_u32(struct batch *b, uint16_t type, uint32_t value)
{
	if (b->open && !mnl_attr_put_u32_check(b->open, limit(b), type, htonl(value)))
		batch_fail(b, -EMSGSIZE);
}

void batch_put_u64(struct batch *b, uint16_t type, uint64_t value)
{
	uint32_t half[2] = {htonl((uint32_t)(value >> 32)), htonl((uint32_t)value)};

	batch_put(b, type, half, sizeof(half));
}

struct nlattr *batch_nest(struct batch *b, uint16_t type)
{
	struct nlattr *nest;

	if (!b->open)
		return NULL;
	nest = mnl_attr_nest_start_check(b->open, limit(b), type);
	if (!nest)
		batch_fail(b, -EMSGSIZE);
	return nest;
}

void batch_nest_end(struct batch *b, struct nlattr *nest)
{
	if (b->open && nest)
		mnl_attr_nest_end(b->open, nest);
}

struct nlmsghdr *batch_room(struct batch *b, size_t room)
{
	if (b->open && limit(b) < b->open->nlmsg_len + room)
		batch_fail(b, -EMSGSIZE);
	return b->open;
}

/* The header of the message that begins @at octets into the buffer. */
static struct nlmsghdr *message_at(const struct batch *b, size_t at)
{
	return (struct nlmsghdr *)(void *)(b->buf + at);
}

static void put_end(struct batch *b)
{
	if (b->count)
		message_at(b, b->last)->nlmsg_flags |= NLM_F_ACK;
	put_edge(b, NFNL_MSG_BATCH_END, b->seq + 1 + (uint32_t)b->count);
}

int batch_finish(struct batch *b)
{
	if (b->err)
		return b->err;
	put_end(b);
	return 0;
}

void batch_compact(struct batch *b, uint32_t seq)
{
	size_t count = b->count;
	size_t from = EDGE;

	batch_begin(b, seq);
	for (size_t i = 0; i < count; i++) {
		size_t len = message_at(b, from)->nlmsg_len;

		if (!b->mark[i].dropped) {
			struct nlmsghdr *nlh = message_at(b, b->len);

			memmove(nlh, message_at(b, from), len);
			nlh->nlmsg_seq = seq + 1 + (uint32_t)b->count;
			nlh->nlmsg_flags &= (uint16_t)~NLM_F_ACK;
			b->mark[b->count++] = b->mark[i];
			b->last = b->len;
			b->len += len;
		}
		from += len;
	}
	put_end(b);
}
