/* SPDX-License-Identifier: GPL-2.0-or-later */
/* WireGuard in the kernel, which speaks generic netlink. */
#ifndef TUNMAP_IDENTITY_NETLINK_H
#define TUNMAP_IDENTITY_NETLINK_H

#include "include/compiler.h"
#include "src/identity/peers.h"

#include <linux/netlink.h>
#include <stdint.h>

/*
 * The number of the generic netlink family @name.  Returns 0, -ENOENT when the kernel does not
 * have it at this moment, or -errno.
 */
int netlink_find_family(const char *name, uint16_t *family) MUST_CHECK;

/*
 * Add the peers of @interface to @list; @family is WireGuard's.  Returns 0 or -errno:
 * -EOPNOTSUPP when the interface is not WireGuard's, -ENODEV when it is not there, -EINTR when
 * its peers never stood still.
 */
int netlink_read_peers(uint16_t family, const char *interface, struct peer_list *list) MUST_CHECK;

/* The question for the peers of @interface, as netlink_read_peers() sends it; it is short. */
#define NETLINK_REQUEST_MAX 64
struct nlmsghdr *netlink_put_request(
	uint8_t buffer[NETLINK_REQUEST_MAX], uint16_t family, const char *interface);

/*
 * Add the peers of one message of the answer, whose nlmsg_len octets are all there, to @list.
 * Returns 0, -EPROTO when it does not say what it should, -ENOMEM.
 */
int netlink_parse_device(const struct nlmsghdr *nlh, struct peer_list *list) MUST_CHECK;

#endif
