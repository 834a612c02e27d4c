/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A set of mappings that ended, asked for every flow in the kernel: a hash by internal end. */
#ifndef TUNMAP_NFT_ENDED_H
#define TUNMAP_NFT_ENDED_H

#include "include/compiler.h"
#include "include/mapping.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An end of a flow. */
struct flow_end {
	struct addr addr;
	uint16_t port;
};

struct ended {
	struct flow_end internal;
	struct flow_end external;
	uint8_t protocol; /* 0: the slot is free */
};

struct ended_set {
	struct ended *slot;
	size_t slots; /* a power of two, or 0 */
	size_t len;
};

/* Returns 0, also when it was there already, or -ENOMEM with the set as before. */
int ended_add(struct ended_set *set, const struct mapping *m) MUST_CHECK;

bool ended_has(const struct ended_set *set, uint8_t protocol, const struct flow_end *internal,
	const struct flow_end *external);

/* Empty the set and free its memory. */
void ended_clear(struct ended_set *set);

#endif
