/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The gateway's place in the network, as the policy and the kernel's interfaces make it at
 * this moment: where clients are, where the Internet is, which ports are whose.
 */
#ifndef TUNMAP_GATEWAY_H
#define TUNMAP_GATEWAY_H

#include "include/addr.h"
#include "include/config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GATEWAY_EXTERNALS_MAX 16 /* external addresses that are used */

/* An address of a tunnel interface on which requests are answered. */
struct gateway_listen {
	char interface[CONFIG_INTERFACE_MAX];
	uint32_t ifindex;
	struct addr addr;
};

struct gateway_interface {
	char name[CONFIG_INTERFACE_MAX];
};

struct gateway_external {
	struct addr addr;      /* of the gateway: what the kernel translates to */
	struct addr advertise; /* told to clients; the same unless a 1:1 NAT stands in front */
};

struct gateway {
	struct gateway_interface *tunnels; /* those that are there now, sorted by name */
	size_t tunnels_len;
	struct gateway_listen *listens; /* sorted by interface and address */
	size_t listens_len;
	struct gateway_interface *externals; /* interfaces towards the Internet, sorted by name */
	size_t externals_len;
	struct gateway_external addresses[GATEWAY_EXTERNALS_MAX]; /* in order of preference */
	size_t addresses_len; /* 0: no external address at the moment */
};

/* A set of port numbers, one bit each. */
struct port_set {
	uint64_t word[65536 / 64];
};

static inline bool port_set_has(const struct port_set *s, uint16_t port)
{
	return (s->word[port / 64] >> (port % 64)) & 1;
}

static inline void port_set_add(struct port_set *s, uint16_t port)
{
	s->word[port / 64] |= UINT64_C(1) << (port % 64);
}

#endif
