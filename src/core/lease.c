/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "include/lease.h"

#include "include/users.h"
#include "src/core/store.h"

#include <assert.h>
#include <netinet/in.h>

#define MS_PER_S        1000
#define ZERO_PORT_TRIES 16 /* random ports tried for one that is free on both sides */
#define STICKY_TRIES    64 /* of the keyed sequence, before any free port will do */

void lease_table_open_ports(
	struct lease_table *t, struct port_range pool, const struct port_set *reserved)
{
	for (size_t i = 0; i < GATEWAY_EXTERNALS_MAX; i++)
		port_pool_open(&t->pool[i], pool, reserved);
}

/* The first node with this internal tuple in @state, from chain member @at on. */
static uint32_t find_state(const struct lease_table *t, const struct addr *internal,
	uint8_t protocol, uint16_t internal_port, enum lease_state state)
{
	uint32_t at = store_first_of_key(t, internal, protocol, internal_port);

	while (at != LEASE_NONE &&
		(t->node[at].lease.state != state ||
			!store_has_key(&t->node[at].lease, internal, protocol, internal_port)))
		at = t->node[at].next_of_key;
	return at;
}

uint32_t lease_find(const struct lease_table *t, const struct addr *internal, uint8_t protocol,
	uint16_t internal_port)
{
	return find_state(t, internal, protocol, internal_port, LEASE_LIVE);
}

/* The user's lease in @state that was asked for with internal port 0. */
static uint32_t find_zero_port(const struct lease_table *t, uint32_t user,
	const struct addr *internal, uint8_t protocol, enum lease_state state)
{
	uint32_t at = user == USER_NONE ? LEASE_NONE : t->users->user[user].first_lease;

	for (; at != LEASE_NONE; at = t->node[at].next_of_user) {
		const struct lease *l = &t->node[at].lease;

		if (l->state == state && l->zero_port && l->protocol == protocol &&
			addr_equal(&l->internal, internal))
			break;
	}
	return at;
}

uint32_t lease_find_zero_port(
	const struct lease_table *t, uint32_t user, const struct addr *internal, uint8_t protocol)
{
	return find_zero_port(t, user, internal, protocol, LEASE_LIVE);
}

uint32_t lease_left_s(const struct lease *l, int64_t now_ms)
{
	if (l->ends_ms <= now_ms)
		return 0;
	return (uint32_t)((l->ends_ms - now_ms + MS_PER_S - 1) / MS_PER_S);
}

/* The @n-th of the external addresses that are there, counting round and round. */
static uint32_t nth_external(const struct lease_table *t, uint64_t n)
{
	uint32_t present[GATEWAY_EXTERNALS_MAX];
	size_t len = 0;

	for (uint32_t i = 0; i < GATEWAY_EXTERNALS_MAX; i++)
		if (t->external_present[i])
			present[len++] = i;
	return len ? present[n % len] : LEASE_NONE;
}

uint32_t lease_external_for(const struct lease_table *t, uint32_t user, const struct addr *internal)
{
	uint64_t word[2];

	uint32_t at = user == USER_NONE ? LEASE_NONE : t->users->user[user].first_lease;

	for (; at != LEASE_NONE; at = t->node[at].next_of_user) {
		const struct lease *l = &t->node[at].lease;

		if (l->state == LEASE_LIVE && t->external_present[l->external])
			return l->external;
	}
	memcpy(word, internal->octet, sizeof(internal->octet));
	return nth_external(t, hash_words(&t->hash_key, word, ARRAY_LEN(word)));
}

/* The external address that a client means by the one it was told; LEASE_NONE: none of ours. */
static uint32_t external_called(const struct lease_table *t, const struct addr *name)
{
	for (uint32_t i = 0; i < GATEWAY_EXTERNALS_MAX; i++)
		if (t->external_present[i] && (addr_equal(&t->external[i].advertise, name) ||
						      addr_equal(&t->external[i].addr, name)))
			return i;
	return LEASE_NONE;
}

/* One attempt to find a port for a request. */
struct search {
	const struct lease_table *t;
	const struct request *rq;
	const struct lease_terms *terms;
	uint32_t external;
	uint16_t port;     /* found; 0: not yet */
	bool quota_missed; /* a port was free but would have been one too many */
};

/* True when the lease @l, which has ended, leaves its port to the one who asks now (RFC 6887 15).
 */
static bool rests_for(const struct lease *l, const struct search *s)
{
	if (l->user != s->terms->user)
		return false;
	if (!s->terms->strict_nonce)
		return true;
	return addr_equal(&l->internal, &s->rq->internal) &&
	       l->internal_port == s->rq->internal_port &&
	       memcmp(&l->nonce, &s->rq->nonce, sizeof(l->nonce)) == 0;
}

