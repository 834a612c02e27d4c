/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/nft/conntrack.h"

#include "include/log.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>

#define READ_LEN    65536
#define DELETIONS   65536
#define REQUEST_LEN 512

static struct nlmsghdr *put_header(uint8_t *at, uint16_t type, uint16_t flags, uint8_t family)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(at);
	struct nfgenmsg *nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));

	nlh->nlmsg_type = (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | type);
	nlh->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	nfg->nfgen_family = family;
	nfg->version = NFNETLINK_V0;
	return nlh;
}

static int ask(struct conntrack *c, uint16_t type, uint16_t flags)
{
	_Alignas(struct nlmsghdr) uint8_t request[REQUEST_LEN] = {0};
	struct nlmsghdr *nlh = put_header(request, type, flags, NFPROTO_UNSPEC);

	nlh->nlmsg_seq = ++c->seq;
	return mnl_socket_sendto(c->reading, nlh, nlh->nlmsg_len) < 0 ? -errno : 0;
}

int conntrack_start_dump(struct conntrack *c)
{
	int err = ask(c, IPCTNL_MSG_CT_GET, NLM_F_DUMP);

	c->dump_seq = c->seq;
	return err;
}

ssize_t conntrack_receive(struct conntrack *c)
{
	ssize_t got;

	do {
		got = recv(mnl_socket_get_fd(c->reading), c->answer, READ_LEN, MSG_DONTWAIT);
	} while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

void conntrack_discard(struct conntrack *c)
{
	while (conntrack_receive(c) >= 0)
		;
}

/* Missing entries ended by themselves, which is as good.  The answers are errors only. */
static void drain_deletions(struct conntrack *c)
{
	int err = 0;

	for (;;) {
		_Alignas(struct nlmsghdr) uint8_t answer[4096];
		ssize_t got =
			recv(mnl_socket_get_fd(c->deleting), answer, sizeof(answer), MSG_DONTWAIT);
		const struct nlmsghdr *nlh = (const void *)answer;

		if (got < 0 && (errno == EINTR || errno == ENOBUFS))
			continue;
		if (got < (ssize_t)sizeof(*nlh))
			break;
		if (nlh->nlmsg_type == NLMSG_ERROR &&
			mnl_nlmsg_get_payload_len(nlh) >= sizeof(struct nlmsgerr)) {
			const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);

			if (e->error && e->error != -ENOENT)
				err = e->error;
		}
	}
	if (err)
		log_error("cannot end a flow: %s", strerror(-err));
}

void conntrack_send_deletions(struct conntrack *c)
{
	ssize_t sent;

	if (!c->request_len)
		return;
	do {
		sent = send(mnl_socket_get_fd(c->deleting), c->request, c->request_len, 0);
	} while (sent < 0 && errno == EINTR);
	if (sent < 0)
		log_error("cannot end flows: %s", strerror(errno));
	c->request_len = 0;
	drain_deletions(c);
}

/* Repeat an attribute of the kernel's as it is. */
static bool put_copy(struct nlmsghdr *nlh, size_t room, uint16_t type, const struct nlattr *attr)
{
	return !attr || mnl_attr_put_check(nlh, room, type, mnl_attr_get_payload_len(attr),
				mnl_attr_get_payload(attr));
}

/* The entry's own number goes along: the same tuple may be a younger flow's by now. */
static bool put_deletion(struct conntrack *c, const struct flow *flow)
{
	size_t room = DELETIONS - c->request_len;
	struct nlmsghdr *nlh;

	if (room < REQUEST_LEN)
		return false;
	nlh = put_header(
		c->request + c->request_len, IPCTNL_MSG_CT_DELETE, 0, flow->family->nfproto);
	nlh->nlmsg_seq = ++c->seq;
	if (!put_copy(nlh, room, CTA_TUPLE_ORIG | NLA_F_NESTED, flow->tuple) ||
		!put_copy(nlh, room, CTA_ID, flow->id) ||
		!put_copy(nlh, room, CTA_ZONE, flow->zone))
		return false;
	c->request_len += nlh->nlmsg_len;
	return true;
}

void conntrack_delete(struct conntrack *c, const struct flow *flow)
{
	if (put_deletion(c, flow))
		return;
	conntrack_send_deletions(c);
	if (!put_deletion(c, flow))
		log_error("cannot end a flow: %s", strerror(EMSGSIZE));
}

int conntrack_fd(const struct conntrack *c)
{
	return mnl_socket_get_fd(c->reading);
}

static int open_socket(struct mnl_socket **out)
{
	*out = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (!*out || mnl_socket_bind(*out, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	return 0;
}

static int ignore_message(const struct nlmsghdr *nlh, void *data)
{
	(void)nlh;
	(void)data;
	return MNL_CB_OK;
}

/* Does anybody answer?  The number of entries costs nothing. */
static int check_answer(struct conntrack *c)
{
	int err = ask(c, IPCTNL_MSG_CT_GET_STATS, NLM_F_ACK);
	int more = MNL_CB_OK;

	if (err)
		return err;
	while (more == MNL_CB_OK) {
		ssize_t got = mnl_socket_recvfrom(c->reading, c->answer, READ_LEN);

		if (got < 0)
			return -errno;
		more = mnl_cb_run(c->answer, (size_t)got, c->seq, mnl_socket_get_portid(c->reading),
			ignore_message, NULL);
	}
	/* A subsystem that is not there is an invalid one. */
	if (more < 0)
		return errno == EINVAL ? -EOPNOTSUPP : -errno;
	return 0;
}

int conntrack_open(struct conntrack *c)
{
	int on = 1;
	int err;

	*c = (struct conntrack){.answer = malloc(READ_LEN), .request = calloc(1, DELETIONS)};
	if (!c->answer || !c->request)
		return -ENOMEM;
	err = open_socket(&c->reading);
	if (!err)
		err = open_socket(&c->deleting);
	if (err)
		return err;
	(void)mnl_socket_setsockopt(c->deleting, NETLINK_CAP_ACK, &on, sizeof(on));
	return check_answer(c);
}

void conntrack_close(struct conntrack *c)
{
	if (c->reading)
		(void)mnl_socket_close(c->reading);
	if (c->deleting)
		(void)mnl_socket_close(c->deleting);
	free(c->answer);
	free(c->request);
}
