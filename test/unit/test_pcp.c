/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "include/compiler.h"
#include "include/pcp.h"
#include "test/support/packet.h"

#include <errno.h>
#include <stdlib.h>

#include <check.h>

#define EPOCH_S 0x01020304

#define CLIENT "00000000 00000000 0000ffff 0a090102"
#define ANY4   "00000000 00000000 0000ffff 00000000"
#define NONCE  "01020304 05060708 090a0b0c"

#define ANNOUNCE "02000000 00000000" CLIENT
#define MAP      "02010000 00000e10" CLIENT NONCE "11000000 13880000" ANY4
#define PEER_TO(ports, port, address)                                                              \
	"02020000 0000003c" CLIENT NONCE ports ANY4 port "0000" address
#define PEER PEER_TO("06000000 13880000", "01bb", "00000000 00000000 0000ffff c6336409")

#define ALL_FEATURES UINT32_MAX

static uint8_t reply[PCP_MAX_LEN];

static struct addr address(const char *text)
{
	struct addr a;

	ck_assert_int_eq(addr_parse(text, &a), 0);
	return a;
}

static enum pcp_verdict decode(struct packet p, uint32_t features, struct pcp_request *out)
{
	struct addr source = address("10.9.1.2");

	return pcp_decode(p.octet, p.len, &source, features, out);
}

static enum pcp_verdict decode_hex(const char *hex, uint32_t features, struct pcp_request *out)
{
	struct packet p = packet_from_hex(hex);
	enum pcp_verdict verdict = decode(p, features, out);

	packet_free(&p);
	return verdict;
}

static void assert_rejected(struct packet p, enum pcp_result result, bool is_parsed)
{
	struct pcp_request rq;

	ck_assert_int_eq(decode(p, ALL_FEATURES, &rq), PCP_REJECT);
	ck_assert_int_eq(rq.result, result);
	ck_assert_int_eq(rq.parsed, is_parsed);
}

