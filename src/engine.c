/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The way of a request:
 *
 *	identify → decode → decide → stage → one kernel transaction → encode
 *
 * engine_serve() takes a batch of requests along it.  Each becomes a `struct plan`; so does each
 * lease that is over.  Staging a plan changes the lease table at once, so that the next plan
 * of the batch sees it, and notes what the kernel must do.  engine_settle() then makes all
 * notes true in one transaction.  If the kernel will not have it, the plan at fault is found
 * and undone, the plans after it are staged anew as if it had never been, and only
 * it is refused.  No reply is written before that.
 */
#include "include/engine.h"

#include "include/lease.h"
#include "include/log.h"
#include "include/natpmp.h"
#include "include/policy.h"
#include "include/request.h"
#include "include/users.h"

#include <assert.h>
#include <netinet/in.h>
#include <stdlib.h>

#define STAGING_MAX   2048  /* edits of one transaction */
#define USERS_SPARE   65536 /* users beyond those that can hold a mapping */
#define POSTPONE_MS   1000  /* before a lease is ended again that the kernel would not end */
#define REPORT_MS     1000  /* between two lines about refusals */
#define RANDOM_WORDS  64
#define FIRST_EPOCH_S 1 /* clients take 0 for "never" */
#define PROTOCOL_PAIR 2 /* TCP and UDP share a port number */

/* The features of PCP that this engine gives a meaning to. */
#define ENGINE_FEATURES ((uint32_t)PCP_FEATURE_PREFER_FAILURE)

/* One caller's part of a batch. */
struct plan {
	struct exchange *x; /* NULL: a lease that is over */
	uint32_t user;
	uint32_t lease; /* that the plan is about; LEASE_NONE: none yet */
	bool answered;  /* @x has its reply, or none is due; nothing is left to decide */
	union {
		struct natpmp_request natpmp;
		struct pcp_request pcp;
	} wire;
	struct request rq;
	struct answer answer;
	size_t first, len; /* its part of what is staged */
};

struct engine {
	const struct config *config;
	struct backend backend;
	struct users users;
	struct lease_table leases;
	struct staging staged;
	struct plan plan[EXCHANGE_BATCH_MAX];
	size_t plans;   /* in this batch */
	size_t settled; /* of them, the kernel has agreed to or refused */
	int64_t epoch_start_ms;
	int64_t quiet_until_ms; /* no line about refusals before */
	uint64_t random[RANDOM_WORDS];
	size_t random_used;
	struct engine_counters counters;
	void *lease_memory;
	void *user_memory;
};

static uint32_t epoch_s(const struct engine *e, int64_t now_ms)
{
	return FIRST_EPOCH_S + (uint32_t)((now_ms - e->epoch_start_ms) / 1000);
}

static uint64_t random_word(struct engine *e)
{
	if (e->random_used == RANDOM_WORDS) {
		arc4random_buf(e->random, sizeof(e->random));
		e->random_used = 0;
	}
	return e->random[e->random_used++];
}

static const struct config_class *class_of(const struct engine *e, const struct plan *p)
{
	return &e->config->classes[e->users.user[p->user].class];
}

static void drop(struct engine *e, struct plan *p, enum engine_drop why)
{
	p->answered = true;
	e->counters.dropped[why]++;
}

/* Who asks, and do they ask at a rate they may? */
static void identify(struct engine *e, struct plan *p, int64_t now_ms)
{
	p->user = users_identify(&e->users, &p->x->source, now_ms);
	if (p->user == USER_NONE)
		drop(e, p, ENGINE_DROP_USERS);
	else if (!users_admit(&e->users, p->user, class_of(e, p)->rate, now_ms))
		drop(e, p, ENGINE_DROP_RATE);
}

static enum request_kind kind_of_natpmp(const struct natpmp_request *m)
{
	if (m->opcode == NATPMP_OP_ADDRESS)
		return REQUEST_ADDRESS;
	if (m->lifetime_s > 0)
		return REQUEST_MAP;
	return m->internal_port == 0 && m->suggested_port == 0 ? REQUEST_UNMAP_ALL : REQUEST_UNMAP;
}

