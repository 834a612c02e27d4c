/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/nft/flows.h"

#include "include/log.h"
#include "src/nft/compat.h"
#include "src/nft/ended.h"
#include "src/nft/family.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>

#define READ_LEN     65536
#define READS_MAX    16 /* of READ_LEN octets, in one call of flows_continue() */
#define DELETIONS    65536
#define REQUEST_LEN  512
#define FILTERED_MAX 4 /* mappings that are worth dumps of their own, filtered by the kernel */
#define SIDES        2 /* a filtered dump for flows that came in, and one for those that left */
#define FAILURES_MAX 3 /* attempts to read the entries before a pass is given up */

/* Flows at a gateway's own pool, whatever mapping they came by. */
struct pool_sweep {
	bool wanted;
	struct port_range pool;
	struct addr addr[GATEWAY_EXTERNALS_MAX];
	size_t len;
};

struct pass {
	struct ended_set ended;
	struct pool_sweep sweep;
};

struct flows {
	struct mnl_socket *reading;
	struct mnl_socket *deleting;
	uint32_t seq;
	uint32_t dump_seq; /* of the dump that is being read */
	bool kernel_filters;

	struct pass queued;
	struct pass pass; /* the running one */
	bool running;
	bool knocked; /* the pass begins with the answer to flows_begin()'s question */
	unsigned int failures;
	size_t deleted;
	/* A pass reads all entries at once, or has a filtered dump for each side of each mapping.
	 */
	struct ended filtered[FILTERED_MAX];
	size_t dump;
	size_t dumps;

	uint8_t *answer;  /* READ_LEN octets */
	uint8_t *request; /* DELETIONS octets of messages to be sent */
	size_t request_len;
};

/* An entry of conntrack, so far as it matters. */
struct flow {
	const struct family *family;
	const struct nlattr *tuple; /* of its first packet, as the kernel wrote it */
	const struct nlattr *id;
	const struct nlattr *zone;
	uint32_t status;
	uint8_t protocol;
	struct flow_end from, to;             /* of its first packet */
	struct flow_end reply_from, reply_to; /* of the answer that is expected */
};

/* The attributes of one level of a message, by type; those of newer kernels are left out. */
struct attributes {
	uint16_t max;
	const struct nlattr *attr[CTA_MAX + 1];
};

static int take_attribute(const struct nlattr *attr, void *data)
{
	struct attributes *a = data;
	uint16_t type = mnl_attr_get_type(attr);

	if (type <= a->max)
		a->attr[type] = attr;
	return MNL_CB_OK;
}

static bool parse_nested(const struct nlattr *nest, struct attributes *a, uint16_t max)
{
	memset(a, 0, sizeof(*a));
	a->max = max;
	return nest && mnl_attr_parse_nested(nest, take_attribute, a) >= 0;
}

static bool read_addr(const struct family *f, const struct nlattr *attr, struct addr *out)
{
	if (!attr || mnl_attr_get_payload_len(attr) < f->addr_len)
		return false;
	*out = family_addr(f, mnl_attr_get_payload(attr));
	return true;
}

static bool read_port(const struct nlattr *attr, uint16_t *out)
{
	if (!attr || mnl_attr_get_payload_len(attr) < sizeof(uint16_t))
		return false;
	*out = ntohs(mnl_attr_get_u16(attr));
	return true;
}

static bool read_tuple(const struct family *f, const struct nlattr *tuple, uint8_t *protocol,
	struct flow_end *from, struct flow_end *to)
{
	struct attributes parts, ip, proto;

	if (!parse_nested(tuple, &parts, CTA_TUPLE_MAX) ||
		!parse_nested(parts.attr[CTA_TUPLE_IP], &ip, CTA_IP_MAX) ||
		!parse_nested(parts.attr[CTA_TUPLE_PROTO], &proto, CTA_PROTO_MAX))
		return false;
	if (!proto.attr[CTA_PROTO_NUM] || !mnl_attr_get_payload_len(proto.attr[CTA_PROTO_NUM]))
		return false;
	*protocol = mnl_attr_get_u8(proto.attr[CTA_PROTO_NUM]);
	return read_addr(f, ip.attr[f->ct_source], &from->addr) &&
	       read_addr(f, ip.attr[f->ct_destination], &to->addr) &&
	       read_port(proto.attr[CTA_PROTO_SRC_PORT], &from->port) &&
	       read_port(proto.attr[CTA_PROTO_DST_PORT], &to->port);
}

