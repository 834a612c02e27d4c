/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ending flows.  NAT is decided on a flow's first packet, so a mapping's flows outlive it until
 * their conntrack entries are deleted.
 *
 * Work goes in passes.  A pass has a set of mappings and addresses that ended and reads the
 * kernel's entries piece by piece.  What ends meanwhile has what is left of it, and the next pass
 * too, because its flows may stand in a part that was read already.  The first begins at once;
 * under constant change the next waits and gathers what ends, so that all passes together take a
 * third of a core.
 *
 * WHY THE KERNEL DOES NOT PICK OUT A MAPPING'S FLOWS.  It can, but searches all entries before it
 * says anything, twice for one mapping, and the caller stands still meanwhile.  Unfiltered it
 * answers as soon as a piece is full.  Processor time of the longest call, and of the whole pass,
 * for one mapping, on Linux 6.18 with 262,144 buckets:
 *
 *	entries		filtered		unfiltered
 *	      0		 6 ms of 11 ms		5 ms of   5 ms
 *	  5,000		 7 ms of 13 ms		4 ms of  13 ms
 *	 10,000		 7 ms of 14 ms		3 ms of  21 ms
 *	 20,000		15 ms of 30 ms		3 ms of  36 ms
 *	200,000		38 ms of 74 ms		3 ms of 240 ms
 *
 * A filter holds everybody up for longer at every count, and where it saves much, for too long.
 * What no dump can avoid is the search through empty buckets: 5 ms for 262,144 of them.
 */
#ifndef TUNMAP_NFT_FLOWS_H
#define TUNMAP_NFT_FLOWS_H

#include "include/config.h"
#include "include/gateway.h"
#include "include/mapping.h"
#include "src/nft/pass.h"

#include <stdbool.h>

struct flows;

/*
 * Returns NULL with @err set: -EPROTONOSUPPORT or -EOPNOTSUPP where the kernel has no conntrack
 * to talk to.
 */
struct flows *flows_new(int *err);
void flows_free(struct flows *f);

/* Queue for the next pass what the functions in pass.h say.  Begins nothing. */
void flows_add(struct flows *f, const struct mapping *m);
void flows_add_addr(struct flows *f, const struct addr *internal);
void flows_add_pool(struct flows *f, struct port_range pool, const struct gateway *gateway);
void flows_adopt(struct flows *f, const struct mapping *m);
/* Let a pass begin with what is queued, as soon as it may; flows_continue() does the rest. */
void flows_begin(struct flows *f);

/* For tests: have no memory to remember what is queued. */
void flows_never_remember(struct flows *f);

/* The functions behind those in include/nft.h. */
int flows_fd(const struct flows *f);
void flows_continue(struct flows *f);
bool flows_pending(const struct flows *f);

#endif