/* From client 10.9.1.2 to a server with FILTER and PREFER_FAILURE, at epoch 0x01020304. */
static const struct vector {
	const char *request;
	enum pcp_verdict verdict;
	enum pcp_result result; /* of the decoder, or of the server behind it */
	uint32_t lifetime_s;
	uint16_t assigned_port; /* of 192.0.2.1; 0: what was suggested */
	const char *reply;
} vectors[] = {
	/* VE-1: version 3, opcode 5 (RFC 6887 9) */
	{
		.request = "03050000 00000000 00000000 00000000 00000000 00000000 ",
		.verdict = PCP_REJECT,
		.result = PCP_UNSUPP_VERSION,
		.lifetime_s = 1800,
		.reply = "02850001 00000708 01020304 00000000 00000000 00000000 ",
	},
	/* VE-2: version 1, two octets (RFC 6887 9) */
	{
		.request = "0101 ",
		.verdict = PCP_REJECT,
		.result = PCP_UNSUPP_VERSION,
		.lifetime_s = 1800,
		.reply = "02810001 00000708 01020304 00000000 00000000 00000000 ",
	},
	/* VE-3: NAT-PMP where it is off: readable for it all the same (RFC 6887 9) */
	{
		.request = "0000 ",
		.verdict = PCP_REJECT,
		.result = PCP_UNSUPP_VERSION,
		.lifetime_s = 1800,
		.reply = "02800001 00000708 01020304 00000000 00000000 00000000 ",
	},
	/* PC-1: ANNOUNCE (RFC 6887 14.1) */
	{
		.request = "02000000 00000000 00000000 00000000 0000ffff 0a090102 ",
		.verdict = PCP_ACCEPT,
		.result = PCP_SUCCESS,
		.lifetime_s = 0,
		.reply = "02800000 00000000 01020304 00000000 00000000 00000000 ",
	},
	/* PC-2: MAP of UDP 5000 (RFC 6887 11.1) */
	{
		.request =
			"02010000 00000e10 00000000 00000000 0000ffff 0a090102 01020304 05060708 "
			"090a0b0c 11000000 13880000 00000000 00000000 0000ffff 00000000 ",
		.verdict = PCP_ACCEPT,
		.result = PCP_SUCCESS,
		.lifetime_s = 3600,
		.assigned_port = 40000,
		.reply = "02810000 00000e10 01020304 00000000 00000000 00000000 01020304 05060708 "
			 "090a0b0c 11000000 13889c40 00000000 00000000 0000ffff c0000201 ",
	},
	/* PC-3: the client's address field is another (RFC 6887 8.2) */
	{
		.request =
			"02010000 00000e10 00000000 00000000 0000ffff 0a090103 01020304 05060708 "
			"090a0b0c 11000000 13880000 00000000 00000000 0000ffff 00000000 ",
		.verdict = PCP_REJECT,
		.result = PCP_ADDRESS_MISMATCH,
		.lifetime_s = 1800,
		.reply = "0281000c 00000708 01020304 00000000 00000000 00000000 01020304 05060708 "
			 "090a0b0c 11000000 13880000 00000000 00000000 0000ffff 00000000 ",
	},
	/* PC-4: protocol 0 with a port (RFC 6887 11.3) */
	{
		.request =
			"02010000 00000e10 00000000 00000000 0000ffff 0a090102 01020304 05060708 "
			"090a0b0c 00000000 13880000 00000000 00000000 0000ffff 00000000 ",
		.verdict = PCP_REJECT,
		.result = PCP_MALFORMED_REQUEST,
		.lifetime_s = 1800,
		.reply = "02810003 00000708 01020304 00000000 00000000 00000000 01020304 05060708 "
			 "090a0b0c 00000000 13880000 00000000 00000000 0000ffff 00000000 ",
	},
	/* PC-5: a whole protocol, which cannot be granted (RFC 6887 11.3) */
	{
		.request =
			"02010000 00000e10 00000000 00000000 0000ffff 0a090102 01020304 05060708 "
			"090a0b0c 06000000 00000000 00000000 00000000 0000ffff 00000000 ",
		.verdict = PCP_ACCEPT,
		.result = PCP_UNSUPP_PROTOCOL,
		.lifetime_s = 1800,
		.reply = "02810009 00000708 01020304 00000000 00000000 00000000 01020304 05060708 "
			 "090a0b0c 06000000 00000000 00000000 00000000 0000ffff 00000000 ",
	},
	/* PC-6: delete: suggestions are ignored and copied (erratum 3621) (RFC 6887 15.1) */
	{
		.request =
			"02010000 00000000 00000000 00000000 0000ffff 0a090102 01020304 05060708 "
			"090a0b0c 11000000 13881e61 00000000 00000000 0000ffff 00000000 ",
		.verdict = PCP_ACCEPT,
		.result = PCP_SUCCESS,
		.lifetime_s = 0,
		.reply = "02810000 00000000 01020304 00000000 00000000 00000000 01020304 05060708 "
			 "090a0b0c 11000000 13881e61 00000000 00000000 0000ffff 00000000 ",
	},
	/* PC-7: FILTER 198.51.100.0/24 (RFC 6887 13.3) */
	{
		.request =
			"02010000 00000e10 00000000 00000000 0000ffff 0a090102 01020304 05060708 "
			"090a0b0c 11000000 13889c40 00000000 00000000 0000ffff c0000201 03000014 "
			"00780000 00000000 00000000 0000ffff c6336400 ",
		.verdict = PCP_ACCEPT,
		.result = PCP_SUCCESS,
		.lifetime_s = 3600,
		.reply = "02810000 00000e10 01020304 00000000 00000000 00000000 01020304 05060708 "
			 "090a0b0c 11000000 13889c40 00000000 00000000 0000ffff c0000201 03000014 "
			 "00780000 00000000 00000000 0000ffff c6336400 ",
	},
	/* PC-8a: unknown mandatory option (RFC 6887 7.3) */
	{
		.request =
			"02010000 00000e10 00000000 00000000 0000ffff 0a090102 01020304 05060708 "
			"090a0b0c 11000000 13880000 00000000 00000000 0000ffff 00000000 40000000 ",
		.verdict = PCP_REJECT,
		.result = PCP_UNSUPP_OPTION,
		.lifetime_s = 1800,
		.reply = "02810005 00000708 01020304 00000000 00000000 00000000 01020304 05060708 "
			 "090a0b0c 11000000 13880000 00000000 00000000 0000ffff 00000000 40000000 ",
	},
	/* PC-8b: unknown optional option: not echoed (RFC 6887 7.3) */
	{
		.request =
			"02010000 00000e10 00000000 00000000 0000ffff 0a090102 01020304 05060708 "
			"090a0b0c 11000000 13880000 00000000 00000000 0000ffff 00000000 c8000008 "
			"61626364 65666768 ",
		.verdict = PCP_ACCEPT,
		.result = PCP_SUCCESS,
		.lifetime_s = 3600,
		.assigned_port = 40000,
		.reply = "02810000 00000e10 01020304 00000000 00000000 00000000 01020304 05060708 "
			 "090a0b0c 11000000 13889c40 00000000 00000000 0000ffff c0000201 ",
	},
	/* PC-8c: an option longer than the datagram (RFC 6887 7.3) */
	{
		.request =
			"02010000 00000e10 00000000 00000000 0000ffff 0a090102 01020304 05060708 "
			"090a0b0c 11000000 13880000 00000000 00000000 0000ffff 00000000 c80000ff ",
		.verdict = PCP_REJECT,
		.result = PCP_MALFORMED_OPTION,
		.lifetime_s = 1800,
		.reply = "02810006 00000708 01020304 00000000 0000ffff 0a090102 01020304 05060708 "
			 "090a0b0c 11000000 13880000 00000000 00000000 0000ffff 00000000 c80000ff ",
	},
	/* PC-8d: PREFER_FAILURE without a port (RFC 6887 13.2) */
	{
		.request =
			"02010000 00000e10 00000000 00000000 0000ffff 0a090102 01020304 05060708 "
			"090a0b0c 11000000 13880000 00000000 00000000 0000ffff c0000201 02000000 ",
		.verdict = PCP_REJECT,
		.result = PCP_MALFORMED_OPTION,
		.lifetime_s = 1800,
		.reply = "02810006 00000708 01020304 00000000 0000ffff 0a090102 01020304 05060708 "
			 "090a0b0c 11000000 13880000 00000000 00000000 0000ffff c0000201 02000000 ",
	},
	/* PC-9: PEER where it is off (RFC 6887 12) */
	{
		.request =
			"02020000 0000003c 00000000 00000000 0000ffff 0a090102 01020304 05060708 "
			"090a0b0c 06000000 13880000 00000000 00000000 0000ffff 00000000 01bb0000 "
			"00000000 00000000 0000ffff c6336409 ",
		.verdict = PCP_REJECT,
		.result = PCP_UNSUPP_OPCODE,
		.lifetime_s = 1800,
		.reply = "02820004 00000708 01020304 00000000 0000ffff 0a090102 01020304 05060708 "
			 "090a0b0c 06000000 13880000 00000000 00000000 0000ffff 00000000 01bb0000 "
			 "00000000 00000000 0000ffff c6336409 ",
	},
	/* PC-10: 61 octets (RFC 6887 8.2) */
	{
		.request =
			"02010000 00000e10 00000000 00000000 0000ffff 0a090102 01020304 05060708 "
			"090a0b0c 11000000 13880000 00000000 00000000 0000ffff 00000000 aa ",
		.verdict = PCP_REJECT,
		.result = PCP_MALFORMED_REQUEST,
		.lifetime_s = 1800,
		.reply = "02810003 00000708 01020304 00000000 0000ffff 0a090102 01020304 05060708 "
			 "090a0b0c 11000000 13880000 00000000 00000000 0000ffff 00000000 aa000000 ",
	},
	/* PC-11: unknown opcode (RFC 6887 8.2) */
	{
		.request = "02630000 00000007 00000000 00000000 0000ffff 0a090102 deadbeef ",
		.verdict = PCP_REJECT,
		.result = PCP_UNSUPP_OPCODE,
		.lifetime_s = 1800,
		.reply = "02e30004 00000708 01020304 00000000 0000ffff 0a090102 deadbeef ",
	},
	/* PC-12: another client's nonce; 500 s are left (RFC 6887 11.3) */
	{
		.request =
			"02010000 00000e10 00000000 00000000 0000ffff 0a090102 0c0b0a09 08070605 "
			"04030201 11000000 13880000 00000000 00000000 0000ffff 00000000 ",
		.verdict = PCP_ACCEPT,
		.result = PCP_NOT_AUTHORIZED,
		.lifetime_s = 500,
		.reply = "02810002 000001f4 01020304 00000000 00000000 00000000 0c0b0a09 08070605 "
			 "04030201 11000000 13880000 00000000 00000000 0000ffff 00000000 ",
	},
};