/*
 * May this client have @port?  A number belongs to one internal address with all its
 * protocols (RFC 6886 3.3), also while one half rests.
 */
static bool try_port(struct search *s, uint16_t port)
{
	const struct lease_table *t = s->t;
	bool counted = false; /* in the user's quota already */
	bool live = false;

	if (port < s->terms->ports.first || port > s->terms->ports.last)
		return false;
	for (uint32_t at = store_first_of_port(t, s->external, port); at != LEASE_NONE;
		at = t->node[at].next_of_port) {
		const struct lease *l = &t->node[at].lease;

		if (l->state == LEASE_RESTING ? !rests_for(l, s)
					      : l->protocol == s->rq->protocol ||
							!addr_equal(&l->internal, &s->rq->internal))
			return false;
		counted |= store_counts(l);
		live |= l->state == LEASE_LIVE;
	}
	if (!live && !port_pool_is_open(&t->pool[s->external], port))
		return false;
	if (s->rq->internal_port == 0 &&
		lease_find(t, &s->rq->internal, s->rq->protocol, port) != LEASE_NONE)
		return false;
	if (!counted && !s->terms->may_take_new) {
		s->quota_missed = true;
		return false;
	}
	s->port = port;
	return true;
}

/* The port that the client holds for the other protocol of the same internal port. */
static bool try_companion(struct search *s)
{
	static const uint8_t pair[] = {IPPROTO_UDP, IPPROTO_TCP};

	for (size_t i = 0; i < ARRAY_LEN(pair); i++) {
		const struct request *rq = s->rq;
		uint32_t at;

		if (pair[i] == rq->protocol)
			continue;
		at = rq->internal_port
			     ? lease_find(s->t, &rq->internal, pair[i], rq->internal_port)
			     : lease_find_zero_port(s->t, s->terms->user, &rq->internal, pair[i]);
		if (at != LEASE_NONE && s->t->node[at].lease.external == s->external &&
			try_port(s, s->t->node[at].lease.external_port))
			return true;
	}
	return false;
}

/* The port that the client had for this internal port until a moment ago. */
static bool try_former(struct search *s)
{
	const struct request *rq = s->rq;
	uint32_t at = rq->internal_port ? find_state(s->t, &rq->internal, rq->protocol,
						  rq->internal_port, LEASE_RESTING)
					: find_zero_port(s->t, s->terms->user, &rq->internal,
						  rq->protocol, LEASE_RESTING);

	return at != LEASE_NONE && s->t->node[at].lease.external == s->external &&
	       try_port(s, s->t->node[at].lease.external_port);
}

/* The same ports in the same order whenever this client asks for this internal port. */
static bool try_sticky(struct search *s)
{
	struct port_range range = s->terms->ports;
	uint64_t word[3] = {s->terms->sticky_id, s->rq->internal_port};

	for (word[2] = 0; word[2] < STICKY_TRIES; word[2]++) {
		uint64_t hash = hash_words(&s->t->sticky_key, word, ARRAY_LEN(word));

		if (try_port(s, (uint16_t)(range.first + hash % (range.last - range.first + 1u))))
			return true;
	}
	return false;
}

/* Any free port, each with the same chance. */
static bool try_random(struct search *s)
{
	for (uint64_t i = 0; i < ZERO_PORT_TRIES; i++) {
		uint16_t port = port_pool_pick(
			&s->t->pool[s->external], s->terms->ports, s->terms->random + i);

		if (port == 0)
			return false;
		if (try_port(s, port))
			return true;
	}
	return false;
}

/* At his limit, a client may still have one of his own ports that rest. */
static bool try_own_resting(struct search *s)
{
	uint32_t at = s->terms->user == USER_NONE ? LEASE_NONE
						  : s->t->users->user[s->terms->user].first_lease;

	for (; at != LEASE_NONE; at = s->t->node[at].next_of_user) {
		const struct lease *l = &s->t->node[at].lease;

		if (l->state == LEASE_RESTING && l->external == s->external &&
			try_port(s, l->external_port))
			return true;
	}
	s->quota_missed = true;
	return false;
}

static bool try_choice(struct search *s)
{
	if (!s->terms->may_take_new)
		return try_own_resting(s);
	if (s->terms->port_choice == CONFIG_PORT_STICKY && try_sticky(s))
		return true;
	return try_random(s);
}

/* Find a port on one external address, in the order that clients rely on. */
static bool search_external(struct search *s, uint32_t external)
{
	s->external = external;
	if (s->rq->suggested_port && try_port(s, s->rq->suggested_port))
		return true;
	return try_companion(s) || try_former(s) || try_choice(s);
}

