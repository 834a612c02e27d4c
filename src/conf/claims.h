/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What one user at most may have: an address, a WireGuard key, a static port. */
#ifndef TUNMAP_CONF_CLAIMS_H
#define TUNMAP_CONF_CLAIMS_H

#include "include/compiler.h"
#include "src/conf/named.h"

/*
 * Report what two users claim, and what one claims twice.  The configuration's users are those
 * of @users, in the same order.  Returns 0 or -ENOMEM.
 */
int claims_check(struct reader *r, const struct named *users) MUST_CHECK;

#endif
