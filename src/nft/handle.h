/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What stands behind struct nft; for src/nft/nft.c and for tests that make a kernel look older. */
#ifndef TUNMAP_NFT_HANDLE_H
#define TUNMAP_NFT_HANDLE_H

#include "src/nft/channel.h"
#include "src/nft/elements.h"
#include "src/nft/flows.h"
#include "src/nft/outer.h"

#include <stdbool.h>

struct nft {
	struct channel channel;
	struct batch batch;
	struct flows *flows;
	struct element_support support;
	struct outer outer; /* what was asked for last */
	bool outer_unsure;  /* the kernel may hold something else */
};

#endif