static void decode_natpmp(struct engine *e, struct plan *p, int64_t now_ms)
{
	const struct natpmp_request *m = &p->wire.natpmp;
	struct exchange *x = p->x;

	switch (natpmp_decode(x->request, x->request_len, &p->wire.natpmp)) {
	case NATPMP_DROP:
		drop(e, p, ENGINE_DROP_NOT_A_REQUEST);
		return;
	case NATPMP_REJECT:
		x->reply_len = natpmp_encode_unsupp_opcode(
			x->reply, sizeof(x->reply), x->request, x->request_len, epoch_s(e, now_ms));
		p->answered = true;
		return;
	case NATPMP_ACCEPT:
		break;
	}
	p->rq = (struct request){
		.kind = kind_of_natpmp(m),
		.origin = MAPPING_NATPMP,
		.internal = x->source,
		.protocol = m->opcode == NATPMP_OP_MAP_TCP ? IPPROTO_TCP : IPPROTO_UDP,
		.internal_port = m->internal_port,
		.suggested_port = m->suggested_port,
		.lifetime_s = m->lifetime_s,
	};
}

static enum request_kind kind_of_pcp(const struct pcp_request *m)
{
	if (m->opcode == PCP_OP_ANNOUNCE)
		return REQUEST_ANNOUNCE;
	return m->lifetime_s > 0 ? REQUEST_MAP : REQUEST_UNMAP;
}

static void encode_pcp_error(struct engine *e, struct plan *p, enum pcp_result result,
	uint32_t lifetime_s, bool parsed, int64_t now_ms)
{
	struct exchange *x = p->x;

	x->reply_len = pcp_encode_error(x->reply, sizeof(x->reply), x->request, x->request_len,
		result, lifetime_s, epoch_s(e, now_ms), parsed);
}

static void decode_pcp(struct engine *e, struct plan *p, int64_t now_ms)
{
	const struct pcp_request *m = &p->wire.pcp;
	uint32_t features = class_of(e, p)->options & ENGINE_FEATURES;

	switch (pcp_decode(
		p->x->request, p->x->request_len, &p->x->source, features, &p->wire.pcp)) {
	case PCP_DROP:
		drop(e, p, ENGINE_DROP_NOT_A_REQUEST);
		return;
	case PCP_REJECT:
		encode_pcp_error(
			e, p, m->result, pcp_error_lifetime_s(m->result), m->parsed, now_ms);
		e->counters.results[m->result]++;
		p->answered = true;
		return;
	case PCP_ACCEPT:
		break;
	}
	p->rq = (struct request){
		.kind = kind_of_pcp(m),
		.origin = MAPPING_PCP,
		.internal = m->client,
		.protocol = m->map.protocol,
		.internal_port = m->map.internal_port,
		.suggested_port = m->map.external_port,
		.suggested = m->map.external,
		.lifetime_s = m->lifetime_s,
		.nonce = m->map.nonce,
		.prefer_failure = m->options.present & PCP_FEATURE_PREFER_FAILURE,
	};
}

/* The other protocol's clients must learn at once that it is not spoken here (RFC 6886 3.5). */
static void encode_natpmp_only(struct engine *e, struct plan *p, int64_t now_ms)
{
	struct exchange *x = p->x;

	if (x->request_len < 2 || x->request[1] & 0x80)
		drop(e, p, ENGINE_DROP_NOT_A_REQUEST);
	else
		x->reply_len = natpmp_encode_unsupp_version(
			x->reply, sizeof(x->reply), epoch_s(e, now_ms));
	p->answered = true;
}

/* Which protocol, and what is asked?  A NAT-PMP request to a PCP-only server is PCP's business. */
static void decode(struct engine *e, struct plan *p, int64_t now_ms)
{
	bool version_0 = p->x->request_len > 0 && p->x->request[0] == NATPMP_VERSION;

	if (version_0 && e->config->nat_pmp)
		decode_natpmp(e, p, now_ms);
	else if (e->config->pcp)
		decode_pcp(e, p, now_ms);
	else
		encode_natpmp_only(e, p, now_ms);
}

