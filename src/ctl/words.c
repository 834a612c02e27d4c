/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/ctl/words.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

static const char *const origins[] = {
	[MAPPING_NATPMP] = "nat-pmp",
	[MAPPING_PCP] = "pcp",
	[MAPPING_STATIC] = "static",
};

static const char *const results[] = {
	[PCP_SUCCESS] = "success",
	[PCP_UNSUPP_VERSION] = "unsupported-version",
	[PCP_NOT_AUTHORIZED] = "not-authorized",
	[PCP_MALFORMED_REQUEST] = "malformed-request",
	[PCP_UNSUPP_OPCODE] = "unsupported-opcode",
	[PCP_UNSUPP_OPTION] = "unsupported-option",
	[PCP_MALFORMED_OPTION] = "malformed-option",
	[PCP_NETWORK_FAILURE] = "network-failure",
	[PCP_NO_RESOURCES] = "no-resources",
	[PCP_UNSUPP_PROTOCOL] = "unsupported-protocol",
	[PCP_USER_EX_QUOTA] = "quota-exceeded",
	[PCP_CANNOT_PROVIDE_EXTERNAL] = "cannot-provide-external",
	[PCP_ADDRESS_MISMATCH] = "address-mismatch",
	[PCP_EXCESSIVE_REMOTE_PEERS] = "excessive-remote-peers",
};

static const char *const rules[] = {
	[POLICY_RULE_GRANTED] = "granted",
	[POLICY_RULE_HELD] = "held",
	[POLICY_RULE_STATIC] = "static",
	[POLICY_RULE_NOTHING_HELD] = "nothing-held",
	[POLICY_RULE_UNSUPPORTED] = "unsupported",
	[POLICY_RULE_BANNED] = "banned",
	[POLICY_RULE_UNKNOWN_USERS] = "unknown-users",
	[POLICY_RULE_PROTOCOLS] = "protocols",
	[POLICY_RULE_INTERNAL_PORTS] = "internal-ports",
	[POLICY_RULE_ZERO_PORT] = "internal-port-zero",
	[POLICY_RULE_NO_EXTERNAL] = "no-external",
	[POLICY_RULE_NONCE] = "nonce",
	[POLICY_RULE_OTHER_PROTOCOL] = "other-protocol",
	[POLICY_RULE_SUGGESTION] = "suggestion",
	[POLICY_RULE_QUOTA] = "quota",
	[POLICY_RULE_POOL_FULL] = "pool-full",
};
_Static_assert(ARRAY_LEN(rules) == POLICY_RULES, "a rule without a word");

static const char *const drops[] = {
	[ENGINE_DROP_NOT_A_REQUEST] = "not-a-request",
	[ENGINE_DROP_RATE] = "rate",
	[ENGINE_DROP_USERS] = "users",
};
_Static_assert(ARRAY_LEN(drops) == ENGINE_DROPS, "a drop without a word");

static const char *const reasons[] = {
	[ADMIN_REASON_REQUEST] = "request",
	[ADMIN_REASON_EXPIRED] = "expired",
	[ADMIN_REASON_REVOKED] = "revoked",
	[ADMIN_REASON_SESSION] = "session",
	[ADMIN_REASON_POLICY] = "policy",
	[ADMIN_REASON_NETWORK] = "network",
};

static const char *const events[] = {
	[ADMIN_EVENT_GRANTED] = "granted",
	[ADMIN_EVENT_ENDED] = "ended",
	[ADMIN_EVENT_REFUSED] = "refused",
	[ADMIN_EVENT_SESSION_UP] = "session-up",
	[ADMIN_EVENT_SESSION_DOWN] = "session-down",
	[ADMIN_EVENT_BANNED] = "banned",
	[ADMIN_EVENT_UNBANNED] = "unbanned",
	[ADMIN_EVENT_RELOADED] = "reloaded",
	[ADMIN_EVENT_EXTERNAL] = "external",
};

const char *word_of_protocol(uint8_t protocol)
{
	return protocol == IPPROTO_TCP ? "tcp" : "udp";
}

/* A number that no word stands for is a later table's: say so instead of reading beyond ours. */
static const char *word_at(const char *const *words, size_t len, unsigned i)
{
	return i < len && words[i] ? words[i] : "other";
}

const char *word_of_origin(enum mapping_origin origin)
{
	return word_at(origins, ARRAY_LEN(origins), origin);
}

const char *word_of_opcode(enum pcp_opcode opcode)
{
	return opcode == PCP_OP_PEER ? "peer" : "map";
}

const char *word_of_result(unsigned result)
{
	return result < ARRAY_LEN(results) ? results[result] : NULL;
}

const char *word_of_rule(enum policy_rule rule)
{
	return word_at(rules, ARRAY_LEN(rules), rule);
}

const char *word_of_drop(enum engine_drop drop)
{
	return word_at(drops, ARRAY_LEN(drops), drop);
}

const char *word_of_reason(enum admin_reason reason)
{
	return word_at(reasons, ARRAY_LEN(reasons), reason);
}

const char *word_of_event(enum admin_event_kind kind)
{
	return word_at(events, ARRAY_LEN(events), kind);
}

int word_to_protocol(const char *word, uint8_t *out)
{
	if (strcmp(word, "udp") == 0)
		*out = IPPROTO_UDP;
	else if (strcmp(word, "tcp") == 0)
		*out = IPPROTO_TCP;
	else
		return -EINVAL;
	return 0;
}

/* Of those that ask; a static port asks for nothing. */
int word_to_origin(const char *word, enum mapping_origin *out)
{
	if (strcmp(word, origins[MAPPING_NATPMP]) == 0)
		*out = MAPPING_NATPMP;
	else if (strcmp(word, origins[MAPPING_PCP]) == 0)
		*out = MAPPING_PCP;
	else
		return -EINVAL;
	return 0;
}
