/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "include/policy.h"

#define PROTOCOL_TCP 6 /* IANA; RFC 6887 11.1 */
#define PROTOCOL_UDP 17

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

static struct policy_verdict answer(enum pcp_result result, uint32_t lifetime_s)
{
	return (struct policy_verdict){
		.action = POLICY_ANSWER, .result = result, .lifetime_s = lifetime_s};
}

static struct policy_verdict refuse(enum pcp_result result)
{
	return answer(result, pcp_error_lifetime_s(result));
}

static bool same_nonce(const struct request *rq, const struct lease *held)
{
	return memcmp(&rq->nonce, &held->nonce, sizeof(rq->nonce)) == 0;
}

static bool class_allows(const struct config_class *class, const struct request *rq)
{
	uint32_t bit = rq->protocol == PROTOCOL_TCP ? CONFIG_TCP : CONFIG_UDP;

	if (!(class->protocols & bit))
		return false;
	return rq->internal_port == 0 || (rq->internal_port >= class->internal_ports.first &&
						 rq->internal_port <= class->internal_ports.last);
}

/* A mapping of a whole protocol cannot be had behind an address that others share (RFC 6887 11.3).
 */
static bool is_unsupported(const struct request *rq)
{
	return (rq->protocol != PROTOCOL_TCP && rq->protocol != PROTOCOL_UDP) ||
	       (rq->origin == MAPPING_PCP && rq->internal_port == 0);
}

/* The client's mapping exists: is it his to renew, in this protocol and with this nonce? */
static struct policy_verdict judge_held(const struct config *config,
	const struct config_class *class, const struct request *rq, const struct policy_facts *f)
{
	uint32_t left_s = lease_left_s(f->held, f->now_ms);
	uint32_t lifetime_s = policy_lifetime_s(class, rq->origin, rq->lifetime_s);
	bool held_by_pcp = f->held->origin == MAPPING_PCP;

	/* NAT-PMP knows no nonce: it may learn of a PCP mapping, not extend it. */
	if (rq->origin == MAPPING_NATPMP && held_by_pcp)
		return answer(PCP_SUCCESS, min_u32(lifetime_s, left_s));
	/* The tunnel has authenticated the address; relaxed takes that for the nonce. */
	if (held_by_pcp && !same_nonce(rq, f->held) && config->nonce == CONFIG_NONCE_STRICT)
		return answer(PCP_NOT_AUTHORIZED, left_s);
	if (rq->prefer_failure && !f->held_fits_suggestion)
		return answer(PCP_CANNOT_PROVIDE_EXTERNAL, left_s + LEASE_TIME_WAIT_S);
	return (struct policy_verdict){.action = POLICY_RENEW, .lifetime_s = lifetime_s};
}

static struct policy_verdict judge_map(const struct config *config,
	const struct config_class *class, const struct request *rq, const struct policy_facts *f)
{
	if (is_unsupported(rq))
		return refuse(PCP_UNSUPP_PROTOCOL);
	if (!class_allows(class, rq) ||
		(rq->internal_port == 0 && config->zero_port == CONFIG_ZERO_REFUSE))
		return refuse(PCP_NOT_AUTHORIZED);
	if (!f->has_external)
		return refuse(PCP_NETWORK_FAILURE);
	if (f->held)
		return judge_held(config, class, rq, f);
	return (struct policy_verdict){
		.action = POLICY_GRANT,
		.lifetime_s = policy_lifetime_s(class, rq->origin, rq->lifetime_s),
	};
}

/* Each protocol ends its own mappings only, and PCP only with the nonce (RFC 6887 15.1, Q-21). */
static struct policy_verdict judge_unmap(const struct request *rq, const struct policy_facts *f)
{
	if (!f->held)
		return answer(PCP_SUCCESS, 0);
	if (rq->origin != f->held->origin || !same_nonce(rq, f->held))
		return answer(PCP_NOT_AUTHORIZED, lease_left_s(f->held, f->now_ms));
	return (struct policy_verdict){.action = POLICY_END};
}

struct policy_verdict policy_judge(const struct config *config, const struct config_class *class,
	const struct request *rq, const struct policy_facts *facts)
{
	return rq->kind == REQUEST_MAP ? judge_map(config, class, rq, facts)
				       : judge_unmap(rq, facts);
}
