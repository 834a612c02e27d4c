/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/nft/channel.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

/* Elements may run out between two attempts, but hardly so often. */
#define ATTEMPTS_MAX 16

/* What came back for one transaction. */
struct answers {
	const struct batch *batch;
	bool acknowledged;
	bool lost;      /* the socket overflowed: some answers are missing */
	size_t missing; /* optional messages that found nothing */
	int err;        /* the first refusal, 0 without one */
	uint32_t owner; /* who was refused, or CHANNEL_NOBODY */
};

/* The limits of the system apply to whoever may not force them; then large batches are refused. */
static void enlarge(int fd, int force, int plain, int octets)
{
	if (setsockopt(fd, SOL_SOCKET, force, &octets, sizeof(octets)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, plain, &octets, sizeof(octets));
}

int channel_open(struct channel *c, size_t buffer)
{
	int on = 1;
	int err;

	memset(c, 0, sizeof(*c));
	c->nl = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (!c->nl || mnl_socket_bind(c->nl, 0, MNL_SOCKET_AUTOPID) < 0) {
		err = -errno;
		goto fail;
	}
	c->answer = malloc(CHANNEL_RECEIVE_LEN);
	if (!c->answer) {
		err = -ENOMEM;
		goto fail;
	}
	enlarge(mnl_socket_get_fd(c->nl), SO_SNDBUFFORCE, SO_SNDBUF, (int)buffer);
	enlarge(mnl_socket_get_fd(c->nl), SO_RCVBUFFORCE, SO_RCVBUF, (int)buffer);
	/* An error quotes the header of its message, not the whole of it. */
	(void)mnl_socket_setsockopt(c->nl, NETLINK_CAP_ACK, &on, sizeof(on));
	c->portid = mnl_socket_get_portid(c->nl);
	c->seq = (uint32_t)time(NULL);
	return 0;
fail:
	channel_close(c);
	return err;
}

void channel_close(struct channel *c)
{
	if (c->nl)
		(void)mnl_socket_close(c->nl);
	free(c->answer);
	memset(c, 0, sizeof(*c));
}

void channel_begin(struct channel *c, struct batch *b)
{
	batch_begin(b, c->seq);
}

static ssize_t receive(const struct channel *c, int flags)
{
	ssize_t got;

	do {
		got = recv(mnl_socket_get_fd(c->nl), c->answer, CHANNEL_RECEIVE_LEN, flags);
	} while (got < 0 && errno == EINTR);
	return got;
}

static void take_refusal(struct answers *a, size_t index, int err)
{
	struct batch_mark *mark = &a->batch->mark[index];

	if (mark->optional && err == -ENOENT) {
		mark->dropped = true;
		a->missing++;
	} else if (!a->err || a->owner == CHANNEL_NOBODY) {
		a->err = err;
		a->owner = mark->owner;
	}
}

/* @n counts from the begin message; those that are not of this batch answer an earlier one. */
static void take_answer(struct answers *a, uint32_t n, int err)
{
	if (n > a->batch->count)
		return;
	if (!err) {
		if (n == a->batch->count)
			a->acknowledged = true;
	} else if (n) {
		take_refusal(a, n - 1, err);
	} else if (!a->err) {
		a->err = err; /* the batch as a whole, by its begin message */
	}
}

static void take_buffer(const struct channel *c, struct answers *a, size_t len)
{
	const struct nlmsghdr *nlh = (const void *)c->answer;
	int left = (int)len;

	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);

		if (nlh->nlmsg_type == NLMSG_ERROR && mnl_nlmsg_get_payload_len(nlh) >= sizeof(*e))
			take_answer(a, nlh->nlmsg_seq - a->batch->seq, e->error);
	}
}

/* Netlink is synchronous: whatever there is to say has been said when sending returns. */
static int exchange(struct channel *c, struct answers *a)
{
	ssize_t got;

	do {
		got = send(mnl_socket_get_fd(c->nl), a->batch->buf, a->batch->len, 0);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	for (;;) {
		got = receive(c, MSG_DONTWAIT);
		if (got >= 0)
			take_buffer(c, a, (size_t)got);
		else if (errno == ENOBUFS)
			a->lost = true;
		else
			break;
	}
	return 0;
}

int channel_commit(struct channel *c, struct batch *b, uint32_t *owner)
{
	int err = batch_finish(b);

	*owner = CHANNEL_NOBODY;
	if (err)
		return err;
	for (int attempt = 0; attempt < ATTEMPTS_MAX && b->count; attempt++) {
		struct answers a = {.batch = b, .owner = CHANNEL_NOBODY};

		c->seq += (uint32_t)b->count + 2;
		err = exchange(c, &a);
		if (err)
			/* The sender's ENOBUFS means that nothing was sent. */
			return err == -ENOBUFS ? -ENOMEM : err;
		*owner = a.owner;
		if (a.err)
			return a.err;
		if (!a.missing)
			return a.acknowledged && !a.lost ? 0 : -ENOBUFS;
		batch_compact(b, c->seq);
	}
	return b->count ? -ENOENT : 0;
}

struct reader {
	int (*read)(const struct nlmsghdr *nlh, void *arg);
	void *arg;
	int err;
};

static int read_one(const struct nlmsghdr *nlh, void *data)
{
	struct reader *r = data;

	/* After an error the rest is read all the same, so that no answer is left on the socket. */
	if (r->read && !r->err)
		r->err = r->read(nlh, r->arg);
	return MNL_CB_OK;
}

int channel_ask(struct channel *c, struct nlmsghdr *nlh,
	int (*read)(const struct nlmsghdr *nlh, void *arg), void *arg)
{
	struct reader reader = {.read = read, .arg = arg};
	uint32_t seq = c->seq++;
	int more = MNL_CB_OK;

	nlh->nlmsg_seq = seq;
	if (mnl_socket_sendto(c->nl, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	while (more == MNL_CB_OK) {
		ssize_t got = receive(c, 0);

		if (got < 0)
			return -errno;
		more = mnl_cb_run(c->answer, (size_t)got, seq, c->portid, read_one, &reader);
		if (more < 0 && errno == EPROTO)
			more = MNL_CB_OK; /* it answers an earlier request */
		else if (more < 0)
			return -errno;
	}
	return reader.err;
}
