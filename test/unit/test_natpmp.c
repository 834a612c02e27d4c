/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "include/compiler.h"
#include "include/natpmp.h"
#include "test/support/packet.h"
#include "test/support/random.h"

#include <errno.h>
#include <stdlib.h>

#include <check.h>

#define EPOCH_S   0x01020304
#define EPOCH_HEX "01020304"

static uint8_t reply[1200];

static enum natpmp_verdict decode_hex(const char *hex, struct natpmp_request *out)
{
	struct packet p = packet_from_hex(hex);
	enum natpmp_verdict verdict = natpmp_decode(p.octet, p.len, out);

	packet_free(&p);
	return verdict;
}

static void assert_reply(size_t len, const char *hex)
{
	struct packet want = packet_from_hex(hex);

	ck_assert_uint_eq(len, want.len);
	ck_assert_mem_eq(reply, want.octet, want.len);
	packet_free(&want);
}

/* RFC 6886 3.3, 3.4 and 3.5: a request, what the server made of it, and the reply. */
static const struct mapping_vector {
	const char *request;
	struct natpmp_request want;
	enum natpmp_result result;
	uint16_t external_port;
	uint32_t lifetime_s;
	const char *reply;
} mappings[] = {
	/* NP-2: UDP 5000, no suggestion, granted 40000 */
	{"00010000 13880000 0000003c", {NATPMP_OP_MAP_UDP, 5000, 0, 60}, NATPMP_SUCCESS, 40000, 60,
		"00810000" EPOCH_HEX "13889c40 0000003c"},
	/* NP-3: delete UDP 5000 */
	{"00010000 13880000 00000000", {NATPMP_OP_MAP_UDP, 5000, 0, 0}, NATPMP_SUCCESS, 0, 0,
		"00810000" EPOCH_HEX "13880000 00000000"},
	/* NP-4: delete all of TCP */
	{"00020000 00000000 00000000", {NATPMP_OP_MAP_TCP, 0, 0, 0}, NATPMP_SUCCESS, 0, 0,
		"00820000" EPOCH_HEX "00000000 00000000"},
	/* NP-5: refused; what was asked for does not come back */
	{"00020000 00160016 00000e10", {NATPMP_OP_MAP_TCP, 22, 22, 3600}, NATPMP_NOT_AUTHORIZED, 22,
		3600, "00820002" EPOCH_HEX "00160000 00000000"},
	/* the reserved field is ignored and goes out as zero */
	{"0001ffff 13880000 0000003c", {NATPMP_OP_MAP_UDP, 5000, 0, 60}, NATPMP_SUCCESS, 40000, 60,
		"00810000" EPOCH_HEX "13889c40 0000003c"},
};

START_TEST(map_vectors_decode_and_are_answered_to_the_octet)
{
	const struct mapping_vector *v = &mappings[_i];
	struct natpmp_request rq;

	ck_assert_int_eq(decode_hex(v->request, &rq), NATPMP_ACCEPT);
	ck_assert_int_eq(rq.opcode, v->want.opcode);
	ck_assert_uint_eq(rq.internal_port, v->want.internal_port);
	ck_assert_uint_eq(rq.suggested_port, v->want.suggested_port);
	ck_assert_uint_eq(rq.lifetime_s, v->want.lifetime_s);
	assert_reply(natpmp_encode_mapping(reply, sizeof(reply), &rq, v->result, EPOCH_S,
			     v->external_port, v->lifetime_s),
		v->reply);
}
END_TEST

/* NP-1 */
START_TEST(address_request_is_answered_with_the_address)
{
	static const uint8_t v4[4] = {192, 0, 2, 1};
	struct addr external = addr_from_v4(v4);
	struct natpmp_request rq;

	ck_assert_int_eq(decode_hex("0000", &rq), NATPMP_ACCEPT);
	ck_assert_int_eq(rq.opcode, NATPMP_OP_ADDRESS);
	assert_reply(
		natpmp_encode_address(reply, sizeof(reply), NATPMP_SUCCESS, EPOCH_S, &external),
		"00800000" EPOCH_HEX "c0000201");
}
END_TEST

/* NP-6 */
START_TEST(address_failure_carries_no_address)
{
	static const uint8_t v4[4] = {192, 0, 2, 1};
	struct addr external = addr_from_v4(v4);

	assert_reply(natpmp_encode_address(
			     reply, sizeof(reply), NATPMP_NETWORK_FAILURE, EPOCH_S, &external),
		"00800003" EPOCH_HEX "00000000");
	assert_reply(
		natpmp_encode_address(reply, sizeof(reply), NATPMP_NETWORK_FAILURE, EPOCH_S, NULL),
		"00800003" EPOCH_HEX "00000000");
}
END_TEST

