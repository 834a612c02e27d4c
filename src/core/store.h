/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The lease table's storage.  One operation changes it, store_put(), which keeps every index
 * in step; putting back the value that was there before undoes it.
 */
#ifndef TUNMAP_CORE_STORE_H
#define TUNMAP_CORE_STORE_H

#include "include/lease.h"

/* A free node to put a new lease in, or LEASE_NONE when the table is full. */
uint32_t store_free_node(const struct lease_table *t);

/*
 * Make node @n hold @value, whatever it held before.  A node that was never in use must be the
 * one that store_free_node() names.
 */
void store_put(struct lease_table *t, uint32_t n, const struct lease *value);

/* Does the lease, once it is over or not, count towards its user's quota?  Static ports do not. */
bool store_counts(const struct lease *l);

/* The head of the chain of leases, live and resting, on an external port number. */
uint32_t store_first_of_port(const struct lease_table *t, uint32_t external, uint16_t port);

/* The first node of the hash chain where an internal tuple stands, if it does. */
uint32_t store_first_of_key(const struct lease_table *t, const struct addr *internal,
	uint8_t protocol, uint16_t internal_port);

/* True when @l has this internal tuple. */
bool store_has_key(const struct lease *l, const struct addr *internal, uint8_t protocol,
	uint16_t internal_port);

#endif
