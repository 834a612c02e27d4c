/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "include/policy.h"

#include <netinet/in.h>

static uint32_t min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static uint32_t max_u32(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

uint32_t policy_lifetime_s(
	const struct config_class *class, enum mapping_origin origin, uint32_t asked_s)
{
	uint32_t least = origin == MAPPING_PCP ? class->pcp_lifetime_min_s : class->lifetime_min_s;

	return min_u32(max_u32(asked_s, least), class->lifetime_max_s);
}

static struct policy_verdict answer(
	enum policy_rule rule, enum pcp_result result, uint32_t lifetime_s)
{
	return (struct policy_verdict){
		.action = POLICY_ANSWER, .rule = rule, .result = result, .lifetime_s = lifetime_s};
}

static struct policy_verdict refuse(enum policy_rule rule, enum pcp_result result)
{
	return answer(rule, result, pcp_error_lifetime_s(result));
}

static bool same_nonce(const struct request *rq, const struct lease *held)
{
	return memcmp(&rq->nonce, &held->nonce, sizeof(rq->nonce)) == 0;
}

static bool range_has(struct port_range range, uint16_t port)
{
	return port >= range.first && port <= range.last;
}

static bool class_allows_protocol(const struct config_class *class, uint8_t protocol)
{
	return class->protocols & (protocol == IPPROTO_TCP ? CONFIG_TCP : CONFIG_UDP);
}

/* A mapping of a whole protocol cannot be had behind an address that others share (RFC 6887
 * 11.3). */
static bool is_unsupported(const struct request *rq)
{
	return (rq->protocol != IPPROTO_TCP && rq->protocol != IPPROTO_UDP) ||
	       (rq->origin == MAPPING_PCP && rq->internal_port == 0);
}

/* The client's mapping exists: is it his to renew, in this protocol and with this nonce? */
static struct policy_verdict judge_held(const struct config *config,
	const struct config_class *class, const struct request *rq, const struct policy_facts *f)
{
	uint32_t left_s = lease_left_s(f->held, f->now_ms);
	uint32_t lifetime_s = policy_lifetime_s(class, rq->origin, rq->lifetime_s);
	bool held_by_pcp = f->held->origin == MAPPING_PCP;

	if (rq->prefer_failure && !f->held_fits_suggestion)
		return answer(POLICY_RULE_SUGGESTION, PCP_CANNOT_PROVIDE_EXTERNAL,
			left_s + LEASE_TIME_WAIT_S);
	/* It stands for ever; the client hears what it asked for, or some would never renew. */
	if (f->held->origin == MAPPING_STATIC)
		return answer(POLICY_RULE_STATIC, PCP_SUCCESS, lifetime_s);
	/* NAT-PMP knows no nonce: it may learn of a PCP mapping, not extend it. */
	if (rq->origin == MAPPING_NATPMP && held_by_pcp)
		return answer(POLICY_RULE_OTHER_PROTOCOL, PCP_SUCCESS, min_u32(lifetime_s, left_s));
	/* The tunnel has authenticated the address; relaxed takes that for the nonce. */
	if (held_by_pcp && !same_nonce(rq, f->held) && config->nonce == CONFIG_NONCE_STRICT)
		return answer(POLICY_RULE_NONCE, PCP_NOT_AUTHORIZED, left_s);
	return (struct policy_verdict){
		.action = POLICY_RENEW, .rule = POLICY_RULE_HELD, .lifetime_s = lifetime_s};
}

bool policy_admits(const struct config *config, const struct policy_facts *facts)
{
	return !facts->banned && !(facts->unknown && config->unknown_refused);
}

static struct policy_verdict judge_map(const struct config *config,
	const struct config_class *class, const struct request *rq, const struct policy_facts *f)
{
	if (is_unsupported(rq))
		return refuse(POLICY_RULE_UNSUPPORTED, PCP_UNSUPP_PROTOCOL);
	if (!policy_admits(config, f))
		return refuse(f->banned ? POLICY_RULE_BANNED : POLICY_RULE_UNKNOWN_USERS,
			PCP_NOT_AUTHORIZED);
	if (!class_allows_protocol(class, rq->protocol))
		return refuse(POLICY_RULE_PROTOCOLS, PCP_NOT_AUTHORIZED);
	if (rq->internal_port == 0 && config->zero_port == CONFIG_ZERO_REFUSE)
		return refuse(POLICY_RULE_ZERO_PORT, PCP_NOT_AUTHORIZED);
	if (rq->internal_port != 0 && !range_has(class->internal_ports, rq->internal_port))
		return refuse(POLICY_RULE_INTERNAL_PORTS, PCP_NOT_AUTHORIZED);
	if (!f->has_external)
		return refuse(POLICY_RULE_NO_EXTERNAL, PCP_NETWORK_FAILURE);
	if (f->held)
		return judge_held(config, class, rq, f);
	return (struct policy_verdict){
		.action = POLICY_GRANT,
		.rule = POLICY_RULE_GRANTED,
		.lifetime_s = policy_lifetime_s(class, rq->origin, rq->lifetime_s),
	};
}

/* Each protocol ends its own mappings only, and PCP only with the nonce (RFC 6887 15.1, Q-21). */
static struct policy_verdict judge_unmap(const struct request *rq, const struct policy_facts *f)
{
	if (!f->held)
		return answer(POLICY_RULE_NOTHING_HELD, PCP_SUCCESS, 0);
	if (f->held->origin == MAPPING_STATIC)
		return refuse(POLICY_RULE_STATIC, PCP_NOT_AUTHORIZED);
	if (rq->origin != f->held->origin || !same_nonce(rq, f->held))
		return answer(rq->origin != f->held->origin ? POLICY_RULE_OTHER_PROTOCOL
							    : POLICY_RULE_NONCE,
			PCP_NOT_AUTHORIZED, lease_left_s(f->held, f->now_ms));
	return (struct policy_verdict){.action = POLICY_END, .rule = POLICY_RULE_HELD};
}

struct policy_verdict policy_judge(const struct config *config, const struct config_class *class,
	const struct request *rq, const struct policy_facts *facts)
{
	return rq->kind == REQUEST_MAP ? judge_map(config, class, rq, facts)
				       : judge_unmap(rq, facts);
}

bool policy_keeps(
	const struct config *config, const struct config_class *class, const struct lease *l)
{
	return class_allows_protocol(class, l->protocol) &&
	       range_has(class->internal_ports, l->internal_port) &&
	       range_has(class->ports, l->external_port) &&
	       range_has(config->pool, l->external_port) &&
	       !(l->zero_port && config->zero_port == CONFIG_ZERO_REFUSE) &&
	       (l->origin != MAPPING_NATPMP || config->nat_pmp) &&
	       (l->origin != MAPPING_PCP || config->pcp);
}

const char *policy_rule_text(enum policy_rule rule)
{
	static const char *const text[POLICY_RULES] = {
		[POLICY_RULE_GRANTED] = "the policy allows it and a port is free",
		[POLICY_RULE_HELD] = "the client holds this mapping; it is renewed",
		[POLICY_RULE_STATIC] = "a static port of the user, which clients cannot change",
		[POLICY_RULE_NOTHING_HELD] = "there is no such mapping",
		[POLICY_RULE_UNSUPPORTED] = "only single TCP and UDP ports can be mapped",
		[POLICY_RULE_SWITCHED_OFF] = "this protocol is switched off in `protocols`",
		[POLICY_RULE_BANNED] = "the user or address is banned; lift it with unban",
		[POLICY_RULE_UNKNOWN_USERS] =
			"no user has this address, and unknown-users is refuse",
		[POLICY_RULE_PROTOCOLS] = "the protocol is not among the class's protocols",
		[POLICY_RULE_INTERNAL_PORTS] =
			"the internal port is not among the class's internal-ports",
		[POLICY_RULE_ZERO_PORT] = "internal port 0, and internal-port-zero is refuse",
		[POLICY_RULE_NO_EXTERNAL] = "the gateway has no external address at the moment",
		[POLICY_RULE_NONCE] = "the mapping was made with another PCP nonce",
		[POLICY_RULE_OTHER_PROTOCOL] = "the mapping was made by the other protocol",
		[POLICY_RULE_SUGGESTION] =
			"the suggested port cannot be had, and no other is wanted",
		[POLICY_RULE_QUOTA] = "the user holds as many ports as the class's mappings allow",
		[POLICY_RULE_POOL_FULL] = "no port of the class is free",
	};

	return text[rule];
}