static const struct family *family_by_number(uint8_t nfproto)
{
	for (size_t i = 0; i < FAMILIES; i++)
		if (families[i].nfproto == nfproto)
			return &families[i];
	return NULL;
}

/* False for what has no ports, or a family without mappings. */
static bool read_flow(const struct nlmsghdr *nlh, struct flow *out)
{
	const struct nfgenmsg *nfg = mnl_nlmsg_get_payload(nlh);
	struct attributes a = {.max = CTA_MAX};

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*nfg) ||
		mnl_attr_parse(nlh, sizeof(*nfg), take_attribute, &a) < 0)
		return false;
	out->family = family_by_number(nfg->nfgen_family);
	out->tuple = a.attr[CTA_TUPLE_ORIG];
	out->id = a.attr[CTA_ID];
	out->zone = a.attr[CTA_ZONE];
	if (!out->family || !a.attr[CTA_STATUS] ||
		mnl_attr_get_payload_len(a.attr[CTA_STATUS]) < sizeof(out->status))
		return false;
	out->status = ntohl(mnl_attr_get_u32(a.attr[CTA_STATUS]));
	return read_tuple(out->family, out->tuple, &out->protocol, &out->from, &out->to) &&
	       read_tuple(out->family, a.attr[CTA_TUPLE_REPLY], &out->protocol, &out->reply_from,
		       &out->reply_to);
}

static bool sweep_has(const struct pool_sweep *s, const struct flow_end *end)
{
	if (!s->wanted || end->port < s->pool.first || end->port > s->pool.last)
		return false;
	for (size_t i = 0; i < s->len; i++)
		if (addr_equal(&s->addr[i], &end->addr))
			return true;
	return false;
}

static bool is_ended(const struct pass *p, const struct flow *flow)
{
	if (!(flow->status & IPS_NAT_MASK))
		return false;
	/* It came in through a mapping, or left through one. */
	if (ended_has(&p->ended, flow->protocol, &flow->reply_from, &flow->to) ||
		ended_has(&p->ended, flow->protocol, &flow->from, &flow->reply_to))
		return true;
	return (flow->status & IPS_DST_NAT && sweep_has(&p->sweep, &flow->to)) ||
	       (flow->status & IPS_SRC_NAT && sweep_has(&p->sweep, &flow->reply_to));
}

