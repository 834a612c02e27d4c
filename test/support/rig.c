/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "test/support/rig.h"

#include <netinet/in.h>
#include <string.h>

#include <check.h>

#define T0 1000000 /* a clock that has run for a while */

struct config_class class;
struct config config;
struct fake_backend kernel;
struct engine *engine;
static struct exchange batch[EXCHANGE_BATCH_MAX];
static size_t batch_len;
int64_t now_ms;
const struct port_set nothing_reserved;
static const struct hash_key sticky_key = {1, 2};
const struct gateway_external external_1 = {
	.addr.octet = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1},
	.advertise.octet = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1},
};
const struct gateway_external external_2 = {
	.addr.octet = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 2},
	.advertise.octet = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 198, 51, 100, 2},
};

struct addr client(unsigned n)
{
	return addr_from_v4((const uint8_t[]){10, 9, (uint8_t)(n >> 8), (uint8_t)n});
}

static void start_engine(void)
{
	engine = engine_new(&config, fake_backend_init(&kernel), &sticky_key, now_ms);
	ck_assert_ptr_nonnull(engine);
	engine_reserve_ports(engine, &nothing_reserved);
	engine_set_externals(engine, &external_1, 1, now_ms);
}

void rig_tear_down(void)
{
	ck_assert(!kernel.lied);
	ck_assert_uint_eq(kernel.len, engine_mappings(engine));
	engine_free(engine);
	fake_backend_fini(&kernel);
}

void use_large_pool(uint32_t mappings)
{
	rig_tear_down();
	class.mappings = mappings;
	class.ports = config.pool = (struct port_range){10000, 60000};
	start_engine();
}

void rig_set_up(void)
{
	class = (struct config_class){
		.name = "default",
		.ports = {POOL_LO, POOL_HI},
		.internal_ports = {1, 65535},
		.protocols = CONFIG_UDP | CONFIG_TCP,
		.mappings = 16,
		.lifetime_min_s = 60,
		.pcp_lifetime_min_s = 120,
		.lifetime_default_s = 3600,
		.lifetime_max_s = 86400,
		.rate = 100000,
		.quarantine_s = 120,
		.options = PCP_FEATURE_PREFER_FAILURE,
	};
	config = (struct config){
		.pool = {POOL_LO, POOL_HI},
		.nat_pmp = true,
		.pcp = true,
		.classes = &class,
		.classes_len = 1,
	};
	now_ms = T0;
	batch_len = 0;
	start_engine();
}

void pass(int64_t ms)
{
	now_ms += ms;
	while (engine_next_ms(engine) <= now_ms)
		engine_expire(engine, now_ms);
}

struct exchange *add_bytes(unsigned from, const void *octets, size_t len)
{
	struct exchange *x = &batch[batch_len++];

	x->source = client(from);
	x->request_len = len;
	memcpy(x->request, octets, len);
	return x;
}

void serve(void)
{
	engine_serve(engine, batch, batch_len, now_ms);
	batch_len = 0;
}

struct exchange *add_natpmp(unsigned from, enum natpmp_opcode opcode, uint16_t internal,
	uint16_t suggested, uint32_t lifetime_s)
{
	struct natpmp_request rq = {.opcode = opcode,
		.internal_port = internal,
		.suggested_port = suggested,
		.lifetime_s = lifetime_s};
	uint8_t octets[16];

	return add_bytes(from, octets, natpmp_encode_request(octets, sizeof(octets), &rq));
}

struct natpmp_response natpmp_reply(const struct exchange *x)
{
	struct natpmp_response rs;

	ck_assert_int_eq(natpmp_decode_response(x->reply, x->reply_len, &rs), 0);
	return rs;
}

struct natpmp_response natpmp(unsigned from, enum natpmp_opcode opcode, uint16_t internal,
	uint16_t suggested, uint32_t lifetime_s)
{
	struct exchange *x = add_natpmp(from, opcode, internal, suggested, lifetime_s);

	serve();
	return natpmp_reply(x);
}

struct pcp_request map_request(
	unsigned from, uint8_t nonce, uint16_t internal, uint16_t suggested, uint32_t lifetime_s)
{
	struct pcp_request rq = {
		.opcode = PCP_OP_MAP,
		.lifetime_s = lifetime_s,
		.client = client(from),
		.map = {.protocol = IPPROTO_UDP,
			.internal_port = internal,
			.external_port = suggested,
			.external = addr_from_v4((const uint8_t[]){0, 0, 0, 0})},
	};

	memset(rq.map.nonce.octet, nonce, sizeof(rq.map.nonce.octet));
	return rq;
}

struct exchange *add_pcp(unsigned from, const struct pcp_request *rq)
{
	uint8_t octets[PCP_MAX_LEN];

	return add_bytes(from, octets, pcp_encode_request(octets, sizeof(octets), rq));
}

struct pcp_response pcp(unsigned from, const struct pcp_request *rq)
{
	struct exchange *x = add_pcp(from, rq);
	struct pcp_response rs;

	serve();
	ck_assert_int_eq(pcp_decode_response(x->reply, x->reply_len, &rs), 0);
	return rs;
}

struct pcp_response pcp_map(
	unsigned from, uint8_t nonce, uint16_t internal, uint16_t suggested, uint32_t lifetime_s)
{
	struct pcp_request rq = map_request(from, nonce, internal, suggested, lifetime_s);

	return pcp(from, &rq);
}