/* The client's lease that a request is about, or LEASE_NONE. */
static uint32_t find_lease(const struct engine *e, const struct plan *p)
{
	const struct request *rq = &p->rq;

	if (rq->internal_port == 0 && rq->origin == MAPPING_NATPMP)
		return lease_find_zero_port(&e->leases, p->user, &rq->internal, rq->protocol);
	return lease_find(&e->leases, &rq->internal, rq->protocol, rq->internal_port);
}

static bool fits_suggestion(const struct engine *e, const struct request *rq, const struct lease *l)
{
	const struct gateway_external *external = &e->leases.external[l->external];

	return rq->suggested_port == l->external_port &&
	       (addr_is_any(&rq->suggested) || addr_equal(&rq->suggested, &external->advertise) ||
		       addr_equal(&rq->suggested, &external->addr));
}

/* The external address that a new mapping would get, or LEASE_NONE. */
static uint32_t external_for(const struct engine *e, const struct plan *p)
{
	return lease_external_for(&e->leases, p->user, &p->rq.internal);
}

static struct policy_verdict decide(const struct engine *e, const struct plan *p, int64_t now_ms)
{
	const struct lease *held = p->lease == LEASE_NONE ? NULL : lease_at(&e->leases, p->lease);
	struct policy_facts facts = {
		.held = held,
		.has_external =
			lease_external_for(&e->leases, p->user, &p->rq.internal) != LEASE_NONE,
		.held_fits_suggestion = held && fits_suggestion(e, &p->rq, held),
		.now_ms = now_ms,
	};

	return policy_judge(e->config, class_of(e, p), &p->rq, &facts);
}

static void answer_error(struct plan *p, enum pcp_result result, uint32_t lifetime_s)
{
	p->answer = (struct answer){.result = result, .lifetime_s = lifetime_s};
}

static void answer_lease(const struct engine *e, struct plan *p, uint32_t lifetime_s)
{
	const struct lease *l = lease_at(&e->leases, p->lease);

	p->answer = (struct answer){
		.result = PCP_SUCCESS,
		.lifetime_s = lifetime_s,
		.external_port = l->external_port,
		.external = e->leases.external[l->external].advertise,
	};
}

/* External ports that may be given; with internal port 0 the number is used on both sides. */
static struct port_range ports_for(const struct config_class *class, const struct request *rq)
{
	struct port_range ports = class->ports;

	if (rq->internal_port == 0 && class->internal_ports.first > ports.first)
		ports.first = class->internal_ports.first;
	if (rq->internal_port == 0 && class->internal_ports.last < ports.last)
		ports.last = class->internal_ports.last;
	return ports;
}

static void stage_grant(struct engine *e, struct plan *p, uint32_t lifetime_s, int64_t now_ms)
{
	const struct config_class *class = class_of(e, p);
	struct lease_terms terms = {
		.user = p->user,
		.lifetime_s = lifetime_s,
		.ports = ports_for(class, &p->rq),
		.port_choice = class->port_choice,
		.may_take_new = e->users.user[p->user].ports < class->mappings,
		.strict_nonce = e->config->nonce == CONFIG_NONCE_STRICT,
		.random = random_word(e),
	};
	uint32_t retry_s = 0;
	enum pcp_result result;

	result = lease_stage_new(
		&e->leases, &e->staged, &p->rq, &terms, now_ms, &p->lease, &retry_s);
	if (result == PCP_SUCCESS)
		answer_lease(e, p, lifetime_s);
	else
		answer_error(p, result, retry_s ? retry_s : pcp_error_lifetime_s(result));
}

static void stage_end(struct engine *e, uint32_t lease, int64_t now_ms)
{
	const struct lease *l = lease_at(&e->leases, lease);
	const struct config_class *class = &e->config->classes[e->users.user[l->user].class];

	lease_stage_end(&e->leases, &e->staged, lease, class->quarantine_s, now_ms);
}

