/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One netlink dump: a question, and all the messages that answer it. */
#ifndef TUNMAP_NET_DUMP_H
#define TUNMAP_NET_DUMP_H

#include "include/compiler.h"

#include <libmnl/libmnl.h>

/*
 * Send @request to the netlink family @family and hand every message of the answer to @each,
 * which returns MNL_CB_OK, or MNL_CB_ERROR with errno set.  Flags and sequence number of
 * @request are filled in here.
 *
 * Returns 0 or -errno.  -EINTR: what is listed changed while it was listed, so that entries
 * may be missing or double; the caller throws away what it has and asks again.
 */
int dump_run(int family, struct nlmsghdr *request, mnl_cb_t each, void *data) MUST_CHECK;

#endif
