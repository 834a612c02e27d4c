/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an admin sees and orders. */
#include "src/state.h"

#include <errno.h>
#include <string.h>

#define USER_ADDRESSES_TOLD 8

static const char *name_of(const struct user *user, char text[ADDR_TEXT_MAX])
{
	return user->name[0] ? user->name : addr_format(&user->addr, text);
}

static bool is_called(const struct user *user, const char *name)
{
	char text[ADDR_TEXT_MAX];

	return strcmp(name_of(user, text), name) == 0;
}

static bool is_meant(
	const struct engine *e, const struct admin_selector *which, const struct lease *l)
{
	const struct gateway_external *external = &e->leases.external[l->external];

	return l->state == LEASE_LIVE &&
	       (!which->has_address || addr_equal(&which->address, &l->internal)) &&
	       (which->port == 0 || which->port == l->external_port) &&
	       (which->protocol == 0 || which->protocol == l->protocol) &&
	       (!which->has_external || addr_equal(&which->external, &external->advertise)) &&
	       (!which->user[0] || is_called(&e->users.user[l->user], which->user));
}

static struct admin_mapping describe(const struct engine *e, const struct lease *l, int64_t now_ms)
{
	const struct user *user = &e->users.user[l->user];

	return (struct admin_mapping){
		.protocol = l->protocol,
		.internal = l->internal,
		.internal_port = l->internal_port,
		.external = e->leases.external[l->external].advertise,
		.external_port = l->external_port,
		.lifetime_s = l->lifetime_s,
		.remaining_s = lease_left_s(l, now_ms),
		.user = user->name,
		.class = engine_class_of(e, l->user)->name,
		.origin = (enum mapping_origin)l->origin,
		.opcode = PCP_OP_MAP,
	};
}

bool admin_next_mappings(const struct engine *e, const struct admin_selector *which,
	uint32_t *cursor, uint32_t max, int64_t now_ms, admin_mapping_fn fn, void *arg)
{
	uint32_t all = e->leases.used;
	uint32_t end = *cursor < all && max < all - *cursor ? *cursor + max : all;

	for (; *cursor < end; ++*cursor) {
		const struct lease *l = lease_at(&e->leases, *cursor);
		char text[ADDR_TEXT_MAX];
		struct admin_mapping mapping;

		if (!is_meant(e, which, l))
			continue;
		mapping = describe(e, l, now_ms);
		mapping.user = name_of(&e->users.user[l->user], text);
		fn(arg, &mapping);
	}
	return *cursor < all;
}

static size_t list_addresses(
	const struct engine *e, const struct user *user, struct config_prefix *out, size_t max)
{
	size_t len = 0;

	if (!user->name[0]) {
		out[0] = prefix_of_host(&user->addr);
		return 1;
	}
	for (uint32_t at = user->first_binding; at != BINDING_NONE && len < max;
		at = e->bindings.binding[at].next_of_user)
		out[len++] = e->bindings.binding[at].prefix;
	return len;
}

static bool is_user_banned(const struct engine *e, const struct user *user, int64_t now_ms)
{
	return user_is_banned(user, now_ms) ||
	       (!user->name[0] && engine_address_is_banned(e, &user->addr, now_ms));
}

static void tell_user(
	const struct engine *e, uint32_t n, int64_t now_ms, admin_user_fn fn, void *arg)
{
	const struct user *user = &e->users.user[n];
	const struct config_class *class = engine_class_of(e, n);
	struct config_prefix addresses[USER_ADDRESSES_TOLD];
	size_t addresses_len = list_addresses(e, user, addresses, USER_ADDRESSES_TOLD);
	char text[ADDR_TEXT_MAX];
	struct admin_user told = {
		.name = name_of(user, text),
		.class = class->name,
		.held = user->ports,
		.allowed = class->mappings,
		.banned = is_user_banned(e, user, now_ms),
		.connected = addresses_len > 0,
		.addresses = addresses,
		.addresses_len = addresses_len,
	};

	fn(arg, &told);
}

bool admin_next_users(const struct engine *e, uint32_t *cursor, uint32_t max, int64_t now_ms,
	admin_user_fn fn, void *arg)
{
	uint32_t all = e->users.used;
	uint32_t end = *cursor < all && max < all - *cursor ? *cursor + max : all;

	for (; *cursor < end; ++*cursor) {
		const struct user *user = &e->users.user[*cursor];

		if (user->known && (user->in_policy || user->first_binding != BINDING_NONE ||
					   user->ports > 0 || is_user_banned(e, user, now_ms)))
			tell_user(e, *cursor, now_ms, fn, arg);
	}
	return *cursor < all;
}

size_t engine_end_meant(struct engine *e, const struct admin_selector *which, int64_t now_ms)
{
	uint64_t before = e->counters.ended;

	engine_begin(e);
	for (uint32_t n = 0; n < e->leases.used; n++)
		if (is_meant(e, which, lease_at(&e->leases, n)))
			engine_plan_end(e, n, ADMIN_REASON_REVOKED, now_ms);
	engine_finish(e, now_ms);
	return (size_t)(e->counters.ended - before);
}

size_t admin_revoke(struct engine *e, const struct admin_selector *which, int64_t now_ms)
{
	size_t ended = engine_end_meant(e, which, now_ms);

	engine_hold_statics(e, now_ms);
	return ended;
}

/* Explanations */

static enum policy_rule rule_of_result(enum pcp_result result)
{
	if (result == PCP_SUCCESS)
		return POLICY_RULE_GRANTED;
	if (result == PCP_USER_EX_QUOTA)
		return POLICY_RULE_QUOTA;
	return result == PCP_CANNOT_PROVIDE_EXTERNAL ? POLICY_RULE_SUGGESTION
						     : POLICY_RULE_POOL_FULL;
}

