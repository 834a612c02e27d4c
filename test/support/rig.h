/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An engine on the test rig: a watched kernel below it, a clock that the test moves, and
 * clients that speak both protocols.  rig_set_up() and rig_tear_down() go around each test.
 */
#ifndef TUNMAP_TEST_RIG_H
#define TUNMAP_TEST_RIG_H

#include "include/engine.h"
#include "include/natpmp.h"
#include "include/pcp.h"
#include "test/support/fake_backend.h"

#include <stdbool.h>
#include <stdint.h>

#define SECOND  INT64_C(1000)
#define POOL_LO 20000
#define POOL_HI 20099

#define UDP NATPMP_OP_MAP_UDP
#define TCP NATPMP_OP_MAP_TCP

/* The policy: one class and no users, to be changed by the test. */
extern struct config_class class;
extern struct config config;
extern struct fake_backend kernel;
extern struct engine *engine;
extern int64_t now_ms;
extern const struct port_set nothing_reserved;
extern const struct gateway_external external_1; /* 192.0.2.1 */
extern const struct gateway_external external_2; /* 192.0.2.2, advertised as 198.51.100.2 */

void rig_set_up(void);
/* Asserts that kernel and table agree. */
void rig_tear_down(void);
/* A fresh engine whose pool holds some tens of thousands of ports, all of them for everybody. */
void use_large_pool(uint32_t mappings);

/* Tunnel client number @n: 10.9.0.n. */
struct addr client(unsigned n);

/* Let time pass, and leases end. */
void pass(int64_t ms);

/* Requests are added to a batch, which serve() has answered. */
struct exchange *add_bytes(unsigned from, const void *octets, size_t len);
struct exchange *add_natpmp(unsigned from, enum natpmp_opcode opcode, uint16_t internal,
	uint16_t suggested, uint32_t lifetime_s);
struct exchange *add_pcp(unsigned from, const struct pcp_request *rq);
void serve(void);
struct natpmp_response natpmp_reply(const struct exchange *x);

/* One request and its answer. */
struct natpmp_response natpmp(unsigned from, enum natpmp_opcode opcode, uint16_t internal,
	uint16_t suggested, uint32_t lifetime_s);
struct pcp_response pcp(unsigned from, const struct pcp_request *rq);

/* A MAP request; the nonce is twelve times @nonce. */
struct pcp_request map_request(
	unsigned from, uint8_t nonce, uint16_t internal, uint16_t suggested, uint32_t lifetime_s);
struct pcp_response pcp_map(
	unsigned from, uint8_t nonce, uint16_t internal, uint16_t suggested, uint32_t lifetime_s);

#endif