/* NP-7, erratum 3618 */
START_TEST(version_mismatch_is_eight_octets_with_opcode_128)
{
	assert_reply(
		natpmp_encode_unsupp_version(reply, sizeof(reply), EPOCH_S), "00800001" EPOCH_HEX);
}
END_TEST

START_TEST(every_failure_of_a_map_zeroes_port_and_lifetime)
{
	struct natpmp_request rq = {NATPMP_OP_MAP_UDP, 5000, 80, 3600};
	struct natpmp_response rs;

	for (unsigned int code = NATPMP_UNSUPP_VERSION; code <= NATPMP_UNSUPP_OPCODE; code++) {
		size_t len = natpmp_encode_mapping(
			reply, sizeof(reply), &rq, (enum natpmp_result)code, EPOCH_S, 80, 3600);

		ck_assert_uint_eq(len, NATPMP_MAPPING_LEN);
		ck_assert_int_eq(natpmp_decode_response(reply, len, &rs), 0);
		ck_assert_uint_eq(rs.result, code);
		ck_assert_uint_eq(rs.epoch_s, EPOCH_S);
		ck_assert_mem_eq(reply + 8, "\x13\x88\0\0\0\0\0\0", 8);
	}
}
END_TEST

static const char *const requests[] = {
	"0000", "000100001388000000000e10", "000200001388138800000000"};

START_TEST(decode_drops_every_truncation)
{
	struct packet p = packet_from_hex(requests[_i]);

	for (size_t len = 0; len < p.len; len++) {
		struct packet cut = packet_copy(p.octet, len);
		struct natpmp_request rq;

		ck_assert_int_eq(natpmp_decode(cut.octet, cut.len, &rq), NATPMP_DROP);
		packet_free(&cut);
	}
	packet_free(&p);
}
END_TEST

START_TEST(decode_ignores_octets_past_the_format)
{
	uint8_t padded[64] = {0};
	struct packet p = packet_from_hex(requests[_i]);
	struct natpmp_request rq, longer;

	memcpy(padded, p.octet, p.len);
	memset(padded + p.len, 0xaa, sizeof(padded) - p.len);
	ck_assert_int_eq(natpmp_decode(p.octet, p.len, &rq), NATPMP_ACCEPT);
	ck_assert_int_eq(natpmp_decode(padded, sizeof(padded), &longer), NATPMP_ACCEPT);
	ck_assert_int_eq(rq.opcode, longer.opcode);
	ck_assert_uint_eq(rq.internal_port, longer.internal_port);
	ck_assert_uint_eq(rq.suggested_port, longer.suggested_port);
	ck_assert_uint_eq(rq.lifetime_s, longer.lifetime_s);
	packet_free(&p);
}
END_TEST

START_TEST(each_opcode_has_its_verdict)
{
	uint8_t packet[12] = {0, (uint8_t)_i};
	enum natpmp_verdict want = _i < 3 ? NATPMP_ACCEPT : _i < 128 ? NATPMP_REJECT : NATPMP_DROP;
	struct natpmp_request rq;

	ck_assert_int_eq(natpmp_decode(packet, sizeof(packet), &rq), want);
}
END_TEST

START_TEST(other_versions_are_not_natpmp)
{
	uint8_t packet[12] = {(uint8_t)_i};
	struct natpmp_request rq;

	ck_assert_int_eq(natpmp_decode(packet, sizeof(packet), &rq), NATPMP_DROP);
}
END_TEST

/* RFC 6886 3.5; octets 4 to 7 by conformance note Q-03. */
static const struct {
	const char *request;
	const char *reply;
} unknown_opcodes[] = {
	{"0007", "00870005" EPOCH_HEX},
	{"0007aa", "00870005" EPOCH_HEX},
	{"0007aabb138800", "00870005" EPOCH_HEX},
	{"0007aabb13880000", "0087000513880000"},
	{"0007aabb1388000000000e10", "0087000513880000 00000e10"},
	{"007faabb13880000010203040506", "00ff000513880000 010203040506"},
};

START_TEST(unknown_opcode_returns_the_request)
{
	struct packet p = packet_from_hex(unknown_opcodes[_i].request);
	struct natpmp_request rq;

	ck_assert_int_eq(natpmp_decode(p.octet, p.len, &rq), NATPMP_REJECT);
	assert_reply(natpmp_encode_unsupp_opcode(reply, sizeof(reply), p.octet, p.len, EPOCH_S),
		unknown_opcodes[_i].reply);
	packet_free(&p);
}
END_TEST

