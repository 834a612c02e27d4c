/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * WireGuard in user space, which speaks a protocol of lines on a UNIX socket
 * (https://www.wireguard.com/xplatform/).
 */
#ifndef TUNMAP_IDENTITY_UAPI_H
#define TUNMAP_IDENTITY_UAPI_H

#include "include/compiler.h"
#include "src/identity/peers.h"

#include <stdint.h>

#define UAPI_REPLY_MAX (64u << 20) /* octets: some 200,000 peers */

/*
 * Ask the program behind the socket @path for its peers and add them to @list.  @deadline_ms is
 * a time of CLOCK_MONOTONIC.  Returns 0, -ENOENT when no program listens there, -ETIMEDOUT,
 * -EPROTO as uapi_parse(), -EPERM when it is not root's, -EFBIG when it does not stop, or
 * -errno.
 */
int uapi_read_peers(const char *path, int64_t deadline_ms, struct peer_list *list) MUST_CHECK;

/*
 * Add the peers of a whole answer to `get=1`, the @len octets at @text, to @list.  Returns 0,
 * -EPROTO when the answer is not what the protocol says or is not whole, -EREMOTEIO when
 * it says that the question failed, -ENOMEM.
 */
int uapi_parse(const char *text, size_t len, struct peer_list *list) MUST_CHECK;

#endif