static void stage_mapping(struct engine *e, struct plan *p, int64_t now_ms)
{
	struct policy_verdict verdict;

	p->lease = find_lease(e, p);
	verdict = decide(e, p, now_ms);
	switch (verdict.action) {
	case POLICY_GRANT:
		stage_grant(e, p, verdict.lifetime_s, now_ms);
		break;
	case POLICY_RENEW:
		lease_stage_renewal(
			&e->leases, &e->staged, p->lease, &p->rq, verdict.lifetime_s, now_ms);
		answer_lease(e, p, verdict.lifetime_s);
		break;
	case POLICY_END:
		stage_end(e, p->lease, now_ms);
		answer_error(p, PCP_SUCCESS, 0);
		break;
	case POLICY_ANSWER:
		if (verdict.result == PCP_SUCCESS && p->lease != LEASE_NONE)
			answer_lease(e, p, verdict.lifetime_s);
		else
			answer_error(p, verdict.result, verdict.lifetime_s);
		break;
	}
}

static void engine_settle(struct engine *e, size_t upto, int64_t now_ms);

/*
 * NAT-PMP's "delete all" of one protocol ends the client's NAT-PMP mappings only (RFC 6886
 * 3.4, Q-21).  They may be more than a transaction holds; then it takes several.
 */
static void stage_unmap_all(struct engine *e, struct plan *p, int64_t now_ms)
{
	uint32_t at = e->users.user[p->user].first_lease;
	uint32_t next;

	answer_error(p, PCP_SUCCESS, 0);
	for (; at != LEASE_NONE; at = next) {
		const struct lease *l = lease_at(&e->leases, at);

		next = e->leases.node[at].next_of_user;
		if (l->state != LEASE_LIVE || l->origin != MAPPING_NATPMP ||
			l->protocol != p->rq.protocol || !addr_equal(&l->internal, &p->rq.internal))
			continue;
		if (e->staged.len == e->staged.size) {
			p->len = e->staged.len - p->first;
			engine_settle(e, (size_t)(p - e->plan) + 1, now_ms);
			if (p->answer.result != PCP_SUCCESS)
				return;
			e->settled--;
			p->first = 0;
		}
		stage_end(e, at, now_ms);
	}
}

static void stage_address(struct engine *e, struct plan *p)
{
	uint32_t external = external_for(e, p);

	if (external == LEASE_NONE) {
		answer_error(p, PCP_NETWORK_FAILURE, 0);
		return;
	}
	p->answer = (struct answer){
		.result = PCP_SUCCESS, .external = e->leases.external[external].advertise};
}

/* What would the plan change?  Make it so in the table, and note it for the kernel. */
static void stage(struct engine *e, struct plan *p, int64_t now_ms)
{
	p->first = e->staged.len;
	p->len = 0;
	if (p->answered)
		return;
	if (!p->x) {
		if (lease_at(&e->leases, p->lease)->state == LEASE_LIVE)
			stage_end(e, p->lease, now_ms);
	} else if (p->rq.kind == REQUEST_ADDRESS) {
		stage_address(e, p);
	} else if (p->rq.kind == REQUEST_ANNOUNCE) {
		answer_error(p, PCP_SUCCESS, 0);
	} else if (p->rq.kind == REQUEST_UNMAP_ALL) {
		stage_unmap_all(e, p, now_ms);
	} else {
		stage_mapping(e, p, now_ms);
	}
	p->len = e->staged.len - p->first;
}

/* What the kernel agreed to is true: nothing can undo it, and ended mappings lose their flows. */
static void commit(struct engine *e, size_t from, size_t to)
{
	const struct plan *first = &e->plan[from];
	const struct plan *last = &e->plan[to - 1];

	for (size_t i = first->first; i < last->first + last->len; i++) {
		const struct edit *edit = &e->staged.edit[i];

		if (edit->kind == EDIT_UNMAP) {
			backend_end_flows(&e->backend, &edit->mapping);
			e->counters.ended++;
		} else if (edit->kind == EDIT_MAP) {
			e->counters.granted++;
		} else {
			e->counters.renewed++;
		}
	}
}