/* A client whose first mapping this is may get another address when its own has no port left. */
static bool search_anywhere(struct search *s)
{
	uint32_t held = s->terms->user == USER_NONE ? 0 : s->t->users->user[s->terms->user].ports;
	uint32_t named = addr_is_any(&s->rq->suggested) ? LEASE_NONE
							: external_called(s->t, &s->rq->suggested);
	uint32_t first = named != LEASE_NONE
				 ? named
				 : lease_external_for(s->t, s->terms->user, &s->rq->internal);

	if (search_external(s, first))
		return true;
	/* A hint never does harm: what it named may be full (RFC 6887 11.3). */
	if (named != LEASE_NONE &&
		search_external(s, lease_external_for(s->t, s->terms->user, &s->rq->internal)))
		return true;
	for (uint32_t i = 0; i < GATEWAY_EXTERNALS_MAX && held == 0; i++)
		if (i != first && s->t->external_present[i] && search_external(s, i))
			return true;
	return false;
}

/* Seconds after which the port that @s wanted may be had, 0 when never (conformance note Q-09). */
static uint32_t retry_after_s(const struct search *s, int64_t now_ms)
{
	uint32_t at = store_first_of_port(s->t, s->external, s->rq->suggested_port);

	if (!port_pool_is_open(&s->t->pool[s->external], s->rq->suggested_port) || at == LEASE_NONE)
		return 0;
	return lease_left_s(&s->t->node[at].lease, now_ms) + LEASE_TIME_WAIT_S;
}

/* The suggested tuple or nothing (RFC 6887 13.2); all-zeros means any of our addresses. */
static enum pcp_result search_suggestion(struct search *s, int64_t now_ms, uint32_t *retry_s)
{
	uint32_t external = addr_is_any(&s->rq->suggested)
				    ? lease_external_for(s->t, s->terms->user, &s->rq->internal)
				    : external_called(s->t, &s->rq->suggested);

	*retry_s = 0;
	if (external == LEASE_NONE)
		return PCP_CANNOT_PROVIDE_EXTERNAL;
	s->external = external;
	if (try_port(s, s->rq->suggested_port))
		return PCP_SUCCESS;
	*retry_s = retry_after_s(s, now_ms);
	return s->quota_missed ? PCP_USER_EX_QUOTA : PCP_CANNOT_PROVIDE_EXTERNAL;
}

static enum pcp_result search_port(struct search *s, int64_t now_ms, uint32_t *retry_s)
{
	if (s->rq->prefer_failure)
		return search_suggestion(s, now_ms, retry_s);
	if (search_anywhere(s))
		return PCP_SUCCESS;
	return s->quota_missed ? PCP_USER_EX_QUOTA : PCP_NO_RESOURCES;
}

static struct mapping mapping_of(const struct lease_table *t, const struct lease *l)
{
	return (struct mapping){
		.internal = l->internal,
		.external = t->external[l->external].addr,
		.internal_port = l->internal_port,
		.external_port = l->external_port,
		.protocol = l->protocol,
		.origin = l->origin,
		.opcode = PCP_OP_MAP,
		.nonce = l->nonce,
		.lifetime_s = l->lifetime_s,
	};
}

/* Put @value in the table and note how to undo it and what the kernel must do. */
static void stage(struct lease_table *t, struct staging *s, uint32_t n, enum edit_kind kind,
	const struct lease *value)
{
	const struct lease *mapped = kind == EDIT_UNMAP ? &t->node[n].lease : value;

	assert(s->len < s->size);
	s->change[s->len] = (struct lease_change){.lease = n, .before = t->node[n].lease};
	s->edit[s->len] = (struct edit){
		.kind = kind,
		.timeout_s = kind == EDIT_UNMAP ? 0 : mapped->lifetime_s + LEASE_GRACE_S,
		.mapping = mapping_of(t, mapped),
	};
	s->len++;
	store_put(t, n, value);
}

/* The node for a new lease: the one that rests on this port and protocol, or a free one. */
static uint32_t node_for(
	const struct lease_table *t, uint32_t external, uint16_t port, uint8_t protocol)
{
	uint32_t at = store_first_of_port(t, external, port);

	while (at != LEASE_NONE && t->node[at].lease.protocol != protocol)
		at = t->node[at].next_of_port;
	return at != LEASE_NONE ? at : store_free_node(t);
}

static struct lease new_lease(const struct request *rq, const struct lease_terms *terms,
	uint32_t external, uint16_t port, int64_t now_ms)
{
	return (struct lease){
		.internal = rq->internal,
		.ends_ms = now_ms + (int64_t)terms->lifetime_s * MS_PER_S,
		.user = terms->user,
		.lifetime_s = terms->lifetime_s,
		.nonce = rq->nonce,
		.internal_port = rq->internal_port ? rq->internal_port : port,
		.external_port = port,
		.external = (uint8_t)external,
		.protocol = rq->protocol,
		.state = LEASE_LIVE,
		.origin = (uint8_t)rq->origin,
		.zero_port = rq->internal_port == 0,
	};
}