static size_t answer(const struct vector *v, struct packet p, const struct pcp_request *rq)
{
	struct pcp_response rs = {.opcode = rq->opcode,
		.lifetime_s = v->lifetime_s,
		.epoch_s = EPOCH_S,
		.map = rq->map,
		.options = rq->options};
	bool is_parsed = v->verdict == PCP_ACCEPT || rq->parsed;

	if (v->result != PCP_SUCCESS)
		return pcp_encode_error(reply, sizeof(reply), p.octet, p.len, v->result,
			v->lifetime_s, EPOCH_S, is_parsed);
	if (v->assigned_port != 0) {
		rs.map.external_port = v->assigned_port;
		rs.map.external = address("192.0.2.1");
	}
	return pcp_encode_response(reply, sizeof(reply), &rs);
}

START_TEST(vectors_decode_and_are_answered_to_the_octet)
{
	const struct vector *v = &vectors[_i];
	struct packet p = packet_from_hex(v->request), want = packet_from_hex(v->reply);
	struct pcp_request rq;

	ck_assert_int_eq(
		decode(p, PCP_FEATURE_FILTER | PCP_FEATURE_PREFER_FAILURE, &rq), v->verdict);
	if (v->verdict == PCP_REJECT) {
		ck_assert_int_eq(rq.result, v->result);
		ck_assert_uint_eq(pcp_error_lifetime_s(rq.result), v->lifetime_s);
	}
	ck_assert_uint_eq(answer(v, p, &rq), want.len);
	ck_assert_mem_eq(reply, want.octet, want.len);
	packet_free(&want);
	packet_free(&p);
}
END_TEST

/* PC-13: nobody asked, and the packet is the same. */
START_TEST(unsolicited_announce_is_a_bare_header)
{
	struct pcp_response rs = {.opcode = PCP_OP_ANNOUNCE, .epoch_s = EPOCH_S};
	struct packet want =
		packet_from_hex("02800000 00000000 01020304 00000000 00000000 00000000");

	ck_assert_uint_eq(pcp_encode_response(reply, sizeof(reply), &rs), want.len);
	ck_assert_mem_eq(reply, want.octet, want.len);
	packet_free(&want);
}
END_TEST

START_TEST(map_fields_are_read_where_they_stand)
{
	struct addr client = address("10.9.1.2"), external = address("198.51.100.7");
	struct pcp_request rq;

	ck_assert_int_eq(decode_hex("02010000 01020304" CLIENT NONCE "06000000 1388 1f90"
				    "00000000 00000000 0000ffff c6336407",
				 0, &rq),
		PCP_ACCEPT);
	ck_assert_int_eq(rq.opcode, PCP_OP_MAP);
	ck_assert_uint_eq(rq.lifetime_s, 0x01020304);
	ck_assert(addr_equal(&rq.client, &client));
	ck_assert_mem_eq(rq.map.nonce.octet, "\1\2\3\4\5\6\7\x8\x9\xa\xb\xc", PCP_NONCE_LEN);
	ck_assert_uint_eq(rq.map.protocol, 6);
	ck_assert_uint_eq(rq.map.internal_port, 5000);
	ck_assert_uint_eq(rq.map.external_port, 8080);
	ck_assert(addr_equal(&rq.map.external, &external));
	ck_assert_uint_eq(rq.options.present, 0);
	ck_assert_ptr_eq(pcp_internal_addr(&rq), &rq.client);
}
END_TEST

START_TEST(peer_fields_are_read_where_they_stand)
{
	struct addr remote = address("198.51.100.9");
	struct pcp_request rq;

	ck_assert_int_eq(decode_hex(PEER, PCP_FEATURE_PEER, &rq), PCP_ACCEPT);
	ck_assert_int_eq(rq.opcode, PCP_OP_PEER);
	ck_assert_uint_eq(rq.map.remote_port, 443);
	ck_assert(addr_equal(&rq.map.remote, &remote));
}
END_TEST

