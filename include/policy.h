/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The admin's word on a request, as pure functions. */
#ifndef TUNMAP_POLICY_H
#define TUNMAP_POLICY_H

#include "include/config.h"
#include "include/lease.h"
#include "include/request.h"

#include <stdbool.h>
#include <stdint.h>

/* What is to be done about a request. */
enum policy_action {
	POLICY_ANSWER, /* nothing changes: the answer is complete */
	POLICY_GRANT,  /* make a new mapping */
	POLICY_RENEW,  /* let the existing one last */
	POLICY_END,    /* end the existing one */
};

/* What decided about a request. */
enum policy_rule {
	POLICY_RULE_GRANTED,      /* nothing stood against it */
	POLICY_RULE_HELD,         /* the client has this mapping already */
	POLICY_RULE_STATIC,       /* a static port of the user */
	POLICY_RULE_NOTHING_HELD, /* there is nothing to end */
	POLICY_RULE_UNSUPPORTED,  /* only TCP and UDP ports can be mapped */
	POLICY_RULE_SWITCHED_OFF, /* the protocol of the request */
	POLICY_RULE_BANNED,
	POLICY_RULE_UNKNOWN_USERS,
	POLICY_RULE_PROTOCOLS,      /* of the class */
	POLICY_RULE_INTERNAL_PORTS, /* of the class */
	POLICY_RULE_ZERO_PORT,      /* protocols.internal-port-zero */
	POLICY_RULE_NO_EXTERNAL,    /* the gateway has no external address */
	POLICY_RULE_NONCE,          /* another nonce holds the mapping */
	POLICY_RULE_OTHER_PROTOCOL, /* NAT-PMP and PCP end their own mappings only */
	POLICY_RULE_SUGGESTION,     /* the suggested port cannot be had */
	POLICY_RULE_QUOTA,          /* mappings of the class */
	POLICY_RULE_POOL_FULL,      /* no port of the class is free */
	POLICY_RULES
};

/* The rule in words, for an admin: what decided and what would change it. */
const char *policy_rule_text(enum policy_rule rule);

struct policy_verdict {
	enum policy_action action;
	enum policy_rule rule;
	enum pcp_result result; /* of POLICY_ANSWER */
	uint32_t lifetime_s;    /* to be granted; of an error, how long it lasts */
};

/* What the tables say of the client when the request is judged. */
struct policy_facts {
	const struct lease *held;  /* the live lease of the request's internal tuple, or NULL */
	bool held_fits_suggestion; /* the suggestion is what @held has, or does not matter */
	bool has_external;         /* the gateway has an external address for it */
	bool banned;
	bool unknown; /* no user of the policy or of a session */
	int64_t now_ms;
};

/* Judge a REQUEST_MAP or REQUEST_UNMAP (RFC 6886 3.3, 3.4; RFC 6887 11.3, 15). */
struct policy_verdict policy_judge(const struct config *config, const struct config_class *class,
	const struct request *rq, const struct policy_facts *facts);

/* May a client ask at all?  False: banned, or unknown where the policy refuses those. */
bool policy_admits(const struct config *config, const struct policy_facts *facts);

/* Would the policy still allow a mapping that stands? */
bool policy_keeps(
	const struct config *config, const struct config_class *class, const struct lease *l);

/* The lifetime that @class grants to who asks @asked_s of @origin's protocol. */
uint32_t policy_lifetime_s(
	const struct config_class *class, enum mapping_origin origin, uint32_t asked_s);

#endif
