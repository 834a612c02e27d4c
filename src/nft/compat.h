/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What newer kernels understand and the oldest headers that we build with (Linux 6.1) do not
 * name.  Each has a probe in probe.c or a fallback where it is used.
 */
#ifndef TUNMAP_NFT_COMPAT_H
#define TUNMAP_NFT_COMPAT_H

#include <linux/netfilter/nf_tables.h>

/* Linux 6.3: delete an element, and do not mind when there is none.  An enum member there. */
#define COMPAT_MSG_DESTROYSETELEM 30

#endif