START_TEST(encoders_refuse_every_buffer_too_small)
{
	static const uint8_t request[12] = {0, 7};
	struct natpmp_request address = {.opcode = NATPMP_OP_ADDRESS};
	struct natpmp_request map = {NATPMP_OP_MAP_UDP, 1, 2, 3};
	struct addr external = {{0}};

	for (size_t size = 0; size < 16; size++) {
		struct packet block = packet_copy(reply, size);
		uint8_t *small = block.octet;
		enum natpmp_result ok = NATPMP_SUCCESS;

		ck_assert_uint_eq(natpmp_encode_mapping(small, size, &map, ok, 1, 2, 3), 0);
		ck_assert_uint_eq(natpmp_encode_address(small, size, ok, 1, &external),
			size < NATPMP_ADDRESS_LEN ? 0 : NATPMP_ADDRESS_LEN);
		ck_assert_uint_eq(natpmp_encode_unsupp_version(small, size, 1),
			size < NATPMP_MISMATCH_LEN ? 0 : NATPMP_MISMATCH_LEN);
		ck_assert_uint_eq(natpmp_encode_unsupp_opcode(small, size, request, 12, 1),
			size < 12 ? 0 : 12);
		ck_assert_uint_eq(natpmp_encode_request(small, size, &address), size < 2 ? 0 : 2);
		ck_assert_uint_eq(natpmp_encode_request(small, size, &map), size < 12 ? 0 : 12);
		packet_free(&block);
	}
}
END_TEST

START_TEST(random_requests_survive_the_wire)
{
	struct random random = random_start();

	for (int i = 0; i < 2000; i++) {
		struct natpmp_request rq = {.opcode = random_below(&random, 3)}, back;
		size_t len;

		if (rq.opcode != NATPMP_OP_ADDRESS) {
			rq.internal_port = (uint16_t)random_next(&random);
			rq.suggested_port = (uint16_t)random_next(&random);
			rq.lifetime_s = (uint32_t)random_next(&random);
		}
		len = natpmp_encode_request(reply, sizeof(reply), &rq);
		ck_assert_msg(natpmp_decode(reply, len, &back) == NATPMP_ACCEPT &&
				      back.opcode == rq.opcode &&
				      back.internal_port == rq.internal_port &&
				      back.suggested_port == rq.suggested_port &&
				      back.lifetime_s == rq.lifetime_s,
			"seed %llu, round %d", random.seed, i);
	}
}
END_TEST

START_TEST(random_responses_survive_the_wire)
{
	struct random random = random_start();

	for (int i = 0; i < 2000; i++) {
		struct natpmp_request rq = {.opcode = 1 + random_below(&random, 2),
			.internal_port = (uint16_t)random_next(&random)};
		uint16_t port = (uint16_t)random_next(&random);
		uint32_t lifetime_s = (uint32_t)random_next(&random);
		uint32_t epoch_s = (uint32_t)random_next(&random);
		enum natpmp_result result = random_below(&random, 6);
		bool ok = result == NATPMP_SUCCESS;
		struct natpmp_response rs;
		size_t len = natpmp_encode_mapping(
			reply, sizeof(reply), &rq, result, epoch_s, port, lifetime_s);

		ck_assert_msg(natpmp_decode_response(reply, len, &rs) == 0, "seed %llu, round %d",
			random.seed, i);
		/* What a refused opcode carries is the request, not a mapping. */
		if (result == NATPMP_UNSUPP_OPCODE)
			continue;
		ck_assert_msg(rs.opcode == rq.opcode && rs.result == result &&
				      rs.epoch_s == epoch_s &&
				      rs.internal_port == rq.internal_port &&
				      rs.external_port == (ok ? port : 0) &&
				      rs.lifetime_s == (ok ? lifetime_s : 0),
			"seed %llu, round %d", random.seed, i);
	}
}
END_TEST

START_TEST(address_response_is_read_back)
{
	struct natpmp_response rs;
	struct packet p = packet_from_hex("00800000" EPOCH_HEX "c0000201");
	char text[ADDR_TEXT_MAX];

	ck_assert_int_eq(natpmp_decode_response(p.octet, p.len, &rs), 0);
	ck_assert_uint_eq(rs.epoch_s, EPOCH_S);
	ck_assert_str_eq(addr_format(&rs.external, text), "192.0.2.1");
	packet_free(&p);
}
END_TEST

static const char *const responses[] = {
	"0080000001020304c0000201",         /* address */
	"008100000102030413889c400000003c", /* mapping */
	"00820002010203040016000000000000", /* refused mapping */
	"0080000101020304",                 /* refused version */
	"008700051388000000000e10",         /* refused opcode */
};

START_TEST(response_decoder_accepts_no_other_length)
{
	struct packet p = packet_from_hex(responses[_i]);
	struct natpmp_response rs;

	for (size_t len = 0; len <= p.len; len++) {
		struct packet cut = packet_copy(p.octet, len);
		bool whole = len == p.len;
		/* A failure may have lost its body: the result alone says enough. */
		bool bare = len == NATPMP_MISMATCH_LEN && p.octet[3] != NATPMP_SUCCESS;

		ck_assert_int_eq(natpmp_decode_response(cut.octet, cut.len, &rs),
			whole || bare ? 0 : -EINVAL);
		packet_free(&cut);
	}
	packet_free(&p);
}
END_TEST

