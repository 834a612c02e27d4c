/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a client wants and what it is told, whichever protocol it speaks. */
#ifndef TUNMAP_REQUEST_H
#define TUNMAP_REQUEST_H

#include "include/addr.h"
#include "include/mapping.h"
#include "include/pcp.h"

#include <stdbool.h>
#include <stdint.h>

enum request_kind {
	REQUEST_ADDRESS,   /* NAT-PMP: which external address? */
	REQUEST_ANNOUNCE,  /* PCP: are you there? */
	REQUEST_MAP,       /* make a mapping, or let it last */
	REQUEST_UNMAP,     /* end a mapping */
	REQUEST_UNMAP_ALL, /* NAT-PMP: end the client's mappings of a protocol */
};

struct request {
	enum request_kind kind;
	enum mapping_origin origin;
	struct addr internal;
	uint8_t protocol;        /* IANA protocol number */
	uint16_t internal_port;  /* 0: of our choice (NAT-PMP), or all of them (PCP) */
	uint16_t suggested_port; /* 0: any */
	struct addr suggested;   /* external address; addr_is_any(): any */
	uint32_t lifetime_s;
	struct pcp_nonce nonce; /* PCP only */
	bool prefer_failure;    /* the suggestion or nothing (RFC 6887 13.2) */
};

/* Results are PCP's; the NAT-PMP encoder has fewer words for them. */
struct answer {
	enum pcp_result result;
	uint32_t lifetime_s; /* granted; of an error: for how long it is worth believing */
	uint16_t external_port;
	struct addr external; /* as told to clients */
};

#endif