enum pcp_result lease_stage_new(struct lease_table *t, struct staging *staging,
	const struct request *rq, const struct lease_terms *terms, int64_t now_ms, uint32_t *lease,
	uint32_t *retry_s)
{
	struct search s = {.t = t, .rq = rq, .terms = terms};
	enum pcp_result result = search_port(&s, now_ms, retry_s);
	struct lease value;

	if (result != PCP_SUCCESS)
		return result;
	*lease = node_for(t, s.external, s.port, rq->protocol);
	if (*lease == LEASE_NONE)
		return PCP_NO_RESOURCES;
	value = new_lease(rq, terms, s.external, s.port, now_ms);
	stage(t, staging, *lease, EDIT_MAP, &value);
	return PCP_SUCCESS;
}

enum pcp_result lease_preview(const struct lease_table *t, const struct request *rq,
	const struct lease_terms *terms, int64_t now_ms, uint32_t *external, uint16_t *port)
{
	struct search s = {.t = t, .rq = rq, .terms = terms};
	uint32_t retry_s;
	enum pcp_result result = search_port(&s, now_ms, &retry_s);

	*external = s.external;
	*port = s.port;
	return result;
}

enum pcp_result lease_stage_static(struct lease_table *t, struct staging *staging,
	const struct request *rq, const struct lease_terms *terms, uint32_t external, uint16_t port,
	int64_t now_ms)
{
	struct lease value = new_lease(rq, terms, external, port, now_ms);
	uint32_t n = node_for(t, external, port, rq->protocol);

	if (n == LEASE_NONE)
		return PCP_NO_RESOURCES;
	stage(t, staging, n, EDIT_MAP, &value);
	return PCP_SUCCESS;
}

uint32_t lease_first_of_port(const struct lease_table *t, uint32_t external, uint16_t port)
{
	return store_first_of_port(t, external, port);
}

uint32_t lease_next_of_port(const struct lease_table *t, uint32_t lease)
{
	return t->node[lease].next_of_port;
}

void lease_give_to(struct lease_table *t, uint32_t lease, uint32_t user)
{
	struct lease value = t->node[lease].lease;

	value.user = user;
	store_put(t, lease, &value);
}

/* Does the kernel's record of the lease stay as it is? */
static bool same_record(const struct lease *a, const struct lease *b)
{
	return a->origin == b->origin && a->lifetime_s == b->lifetime_s &&
	       memcmp(&a->nonce, &b->nonce, sizeof(a->nonce)) == 0;
}

void lease_stage_renewal(struct lease_table *t, struct staging *staging, uint32_t lease,
	const struct request *rq, uint32_t lifetime_s, int64_t now_ms)
{
	const struct lease *held = &t->node[lease].lease;
	struct lease value = *held;

	value.lifetime_s = lifetime_s;
	value.ends_ms = now_ms + (int64_t)lifetime_s * MS_PER_S;
	value.origin = (uint8_t)rq->origin;
	value.nonce = rq->nonce;
	stage(t, staging, lease, same_record(held, &value) ? EDIT_RENEW : EDIT_REWRITE, &value);
}

void lease_stage_end(struct lease_table *t, struct staging *staging, uint32_t lease,
	uint32_t quarantine_s, bool free, int64_t now_ms)
{
	struct lease value = t->node[lease].lease;

	value.state = quarantine_s ? LEASE_RESTING : LEASE_FREE;
	value.rests_free = free;
	value.ends_ms = now_ms + (int64_t)quarantine_s * MS_PER_S;
	stage(t, staging, lease, EDIT_UNMAP, &value);
}

void lease_abandon(struct lease_table *t, struct staging *staging, size_t from)
{
	while (staging->len > from) {
		const struct lease_change *c = &staging->change[--staging->len];

		store_put(t, c->lease, &c->before);
	}
}

uint32_t lease_overdue(struct lease_table *t, int64_t now_ms)
{
	while (t->heap_len > 0) {
		uint32_t n = t->heap[0];
		struct lease gone = t->node[n].lease;

		if (gone.ends_ms > now_ms)
			break;
		if (gone.state == LEASE_LIVE)
			return n;
		gone.state = LEASE_FREE;
		store_put(t, n, &gone);
	}
	return LEASE_NONE;
}

void lease_postpone(struct lease_table *t, uint32_t lease, int64_t now_ms, int64_t delay_ms)
{
	struct lease value = t->node[lease].lease;

	value.ends_ms = now_ms + delay_ms;
	store_put(t, lease, &value);
}

int64_t lease_next_end_ms(const struct lease_table *t)
{
	return t->heap_len ? t->node[t->heap[0]].lease.ends_ms : INT64_MAX;
}