static struct request request_of(const struct admin_query *q, const struct config_class *class)
{
	return (struct request){
		.kind = REQUEST_MAP,
		.origin = q->origin,
		.internal = q->address,
		.protocol = q->protocol,
		.internal_port = q->internal_port,
		.suggested_port = q->external_port,
		.lifetime_s = q->lifetime_s ? q->lifetime_s : class->lifetime_default_s,
	};
}

/* A new mapping: would there be a port, and which? */
static void preview(const struct engine *e, const struct request *rq, uint32_t user,
	uint32_t lifetime_s, int64_t now_ms, struct admin_explanation *out)
{
	struct lease_terms terms = engine_terms(e, rq, user, lifetime_s);
	uint32_t external;
	uint16_t port;

	out->result = lease_preview(&e->leases, rq, &terms, now_ms, &external, &port);
	out->rule = rule_of_result(out->result);
	if (out->result != PCP_SUCCESS)
		out->lifetime_s = pcp_error_lifetime_s(out->result);
	else if (port == rq->suggested_port || terms.port_choice == CONFIG_PORT_STICKY)
		out->external_port = port;
}

/* Where the policy says what decided; line 0 for its defaults and for what is no policy. */
static struct config_mark mark_of(
	const struct engine *e, const struct config_class *class, enum policy_rule rule)
{
	switch (rule) {
	case POLICY_RULE_PROTOCOLS:
		return class->key_mark[CONFIG_CLASS_PROTOCOLS];
	case POLICY_RULE_INTERNAL_PORTS:
		return class->key_mark[CONFIG_CLASS_INTERNAL_PORTS];
	case POLICY_RULE_QUOTA:
		return class->key_mark[CONFIG_CLASS_MAPPINGS];
	case POLICY_RULE_POOL_FULL:
		return class->key_mark[CONFIG_CLASS_PORTS];
	case POLICY_RULE_UNKNOWN_USERS:
		return e->config->unknown_mark;
	case POLICY_RULE_GRANTED:
	case POLICY_RULE_HELD:
		return class->mark;
	case POLICY_RULE_STATIC:
	case POLICY_RULE_NOTHING_HELD:
	case POLICY_RULE_UNSUPPORTED:
	case POLICY_RULE_SWITCHED_OFF:
	case POLICY_RULE_BANNED:
	case POLICY_RULE_ZERO_PORT:
	case POLICY_RULE_NO_EXTERNAL:
	case POLICY_RULE_NONCE:
	case POLICY_RULE_OTHER_PROTOCOL:
	case POLICY_RULE_SUGGESTION:
	case POLICY_RULES:
		break;
	}
	return (struct config_mark){0};
}

/* A static port's rule is the user's own line. */
static struct config_mark mark_of_static(
	const struct engine *e, const struct user *user, uint16_t port)
{
	const struct config_user *u = config_user(e->config, user->name);

	for (size_t i = 0; u && i < u->statics_len; i++)
		if (u->statics[i].port == port)
			return u->statics[i].mark;
	return (struct config_mark){0};
}

/* A request in a protocol that is not spoken gets no further than that. */
static struct policy_verdict judge(const struct config *config, const struct config_class *class,
	const struct request *rq, const struct policy_facts *facts)
{
	if (rq->origin == MAPPING_PCP ? config->pcp : config->nat_pmp)
		return policy_judge(config, class, rq, facts);
	return (struct policy_verdict){
		.action = POLICY_ANSWER,
		.rule = POLICY_RULE_SWITCHED_OFF,
		.result = PCP_UNSUPP_VERSION,
		.lifetime_s = pcp_error_lifetime_s(PCP_UNSUPP_VERSION),
	};
}

void admin_explain(const struct engine *e, const struct admin_query *q, int64_t now_ms,
	struct admin_explanation *out)
{
	uint32_t user = engine_user_of(e, &q->address);
	const struct config_class *class = engine_class_of(e, user);
	struct request rq = request_of(q, class);
	struct policy_facts facts =
		engine_facts(e, &rq, user, engine_find_lease(e, &rq, user), now_ms);
	struct policy_verdict verdict;
	char text[ADDR_TEXT_MAX];
	const char *name = user == USER_NONE ? addr_format(&q->address, text)
					     : name_of(&e->users.user[user], text);

	/* Who asks for an explanation knows no nonce: the mapping's own is meant. */
	if (facts.held)
		rq.nonce = facts.held->nonce;
	verdict = judge(e->config, class, &rq, &facts);
	*out = (struct admin_explanation){
		.result = verdict.action == POLICY_ANSWER ? verdict.result : PCP_SUCCESS,
		.lifetime_s = verdict.lifetime_s,
		.rule = verdict.rule,
		.class = class->name,
	};
	memcpy(out->user, name, strnlen(name, sizeof(out->user) - 1));
	if (verdict.action == POLICY_GRANT)
		preview(e, &rq, user, verdict.lifetime_s, now_ms, out);
	else if (facts.held && out->result == PCP_SUCCESS)
		out->external_port = facts.held->external_port;
	out->mark = out->rule == POLICY_RULE_STATIC
			    ? mark_of_static(e, &e->users.user[user], out->external_port)
			    : mark_of(e, class, out->rule);
}

void admin_listen(struct engine *e, admin_event_fn fn, void *arg)
{
	e->event_fn = fn;
	e->event_arg = arg;
}