/*
 * Ask the kernel for plans @from to @to, all or none.  Returns 0 or -errno; then *@culprit is
 * the plan that the kernel named, or @to when it named none.
 */
static int apply(const struct engine *e, size_t from, size_t to, size_t *culprit)
{
	size_t begin = e->plan[from].first;
	size_t len = e->plan[to - 1].first + e->plan[to - 1].len - begin;
	size_t bad = len;
	int err = len ? backend_apply(&e->backend, &e->staged.edit[begin], len, &bad) : 0;

	*culprit = to;
	if (err && bad < len)
		for (*culprit = from;
			e->plan[*culprit].first + e->plan[*culprit].len <= begin + bad;)
			++*culprit;
	return err;
}

/* At most a line a second, however much the kernel refuses. */
static void report_refusal(struct engine *e, int err, int64_t now_ms)
{
	e->counters.kernel_refused++;
	if (now_ms < e->quiet_until_ms)
		return;
	e->quiet_until_ms = now_ms + REPORT_MS;
	log_warning("the kernel refused to change a mapping: %s (%llu refused so far)",
		strerror(-err), (unsigned long long)e->counters.kernel_refused);
}

/* Undo plan @at and refuse it; then stage the plans behind it anew, who may have built on it. */
static void refuse(struct engine *e, size_t at, size_t upto, int err, int64_t now_ms)
{
	struct plan *p = &e->plan[at];

	report_refusal(e, err, now_ms);
	lease_abandon(&e->leases, &e->staged, p->first);
	p->len = 0;
	if (p->x)
		answer_error(p, PCP_NO_RESOURCES, pcp_error_lifetime_s(PCP_NO_RESOURCES));
	else
		lease_postpone(&e->leases, p->lease, now_ms, POSTPONE_MS);
	e->settled = at + 1;
	for (size_t i = at + 1; i < upto; i++)
		stage(e, &e->plan[i], now_ms);
}

/* Everything staged by the first @upto plans becomes true, or is undone and refused one by one. */
static void engine_settle(struct engine *e, size_t upto, int64_t now_ms)
{
	size_t to = upto;

	while (e->settled < upto) {
		size_t culprit;
		int err = apply(e, e->settled, to, &culprit);

		if (!err) {
			commit(e, e->settled, to);
			e->settled = to;
			to = upto;
		} else if (to - e->settled == 1) {
			refuse(e, e->settled, upto, err, now_ms);
			to = upto;
		} else if (culprit < to) {
			to = culprit > e->settled ? culprit : e->settled + 1;
		} else {
			to = e->settled + (to - e->settled) / 2;
		}
	}
	staging_clear(&e->staged);
}

static enum natpmp_result natpmp_result_of(enum pcp_result result)
{
	switch (result) {
	case PCP_SUCCESS:
		return NATPMP_SUCCESS;
	case PCP_NETWORK_FAILURE:
		return NATPMP_NETWORK_FAILURE;
	case PCP_NO_RESOURCES:
	case PCP_USER_EX_QUOTA:
		return NATPMP_OUT_OF_RESOURCES;
	case PCP_UNSUPP_VERSION:
	case PCP_NOT_AUTHORIZED:
	case PCP_MALFORMED_REQUEST:
	case PCP_UNSUPP_OPCODE:
	case PCP_UNSUPP_OPTION:
	case PCP_MALFORMED_OPTION:
	case PCP_UNSUPP_PROTOCOL:
	case PCP_CANNOT_PROVIDE_EXTERNAL:
	case PCP_ADDRESS_MISMATCH:
	case PCP_EXCESSIVE_REMOTE_PEERS:
		break;
	}
	return NATPMP_NOT_AUTHORIZED;
}

