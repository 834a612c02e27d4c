/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The door to the kernel: whoever holds the NAT.  The daemon's is src/nft, tests have one
 * that records and refuses (test/support/fake_backend.h).
 */
#ifndef TUNMAP_BACKEND_H
#define TUNMAP_BACKEND_H

#include "include/compiler.h"
#include "include/mapping.h"

#include <stddef.h>

struct backend_ops {
	/*
	 * Make the @len edits at @edit true in one transaction.  Returns 0 when the kernel has
	 * acknowledged them all; else -errno, none of them is true, and *@culprit is the index of
	 * an edit that the kernel named as refused, or @len when it named none.
	 */
	int (*apply)(void *self, const struct edit *edit, size_t len, size_t *culprit);

	/*
	 * End the flows of a mapping that was unmapped: those that came in through its external
	 * port and those that left through it.  Begins the work and returns; the flows are gone
	 * within a second.
	 */
	void (*end_flows)(void *self, const struct mapping *mapping);

	/*
	 * A mapping begins: end the UDP flows that its client began before from the internal
	 * address and port and that do not leave through the mapping, so that their next packets
	 * do, and the packets that their peers send to it arrive with their own source.  Flows
	 * that leave through the mapping stay.  In the same way; TCP connections are left alone,
	 * as they would not survive it.
	 */
	void (*adopt_flows)(void *self, const struct mapping *mapping);

	/* End every flow from or to a tunnel address, in the same way. */
	void (*end_flows_of)(void *self, const struct addr *internal);
};

struct backend {
	const struct backend_ops *ops;
	void *self;
};

static inline MUST_CHECK int backend_apply(
	const struct backend *b, const struct edit *edit, size_t len, size_t *culprit)
{
	return b->ops->apply(b->self, edit, len, culprit);
}

static inline void backend_end_flows(const struct backend *b, const struct mapping *mapping)
{
	b->ops->end_flows(b->self, mapping);
}

static inline void backend_adopt_flows(const struct backend *b, const struct mapping *mapping)
{
	b->ops->adopt_flows(b->self, mapping);
}

static inline void backend_end_flows_of(const struct backend *b, const struct addr *internal)
{
	b->ops->end_flows_of(b->self, internal);
}

#endif