/* Missing entries ended by themselves, which is as good.  The answers are errors only. */
static void drain_deletions(struct flows *f)
{
	int err = 0;

	for (;;) {
		_Alignas(struct nlmsghdr) uint8_t answer[4096];
		ssize_t got =
			recv(mnl_socket_get_fd(f->deleting), answer, sizeof(answer), MSG_DONTWAIT);
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

static void send_deletions(struct flows *f)
{
	ssize_t sent;

	if (!f->request_len)
		return;
	do {
		sent = send(mnl_socket_get_fd(f->deleting), f->request, f->request_len, 0);
	} while (sent < 0 && errno == EINTR);
	if (sent < 0)
		log_error("cannot end flows: %s", strerror(errno));
	f->request_len = 0;
	drain_deletions(f);
}

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

/* Repeat an attribute of the kernel's as it is. */
static bool put_copy(struct nlmsghdr *nlh, size_t room, uint16_t type, const struct nlattr *attr)
{
	return !attr || mnl_attr_put_check(nlh, room, type, mnl_attr_get_payload_len(attr),
				mnl_attr_get_payload(attr));
}

/* The entry's own number goes along: the same tuple may be a younger flow's by now. */
static bool put_deletion(struct flows *f, const struct flow *flow)
{
	size_t room = DELETIONS - f->request_len;
	struct nlmsghdr *nlh;

	if (room < REQUEST_LEN)
		return false;
	nlh = put_header(
		f->request + f->request_len, IPCTNL_MSG_CT_DELETE, 0, flow->family->nfproto);
	nlh->nlmsg_seq = ++f->seq;
	if (!put_copy(nlh, room, CTA_TUPLE_ORIG | NLA_F_NESTED, flow->tuple) ||
		!put_copy(nlh, room, CTA_ID, flow->id) ||
		!put_copy(nlh, room, CTA_ZONE, flow->zone))
		return false;
	f->request_len += nlh->nlmsg_len;
	return true;
}

static void delete_flow(struct flows *f, const struct flow *flow)
{
	f->deleted++;
	if (put_deletion(f, flow))
		return;
	send_deletions(f);
	if (!put_deletion(f, flow))
		log_error("cannot end a flow: %s", strerror(EMSGSIZE));
}

/* Netlink's way to say which fields of a tuple a dump is filtered by, and their values. */
struct tuple_filter {
	uint16_t tuple;                   /* CTA_TUPLE_ORIG or CTA_TUPLE_REPLY */
	uint16_t flags;                   /* CTA_FILTER_ORIG_FLAGS or CTA_FILTER_REPLY_FLAGS */
	const struct flow_end *from, *to; /* one of them */
};

static uint32_t filter_fields(const struct tuple_filter *t)
{
	return t->from ? COMPAT_TUPLE_IP_SRC | COMPAT_TUPLE_PROTO_NUM | COMPAT_TUPLE_SRC_PORT
		       : COMPAT_TUPLE_IP_DST | COMPAT_TUPLE_PROTO_NUM | COMPAT_TUPLE_DST_PORT;
}

static bool put_tuple(struct nlmsghdr *nlh, const struct family *family, uint8_t protocol,
	const struct tuple_filter *t)
{
	const struct flow_end *end = t->from ? t->from : t->to;
	struct nlattr *tuple, *nest;
	bool ok;

	tuple = mnl_attr_nest_start_check(nlh, REQUEST_LEN, t->tuple);
	nest = mnl_attr_nest_start_check(nlh, REQUEST_LEN, CTA_TUPLE_IP);
	if (!tuple || !nest)
		return false;
	ok = mnl_attr_put_check(nlh, REQUEST_LEN,
		t->from ? family->ct_source : family->ct_destination, family->addr_len,
		family_octets(family, &end->addr));
	mnl_attr_nest_end(nlh, nest);
	nest = mnl_attr_nest_start_check(nlh, REQUEST_LEN, CTA_TUPLE_PROTO);
	if (!nest)
		return false;
	ok = ok && mnl_attr_put_u8_check(nlh, REQUEST_LEN, CTA_PROTO_NUM, protocol) &&
	     mnl_attr_put_u16_check(nlh, REQUEST_LEN,
		     t->from ? CTA_PROTO_SRC_PORT : CTA_PROTO_DST_PORT, htons(end->port));
	mnl_attr_nest_end(nlh, nest);
	mnl_attr_nest_end(nlh, tuple);
	return ok;
}

/* Both ends of a mapping show in an entry, each in one of its two tuples. */
static bool put_filter(struct nlmsghdr *nlh, const struct ended *e, bool came_in)
{
	const struct family *family = family_of(&e->internal.addr);
	const struct tuple_filter filter[] = {
		{.tuple = CTA_TUPLE_ORIG,
			.flags = CTA_FILTER_ORIG_FLAGS,
			.from = came_in ? NULL : &e->internal,
			.to = came_in ? &e->external : NULL},
		{.tuple = CTA_TUPLE_REPLY,
			.flags = CTA_FILTER_REPLY_FLAGS,
			.from = came_in ? &e->internal : NULL,
			.to = came_in ? NULL : &e->external},
	};
	struct nlattr *nest;
	bool ok = true;

	for (size_t i = 0; i < ARRAY_LEN(filter); i++)
		ok = ok && put_tuple(nlh, family, e->protocol, &filter[i]);
	nest = mnl_attr_nest_start_check(nlh, REQUEST_LEN, CTA_FILTER);
	if (!nest)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(filter); i++)
		ok = ok && mnl_attr_put_u32_check(
				   nlh, REQUEST_LEN, filter[i].flags, filter_fields(&filter[i]));
	mnl_attr_nest_end(nlh, nest);
	return ok;
}

static bool is_filtered(const struct flows *f)
{
	return f->kernel_filters && !f->pass.sweep.wanted && f->pass.ended.len <= FILTERED_MAX;
}

static int start_dump(struct flows *f)
{
	_Alignas(struct nlmsghdr) uint8_t request[REQUEST_LEN] = {0};
	const struct ended *e = is_filtered(f) ? &f->filtered[f->dump / SIDES] : NULL;
	struct nlmsghdr *nlh = put_header(request, IPCTNL_MSG_CT_GET, NLM_F_DUMP,
		e ? family_of(&e->internal.addr)->nfproto : NFPROTO_UNSPEC);

	f->dump_seq = ++f->seq;
	nlh->nlmsg_seq = f->dump_seq;
	if (e && !put_filter(nlh, e, f->dump % SIDES == 0))
		return -EMSGSIZE;
	return mnl_socket_sendto(f->reading, nlh, nlh->nlmsg_len) < 0 ? -errno : 0;
}

/* Copy out what the dumps of a pass are filtered by. */
static void plan_dumps(struct flows *f)
{
	size_t len = 0;

	f->dump = 0;
	f->dumps = 1;
	if (!is_filtered(f))
		return;
	for (size_t i = 0; i < f->pass.ended.slots; i++)
		if (f->pass.ended.slot[i].protocol)
			f->filtered[len++] = f->pass.ended.slot[i];
	f->dumps = len * SIDES;
}

static bool is_queued(const struct flows *f)
{
	return f->queued.ended.len || f->queued.sweep.wanted;
}

static void end_pass(struct flows *f)
{
	log_debug("ended %zu flows", f->deleted);
	ended_clear(&f->pass.ended);
	f->running = false;
}

/* What waits on the socket belongs to a dump that nobody wants any more. */
static void discard_answers(struct flows *f)
{
	while (recv(mnl_socket_get_fd(f->reading), f->answer, READ_LEN, MSG_DONTWAIT) >= 0)
		;
}

static void start_dumps(struct flows *f)
{
	int err;

	plan_dumps(f);
	err = start_dump(f);
	/* A dump that is not read to its end keeps the next from beginning. */
	for (unsigned int i = 0; err && i < FAILURES_MAX; i++) {
		discard_answers(f);
		err = start_dump(f);
	}
	if (err) {
		log_error("cannot read the kernel's flows: %s", strerror(-err));
		end_pass(f);
	}
}

static void start_pass(struct flows *f)
{
	f->pass = f->queued;
	memset(&f->queued, 0, sizeof(f->queued));
	f->knocked = false;
	f->failures = 0;
	f->deleted = 0;
	start_dumps(f);
}

/* Ask for the number of entries, which costs nothing. */
static int knock(struct flows *f, uint16_t flags)
{
	_Alignas(struct nlmsghdr) uint8_t request[REQUEST_LEN] = {0};
	struct nlmsghdr *nlh = put_header(request, IPCTNL_MSG_CT_GET_STATS, flags, NFPROTO_UNSPEC);

	f->dump_seq = ++f->seq;
	nlh->nlmsg_seq = f->dump_seq;
	return mnl_socket_sendto(f->reading, nlh, nlh->nlmsg_len) < 0 ? -errno : 0;
}

/*
 * A dump's first piece is made while it is being asked for, and a filtered one goes through all
 * entries for it.  So that the caller need not wait, and one pass serves all mappings that end
 * together, the question here only makes the socket readable.
 */
void flows_begin(struct flows *f)
{
	if (f->running || !is_queued(f))
		return;
	f->running = true;
	f->knocked = true;
	if (knock(f, 0) < 0)
		start_pass(f);
}

/* One dump of the pass has been read to its end. */
static void finish_dump(struct flows *f)
{
	int err = 0;

	if (++f->dump < f->dumps)
		err = start_dump(f);
	else
		end_pass(f);
	if (err) {
		log_error("cannot read the kernel's flows: %s", strerror(-err));
		end_pass(f);
	}
}

/* The dump broke off.  The pass begins anew, without the kernel's filters if those were it. */
static void fail_dump(struct flows *f, int err)
{
	if (f->knocked) {
		start_pass(f);
	} else if (is_filtered(f) && (err == -EINVAL || err == -EOPNOTSUPP)) {
		log_info("the kernel does not filter flows: %s", strerror(-err));
		f->kernel_filters = false;
		start_dumps(f);
	} else if (++f->failures < FAILURES_MAX) {
		discard_answers(f);
		start_dumps(f);
	} else {
		log_error("cannot read the kernel's flows: %s", strerror(-err));
		end_pass(f);
	}
}

/* How a dump ended: what its last message carries, 0 or -errno. */
static int dump_result(const struct nlmsghdr *nlh)
{
	int32_t result = 0;

	if (mnl_nlmsg_get_payload_len(nlh) >= sizeof(result))
		memcpy(&result, mnl_nlmsg_get_payload(nlh), sizeof(result));
	return result;
}

/* Returns false when the dump is over and a new one may have begun. */
static bool read_buffer(struct flows *f, size_t len)
{
	const struct nlmsghdr *nlh = (const void *)f->answer;
	int left = (int)len;

	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		struct flow flow;

		if (nlh->nlmsg_seq != f->dump_seq)
			continue;
		if (f->knocked) {
			start_pass(f);
			return false;
		}
		if (nlh->nlmsg_type == NLMSG_DONE || nlh->nlmsg_type == NLMSG_ERROR) {
			int err = dump_result(nlh);

			if (err)
				fail_dump(f, err);
			else
				finish_dump(f);
			return false;
		}
		if (read_flow(nlh, &flow) && is_ended(&f->pass, &flow))
			delete_flow(f, &flow);
	}
	return true;
}