/* RFC 6887 7.1, 11.1, 12.1 */
START_TEST(reserved_octets_are_ignored_and_go_out_as_zero)
{
	struct packet p = packet_from_hex(PEER);
	struct pcp_request rq;
	struct pcp_response rs = {.opcode = PCP_OP_PEER};

	memset(p.octet + 2, 0xff, 2);
	memset(p.octet + 37, 0xff, 3);
	memset(p.octet + 62, 0xff, 2);
	ck_assert_int_eq(decode(p, PCP_FEATURE_PEER, &rq), PCP_ACCEPT);
	rs.map = rq.map;
	ck_assert_uint_eq(pcp_encode_response(reply, sizeof(reply), &rs), PCP_PEER_LEN);
	ck_assert_uint_eq(reply[2], 0);
	ck_assert_mem_eq(reply + 37, "\0\0\0", 3);
	ck_assert_mem_eq(reply + 62, "\0\0", 2);
	pcp_encode_error(reply, sizeof(reply), p.octet, p.len, PCP_NO_RESOURCES, 30, 0, true);
	ck_assert_uint_eq(reply[2], 0);
	packet_free(&p);
}
END_TEST

static const char *const whole[] = {ANNOUNCE, MAP, PEER};

/* RFC 6887 8.2: below a header silence, then the wrong size for the opcode. */
START_TEST(no_truncation_is_accepted)
{
	struct packet p = packet_from_hex(whole[_i]);
	struct pcp_request rq;

	ck_assert_int_eq(decode(p, ALL_FEATURES, &rq), PCP_ACCEPT);
	for (size_t len = 0; len < p.len; len++) {
		struct packet cut = packet_copy(p.octet, len);

		if (len < PCP_HEADER_LEN)
			ck_assert_int_eq(decode(cut, ALL_FEATURES, &rq), PCP_DROP);
		else
			assert_rejected(cut, PCP_MALFORMED_REQUEST, false);
		packet_free(&cut);
	}
	packet_free(&p);
}
END_TEST

START_TEST(each_opcode_has_its_verdict)
{
	uint8_t packet[PCP_PEER_LEN];
	struct packet p = packet_from_hex(PEER);
	struct pcp_request rq;

	memcpy(packet, p.octet, sizeof(packet));
	packet_free(&p);
	p = packet_copy(packet, _i == PCP_OP_ANNOUNCE ? PCP_HEADER_LEN
				: _i == PCP_OP_MAP    ? PCP_MAP_LEN
						      : PCP_PEER_LEN);
	p.octet[1] = (uint8_t)_i;
	if (_i >= 128)
		ck_assert_int_eq(decode(p, ALL_FEATURES, &rq), PCP_DROP);
	else if (_i <= PCP_OP_PEER)
		ck_assert_int_eq(decode(p, ALL_FEATURES, &rq), PCP_ACCEPT);
	else
		assert_rejected(p, PCP_UNSUPP_OPCODE, false);
	packet_free(&p);
}
END_TEST

/* RFC 6887 9: before the length, and even for two octets. */
START_TEST(each_version_but_two_is_unsupported_at_any_length)
{
	struct packet p = packet_from_hex(MAP);
	struct pcp_request rq;

	p.octet[0] = (uint8_t)_i;
	for (size_t len = 0; len <= p.len; len++) {
		struct packet cut = packet_copy(p.octet, len);

		if (len < 2)
			ck_assert_int_eq(decode(cut, ALL_FEATURES, &rq), PCP_DROP);
		else if (_i != PCP_VERSION)
			assert_rejected(cut, PCP_UNSUPP_VERSION, false);
		packet_free(&cut);
	}
	p.octet[1] |= 0x80;
	ck_assert_int_eq(decode(p, ALL_FEATURES, &rq), PCP_DROP);
	packet_free(&p);
}
END_TEST

/* RFC 6887 8.2: a receive buffer may hold less than the datagram had. */
START_TEST(oversize_is_malformed_and_its_reply_has_1100_octets)
{
	static const size_t lens[] = {1101, 1104, 1500, 65507};
	uint8_t large[PCP_MAX_LEN + 4] = {0};
	struct packet p = packet_from_hex(MAP), longer;

	memcpy(large, p.octet, p.len);
	large[PCP_MAX_LEN - 1] = 0xaa;
	longer = packet_copy(large, sizeof(large));
	longer.len = lens[_i];
	assert_rejected(longer, PCP_MALFORMED_REQUEST, false);
	ck_assert_uint_eq(pcp_encode_error(reply, sizeof(reply), longer.octet, longer.len,
				  PCP_MALFORMED_REQUEST, 1800, EPOCH_S, false),
		PCP_MAX_LEN);
	ck_assert_mem_eq(reply + 12, large + 12, PCP_MAX_LEN - 12);
	packet_free(&longer);
	packet_free(&p);
}
END_TEST

START_TEST(the_longest_request_is_accepted)
{
	uint8_t large[PCP_MAX_LEN] = {0};
	struct packet p = packet_from_hex(MAP "c800040c"), full;
	struct pcp_request rq;

	memcpy(large, p.octet, p.len);
	full = packet_copy(large, sizeof(large));
	ck_assert_int_eq(decode(full, 0, &rq), PCP_ACCEPT);
	packet_free(&full);
	packet_free(&p);
}
END_TEST

