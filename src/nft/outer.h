/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The outer addresses of the tunnels' peers: where their tunnel packets come from.  What the sets
 * for the port-fail guard hold, remembered here, so that a new table is not without and a small
 * change of many addresses is a small transaction.
 */
#ifndef TUNMAP_NFT_OUTER_H
#define TUNMAP_NFT_OUTER_H

#include "include/addr.h"
#include "include/compiler.h"
#include "src/nft/batch.h"

#include <stddef.h>

struct outer {
	struct addr *addr; /* sorted, each once, of families that have a set */
	size_t len;
};

/* Take what counts of the @len addresses at @addr, in any order.  Returns 0 or -ENOMEM. */
int outer_init(struct outer *o, const struct addr *addr, size_t len) MUST_CHECK;
void outer_fini(struct outer *o);

/* Put the removal of whatever is in the sets. */
void outer_put_flush(struct batch *b);
/* Put all of @o into empty sets. */
void outer_put(struct batch *b, const struct outer *o);
/* Put what makes sets that hold @from hold @to. */
void outer_put_change(struct batch *b, const struct outer *from, const struct outer *to);

#endif
