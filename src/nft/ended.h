/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A set of mappings, and of tunnel addresses, that ended, and of mappings that are to adopt older
 * flows; asked for every flow in the kernel.  A hash by internal end.
 */
#ifndef TUNMAP_NFT_ENDED_H
#define TUNMAP_NFT_ENDED_H

#include "include/compiler.h"
#include "include/mapping.h"
#include "src/nft/flow.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ended {
	struct flow_end internal;
	struct flow_end external;
	uint16_t protocol; /* or one of those below; 0: the slot is free */
};

/* All of an address, whatever the protocol: no ports, no external end. */
#define ENDED_WHOLE (UINT8_MAX + 1)
/* UDP flows from the internal end, save those through an external one.  Without one: that too. */
#define ENDED_ADOPTED (UINT8_MAX + 2)

struct ended_set {
	struct ended *slot;
	size_t slots; /* a power of two, or 0 */
	size_t len;
	size_t addrs;   /* of @len */
	size_t adopted; /* of @len */
};

/* Returns 0, also when it was there already, or -ENOMEM with the set as before. */
int ended_add(struct ended_set *set, const struct mapping *m) MUST_CHECK;

bool ended_has(const struct ended_set *set, uint8_t protocol, const struct flow_end *internal,
	const struct flow_end *external);

/* The same for all of a tunnel address. */
int ended_add_addr(struct ended_set *set, const struct addr *internal) MUST_CHECK;
bool ended_has_addr(const struct ended_set *set, const struct addr *addr);

/* The same for a mapping that adopts older flows. */
int ended_adopt(struct ended_set *set, const struct mapping *m) MUST_CHECK;
/* Does any mapping of @internal adopt?  And does the one between @internal and @external? */
bool ended_is_adopting(const struct ended_set *set, const struct flow_end *internal);
bool ended_is_adopted(const struct ended_set *set, const struct flow_end *internal,
	const struct flow_end *external);

/* Empty the set and free its memory. */
void ended_clear(struct ended_set *set);

#endif
