/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ending flows.  NAT is decided on a flow's first packet, so a mapping's flows outlive it until
 * their conntrack entries are deleted.
 *
 * Work goes in passes.  A pass has a set of mappings that ended before it began and reads the
 * kernel's entries piece by piece; what ends meanwhile waits for the next pass, because its
 * flows may stand in a part that was read already.
 */
#ifndef TUNMAP_NFT_FLOWS_H
#define TUNMAP_NFT_FLOWS_H

#include "include/compiler.h"
#include "include/config.h"
#include "include/gateway.h"
#include "include/mapping.h"

#include <stdbool.h>

struct flows;

/*
 * Returns NULL with @err set: -EPROTONOSUPPORT or -EOPNOTSUPP where the kernel has no conntrack
 * to talk to.
 */
struct flows *flows_new(int *err);
void flows_free(struct flows *f);

/* Queue @m for the next pass.  Begins nothing.  Returns 0 or -ENOMEM. */
int flows_add(struct flows *f, const struct mapping *m) MUST_CHECK;
/* Forget what is queued. */
void flows_forget(struct flows *f);
/* The next pass also ends every translated flow at @pool on one of @gateway's addresses. */
void flows_add_pool(struct flows *f, struct port_range pool, const struct gateway *gateway);
/* Begin a pass with what is queued, unless one is running; then it follows by itself. */
void flows_begin(struct flows *f);

/* For tests of older kernels: read all entries, whatever is asked for. */
void flows_never_filter(struct flows *f);

int flows_fd(const struct flows *f);
void flows_continue(struct flows *f);
bool flows_pending(const struct flows *f);

#endif