static void encode_natpmp(const struct engine *e, struct plan *p, int64_t now_ms)
{
	enum natpmp_result result = natpmp_result_of(p->answer.result);
	struct exchange *x = p->x;

	if (p->rq.kind == REQUEST_ADDRESS)
		x->reply_len = natpmp_encode_address(x->reply, sizeof(x->reply), result,
			epoch_s(e, now_ms), &p->answer.external);
	else
		x->reply_len = natpmp_encode_mapping(x->reply, sizeof(x->reply), &p->wire.natpmp,
			result, epoch_s(e, now_ms), p->answer.external_port, p->answer.lifetime_s);
}

static void encode_pcp(struct engine *e, struct plan *p, int64_t now_ms)
{
	struct pcp_response rs = {
		.opcode = p->wire.pcp.opcode,
		.lifetime_s = p->answer.lifetime_s,
		.epoch_s = epoch_s(e, now_ms),
		.map = p->wire.pcp.map,
		.options = p->wire.pcp.options,
	};

	if (p->answer.result != PCP_SUCCESS) {
		encode_pcp_error(e, p, p->answer.result, p->answer.lifetime_s, true, now_ms);
		return;
	}
	/* A deletion copies the suggestion back (RFC 6887 15.1). */
	if (p->rq.kind == REQUEST_MAP) {
		rs.map.external_port = p->answer.external_port;
		rs.map.external = p->answer.external;
	}
	p->x->reply_len = pcp_encode_response(p->x->reply, sizeof(p->x->reply), &rs);
}

static void encode(struct engine *e, struct plan *p, int64_t now_ms)
{
	if (p->answered)
		return;
	e->counters.results[p->answer.result]++;
	if (p->rq.origin == MAPPING_NATPMP)
		encode_natpmp(e, p, now_ms);
	else
		encode_pcp(e, p, now_ms);
}

/* From the bytes of one request to what it would change. */
static void take(struct engine *e, struct plan *p, struct exchange *x, int64_t now_ms)
{
	p->x = x;
	p->lease = LEASE_NONE;
	p->answered = false;
	x->reply_len = 0;
	e->counters.requests++;
	identify(e, p, now_ms);
	if (!p->answered)
		decode(e, p, now_ms);
	stage(e, p, now_ms);
}

static void begin_batch(struct engine *e)
{
	e->plans = 0;
	e->settled = 0;
}

/* Room for one plan's edits; "delete all" makes room for itself. */
static void make_room(struct engine *e, int64_t now_ms)
{
	if (e->staged.len == e->staged.size)
		engine_settle(e, e->plans, now_ms);
}

void engine_serve(struct engine *e, struct exchange *x, size_t len, int64_t now_ms)
{
	assert(len <= EXCHANGE_BATCH_MAX);
	begin_batch(e);
	for (size_t i = 0; i < len; i++) {
		make_room(e, now_ms);
		take(e, &e->plan[e->plans++], &x[i], now_ms);
	}
	engine_settle(e, e->plans, now_ms);
	for (size_t i = 0; i < len; i++)
		encode(e, &e->plan[i], now_ms);
}

static void plan_end(struct engine *e, uint32_t lease, int64_t now_ms)
{
	struct plan *p = &e->plan[e->plans++];

	p->x = NULL;
	p->lease = lease;
	p->answered = false;
	stage(e, p, now_ms);
}

void engine_expire(struct engine *e, int64_t now_ms)
{
	begin_batch(e);
	while (e->plans < EXCHANGE_BATCH_MAX) {
		uint32_t lease = lease_overdue(&e->leases, now_ms);

		if (lease == LEASE_NONE)
			break;
		plan_end(e, lease, now_ms);
	}
	engine_settle(e, e->plans, now_ms);
}

int64_t engine_next_ms(const struct engine *e)
{
	return lease_next_end_ms(&e->leases);
}

void engine_reserve_ports(struct engine *e, const struct port_set *reserved)
{
	lease_table_open_ports(&e->leases, e->config->pool, reserved);
}

static bool is_listed(const struct gateway_external *list, size_t len, const struct addr *addr)
{
	for (size_t i = 0; i < len; i++)
		if (addr_equal(&list[i].addr, addr))
			return true;
	return false;
}

/*
 * End every lease on an address.  Their port numbers rest, so that their clients get the same
 * ones on the address that follows.  Returns how many the kernel would not end.
 */