void flows_continue(struct flows *f)
{
	bool more = true;

	for (int i = 0; i < READS_MAX && f->running && more; i++) {
		ssize_t got =
			recv(mnl_socket_get_fd(f->reading), f->answer, READ_LEN, MSG_DONTWAIT);

		if (got >= 0)
			more = read_buffer(f, (size_t)got);
		else if (errno == EAGAIN)
			break;
		else if (errno != EINTR)
			fail_dump(f, -errno);
	}
	send_deletions(f);
	flows_begin(f);
}

bool flows_pending(const struct flows *f)
{
	return f->running;
}

int flows_fd(const struct flows *f)
{
	return mnl_socket_get_fd(f->reading);
}

int flows_add(struct flows *f, const struct mapping *m)
{
	return ended_add(&f->queued.ended, m);
}

void flows_add_pool(struct flows *f, struct port_range pool, const struct gateway *gateway)
{
	struct pool_sweep *s = &f->queued.sweep;

	s->wanted = true;
	s->pool = pool;
	s->len = gateway->addresses_len;
	for (size_t i = 0; i < s->len; i++)
		s->addr[i] = gateway->addresses[i].addr;
}

void flows_forget(struct flows *f)
{
	ended_clear(&f->queued.ended);
	f->queued.sweep.wanted = false;
}

