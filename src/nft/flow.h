/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An entry of conntrack, so far as it matters. */
#ifndef TUNMAP_NFT_FLOW_H
#define TUNMAP_NFT_FLOW_H

#include "include/addr.h"
#include "src/nft/family.h"

#include <stdbool.h>
#include <stdint.h>

struct nlattr;
struct nlmsghdr;

/* An end of a flow. */
struct flow_end {
	struct addr addr;
	uint16_t port; /* 0 for a protocol without ports */
};

struct flow {
	const struct family *family;
	const struct nlattr *tuple; /* of its first packet, as the kernel wrote it */
	const struct nlattr *id;
	const struct nlattr *zone;
	uint32_t status; /* IPS_... */
	uint8_t protocol;
	struct flow_end from, to;             /* of its first packet */
	struct flow_end reply_from, reply_to; /* of the answer that is expected */
};

/* Read what the kernel tells; @out points into it.  False for a family without mappings. */
bool flow_read(const struct nlmsghdr *nlh, struct flow *out);

#endif
