/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The way of a request, and everything else that changes a mapping.  All times are
 * CLOCK_BOOTTIME in milliseconds, read once a wake-up by the caller.
 */
#ifndef TUNMAP_ENGINE_H
#define TUNMAP_ENGINE_H

#include "include/backend.h"
#include "include/compiler.h"
#include "include/config.h"
#include "include/exchange.h"
#include "include/gateway.h"
#include "include/hash.h"

#include <stddef.h>
#include <stdint.h>

/* Why a datagram got no reply. */
enum engine_drop {
	ENGINE_DROP_NOT_A_REQUEST, /* a response, or too short to be a request */
	ENGINE_DROP_RATE,          /* beyond the user's rate */
	ENGINE_DROP_USERS,         /* more clients than the table of users holds */
	ENGINE_DROPS
};

/* What was done since the start. */
struct engine_counters {
	uint64_t requests;
	uint64_t dropped[ENGINE_DROPS];
	uint64_t results[16]; /* replies by enum pcp_result */
	uint64_t granted;     /* new mappings */
	uint64_t renewed;
	uint64_t ended;          /* mappings ended by request, expiry or change of the network */
	uint64_t kernel_refused; /* edits that the kernel would not make */
};

struct engine;

/*
 * A new engine without an external address.  @config is borrowed until engine_free() or
 * admin_reload(); @backend must work for as long.  @sticky_key decides sticky ports: gateways
 * that share it give a user the same.  All memory is reserved here.  NULL: out of memory.
 */
struct engine *engine_new(const struct config *config, struct backend backend,
	const struct hash_key *sticky_key, int64_t now_ms);
void engine_free(struct engine *e);

/* Ports of the pool that the gateway itself uses are never given; mappings stay. */
void engine_reserve_ports(struct engine *e, const struct port_set *reserved);

/*
 * The gateway's external addresses are now the @len at @external.  With none, mappings wait
 * and requests are answered NETWORK_FAILURE.  Mappings on an address that was
 * replaced end, and the epoch starts anew (RFC 6887 8.5).
 */
void engine_set_externals(
	struct engine *e, const struct gateway_external *external, size_t len, int64_t now_ms);

/*
 * Answer the @len <= EXCHANGE_BATCH_MAX requests at @x, with one kernel transaction for what
 * they change together.  On return every exchange has its reply, or none is due.
 */
void engine_serve(struct engine *e, struct exchange *x, size_t len, int64_t now_ms);

/* End a batch of the leases that are over. */
void engine_expire(struct engine *e, int64_t now_ms);

/* When engine_expire() has something to do next; INT64_MAX: never. */
int64_t engine_next_ms(const struct engine *e);

/* Seconds since the state was last lost, as clients are told. */
uint32_t engine_epoch_s(const struct engine *e, int64_t now_ms);

/* Port numbers that are held or rest, and those that are free, on the external addresses there are.
 */
void engine_pool_use(const struct engine *e, uint32_t *taken, uint32_t *free);

/* Live mappings at this moment. */
uint32_t engine_mappings(const struct engine *e);

const struct engine_counters *engine_counters(const struct engine *e);

#endif
