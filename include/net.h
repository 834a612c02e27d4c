/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The gateway's sockets and interfaces: what exists, told when it changes, and the UDP
 * sockets on the tunnels.  Functions return 0 or -errno unless they say otherwise.
 */
#ifndef TUNMAP_NET_H
#define TUNMAP_NET_H

#include "include/compiler.h"
#include "include/config.h"
#include "include/exchange.h"
#include "include/gateway.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NET_PORT 5351 /* NAT-PMP and PCP (RFC 6886 1.1, RFC 6887 7) */

struct net_interface {
	uint32_t ifindex;
	char name[CONFIG_INTERFACE_MAX];
	bool up;
	bool loopback; /* never a tunnel and never external, though a glob may match its name */
};

struct net_address {
	uint32_t ifindex;
	struct addr addr;
	bool global;  /* scope global, neither tentative nor failed nor deprecated */
	bool primary; /* not a secondary address of the same prefix */
};

/* What rtnetlink says of this network namespace; in the kernel's order. */
struct net_picture {
	struct net_interface *interfaces;
	size_t interfaces_len;
	struct net_address *addresses;
	size_t addresses_len;
	/* Of the main table's IPv4 default route with the least metric; 0: none. */
	uint32_t default4_ifindex;
};

/*
 * Read the picture anew.  @out is freed with net_picture_fini() after success.  Links,
 * addresses and routes are read one after the other: open the watch first, and it tells what
 * changed in between.  -EAGAIN when changes come so fast that no reading is consistent.
 */
int net_picture_read(struct net_picture *out) MUST_CHECK;
void net_picture_fini(struct net_picture *picture);

/*
 * Open a non-blocking netlink socket that becomes readable when links, IPv4 or IPv6
 * addresses or the main table's IPv4 default routes change.  Other routes are not told: a
 * gateway with a full routing table would hear of nothing else.  Returns the descriptor, or
 * -errno.
 */
int net_watch_open(void) MUST_CHECK;

/*
 * Read all that waits on a watch.  Returns 1 when something may have changed (lost messages
 * count as a change), 0 when not, or -errno.
 */
int net_watch_drain(int fd) MUST_CHECK;

/*
 * Work out the gateway from policy and picture.  Pure.  @out is freed with gateway_fini()
 * after success; -ENOMEM is the only error.  What is missing is left out, and whether a link
 * is up plays no part: its addresses stay while it is down.
 *
 * Tunnels: every interface whose name one of the policy's names or globs matches.  The first
 * entry that matches speaks for the interface: a name may stand before a glob that covers it.
 * Requests are answered on those of the entry's addresses that the interface holds, or on all
 * of the interface's.  For now IPv4 only.
 *
 * External: the named interfaces, or the default route's.  An interface that is also a tunnel
 * is a tunnel only, even when the default route leads through it: else every client were a
 * stranger from the Internet and every stranger a client.  Addresses that the policy gives are
 * used in its order while any interface holds them (an address may be routed here and live on
 * the loopback or a dummy interface); else the interface's global ones in the kernel's order,
 * the secondary ones last.  An advertised address stands for a single address, the entry's
 * first that is there: two of them would promise one and the same port to two clients.
 */
int gateway_resolve(const struct config *config, const struct net_picture *picture,
	struct gateway *out) MUST_CHECK;
void gateway_fini(struct gateway *gateway);
bool gateway_equal(const struct gateway *a, const struct gateway *b);

/*
 * The ports on which this network namespace listens or receives, over IPv4 and IPv6, TCP and
 * UDP alike, on any address but loopback's.  From NETLINK_SOCK_DIAG.
 */
int net_ports_in_use(struct port_set *out) MUST_CHECK;

/*
 * Open a UDP socket for requests, bound to the address and, so that nothing arrives
 * through another interface, to the interface.  Returns the descriptor, or -errno
 * (-EADDRINUSE: somebody holds port 5351 on this address).
 */
int net_listen(const struct gateway_listen *listen) MUST_CHECK;

/*
 * Receive up to @max waiting datagrams into @x with one system call.  Returns their number,
 * 0 when none waits, or -errno.
 */
int net_receive(int fd, struct exchange *x, size_t max) MUST_CHECK;

/*
 * Send the replies of those of the @len exchanges that have one, with as few system calls as
 * the socket allows.  A reply that cannot be sent is dropped, as on any datagram network;
 * returns how many were dropped.
 */
size_t net_reply(int fd, const struct exchange *x, size_t len);

#endif
