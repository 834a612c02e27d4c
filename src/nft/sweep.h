/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Flows that are to end whatever mapping they came by: those at a range of the gateway's own
 * ports, and those of a range of tunnel addresses.  A range takes no memory, so it also stands in
 * for what there was no memory to remember: for one port or address it is exact, and what comes
 * to it widens it.  Too many flows end then, and none that should have is left.
 */
#ifndef TUNMAP_NFT_SWEEP_H
#define TUNMAP_NFT_SWEEP_H

#include "include/addr.h"
#include "include/config.h"
#include "include/gateway.h"
#include "src/nft/ended.h"

#include <stdbool.h>
#include <stddef.h>

struct sweep {
	bool ports_wanted;
	bool everywhere; /* at those ports of any address */
	struct port_range ports;
	struct addr at[GATEWAY_EXTERNALS_MAX];
	size_t at_len;

	bool addrs_wanted;
	struct addr first, last; /* of the tunnel addresses */
};

/* Widen @s by the ports @ports of the gateway's address @at. */
void sweep_add_ports(struct sweep *s, struct port_range ports, const struct addr *at);
/* Widen @s by a tunnel address. */
void sweep_add_addr(struct sweep *s, const struct addr *internal);

/* Is @end one of the gateway's that are swept? */
bool sweep_has_end(const struct sweep *s, const struct flow_end *end);
/* Is @addr among the tunnel addresses that are swept? */
bool sweep_has_addr(const struct sweep *s, const struct addr *addr);

static inline bool sweep_wanted(const struct sweep *s)
{
	return s->ports_wanted || s->addrs_wanted;
}

#endif