static const char *const no_responses[] = {
	"0000000001020304c0000201",           /* no response bit */
	"0280000001020304c0000201",           /* PCP */
	"0080000001020304",                   /* success without an address */
	"0080000001020304c000020100000000",   /* an address of a mapping's length */
	"008100000102030413889c40",           /* a mapping of an address's length */
	"008300000102030413889c400000003c",   /* success of an opcode nobody knows */
	"0080000001020304c00002010000000000", /* no response's length */
};

START_TEST(response_decoder_refuses_what_is_none)
{
	struct packet p = packet_from_hex(no_responses[_i]);
	struct natpmp_response rs;

	ck_assert_int_eq(natpmp_decode_response(p.octet, p.len, &rs), -EINVAL);
	packet_free(&p);
}
END_TEST

/* Captured from the clients named. */
static const struct {
	const char *client;
	const char *packet;
	struct natpmp_request want;
} clients[] = {
	{"libtorrent 2.0.8", "000200001ae11ae100000e10", {NATPMP_OP_MAP_TCP, 6881, 6881, 3600}},
	{"libtorrent 2.0.8", "000100001ae11ae100000000", {NATPMP_OP_MAP_UDP, 6881, 6881, 0}},
	{"Transmission 3.00", "00020000c8d5c8d500000e10", {NATPMP_OP_MAP_TCP, 51413, 51413, 3600}},
	{"Syncthing 1.19", "0002000055f0582800000e10", {NATPMP_OP_MAP_TCP, 22000, 22568, 3600}},
	{"npm nat-pmp", "000200001ae11ae100000000", {NATPMP_OP_MAP_TCP, 6881, 6881, 0}},
	{"npm silentbot1", "000100001ae21ae200001c20", {NATPMP_OP_MAP_UDP, 6882, 6882, 7200}},
	{"npm achingbrain", "000200000fa10fa10036ee80", {NATPMP_OP_MAP_TCP, 4001, 4001, 3600000}},
	{"natpmpc", "00010000000000010000003c", {NATPMP_OP_MAP_UDP, 0, 1, 60}},
	{"natpmpc", "00010000000000000000003c", {NATPMP_OP_MAP_UDP, 0, 0, 60}},
	{"all", "0000", {NATPMP_OP_ADDRESS, 0, 0, 0}},
};

START_TEST(real_clients_are_understood)
{
	const struct natpmp_request *want = &clients[_i].want;
	struct natpmp_request rq;

	ck_assert_msg(decode_hex(clients[_i].packet, &rq) == NATPMP_ACCEPT &&
			      rq.opcode == want->opcode &&
			      rq.internal_port == want->internal_port &&
			      rq.suggested_port == want->suggested_port &&
			      rq.lifetime_s == want->lifetime_s,
		"%s", clients[_i].client);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("natpmp");
	TCase *tc = tcase_create("natpmp");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(
		tc, map_vectors_decode_and_are_answered_to_the_octet, 0, (int)ARRAY_LEN(mappings));
	tcase_add_test(tc, address_request_is_answered_with_the_address);
	tcase_add_test(tc, address_failure_carries_no_address);
	tcase_add_test(tc, version_mismatch_is_eight_octets_with_opcode_128);
	tcase_add_test(tc, every_failure_of_a_map_zeroes_port_and_lifetime);
	tcase_add_loop_test(tc, decode_drops_every_truncation, 0, (int)ARRAY_LEN(requests));
	tcase_add_loop_test(tc, decode_ignores_octets_past_the_format, 0, (int)ARRAY_LEN(requests));
	tcase_add_loop_test(tc, each_opcode_has_its_verdict, 0, 256);
	tcase_add_loop_test(tc, other_versions_are_not_natpmp, 1, 256);
	tcase_add_loop_test(
		tc, unknown_opcode_returns_the_request, 0, (int)ARRAY_LEN(unknown_opcodes));
	tcase_add_test(tc, encoders_refuse_every_buffer_too_small);
	tcase_add_test(tc, random_requests_survive_the_wire);
	tcase_add_test(tc, random_responses_survive_the_wire);
	tcase_add_test(tc, address_response_is_read_back);
	tcase_add_loop_test(
		tc, response_decoder_accepts_no_other_length, 0, (int)ARRAY_LEN(responses));
	tcase_add_loop_test(
		tc, response_decoder_refuses_what_is_none, 0, (int)ARRAY_LEN(no_responses));
	tcase_add_loop_test(tc, real_clients_are_understood, 0, (int)ARRAY_LEN(clients));
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