/* RFC 6887 8.2: the earlier check names the error. */
static const struct {
	const char *request;
	enum pcp_result result;
	bool parsed;
} doubly_wrong[] = {
	/* version before size */
	{"03010000 00000e10" CLIENT "0000", PCP_UNSUPP_VERSION, false},
	/* size before address */
	{"02010000 00000e10 00000000 00000000 0000ffff 0a090103 0000", PCP_MALFORMED_REQUEST,
		false},
	/* address before opcode (conformance note Q-06) */
	{"02630000 00000e10 00000000 00000000 0000ffff 0a090103", PCP_ADDRESS_MISMATCH, true},
	/* address before options, for ANNOUNCE as well */
	{"02000000 00000e10 00000000 00000000 0000ffff 0a090103 40000000", PCP_ADDRESS_MISMATCH,
		true},
	/* opcode before options */
	{"02630000 00000e10" CLIENT "c80000ff", PCP_UNSUPP_OPCODE, false},
	/* options before opcode data */
	{"02010000 00000e10" CLIENT NONCE "00000000 13880000" ANY4 "40000000", PCP_UNSUPP_OPTION,
		true},
};

START_TEST(the_earlier_check_names_the_error)
{
	struct packet p = packet_from_hex(doubly_wrong[_i].request);

	assert_rejected(p, doubly_wrong[_i].result, doubly_wrong[_i].parsed);
	packet_free(&p);
}
END_TEST

