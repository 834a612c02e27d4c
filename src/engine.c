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

#include "include/log.h"
#include "src/state.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#define STAGING_MAX 2048 /* edits of one transaction */

/* Address space only: memory is touched as it fills.  All ports of all addresses, both protocols.
 */
#define LEASES_MAX   (65536u * GATEWAY_EXTERNALS_MAX * 2)
#define USERS_MAX    (1u << 20)
#define BINDINGS_MAX (1u << 19)

#define STATIC_LIFETIME_S 3600
#define POSTPONE_MS       1000 /* before a lease is ended again that the kernel would not end */
#define REPORT_MS         1000 /* between two lines about refusals */
#define FIRST_EPOCH_S     1    /* clients take 0 for "never" */

/* The features of PCP that this engine gives a meaning to. */
#define ENGINE_FEATURES ((uint32_t)PCP_FEATURE_PREFER_FAILURE)

uint32_t engine_epoch_s(const struct engine *e, int64_t now_ms)
{
	return FIRST_EPOCH_S + (uint32_t)((now_ms - e->epoch_start_ms) / 1000);
}

static uint64_t random_word(struct engine *e)
{
	if (e->random_used == STATE_RANDOM_WORDS) {
		arc4random_buf(e->random, sizeof(e->random));
		e->random_used = 0;
	}
	return e->random[e->random_used++];
}

uint32_t engine_user_of(const struct engine *e, const struct addr *addr)
{
	uint32_t binding = bindings_match(&e->bindings, addr);

	return binding != BINDING_NONE ? e->bindings.binding[binding].user
				       : users_find_address(&e->users, addr);
}

const struct config_class *engine_class_of(const struct engine *e, uint32_t user)
{
	bool named = user != USER_NONE && e->users.user[user].name[0];

	return &e->config->classes[named ? e->users.user[user].class : e->config->unknown_class];
}

static void drop(struct engine *e, struct plan *p, enum engine_drop why)
{
	p->answered = true;
	e->counters.dropped[why]++;
}

/* Who asks, and do they ask at a rate they may? */
static void identify(struct engine *e, struct plan *p, int64_t now_ms)
{
	const struct addr *source = &p->x->source;

	p->user = engine_user_of(e, source);
	if (p->user == USER_NONE)
		p->user = users_take_address(&e->users, source, now_ms);
	if (p->user == USER_NONE)
		drop(e, p, ENGINE_DROP_USERS);
	else if (!users_admit(&e->users, p->user, engine_class_of(e, p->user)->rate, now_ms))
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
		x->reply_len = natpmp_encode_unsupp_opcode(x->reply, sizeof(x->reply), x->request,
			x->request_len < sizeof(x->reply) ? x->request_len : sizeof(x->reply),
			engine_epoch_s(e, now_ms));
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
		result, lifetime_s, engine_epoch_s(e, now_ms), parsed);
}

static void decode_pcp(struct engine *e, struct plan *p, int64_t now_ms)
{
	const struct pcp_request *m = &p->wire.pcp;
	uint32_t features = engine_class_of(e, p->user)->options & ENGINE_FEATURES;

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
			x->reply, sizeof(x->reply), engine_epoch_s(e, now_ms));
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

uint32_t engine_find_lease(const struct engine *e, const struct request *rq, uint32_t user)
{
	if (rq->internal_port == 0 && rq->origin == MAPPING_NATPMP)
		return lease_find_zero_port(&e->leases, user, &rq->internal, rq->protocol);
	return lease_find(&e->leases, &rq->internal, rq->protocol, rq->internal_port);
}

static bool fits_suggestion(const struct engine *e, const struct request *rq, const struct lease *l)
{
	const struct gateway_external *external = &e->leases.external[l->external];

	return rq->suggested_port == l->external_port &&
	       (addr_is_any(&rq->suggested) || addr_equal(&rq->suggested, &external->advertise) ||
		       addr_equal(&rq->suggested, &external->addr));
}

struct policy_facts engine_facts(const struct engine *e, const struct request *rq, uint32_t user,
	uint32_t lease, int64_t now_ms)
{
	const struct lease *held = lease == LEASE_NONE ? NULL : lease_at(&e->leases, lease);
	const struct user *who = user == USER_NONE ? NULL : &e->users.user[user];

	return (struct policy_facts){
		.held = held,
		.held_fits_suggestion = held && fits_suggestion(e, rq, held),
		.has_external =
			held ? e->leases.external_present[held->external]
			     : lease_external_for(&e->leases, user, &rq->internal) != LEASE_NONE,
		.banned = (who && user_is_banned(who, now_ms)) ||
			  engine_address_is_banned(e, &rq->internal, now_ms),
		.unknown = !who || !who->name[0],
		.now_ms = now_ms,
	};
}

