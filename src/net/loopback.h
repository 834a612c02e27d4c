/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TUNMAP_NET_LOOPBACK_H
#define TUNMAP_NET_LOOPBACK_H

#include "include/addr.h"

#include <stdbool.h>

/* True for 127.0.0.0/8 and ::1, which nobody outside this machine can reach. */
static inline bool addr_is_loopback(const struct addr *a)
{
	static const struct addr v6 = {.octet = {[15] = 1}};

	return addr_is_v4(a) ? addr_v4(a)[0] == 127 : addr_equal(a, &v6);
}

#endif
