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

struct policy_verdict {
	enum policy_action action;
	enum pcp_result result; /* of POLICY_ANSWER */
	uint32_t lifetime_s;    /* to be granted; of an error, how long it lasts */
};

/* What the table says of the client when the request is judged. */
struct policy_facts {
	const struct lease *held;  /* the live lease of the request's internal tuple, or NULL */
	bool has_external;         /* the gateway has an external address */
	bool held_fits_suggestion; /* the suggestion is what @held has, or does not matter */
	int64_t now_ms;
};

/* Judge a REQUEST_MAP or REQUEST_UNMAP (RFC 6886 3.3, 3.4; RFC 6887 11.3, 15). */
struct policy_verdict policy_judge(const struct config *config, const struct config_class *class,
	const struct request *rq, const struct policy_facts *facts);

/* The lifetime that @class grants to who asks @asked_s of @origin's protocol. */
uint32_t policy_lifetime_s(
	const struct config_class *class, enum mapping_origin origin, uint32_t asked_s);

#endif
