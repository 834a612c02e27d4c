/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What stands behind struct nft; for src/nft/nft.c and for tests that make a kernel look older. */
#ifndef TUNMAP_NFT_HANDLE_H
#define TUNMAP_NFT_HANDLE_H

#include "src/nft/channel.h"
#include "src/nft/elements.h"
#include "src/nft/flows.h"

struct nft {
	struct channel channel;
	struct batch batch;
	struct flows *flows;
	struct element_support support;
};

#endif
