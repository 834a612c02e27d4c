/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What this kernel can do, found out by trying it in a table made for that and removed again. */
#ifndef TUNMAP_NFT_PROBE_H
#define TUNMAP_NFT_PROBE_H

#include "include/compiler.h"
#include "src/nft/channel.h"
#include "src/nft/elements.h"

/* Returns 0, or -errno when the kernel lacks what we cannot do without. */
int probe_elements(struct channel *c, struct batch *b, struct element_support *support) MUST_CHECK;

#endif