START_TEST(every_bit_of_the_client_address_counts)
{
	for (unsigned int bit = 0; bit < 128; bit++) {
		struct packet p = packet_from_hex(MAP);

		p.octet[8 + bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
		assert_rejected(p, PCP_ADDRESS_MISMATCH, true);
		packet_free(&p);
	}
}
END_TEST

/* The size comes first whether PEER is served or not, the opcode after the address. */
START_TEST(peer_that_is_off_is_an_unknown_opcode_of_known_size)
{
	struct packet p = packet_from_hex(PEER);
	struct packet cut = packet_copy(p.octet, PCP_PEER_LEN - 4);
	struct pcp_request rq;

	ck_assert_int_eq(decode(p, ALL_FEATURES & ~(uint32_t)PCP_FEATURE_PEER, &rq), PCP_REJECT);
	ck_assert_int_eq(rq.result, PCP_UNSUPP_OPCODE);
	ck_assert_int_eq(decode(cut, ALL_FEATURES & ~(uint32_t)PCP_FEATURE_PEER, &rq), PCP_REJECT);
	ck_assert_int_eq(rq.result, PCP_MALFORMED_REQUEST);
	packet_free(&cut);
	packet_free(&p);
}
END_TEST

/* RFC 6887 12.1, 12.3 */
static const char *const impossible_peers[] = {
	PEER_TO("00000000 13880000", "01bb", "00000000 00000000 0000ffff c6336409"),
	PEER_TO("06000000 00000000", "01bb", "00000000 00000000 0000ffff c6336409"),
	PEER_TO("06000000 13880000", "0000", "00000000 00000000 0000ffff c6336409"),
	PEER_TO("06000000 13880000", "01bb", "00000000 00000000 0000ffff 00000000"),
	PEER_TO("06000000 13880000", "01bb", "00000000 00000000 0000ffff 00000001"),
	PEER_TO("06000000 13880000", "01bb", "00000000 00000000 0000ffff 7f000001"),
	PEER_TO("06000000 13880000", "01bb", "00000000 00000000 0000ffff e00000fb"),
	PEER_TO("06000000 13880000", "01bb", "00000000 00000000 0000ffff ffffffff"),
	PEER_TO("06000000 13880000", "01bb", "20010db8 00000000 00000000 00000009"),
};

START_TEST(peer_without_a_possible_peer_is_malformed)
{
	struct packet p = packet_from_hex(impossible_peers[_i]);

	assert_rejected(p, PCP_MALFORMED_REQUEST, true);
	packet_free(&p);
}
END_TEST

static const struct {
	const char *remote;
	enum pcp_verdict verdict;
} v6_peers[] = {
	{"2001:db8::9", PCP_ACCEPT},
	{"::", PCP_REJECT},
	{"::1", PCP_REJECT},
	{"ff02::1", PCP_REJECT},
	{"198.51.100.9", PCP_REJECT},
};

START_TEST(v6_peers_are_judged_by_their_own_rules)
{
	struct pcp_request rq = {.opcode = PCP_OP_PEER, .client = address("2001:db8::2")}, back;
	size_t len;

	rq.map.protocol = 6;
	rq.map.internal_port = 5000;
	rq.map.remote_port = 443;
	rq.map.remote = address(v6_peers[_i].remote);
	len = pcp_encode_request(reply, sizeof(reply), &rq);
	ck_assert_int_eq(
		pcp_decode(reply, len, &rq.client, PCP_FEATURE_PEER, &back), v6_peers[_i].verdict);
}
END_TEST

/* RFC 6887 11.3, 15.1: with any lifetime; without a port it is a question of policy. */
START_TEST(protocol_zero_goes_with_port_zero_only)
{
	struct packet p = packet_from_hex(MAP);
	struct pcp_request rq;

	p.octet[36] = 0;
	assert_rejected(p, PCP_MALFORMED_REQUEST, true);
	memset(p.octet + 4, 0, 4);
	assert_rejected(p, PCP_MALFORMED_REQUEST, true);
	memset(p.octet + 40, 0, 2);
	ck_assert_int_eq(decode(p, ALL_FEATURES, &rq), PCP_ACCEPT);
	memset(p.octet + 4, 1, 4);
	ck_assert_int_eq(decode(p, ALL_FEATURES, &rq), PCP_ACCEPT);
	packet_free(&p);
}
END_TEST

START_TEST(announce_takes_any_lifetime)
{
	struct pcp_request rq;

	ck_assert_int_eq(decode_hex("02000000 ffffffff" CLIENT, 0, &rq), PCP_ACCEPT);
	ck_assert_int_eq(rq.opcode, PCP_OP_ANNOUNCE);
}
END_TEST

/* RFC 6887 7.2, 8.2: a copy of the request, with a new head. */
START_TEST(each_error_returns_the_request)
{
	static const uint8_t zeros[12];
	struct packet p = packet_from_hex(MAP "c8000008 61626364 65666768");
	uint8_t head[] = {2, 0x81, 0, (uint8_t)_i, 0, 0, 0x07, 0x08, 1, 2, 3, 4};
	enum pcp_result result = (enum pcp_result)_i;

	ck_assert_uint_eq(
		pcp_encode_error(reply, sizeof(reply), p.octet, p.len, result, 1800, EPOCH_S, true),
		p.len);
	ck_assert_mem_eq(reply, head, sizeof(head));
	ck_assert_mem_eq(reply + 12, zeros, sizeof(zeros));
	ck_assert_mem_eq(reply + 24, p.octet + 24, p.len - 24);
	pcp_encode_error(reply, sizeof(reply), p.octet, p.len, result, 1800, EPOCH_S, false);
	ck_assert_mem_eq(reply, head, sizeof(head));
	ck_assert_mem_eq(reply + 12, p.octet + 12, p.len - 12);
	packet_free(&p);
}
END_TEST

START_TEST(an_error_of_any_length_is_padded_with_zeros)
{
	uint8_t ones[PCP_MAX_LEN + 4];
	uint8_t want[PCP_MAX_LEN + 4];

	memset(ones, 0xff, sizeof(ones));
	for (size_t len = 0; len <= sizeof(ones); len++) {
		struct packet p = packet_copy(ones, len);
		size_t copied = len < PCP_MAX_LEN ? len : PCP_MAX_LEN;
		size_t padded = len < PCP_HEADER_LEN ? PCP_HEADER_LEN : (copied + 3) / 4 * 4;

		memset(reply, 0x55, sizeof(reply));
		memset(want, 0, sizeof(want));
		memset(want, 0xff, copied);
		ck_assert_uint_eq(pcp_encode_error(reply, sizeof(reply), p.octet, p.len,
					  PCP_MALFORMED_REQUEST, 1800, EPOCH_S, false),
			padded);
		ck_assert_mem_eq(reply + 12, want + 12, padded - 12);
		packet_free(&p);
	}
}
END_TEST

START_TEST(passing_errors_last_30_seconds_and_others_1800)
{
	static const enum pcp_result passing[] = {
		PCP_NETWORK_FAILURE, PCP_NO_RESOURCES, PCP_USER_EX_QUOTA};
	uint32_t want = 1800;

	for (size_t i = 0; i < ARRAY_LEN(passing); i++) {
		if ((int)passing[i] == _i)
			want = 30;
	}
	ck_assert_uint_eq(pcp_error_lifetime_s((enum pcp_result)_i), want);
}
END_TEST

START_TEST(encoders_refuse_every_buffer_too_small)
{
	struct packet p = packet_from_hex(PEER);
	struct pcp_request rq;
	struct pcp_response rs = {.opcode = PCP_OP_PEER};

	ck_assert_int_eq(decode(p, ALL_FEATURES, &rq), PCP_ACCEPT);
	rs.map = rq.map;
	for (size_t size = 0; size <= PCP_PEER_LEN; size++) {
		struct packet small = packet_copy(reply, size);
		size_t want = size < PCP_PEER_LEN ? 0 : PCP_PEER_LEN;

		ck_assert_uint_eq(pcp_encode_request(small.octet, size, &rq), want);
		ck_assert_uint_eq(pcp_encode_response(small.octet, size, &rs), want);
		ck_assert_uint_eq(pcp_encode_error(small.octet, size, p.octet, p.len,
					  PCP_NO_RESOURCES, 30, 0, true),
			want);
		packet_free(&small);
	}
	packet_free(&p);
}
END_TEST

/* RFC 6887 8.3: of a success everything has to be there, of an error the header. */
static const struct {
	const char *response;
	size_t shortest;
} responses[] = {
	{"02800000 00000000 01020304 00000000 00000000 00000000", PCP_HEADER_LEN},
	{"02810000 00000e10 01020304 00000000 00000000 00000000" NONCE "11000000 13889c40" ANY4,
		PCP_MAP_LEN},
	{"02820000 0000003c 01020304 00000000 00000000 00000000" NONCE "06000000 13889c40" ANY4
	 "01bb0000 00000000 00000000 0000ffff c6336409",
		PCP_PEER_LEN},
	{"02810002 000001f4 01020304 00000000 00000000 00000000" NONCE "11000000 13880000" ANY4,
		PCP_HEADER_LEN},
	{"02e30004 00000708 01020304 00000000 0000ffff 0a090102 deadbeef", PCP_HEADER_LEN},
};

START_TEST(response_decoder_refuses_truncations)
{
	struct packet p = packet_from_hex(responses[_i].response);
	struct pcp_response rs;

	for (size_t len = 0; len <= p.len; len++) {
		struct packet cut = packet_copy(p.octet, len);
		bool good = len >= responses[_i].shortest && len % 4 == 0;

		ck_assert_int_eq(pcp_decode_response(cut.octet, cut.len, &rs), good ? 0 : -EINVAL);
		packet_free(&cut);
	}
	packet_free(&p);
}
END_TEST

START_TEST(response_decoder_refuses_what_is_none)
{
	struct packet p = packet_from_hex(responses[0].response);
	uint8_t large[PCP_MAX_LEN + 4] = {2, 0x81, 0, 3};
	struct pcp_response rs;

	p.octet[0] = 1;
	ck_assert_int_eq(pcp_decode_response(p.octet, p.len, &rs), -EINVAL);
	p.octet[0] = 2;
	p.octet[1] = 0;
	ck_assert_int_eq(pcp_decode_response(p.octet, p.len, &rs), -EINVAL);
	p.octet[1] = 0x83; /* success of an opcode nobody knows */
	ck_assert_int_eq(pcp_decode_response(p.octet, p.len, &rs), -EINVAL);
	ck_assert_int_eq(pcp_decode_response(large, sizeof(large), &rs), -EINVAL);
	ck_assert_int_eq(pcp_decode_response(large, PCP_MAX_LEN, &rs), 0);
	packet_free(&p);
}
END_TEST

START_TEST(an_error_response_names_its_mapping)
{
	struct packet p = packet_from_hex(responses[3].response);
	struct pcp_response rs;

	ck_assert_int_eq(pcp_decode_response(p.octet, p.len, &rs), 0);
	ck_assert_int_eq(rs.opcode, PCP_OP_MAP);
	ck_assert_int_eq(rs.result, PCP_NOT_AUTHORIZED);
	ck_assert_uint_eq(rs.lifetime_s, 500);
	ck_assert_uint_eq(rs.epoch_s, EPOCH_S);
	ck_assert_uint_eq(rs.map.internal_port, 5000);
	ck_assert_uint_eq(rs.map.protocol, 17);
	packet_free(&p);
}
END_TEST

/* Captured from the clients named. */
static const struct {
	const char *client;
	const char *source;
	const char *request;
	enum pcp_opcode opcode;
	uint32_t lifetime_s;
	uint8_t protocol;
	uint16_t internal_port;
	uint16_t external_port;
} clients[] = {
	{"libtorrent 2.0.8", "10.2.0.2",
		"0201000000000e1000000000000000000000ffff0a020002e102783cefa9deeeae1b5ef006000000"
		"1ae11ae100000000000000000000ffff00000000",
		PCP_OP_MAP, 3600, 6, 6881, 6881},
	{"libtorrent 2.0.8", "10.2.0.2",
		"0201000000000e1000000000000000000000ffff0a0200021fc2b8e52e07ccc7d3243cc711000000"
		"1ae11ae100000000000000000000ffff00000000",
		PCP_OP_MAP, 3600, 17, 6881, 6881},
	{"libtorrent 2.0.8", "10.2.0.2",
		"020100000000000000000000000000000000ffff0a020002e102783cefa9deeeae1b5ef006000000"
		"1ae11ae100000000000000000000ffffc6336407",
		PCP_OP_MAP, 0, 6, 6881, 6881},
	{"libtorrent 2.0.8", "10.2.0.2",
		"020100000000000000000000000000000000ffff0a0200021fc2b8e52e07ccc7d3243cc711000000"
		"1ae11ae100000000000000000000ffffc6336407",
		PCP_OP_MAP, 0, 17, 6881, 6881},
	{"libplum", "10.2.0.2", "020000000000000000000000000000000000ffff0a020002", PCP_OP_ANNOUNCE,
		0, 0, 0, 0},
	{"libplum", "10.2.0.2",
		"02010000201c000000000000000000000000ffff0a020002a4c32e4a4cb77af13e919ca606000000"
		"1f91000000000000000000000000ffff00000000",
		PCP_OP_MAP, 538705920, 6, 8081, 0},
	{"libplum", "10.2.0.2",
		"020100000000000000000000000000000000ffff0a020002a4c32e4a4cb77af13e919ca606000000"
		"1f91000000000000000000000000ffff00000000",
		PCP_OP_MAP, 0, 6, 8081, 0},
	{"libpcpnatpmp", "10.2.0.2",
		"020100000000038400000000000000000000ffff0a020002721a0f01472620652148d27f06000000"
		"1ae11ae10000000000000000000000000000000002000000",
		PCP_OP_MAP, 900, 6, 6881, 6881},
	{"libpcpnatpmp", "10.2.0.2",
		"020200000000038400000000000000000000ffff0a0200023fafe4802a0eb31028f9040206000000"
		"1ae1000000000000000000000000ffff000000000050000000000000000000000000ffffcb007105",
		PCP_OP_PEER, 900, 6, 6881, 0},
	{"qBittorrent 4.5.2", "10.2.0.2",
		"0201000000000e1000000000000000000000ffff0a020002abd31c6ec9bb85a6dbc86caf06000000"
		"41f141f100000000000000000000ffff00000000",
		PCP_OP_MAP, 3600, 6, 16881, 16881},
	{"qBittorrent 4.5.2", "10.2.0.2",
		"0201000000000e1000000000000000000000ffff0a020002dcbfc7859098b957adef6a6311000000"
		"41f141f100000000000000000000ffff00000000",
		PCP_OP_MAP, 3600, 17, 16881, 16881},
	{"qBittorrent 4.5.2", "10.2.0.2",
		"020100000000000000000000000000000000ffff0a020002abd31c6ec9bb85a6dbc86caf06000000"
		"41f141f100000000000000000000ffffc6336407",
		PCP_OP_MAP, 0, 6, 16881, 16881},
	{"qBittorrent 4.5.2", "10.2.0.2",
		"020100000000000000000000000000000000ffff0a020002dcbfc7859098b957adef6a6311000000"
		"41f141f100000000000000000000ffffc6336407",
		PCP_OP_MAP, 0, 17, 16881, 16881},
	{"libtorrent 2.0.8", "2001:db8:1::2",
		"0201000000000e1020010db800010000000000000000000236fc54fbf37afa5d7aaed6e706000000"
		"1ae11ae120010db8000100000000000000000002",
		PCP_OP_MAP, 3600, 6, 6881, 6881},
	{"libtorrent 2.0.8", "2001:db8:1::2",
		"0201000000000e1020010db80001000000000000000000027ae4db30df2787d624385d7e11000000"
		"1ae11ae120010db8000100000000000000000002",
		PCP_OP_MAP, 3600, 17, 6881, 6881},
	{"libtorrent 2.0.8", "2001:db8:1::2",
		"020100000000000020010db800010000000000000000000236fc54fbf37afa5d7aaed6e706000000"
		"1ae11ae120010db8000100000000000000000002",
		PCP_OP_MAP, 0, 6, 6881, 6881},
	{"libtorrent 2.0.8", "2001:db8:1::2",
		"020100000000000020010db80001000000000000000000027ae4db30df2787d624385d7e11000000"
		"1ae11ae120010db8000100000000000000000002",
		PCP_OP_MAP, 0, 17, 6881, 6881},
};

START_TEST(real_clients_are_understood)
{
	struct packet p = packet_from_hex(clients[_i].request);
	struct addr source = address(clients[_i].source);
	struct pcp_request rq;
	enum pcp_verdict verdict = pcp_decode(p.octet, p.len, &source, ALL_FEATURES, &rq);

	ck_assert_msg(verdict == PCP_ACCEPT && rq.opcode == clients[_i].opcode &&
			      rq.lifetime_s == clients[_i].lifetime_s &&
			      rq.map.protocol == clients[_i].protocol &&
			      rq.map.internal_port == clients[_i].internal_port &&
			      rq.map.external_port == clients[_i].external_port,
		"%s", clients[_i].client);
	/* They write what they mean in the only way there is. */
	ck_assert_uint_eq(pcp_encode_request(reply, sizeof(reply), &rq), p.len);
	ck_assert_mem_eq(reply, p.octet, p.len);
	packet_free(&p);
}
END_TEST

static void add_requests(TCase *tc)
{
	tcase_add_loop_test(
		tc, vectors_decode_and_are_answered_to_the_octet, 0, (int)ARRAY_LEN(vectors));
	tcase_add_test(tc, map_fields_are_read_where_they_stand);
	tcase_add_test(tc, peer_fields_are_read_where_they_stand);
	tcase_add_test(tc, reserved_octets_are_ignored_and_go_out_as_zero);
	tcase_add_loop_test(tc, no_truncation_is_accepted, 0, (int)ARRAY_LEN(whole));
	tcase_add_loop_test(tc, each_opcode_has_its_verdict, 0, 256);
	tcase_add_loop_test(tc, each_version_but_two_is_unsupported_at_any_length, 0, 256);
	tcase_add_loop_test(tc, oversize_is_malformed_and_its_reply_has_1100_octets, 0, 4);
	tcase_add_test(tc, the_longest_request_is_accepted);
	tcase_add_loop_test(tc, the_earlier_check_names_the_error, 0, (int)ARRAY_LEN(doubly_wrong));
	tcase_add_test(tc, every_bit_of_the_client_address_counts);
	tcase_add_test(tc, peer_that_is_off_is_an_unknown_opcode_of_known_size);
	tcase_add_loop_test(
		tc, peer_without_a_possible_peer_is_malformed, 0, (int)ARRAY_LEN(impossible_peers));
	tcase_add_loop_test(
		tc, v6_peers_are_judged_by_their_own_rules, 0, (int)ARRAY_LEN(v6_peers));
	tcase_add_test(tc, protocol_zero_goes_with_port_zero_only);
	tcase_add_test(tc, announce_takes_any_lifetime);
	tcase_add_loop_test(tc, real_clients_are_understood, 0, (int)ARRAY_LEN(clients));
}

static void add_responses(TCase *tc)
{
	tcase_add_test(tc, unsolicited_announce_is_a_bare_header);
	tcase_add_loop_test(tc, each_error_returns_the_request, PCP_UNSUPP_VERSION,
		PCP_EXCESSIVE_REMOTE_PEERS + 1);
	tcase_add_test(tc, an_error_of_any_length_is_padded_with_zeros);
	tcase_add_loop_test(tc, passing_errors_last_30_seconds_and_others_1800, PCP_UNSUPP_VERSION,
		PCP_EXCESSIVE_REMOTE_PEERS + 1);
	tcase_add_test(tc, encoders_refuse_every_buffer_too_small);
	tcase_add_loop_test(tc, response_decoder_refuses_truncations, 0, (int)ARRAY_LEN(responses));
	tcase_add_test(tc, response_decoder_refuses_what_is_none);
	tcase_add_test(tc, an_error_response_names_its_mapping);
}

int main(void)
{
	Suite *suite = suite_create("pcp");
	TCase *tc = tcase_create("pcp");
	SRunner *runner = srunner_create(suite);
	int failed;

	add_requests(tc);
	add_responses(tc);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