void flows_never_filter(struct flows *f)
{
	f->kernel_filters = false;
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

/* Does anybody answer for conntrack? */
static int check_conntrack(struct flows *f)
{
	int err = knock(f, NLM_F_ACK);
	int more = MNL_CB_OK;

	if (err)
		return err;
	while (more == MNL_CB_OK) {
		ssize_t got = mnl_socket_recvfrom(f->reading, f->answer, READ_LEN);

		if (got < 0)
			return -errno;
		more = mnl_cb_run(f->answer, (size_t)got, f->seq, mnl_socket_get_portid(f->reading),
			ignore_message, NULL);
	}
	/* A subsystem that is not there is an invalid one. */
	if (more < 0)
		return errno == EINVAL ? -EOPNOTSUPP : -errno;
	return 0;
}

struct flows *flows_new(int *err)
{
	struct flows *f = calloc(1, sizeof(*f));
	int on = 1;

	*err = -ENOMEM;
	if (!f)
		return NULL;
	f->kernel_filters = true;
	f->answer = malloc(READ_LEN);
	f->request = calloc(1, DELETIONS);
	if (!f->answer || !f->request)
		goto fail;
	*err = open_socket(&f->reading);
	if (*err)
		goto fail;
	*err = open_socket(&f->deleting);
	if (*err)
		goto fail;
	(void)mnl_socket_setsockopt(f->deleting, NETLINK_CAP_ACK, &on, sizeof(on));
	*err = check_conntrack(f);
	if (*err)
		goto fail;
	return f;
fail:
	flows_free(f);
	return NULL;
}

void flows_free(struct flows *f)
{
	if (!f)
		return;
	if (f->reading)
		(void)mnl_socket_close(f->reading);
	if (f->deleting)
		(void)mnl_socket_close(f->deleting);
	ended_clear(&f->queued.ended);
	ended_clear(&f->pass.ended);
	free(f->answer);
	free(f->request);
	free(f);
}
