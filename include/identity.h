/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who is behind a tunnel address, as WireGuard knows it. */
#ifndef TUNMAP_IDENTITY_H
#define TUNMAP_IDENTITY_H

#include "include/compiler.h"
#include "include/config.h"
#include "include/gateway.h"

#include <stdbool.h>
#include <stddef.h>

struct wireguard_peer {
	struct config_wireguard_key key;
	bool has_endpoint;
	struct addr endpoint;          /* the peer's outer address */
	struct config_prefix *allowed; /* its addresses in the tunnel */
	size_t allowed_len;
};

/* Sorted by key; a peer of two interfaces stands here twice. */
struct wireguard_peers {
	struct wireguard_peer *peer;
	size_t len;
};

/*
 * Read the peers of those of the gateway's tunnels that are WireGuard's: from the kernel by
 * generic netlink, else from the user-space implementation's socket
 * /var/run/wireguard/<interface>.sock, waiting for it a tenth of a second at most.  Other tunnels
 * have no peers, which is no error.  Returns 0 or -errno; freed with wireguard_peers_fini()
 * after success.
 */
int wireguard_peers_read(const struct gateway *gateway, struct wireguard_peers *out) MUST_CHECK;
void wireguard_peers_fini(struct wireguard_peers *peers);
bool wireguard_peers_equal(const struct wireguard_peers *a, const struct wireguard_peers *b);

#endif