static uint32_t end_external(struct engine *e, uint32_t external, int64_t now_ms)
{
	uint32_t left = 0;

	for (uint32_t n = 0; n < e->leases.used;) {
		begin_batch(e);
		for (; n < e->leases.used && e->plans < EXCHANGE_BATCH_MAX; n++)
			if (lease_at(&e->leases, n)->state == LEASE_LIVE &&
				lease_at(&e->leases, n)->external == external)
				plan_end(e, n, now_ms);
		engine_settle(e, e->plans, now_ms);
		for (size_t i = 0; i < e->plans; i++)
			left += lease_at(&e->leases, e->plan[i].lease)->state == LEASE_LIVE;
	}
	return left;
}

/* The place of an address that is known already, else a free one, else GATEWAY_EXTERNALS_MAX. */
static size_t place_for(const struct lease_table *t, const struct addr *addr)
{
	size_t free = GATEWAY_EXTERNALS_MAX;

	for (size_t i = GATEWAY_EXTERNALS_MAX; i-- > 0;) {
		if (addr_equal(&t->external[i].addr, addr))
			return i;
		if (addr_is_any(&t->external[i].addr))
			free = i;
	}
	return free;
}

void engine_set_externals(
	struct engine *e, const struct gateway_external *external, size_t len, int64_t now_ms)
{
	struct lease_table *t = &e->leases;
	bool replaced = false;

	for (uint32_t i = 0; i < GATEWAY_EXTERNALS_MAX; i++) {
		t->external_present[i] = false;
		if (len == 0 || addr_is_any(&t->external[i].addr) ||
			is_listed(external, len, &t->external[i].addr))
			continue;
		replaced = true;
		/* A lease that would not end keeps its address's place until it does. */
		if (end_external(e, i, now_ms) == 0)
			t->external[i] = (struct gateway_external){0};
	}
	for (size_t i = 0; i < len; i++) {
		size_t place = place_for(t, &external[i].addr);

		if (place == GATEWAY_EXTERNALS_MAX)
			continue;
		t->external[place] = external[i];
		t->external_present[place] = true;
	}
	if (replaced)
		e->epoch_start_ms = now_ms;
}

static uint32_t lease_capacity(const struct config *config)
{
	uint32_t ports = config->pool.last - config->pool.first + 1u;

	return ports * PROTOCOL_PAIR * GATEWAY_EXTERNALS_MAX;
}

struct engine *engine_new(const struct config *config, struct backend backend, int64_t now_ms)
{
	struct engine *e = calloc(1, sizeof(*e));
	uint32_t leases = lease_capacity(config);
	uint32_t users = leases / PROTOCOL_PAIR + USERS_SPARE;
	struct hash_key key;

	if (!e)
		return NULL;
	e->config = config;
	e->backend = backend;
	e->epoch_start_ms = now_ms;
	e->random_used = RANDOM_WORDS;
	e->lease_memory = calloc(1, lease_table_memory(leases));
	e->user_memory = calloc(1, users_memory(users));
	e->staged.edit = calloc(STAGING_MAX, sizeof(*e->staged.edit));
	e->staged.change = calloc(STAGING_MAX, sizeof(*e->staged.change));
	e->staged.size = STAGING_MAX;
	if (!e->lease_memory || !e->user_memory || !e->staged.edit || !e->staged.change) {
		engine_free(e);
		return NULL;
	}
	arc4random_buf(&key, sizeof(key));
	users_init(&e->users, e->user_memory, users, &key);
	lease_table_init(&e->leases, e->lease_memory, leases, &key, &e->users);
	return e;
}

void engine_free(struct engine *e)
{
	if (!e)
		return;
	free(e->staged.change);
	free(e->staged.edit);
	free(e->user_memory);
	free(e->lease_memory);
	free(e);
}

uint32_t engine_mappings(const struct engine *e)
{
	return e->leases.live;
}

const struct engine_counters *engine_counters(const struct engine *e)
{
	return &e->counters;
}
