/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which flows one pass over conntrack is to end.  Without memory to remember a mapping or an
 * address that ended, more flows end than was asked for; see sweep.h.
 */
#ifndef TUNMAP_NFT_PASS_H
#define TUNMAP_NFT_PASS_H

#include "include/config.h"
#include "include/gateway.h"
#include "include/mapping.h"
#include "src/nft/ended.h"
#include "src/nft/flow.h"
#include "src/nft/sweep.h"

#include <stdbool.h>

struct pass {
	struct ended_set ended;
	struct sweep sweep;
	bool forgetful; /* for tests: there is no memory */
};

/* The flows of a mapping that ended. */
void pass_add(struct pass *p, const struct mapping *m);
/* Every flow of a tunnel address. */
void pass_add_addr(struct pass *p, const struct addr *internal);
/* Every flow of a mapping that there may have been at @pool on one of @gateway's addresses. */
void pass_add_pool(struct pass *p, struct port_range pool, const struct gateway *gateway);

/*
 * UDP flows that the mapping @m should have and has not: see adopt_flows in include/backend.h.
 * Without memory they are left as they are.
 */
void pass_adopt(struct pass *p, const struct mapping *m);

/* Is there anything to end? */
bool pass_is_wanted(const struct pass *p);
bool pass_ends(const struct pass *p, const struct flow *flow);

/* Start afresh. */
void pass_clear(struct pass *p);

#endif