static struct policy_verdict decide(const struct engine *e, const struct plan *p, int64_t now_ms)
{
	struct policy_facts facts = engine_facts(e, &p->rq, p->user, p->lease, now_ms);

	return policy_judge(e->config, engine_class_of(e, p->user), &p->rq, &facts);
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

/* What a sticky port follows from: the user's name, or his address. */
static uint64_t sticky_id(const struct engine *e, const struct request *rq, uint32_t user)
{
	uint64_t word[CONFIG_USER_MAX / sizeof(uint64_t)] = {0};

	if (user != USER_NONE && e->users.user[user].name[0])
		memcpy(word, e->users.user[user].name, sizeof(e->users.user[user].name));
	else
		memcpy(word, rq->internal.octet, sizeof(rq->internal.octet));
	return hash_words(&e->leases.sticky_key, word, ARRAY_LEN(word));
}

struct lease_terms engine_terms(
	const struct engine *e, const struct request *rq, uint32_t user, uint32_t lifetime_s)
{
	const struct config_class *class = engine_class_of(e, user);
	bool sticky = class->port_choice == CONFIG_PORT_STICKY;
	bool strict = e->config->nonce == CONFIG_NONCE_STRICT;
	uint32_t claimed = user == USER_NONE ? 0 : e->users.user[user].claimed;
	uint32_t held = user == USER_NONE ? 0 : e->users.user[user].ports;

	return (struct lease_terms){
		.user = user,
		.lifetime_s = lifetime_s,
		.ports = ports_for(class, rq),
		.port_choice = class->port_choice,
		.sticky_id = sticky ? sticky_id(e, rq, user) : 0,
		/* Under strict nonces a resting port is hard to have again: leave some room. */
		.may_take_new =
			claimed < class->mappings * (strict ? 2 : 1) && held < class->mappings,
		.strict_nonce = strict,
	};
}

static void stage_grant(struct engine *e, struct plan *p, uint32_t lifetime_s, int64_t now_ms)
{
	struct lease_terms terms = engine_terms(e, &p->rq, p->user, lifetime_s);
	uint32_t retry_s = 0;
	enum pcp_result result;

	terms.random = random_word(e);
	result = lease_stage_new(
		&e->leases, &e->staged, &p->rq, &terms, now_ms, &p->lease, &retry_s);
	if (result == PCP_SUCCESS)
		answer_lease(e, p, lifetime_s);
	else
		answer_error(p, result, retry_s ? retry_s : pcp_error_lifetime_s(result));
}

static void stage_end(struct engine *e, uint32_t lease, enum admin_reason reason, int64_t now_ms)
{
	/* Who maps and unmaps in turn must not take the pool; who is revoked is not to blame. */
	bool free = reason != ADMIN_REASON_REQUEST && reason != ADMIN_REASON_EXPIRED;
	const struct config_class *class = engine_class_of(e, lease_at(&e->leases, lease)->user);

	lease_stage_end(&e->leases, &e->staged, lease, class->quarantine_s, free, now_ms);
}

static void stage_mapping(struct engine *e, struct plan *p, int64_t now_ms)
{
	struct policy_verdict verdict;

	p->lease = engine_find_lease(e, &p->rq, p->user);
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
		stage_end(e, p->lease, p->reason, now_ms);
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

static bool is_meant_by_unmap_all(const struct plan *p, const struct lease *l)
{
	return l->state == LEASE_LIVE && l->protocol == p->rq.protocol &&
	       l->origin != MAPPING_PCP && addr_equal(&l->internal, &p->rq.internal);
}

/*
 * NAT-PMP's "delete all" of one protocol ends the client's NAT-PMP mappings only (RFC 6886
 * 3.4, Q-21), and says so when static ones stay.  What does not fit into the transaction is left
 * for the next: the plan is unfinished.  Room for one edit of every other plan stays.
 */
static void stage_unmap_all(struct engine *e, struct plan *p, int64_t now_ms)
{
	uint32_t at = e->users.user[p->user].first_lease;
	bool kept = false;
	uint32_t next;

	for (; at != LEASE_NONE && !p->unfinished; at = next) {
		const struct lease *l = lease_at(&e->leases, at);

		next = e->leases.node[at].next_of_user;
		if (!is_meant_by_unmap_all(p, l))
			continue;
		if (l->origin == MAPPING_STATIC)
			kept = true;
		else if (e->staged.len + EXCHANGE_BATCH_MAX < e->staged.size)
			stage_end(e, at, p->reason, now_ms);
		else
			p->unfinished = true;
	}
	answer_error(p, kept ? PCP_NOT_AUTHORIZED : PCP_SUCCESS, 0);
}

static void stage_address(struct engine *e, struct plan *p, int64_t now_ms)
{
	struct policy_facts facts = engine_facts(e, &p->rq, p->user, LEASE_NONE, now_ms);
	uint32_t external = lease_external_for(&e->leases, p->user, &p->rq.internal);

	if (!policy_admits(e->config, &facts) || external == LEASE_NONE) {
		answer_error(
			p, external == LEASE_NONE ? PCP_NETWORK_FAILURE : PCP_NOT_AUTHORIZED, 0);
		return;
	}
	p->answer = (struct answer){
		.result = PCP_SUCCESS, .external = e->leases.external[external].advertise};
}

static void stage_request(struct engine *e, struct plan *p, int64_t now_ms)
{
	switch (p->rq.kind) {
	case REQUEST_ADDRESS:
		stage_address(e, p, now_ms);
		break;
	case REQUEST_ANNOUNCE:
		answer_error(p, PCP_SUCCESS, 0);
		break;
	case REQUEST_UNMAP_ALL:
		stage_unmap_all(e, p, now_ms);
		break;
	case REQUEST_MAP:
	case REQUEST_UNMAP:
		stage_mapping(e, p, now_ms);
		break;
	}
}

/* A static mapping stands for as long as the daemon runs: the lease renews itself. */
static void stage_hold(struct engine *e, struct plan *p, int64_t now_ms)
{
	struct lease_terms terms = {.user = p->user, .lifetime_s = STATIC_LIFETIME_S};
	const struct request *rq = &p->rq;
	uint32_t external = lease_external_for(&e->leases, p->user, &rq->internal);

	p->lease = lease_find(&e->leases, &rq->internal, rq->protocol, rq->internal_port);
	if (p->lease != LEASE_NONE) {
		lease_stage_renewal(
			&e->leases, &e->staged, p->lease, rq, STATIC_LIFETIME_S, now_ms);
	} else {
		if (external == LEASE_NONE ||
			lease_stage_static(&e->leases, &e->staged, rq, &terms, external,
				rq->suggested_port, now_ms) != PCP_SUCCESS)
			return;
		p->lease = lease_find(&e->leases, &rq->internal, rq->protocol, rq->internal_port);
	}
	/* Half-way through, so that the kernel's own timeout never comes near. */
	lease_postpone(&e->leases, p->lease, now_ms, STATIC_LIFETIME_S * INT64_C(500));
}

/* What would the plan change?  Make it so in the table, and note it for the kernel. */
static void stage(struct engine *e, struct plan *p, int64_t now_ms)
{
	p->first = e->staged.len;
	p->len = 0;
	p->unfinished = false;
	if (p->answered)
		return;
	switch (p->kind) {
	case PLAN_REQUEST:
		stage_request(e, p, now_ms);
		break;
	case PLAN_END:
		if (lease_at(&e->leases, p->lease)->state == LEASE_LIVE)
			stage_end(e, p->lease, p->reason, now_ms);
		break;
	case PLAN_HOLD:
		stage_hold(e, p, now_ms);
		break;
	}
	p->len = e->staged.len - p->first;
}

void engine_tell(struct engine *e, struct admin_event event)
{
	if (e->event_fn)
		e->event_fn(e->event_arg, &event);
}

/* How clients call an external address. */
static const struct addr *advertised(const struct engine *e, const struct addr *external)
{
	for (size_t i = 0; i < GATEWAY_EXTERNALS_MAX; i++)
		if (addr_equal(&e->leases.external[i].addr, external))
			return &e->leases.external[i].advertise;
	return external;
}

/* As the kernel was told: the lease may have gone on to somebody else in the same batch. */
static void tell_mapping(struct engine *e, enum admin_event_kind kind, enum admin_reason reason,
	const struct mapping *m, uint32_t user)
{
	struct admin_mapping mapping;

	if (!e->event_fn)
		return;
	mapping = (struct admin_mapping){
		.protocol = m->protocol,
		.internal = m->internal,
		.internal_port = m->internal_port,
		.external = *advertised(e, &m->external),
		.external_port = m->external_port,
		.lifetime_s = m->lifetime_s,
		.remaining_s = kind == ADMIN_EVENT_GRANTED ? m->lifetime_s : 0,
		.user = e->users.user[user].name,
		.class = engine_class_of(e, user)->name,
		.origin = (enum mapping_origin)m->origin,
		.opcode = (enum pcp_opcode)m->opcode,
	};
	engine_tell(e, (struct admin_event){.kind = kind, .reason = reason, .mapping = &mapping});
}

/*
 * What the kernel agreed to is true: nothing can undo it.  Ended mappings lose their flows, and
 * older flows of a client's port go over to its new mapping.
 */
static void commit_edit(struct engine *e, const struct plan *p, size_t i)
{
	const struct edit *edit = &e->staged.edit[i];
	const struct lease_change *change = &e->staged.change[i];

	switch (edit->kind) {
	case EDIT_MAP:
		e->counters.granted++;
		backend_adopt_flows(&e->backend, &edit->mapping);
		tell_mapping(e, ADMIN_EVENT_GRANTED, p->reason, &edit->mapping, p->user);
		break;
	case EDIT_UNMAP:
		e->counters.ended++;
		backend_end_flows(&e->backend, &edit->mapping);
		tell_mapping(e, ADMIN_EVENT_ENDED, p->reason, &edit->mapping, change->before.user);
		break;
	case EDIT_RENEW:
	case EDIT_REWRITE:
		e->counters.renewed++;
		break;
	}
}

static void commit(struct engine *e, size_t from, size_t to)
{
	for (size_t k = from; k < to; k++)
		for (size_t i = 0; i < e->plan[k].len; i++)
			commit_edit(e, &e->plan[k], e->plan[k].first + i);
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
	p->unfinished = false;
	if (p->kind == PLAN_REQUEST)
		answer_error(p, PCP_NO_RESOURCES, pcp_error_lifetime_s(PCP_NO_RESOURCES));
	else if (p->lease != LEASE_NONE && lease_at(&e->leases, p->lease)->state == LEASE_LIVE)
		lease_postpone(&e->leases, p->lease, now_ms, POSTPONE_MS);
	e->settled = at + 1;
	for (size_t i = at + 1; i < upto; i++)
		stage(e, &e->plan[i], now_ms);
}

/* Everything staged by the first @upto plans becomes true, or is undone and refused one by one. */
static void settle_staged(struct engine *e, size_t upto, int64_t now_ms)
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

/* The same, until no plan has anything left to stage. */
static void engine_settle(struct engine *e, size_t upto, int64_t now_ms)
{
	settle_staged(e, upto, now_ms);
	for (size_t i = 0; i < upto; i++) {
		while (e->plan[i].unfinished) {
			e->settled = i;
			stage(e, &e->plan[i], now_ms);
			settle_staged(e, i + 1, now_ms);
		}
	}
	e->settled = upto;
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
			engine_epoch_s(e, now_ms), &p->answer.external);
	else
		x->reply_len = natpmp_encode_mapping(x->reply, sizeof(x->reply), &p->wire.natpmp,
			result, engine_epoch_s(e, now_ms), p->answer.external_port,
			p->answer.lifetime_s);
}

static void encode_pcp(struct engine *e, struct plan *p, int64_t now_ms)
{
	struct pcp_response rs = {
		.opcode = p->wire.pcp.opcode,
		.lifetime_s = p->answer.lifetime_s,
		.epoch_s = engine_epoch_s(e, now_ms),
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

static void tell_refusal(struct engine *e, const struct plan *p)
{
	engine_tell(e, (struct admin_event){
			       .kind = ADMIN_EVENT_REFUSED,
			       .result = p->answer.result,
			       .user = e->users.user[p->user].name,
			       .address = &p->rq.internal,
		       });
}

static void encode(struct engine *e, struct plan *p, int64_t now_ms)
{
	if (p->answered)
		return;
	e->counters.results[p->answer.result]++;
	if (p->answer.result != PCP_SUCCESS)
		tell_refusal(e, p);
	if (p->rq.origin == MAPPING_NATPMP)
		encode_natpmp(e, p, now_ms);
	else
		encode_pcp(e, p, now_ms);
}

/* From the bytes of one request to what it would change. */
static void take(struct engine *e, struct plan *p, struct exchange *x, int64_t now_ms)
{
	p->kind = PLAN_REQUEST;
	p->reason = ADMIN_REASON_REQUEST;
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

void engine_begin(struct engine *e)
{
	e->plans = 0;
	e->settled = 0;
}

void engine_serve(struct engine *e, struct exchange *x, size_t len, int64_t now_ms)
{
	assert(len <= EXCHANGE_BATCH_MAX);
	engine_begin(e);
	for (size_t i = 0; i < len; i++) {
		take(e, &e->plan[e->plans++], &x[i], now_ms);
		/* Who comes next must see all of it done. */
		if (e->plan[i].unfinished)
			engine_settle(e, e->plans, now_ms);
	}
	engine_settle(e, e->plans, now_ms);
	for (size_t i = 0; i < len; i++)
		encode(e, &e->plan[i], now_ms);
}

static struct plan *next_plan(struct engine *e, int64_t now_ms)
{
	if (e->plans == EXCHANGE_BATCH_MAX) {
		engine_finish(e, now_ms);
		engine_begin(e);
	}
	return &e->plan[e->plans++];
}

void engine_plan_end(struct engine *e, uint32_t lease, enum admin_reason reason, int64_t now_ms)
{
	struct plan *p = next_plan(e, now_ms);

	p->kind = PLAN_END;
	p->reason = reason;
	p->lease = lease;
	p->answered = false;
	stage(e, p, now_ms);
}

void engine_plan_static(struct engine *e, uint32_t user, const struct request *rq, int64_t now_ms)
{
	struct plan *p = next_plan(e, now_ms);

	p->kind = PLAN_HOLD;
	p->reason = ADMIN_REASON_REQUEST;
	p->user = user;
	p->rq = *rq;
	p->lease = lease_find(&e->leases, &rq->internal, rq->protocol, rq->internal_port);
	p->answered = false;
	stage(e, p, now_ms);
}

void engine_finish(struct engine *e, int64_t now_ms)
{
	engine_settle(e, e->plans, now_ms);
}

/* A lease is over: a client's ends, a static one goes on. */
static void plan_overdue(struct engine *e, uint32_t lease, int64_t now_ms)
{
	const struct lease *l = lease_at(&e->leases, lease);
	struct request rq = {
		.origin = MAPPING_STATIC,
		.internal = l->internal,
		.protocol = l->protocol,
		.internal_port = l->internal_port,
		.suggested_port = l->external_port,
	};

	if (l->origin == MAPPING_STATIC)
		engine_plan_static(e, l->user, &rq, now_ms);
	else
		engine_plan_end(e, lease, ADMIN_REASON_EXPIRED, now_ms);
}

void engine_expire(struct engine *e, int64_t now_ms)
{
	if (now_ms >= e->unban_ms)
		engine_lift_bans(e, now_ms);
	engine_begin(e);
	while (e->plans < EXCHANGE_BATCH_MAX) {
		uint32_t lease = lease_overdue(&e->leases, now_ms);

		if (lease == LEASE_NONE)
			break;
		plan_overdue(e, lease, now_ms);
	}
	engine_finish(e, now_ms);
}

int64_t engine_next_ms(const struct engine *e)
{
	int64_t end_ms = lease_next_end_ms(&e->leases);

	return end_ms < e->unban_ms ? end_ms : e->unban_ms;
}

static int reserve_memory(struct engine *e)
{
	e->lease_memory = calloc(1, lease_table_memory(LEASES_MAX));
	e->user_memory = calloc(1, users_memory(USERS_MAX));
	e->binding_memory = calloc(1, bindings_memory(BINDINGS_MAX));
	e->staged.edit = calloc(STAGING_MAX, sizeof(*e->staged.edit));
	e->staged.change = calloc(STAGING_MAX, sizeof(*e->staged.change));
	e->staged.size = STAGING_MAX;
	return e->lease_memory && e->user_memory && e->binding_memory && e->staged.edit &&
			       e->staged.change
		       ? 0
		       : -ENOMEM;
}

struct engine *engine_new(const struct config *config, struct backend backend,
	const struct hash_key *sticky_key, int64_t now_ms)
{
	struct engine *e = calloc(1, sizeof(*e));
	struct hash_key key;

	if (!e)
		return NULL;
	e->config = config;
	e->backend = backend;
	e->epoch_start_ms = now_ms;
	e->unban_ms = INT64_MAX;
	e->random_used = STATE_RANDOM_WORDS;
	if (reserve_memory(e) < 0) {
		engine_free(e);
		return NULL;
	}
	arc4random_buf(&key, sizeof(key));
	users_init(&e->users, e->user_memory, USERS_MAX, &key);
	bindings_init(&e->bindings, e->binding_memory, BINDINGS_MAX, &key, &e->users);
	lease_table_init(&e->leases, e->lease_memory, LEASES_MAX, &key, &e->users);
	e->leases.sticky_key = *sticky_key;
	(void)admin_reload(e, config, now_ms);
	return e;
}

void engine_free(struct engine *e)
{
	if (!e)
		return;
	free(e->staged.change);
	free(e->staged.edit);
	free(e->binding_memory);
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
