/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A mapping as the kernel holds it, and the edits that the engine asks of the kernel.
 * Records of fixed size whose every field has a range that can be checked, because they
 * are what crosses to whoever holds CAP_NET_ADMIN.
 */
#ifndef TUNMAP_MAPPING_H
#define TUNMAP_MAPPING_H

#include "include/addr.h"
#include "include/pcp.h"

#include <stddef.h>
#include <stdint.h>

enum mapping_origin {
	MAPPING_NATPMP = 1,
	MAPPING_PCP = 2,
	MAPPING_STATIC = 3 /* from the policy, without a request */
};

/* The tuple that clients, peers and the kernel agree on.  Ports are never 0. */
struct mapping {
	struct addr internal;
	struct addr external; /* the gateway's own address, not the advertised one */
	uint16_t internal_port;
	uint16_t external_port;
	uint8_t protocol; /* IPPROTO_UDP or IPPROTO_TCP */
	/* What only the daemon reads back. */
	uint8_t origin;         /* enum mapping_origin */
	uint8_t opcode;         /* enum pcp_opcode: MAP, or PEER */
	struct pcp_nonce nonce; /* zero without PCP */
	uint32_t lifetime_s;
};

enum edit_kind {
	EDIT_MAP,     /* the mapping begins */
	EDIT_RENEW,   /* it lasts @timeout_s from now; nothing else changed */
	EDIT_REWRITE, /* as renew, and what only the daemon reads changed too */
	EDIT_UNMAP,   /* it ends; that it is gone already is no error */
};

struct edit {
	enum edit_kind kind;
	uint32_t timeout_s; /* the kernel ends the mapping by itself after so long; 0 for unmap */
	struct mapping mapping;
};

#endif
