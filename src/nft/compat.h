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

/*
 * Linux 5.8: which fields of a tuple a conntrack dump is filtered by, for CTA_FILTER_ORIG_FLAGS
 * and CTA_FILTER_REPLY_FLAGS.  No header for programs has them.
 */
enum compat_tuple_field {
	COMPAT_TUPLE_IP_SRC = 1 << 0,
	COMPAT_TUPLE_IP_DST = 1 << 1,
	COMPAT_TUPLE_PROTO_NUM = 1 << 3,
	COMPAT_TUPLE_SRC_PORT = 1 << 4,
	COMPAT_TUPLE_DST_PORT = 1 << 5,
};

#endif
