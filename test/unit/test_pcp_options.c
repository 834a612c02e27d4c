/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "include/compiler.h"
#include "include/pcp.h"
#include "test/support/packet.h"
#include "test/support/random.h"

#include <errno.h>
#include <stdlib.h>

#include <check.h>

#define CLIENT "00000000 00000000 0000ffff 0a090102"
#define ANY4   "00000000 00000000 0000ffff 00000000"
#define NONCE  "01020304 05060708 090a0b0c"

#define ANNOUNCE    "02000000 00000000" CLIENT
#define MAP         "02010000 00000e10" CLIENT NONCE "11000000 13889c40" ANY4
#define MAP_NO_PORT "02010000 00000e10" CLIENT NONCE "11000000 13880000" ANY4
#define MAP_DELETE  "02010000 00000000" CLIENT NONCE "11000000 13889c40" ANY4
#define PEER                                                                                       \
	"02020000 0000003c" CLIENT NONCE "06000000 13880000" ANY4                                  \
	"01bb0000 00000000 00000000 0000ffff c6336409"

#define THIRD_PARTY       "01000010 00000000 00000000 0000ffff 0a090109"
#define THIRD_PARTY_SELF  "01000010" CLIENT
#define THIRD_PARTY_V6    "01000010 20010db8 00000000 00000000 00000009"
#define PREFER_FAILURE    "02000000"
#define FILTER(prefix)    "03000014 00" prefix "0050 00000000 00000000 0000ffff c6336400"
#define FILTER_V6(prefix) "03000014 00" prefix "0050 20010db8 00000000 00000000 00000000"
#define CAMERA            "80000006 43616d65 72610000"
#define NOT_UTF8          "80000002 c3280000"
#define PORT_SET          "82000005 00201388 01000000"
#define EMPTY_SET         "82000005 00001388 00000000"
#define OVERRUN           "c80000ff"

#define ALL_FEATURES UINT32_MAX
#define NO(feature)  (ALL_FEATURES & ~(uint32_t)PCP_FEATURE_##feature)

static uint8_t reply[PCP_MAX_LEN];

static enum pcp_verdict decode(struct packet p, uint32_t features, struct pcp_request *out)
{
	static const struct addr source = {.octet = {[10] = 0xff, [11] = 0xff, 10, 9, 1, 2}};

	return pcp_decode(p.octet, p.len, &source, features, out);
}

static enum pcp_verdict decode_hex(const char *hex, uint32_t features, struct pcp_request *out)
{
	struct packet p = packet_from_hex(hex);
	enum pcp_verdict verdict = decode(p, features, out);

	packet_free(&p);
	return verdict;
}

static void assert_accepted(const char *hex, uint32_t features, struct pcp_request *out)
{
	ck_assert_int_eq(decode_hex(hex, features, out), PCP_ACCEPT);
}

static const struct {
	const char *request;
	enum pcp_result result;
	uint32_t features;
} rejected[] = {
	/* RFC 6887 7.3: the walk comes before any judgement, and unknown options are walked too */
	{MAP OVERRUN, PCP_MALFORMED_OPTION, 0},
	{MAP "40000000" OVERRUN, PCP_MALFORMED_OPTION, ALL_FEATURES},
	{MAP "40000001", PCP_MALFORMED_OPTION, ALL_FEATURES},
	{MAP "c8000005 61626364", PCP_MALFORMED_OPTION, ALL_FEATURES},
	{ANNOUNCE OVERRUN, PCP_MALFORMED_OPTION, ALL_FEATURES},
	{PEER OVERRUN, PCP_MALFORMED_OPTION, ALL_FEATURES},
	/* 7.3: unknown, disabled */
	{MAP "40000000", PCP_UNSUPP_OPTION, ALL_FEATURES},
	{ANNOUNCE "40000000", PCP_UNSUPP_OPTION, ALL_FEATURES},
	{MAP THIRD_PARTY, PCP_UNSUPP_OPTION, NO(THIRD_PARTY)},
	{MAP "0100000c 00000000 00000000 00000000", PCP_UNSUPP_OPTION, NO(THIRD_PARTY)},
	{MAP PREFER_FAILURE, PCP_UNSUPP_OPTION, NO(PREFER_FAILURE)},
	{MAP FILTER("78"), PCP_UNSUPP_OPTION, NO(FILTER)},
	/* 13: of another opcode (conformance note Q-18) */
	{ANNOUNCE THIRD_PARTY, PCP_UNSUPP_OPTION, ALL_FEATURES},
	{ANNOUNCE PREFER_FAILURE, PCP_UNSUPP_OPTION, ALL_FEATURES},
	{ANNOUNCE FILTER("78"), PCP_UNSUPP_OPTION, ALL_FEATURES},
	{PEER FILTER("78"), PCP_UNSUPP_OPTION, ALL_FEATURES},
	/* 12.1: has a code of its own */
	{PEER PREFER_FAILURE, PCP_MALFORMED_REQUEST, ALL_FEATURES},
	{PEER PREFER_FAILURE, PCP_MALFORMED_REQUEST, NO(PREFER_FAILURE)},
	/* 13.1 */
	{MAP "0100000c 00000000 00000000 0000ffff", PCP_MALFORMED_OPTION, ALL_FEATURES},
	{MAP "01000014 00000000 00000000 0000ffff 0a090109 00000000", PCP_MALFORMED_OPTION,
		ALL_FEATURES},
	{MAP THIRD_PARTY THIRD_PARTY, PCP_MALFORMED_OPTION, ALL_FEATURES},
	{MAP THIRD_PARTY_SELF, PCP_MALFORMED_REQUEST, ALL_FEATURES},
	{PEER THIRD_PARTY_SELF, PCP_MALFORMED_REQUEST, ALL_FEATURES},
	{PEER THIRD_PARTY_V6, PCP_MALFORMED_REQUEST, ALL_FEATURES},
	/* 13.2 */
	{MAP "02000004 00000000", PCP_MALFORMED_OPTION, ALL_FEATURES},
	{MAP PREFER_FAILURE PREFER_FAILURE, PCP_MALFORMED_OPTION, ALL_FEATURES},
	{MAP_NO_PORT PREFER_FAILURE, PCP_MALFORMED_OPTION, ALL_FEATURES},
	{MAP_DELETE PREFER_FAILURE, PCP_MALFORMED_OPTION, ALL_FEATURES},
	/* 13.3 */
	{MAP "03000010 00780050 00000000 00000000 0000ffff", PCP_MALFORMED_OPTION, ALL_FEATURES},
	{MAP FILTER("18"), PCP_MALFORMED_OPTION, ALL_FEATURES},
	{MAP FILTER("5f"), PCP_MALFORMED_OPTION, ALL_FEATURES},
	{MAP FILTER("81"), PCP_MALFORMED_OPTION, ALL_FEATURES},
	{MAP FILTER("78") FILTER("82"), PCP_MALFORMED_OPTION, ALL_FEATURES},
	{MAP_DELETE FILTER("78"), PCP_MALFORMED_OPTION, ALL_FEATURES},
	{MAP_DELETE FILTER("00"), PCP_MALFORMED_OPTION, ALL_FEATURES},
	{MAP FILTER_V6("40"), PCP_MALFORMED_OPTION, ALL_FEATURES},
	{MAP FILTER_V6("81"), PCP_MALFORMED_OPTION, ALL_FEATURES},
	{MAP THIRD_PARTY_V6 FILTER("78"), PCP_MALFORMED_OPTION, ALL_FEATURES},
	{MAP FILTER("78") THIRD_PARTY_V6, PCP_MALFORMED_OPTION, ALL_FEATURES},
	/* RFC 7220 2, RFC 6887 7.3 */
	{MAP CAMERA CAMERA, PCP_MALFORMED_OPTION, ALL_FEATURES},
	{MAP NOT_UTF8 CAMERA, PCP_MALFORMED_OPTION, ALL_FEATURES},
	{PEER CAMERA CAMERA, PCP_MALFORMED_OPTION, ALL_FEATURES},
	/* RFC 7753 4.2 */
	{MAP PORT_SET PORT_SET, PCP_MALFORMED_OPTION, ALL_FEATURES},
	{MAP_DELETE PORT_SET PORT_SET, PCP_MALFORMED_OPTION, ALL_FEATURES},
	{MAP EMPTY_SET, PCP_MALFORMED_OPTION, ALL_FEATURES},
	{MAP "82000004 00201388", PCP_MALFORMED_OPTION, ALL_FEATURES},
	{MAP PORT_SET PREFER_FAILURE, PCP_MALFORMED_OPTION, ALL_FEATURES},
	{MAP PREFER_FAILURE PORT_SET, PCP_MALFORMED_OPTION, ALL_FEATURES},
	/* 7.3: in order, the first one names the error */
	{MAP "40000000" FILTER("81"), PCP_UNSUPP_OPTION, ALL_FEATURES},
	{MAP FILTER("81") "40000000", PCP_MALFORMED_OPTION, ALL_FEATURES},
	{MAP THIRD_PARTY_SELF "40000000", PCP_MALFORMED_REQUEST, ALL_FEATURES},
	{MAP "c8000000" CAMERA "00000000", PCP_UNSUPP_OPTION, ALL_FEATURES},
};

/* Octets 12 to 23 of the reply are the request's for malformed options alone (note Q-07). */
START_TEST(bad_options_are_rejected_with_their_code)
{
	struct packet p = packet_from_hex(rejected[_i].request);
	struct pcp_request rq;
	size_t len;

	ck_assert_int_eq(decode(p, rejected[_i].features, &rq), PCP_REJECT);
	ck_assert_int_eq(rq.result, rejected[_i].result);
	ck_assert_int_eq(rq.parsed, rejected[_i].result != PCP_MALFORMED_OPTION);
	len = pcp_encode_error(reply, sizeof(reply), p.octet, p.len, rq.result, 1800, 0, rq.parsed);
	ck_assert_uint_eq(len, p.len);
	ck_assert_mem_eq(reply + 24, p.octet + 24, p.len - 24);
	packet_free(&p);
}
END_TEST

static const struct {
	const char *request;
	const char *echoed; /* behind the opcode data of a success */
	uint32_t features;
} accepted[] = {
	{MAP, "", ALL_FEATURES},
	/* unknown optional ones are neither acted on nor echoed (RFC 6887 7.3) */
	{MAP "c8000008 61626364 65666768", "", ALL_FEATURES},
	{MAP "c8000005 61626364 65000000 ff000000", "", ALL_FEATURES},
	{ANNOUNCE "c8000000", "", ALL_FEATURES},
	/* nor are known ones that are off, or of another opcode */
	{MAP CAMERA PORT_SET, "", PCP_FEATURE_FILTER},
	{MAP CAMERA CAMERA NOT_UTF8, "", NO(DESCRIPTION)},
	{MAP "82000001 00000000", "", NO(PORT_SET)},
	{ANNOUNCE CAMERA PORT_SET, "", ALL_FEATURES},
	{PEER PORT_SET PORT_SET, "", ALL_FEATURES},
	/* reserved and padding octets are ignored and go out as zero (notes) */
	{MAP "02ff0000", PREFER_FAILURE, ALL_FEATURES},
	{MAP "03ff0014 ff780050 00000000 00000000 0000ffff c6336400", FILTER("78"), ALL_FEATURES},
	{MAP "80ff0006 43616d65 7261ffff", CAMERA, ALL_FEATURES},
	{MAP "82ff0005 00201388 ffffffff", PORT_SET, ALL_FEATURES},
	/* what is processed is echoed, mandatory ones first */
	{MAP THIRD_PARTY, THIRD_PARTY, ALL_FEATURES},
	{PEER THIRD_PARTY, THIRD_PARTY, ALL_FEATURES},
	{MAP CAMERA FILTER("78") PREFER_FAILURE THIRD_PARTY,
		THIRD_PARTY PREFER_FAILURE FILTER("78") CAMERA, ALL_FEATURES},
	{PEER CAMERA THIRD_PARTY, THIRD_PARTY CAMERA, ALL_FEATURES},
	{MAP PORT_SET FILTER("60"), FILTER("60") PORT_SET, ALL_FEATURES},
	/* filters keep their order, those that remove included (13.3) */
	{MAP FILTER("78") FILTER("00") FILTER("80"), FILTER("78") FILTER("00") FILTER("80"),
		ALL_FEATURES},
	{MAP FILTER_V6("00"), FILTER_V6("00"), ALL_FEATURES}, /* its address means nothing */
	{MAP THIRD_PARTY_V6 FILTER_V6("01") FILTER_V6("80"),
		THIRD_PARTY_V6 FILTER_V6("01") FILTER_V6("80"), ALL_FEATURES},
	/* RFC 7220 3 */
	{MAP NOT_UTF8, "", ALL_FEATURES},
	{MAP "80000000", "80000000", ALL_FEATURES},
	{MAP "80000003 41004200", "80000003 41004200", ALL_FEATURES},
	/* RFC 7753 4.2 checks these with a lifetime only */
	{MAP_DELETE PORT_SET, PORT_SET, ALL_FEATURES},
	{MAP_DELETE EMPTY_SET, EMPTY_SET, ALL_FEATURES},
	{MAP_DELETE CAMERA, CAMERA, ALL_FEATURES},
};

START_TEST(what_was_processed_is_echoed)
{
	struct packet want = packet_from_hex(accepted[_i].echoed);
	struct pcp_response rs = {.lifetime_s = 3600};
	struct pcp_request rq;
	size_t head;

	assert_accepted(accepted[_i].request, accepted[_i].features, &rq);
	rs.opcode = rq.opcode;
	rs.map = rq.map;
	rs.options = rq.options;
	head = rq.opcode == PCP_OP_ANNOUNCE ? PCP_HEADER_LEN
	       : rq.opcode == PCP_OP_MAP    ? PCP_MAP_LEN
					    : PCP_PEER_LEN;
	ck_assert_uint_eq(pcp_encode_response(reply, sizeof(reply), &rs), head + want.len);
	if (want.len > 0)
		ck_assert_mem_eq(reply + head, want.octet, want.len);
	packet_free(&want);
}
END_TEST

START_TEST(each_unknown_option_goes_by_its_top_bit)
{
	struct packet p = packet_from_hex(MAP "00000000");
	struct pcp_request rq;

	p.octet[PCP_MAP_LEN] = (uint8_t)_i;
	if (_i < 128) {
		ck_assert_int_eq(decode(p, 0, &rq), PCP_REJECT);
		ck_assert_int_eq(rq.result, PCP_UNSUPP_OPTION);
	} else {
		ck_assert_int_eq(decode(p, 0, &rq), PCP_ACCEPT);
	}
	packet_free(&p);
}
END_TEST

START_TEST(option_fields_are_read_where_they_stand)
{
	struct pcp_request rq;
	char text[ADDR_TEXT_MAX];

	assert_accepted(
		MAP THIRD_PARTY FILTER("78") FILTER("00") CAMERA PORT_SET, ALL_FEATURES, &rq);
	ck_assert_uint_eq(rq.options.present, PCP_FEATURE_THIRD_PARTY | PCP_FEATURE_FILTER |
						      PCP_FEATURE_DESCRIPTION |
						      PCP_FEATURE_PORT_SET);
	ck_assert_str_eq(addr_format(&rq.options.third_party, text), "10.9.1.9");
	ck_assert_ptr_eq(pcp_internal_addr(&rq), &rq.options.third_party);
	ck_assert_uint_eq(rq.options.filters_len, 2);
	ck_assert_uint_eq(rq.options.filters[0].prefix_len, 120);
	ck_assert_uint_eq(rq.options.filters[0].remote_port, 80);
	ck_assert_str_eq(addr_format(&rq.options.filters[0].remote, text), "198.51.100.0");
	ck_assert_uint_eq(rq.options.filters[1].prefix_len, 0);
	ck_assert_uint_eq(rq.options.description.len, 6);
	ck_assert_mem_eq(rq.options.description.text, "Camera", 6);
	ck_assert_uint_eq(rq.options.port_set.size, 32);
	ck_assert_uint_eq(rq.options.port_set.first_internal_port, 5000);
	ck_assert(rq.options.port_set.parity);
}
END_TEST

START_TEST(as_many_filters_as_fit_are_kept)
{
	uint8_t full[PCP_MAP_LEN + 24 * PCP_FILTERS_MAX];
	struct packet map = packet_from_hex(MAP), filter = packet_from_hex(FILTER("78"));
	struct pcp_response rs = {.opcode = PCP_OP_MAP};
	struct pcp_request rq;
	struct packet p;

	memcpy(full, map.octet, map.len);
	for (size_t i = 0; i < PCP_FILTERS_MAX; i++) {
		filter.octet[6] = (uint8_t)i; /* the port tells them apart */
		memcpy(full + PCP_MAP_LEN + 24 * i, filter.octet, 24);
	}
	p = packet_copy(full, sizeof(full));
	ck_assert_int_eq(decode(p, ALL_FEATURES, &rq), PCP_ACCEPT);
	ck_assert_uint_eq(rq.options.filters_len, PCP_FILTERS_MAX);
	rs.options = rq.options;
	ck_assert_uint_eq(pcp_encode_response(reply, sizeof(reply), &rs), sizeof(full));
	ck_assert_mem_eq(reply + PCP_MAP_LEN, full + PCP_MAP_LEN, sizeof(full) - PCP_MAP_LEN);
	/* RFC 6887 7: one more option and the message would be too long. */
	rs.options.present |= PCP_FEATURE_THIRD_PARTY;
	ck_assert_uint_eq(pcp_encode_response(reply, sizeof(reply), &rs), 0);
	packet_free(&p);
	packet_free(&filter);
	packet_free(&map);
}
END_TEST

/* A MAP with a description of @len octets, which has a u-umlaut at @umlaut_at if that fits. */
static struct packet described(size_t len, size_t umlaut_at)
{
	uint8_t octets[PCP_MAX_LEN] = {0};
	struct packet p = packet_from_hex(MAP);
	size_t padded = (len + 3) / 4 * 4;
	uint8_t *option = octets + PCP_MAP_LEN;

	memcpy(octets, p.octet, p.len);
	packet_free(&p);
	option[0] = PCP_OPT_DESCRIPTION;
	option[2] = (uint8_t)(len >> 8);
	option[3] = (uint8_t)len;
	memset(option + 4, 'a', len);
	if (umlaut_at + 2 <= len) {
		option[4 + umlaut_at] = 0xc3;
		option[5 + umlaut_at] = 0xbc;
	}
	return packet_copy(octets, PCP_MAP_LEN + 4 + padded);
}

/* RFC 7220 2, 3 */
START_TEST(descriptions_are_cut_between_characters)
{
	static const struct {
		size_t len, umlaut_at, kept;
	} cases[] = {
		{127, 200, 127},
		{128, 200, 128},
		{129, 200, 128},
		{1016, 2000, 128},
		{128, 126, 128},
		{129, 127, 127},
		{130, 128, 128},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct packet p = described(cases[i].len, cases[i].umlaut_at);
		struct pcp_request rq;

		ck_assert_int_eq(decode(p, ALL_FEATURES, &rq), PCP_ACCEPT);
		ck_assert_uint_eq(rq.options.present, PCP_FEATURE_DESCRIPTION);
		ck_assert_uint_eq(rq.options.description.len, cases[i].kept);
		ck_assert_mem_eq(
			rq.options.description.text, p.octet + PCP_MAP_LEN + 4, cases[i].kept);
		packet_free(&p);
	}
}
END_TEST

START_TEST(overlong_descriptions_and_bad_tails_are_ignored)
{
	struct packet overlong = described(1017, 2000), tail = described(300, 298);
	struct pcp_request rq;

	ck_assert_int_eq(decode(overlong, ALL_FEATURES, &rq), PCP_ACCEPT);
	ck_assert_uint_eq(rq.options.present, 0);
	/* Behind the cut, but the text as a whole is none. */
	tail.octet[tail.len - 1] = 'a';
	ck_assert_int_eq(decode(tail, ALL_FEATURES, &rq), PCP_ACCEPT);
	ck_assert_uint_eq(rq.options.present, 0);
	packet_free(&tail);
	packet_free(&overlong);
}
END_TEST

/* Between two options a cut leaves a shorter request, everywhere else a broken one. */
START_TEST(cutting_options_is_accepted_between_them_only)
{
	static const size_t ends[] = {60, 80, 84, 108, 132, 144, 156};
	struct packet p = packet_from_hex(MAP THIRD_PARTY PREFER_FAILURE FILTER("78") FILTER("00")
			CAMERA "c8000005 6162636465000000");
	struct pcp_request rq;
	size_t next = 0;

	for (size_t len = PCP_MAP_LEN; len <= p.len; len++) {
		struct packet cut = packet_copy(p.octet, len);
		enum pcp_verdict verdict = decode(cut, ALL_FEATURES, &rq);

		if (len == ends[next]) {
			ck_assert_int_eq(verdict, PCP_ACCEPT);
			next++;
		} else {
			ck_assert_int_eq(verdict, PCP_REJECT);
			ck_assert_int_eq(rq.result,
				len % 4 != 0 ? PCP_MALFORMED_REQUEST : PCP_MALFORMED_OPTION);
		}
		packet_free(&cut);
	}
	ck_assert_uint_eq(next, ARRAY_LEN(ends));
	packet_free(&p);
}
END_TEST

#define GRANTED                                                                                    \
	"02810000 00000e10 01020304 00000000 00000000 00000000" NONCE "11000000 13889c40" ANY4

static const struct {
	const char *response;
	int err;
	uint32_t present;
} responses[] = {
	{GRANTED, 0, 0},
	{GRANTED FILTER("78") CAMERA, 0, PCP_FEATURE_FILTER | PCP_FEATURE_DESCRIPTION},
	/* clients skip what they do not know, in either range (RFC 6887 7.3) */
	{GRANTED "40000004 61626364 c8000000" PORT_SET, 0, PCP_FEATURE_PORT_SET},
	{GRANTED OVERRUN, -EINVAL, 0},
	{GRANTED FILTER("81"), -EINVAL, 0},
	{GRANTED THIRD_PARTY THIRD_PARTY, -EINVAL, 0},
	{GRANTED "82000004 00201388", -EINVAL, 0},
};

START_TEST(options_of_responses_are_read)
{
	struct packet p = packet_from_hex(responses[_i].response);
	struct pcp_response rs;

	ck_assert_int_eq(pcp_decode_response(p.octet, p.len, &rs), responses[_i].err);
	if (responses[_i].err == 0)
		ck_assert_uint_eq(rs.options.present, responses[_i].present);
	packet_free(&p);
}
END_TEST

/* An address that no rule refuses as a peer, of the family asked for. */
static struct addr random_addr(struct random *r, bool is_v4)
{
	uint8_t octet[16];

	random_fill(r, octet, sizeof(octet));
	octet[0] = is_v4 ? 10 : 0x20;
	return is_v4 ? addr_from_v4(octet) : addr_from_v6(octet);
}

static struct pcp_map random_map(struct random *r, enum pcp_opcode opcode, bool is_v4)
{
	struct pcp_map m = {.protocol = (uint8_t)(1 + random_below(r, 255)),
		.internal_port = (uint16_t)(1 + random_below(r, 65535)),
		.external_port = (uint16_t)(1 + random_below(r, 65535)),
		.external = random_addr(r, random_below(r, 2))};

	random_fill(r, m.nonce.octet, sizeof(m.nonce.octet));
	if (opcode == PCP_OP_PEER) {
		m.remote_port = (uint16_t)(1 + random_below(r, 65535));
		m.remote = random_addr(r, is_v4);
	}
	return m;
}

static void random_filters(struct random *r, bool is_v4, struct pcp_options *o)
{
	o->filters_len = 1 + random_below(r, 30);
	for (size_t i = 0; i < o->filters_len; i++) {
		uint8_t least = is_v4 ? 96 : 0;

		o->filters[i].prefix_len = (uint8_t)(least + random_below(r, 129u - least));
		o->filters[i].remote_port = (uint16_t)random_next(r);
		o->filters[i].remote = random_addr(r, is_v4);
	}
}

static struct pcp_options random_options(struct random *r, enum pcp_opcode opcode, bool is_v4)
{
	struct pcp_options o = {.present = PCP_FEATURE_THIRD_PARTY | PCP_FEATURE_DESCRIPTION};

	if (opcode == PCP_OP_ANNOUNCE)
		return (struct pcp_options){0};
	if (opcode == PCP_OP_MAP)
		o.present |= PCP_FEATURE_FILTER | (random_below(r, 2) ? PCP_FEATURE_PREFER_FAILURE
								      : PCP_FEATURE_PORT_SET);
	o.present &= (uint32_t)random_next(r);
	if (o.present & PCP_FEATURE_THIRD_PARTY)
		o.third_party = random_addr(r, is_v4);
	if (o.present & PCP_FEATURE_FILTER)
		random_filters(r, is_v4, &o);
	if (o.present & PCP_FEATURE_DESCRIPTION) {
		o.description.len = (uint8_t)random_below(r, PCP_DESCRIPTION_KEPT + 1);
		for (size_t i = 0; i < o.description.len; i++)
			o.description.text[i] = (char)random_below(r, 128);
	}
	if (o.present & PCP_FEATURE_PORT_SET) {
		o.port_set.size = (uint16_t)(1 + random_below(r, 65535));
		o.port_set.first_internal_port = (uint16_t)random_next(r);
		o.port_set.parity = random_below(r, 2);
	}
	return o;
}

static bool map_equal(const struct pcp_map *a, const struct pcp_map *b)
{
	return memcmp(&a->nonce, &b->nonce, sizeof(a->nonce)) == 0 && a->protocol == b->protocol &&
	       a->internal_port == b->internal_port && a->external_port == b->external_port &&
	       addr_equal(&a->external, &b->external) && a->remote_port == b->remote_port &&
	       addr_equal(&a->remote, &b->remote);
}

static bool filters_equal(const struct pcp_options *a, const struct pcp_options *b)
{
	if (a->filters_len != b->filters_len)
		return false;
	for (size_t i = 0; i < a->filters_len; i++) {
		if (a->filters[i].prefix_len != b->filters[i].prefix_len ||
			a->filters[i].remote_port != b->filters[i].remote_port ||
			!addr_equal(&a->filters[i].remote, &b->filters[i].remote))
			return false;
	}
	return true;
}

static bool options_equal(const struct pcp_options *a, const struct pcp_options *b)
{
	return a->present == b->present && addr_equal(&a->third_party, &b->third_party) &&
	       filters_equal(a, b) && a->description.len == b->description.len &&
	       memcmp(a->description.text, b->description.text, a->description.len) == 0 &&
	       a->port_set.size == b->port_set.size &&
	       a->port_set.first_internal_port == b->port_set.first_internal_port &&
	       a->port_set.parity == b->port_set.parity;
}

START_TEST(random_requests_survive_the_wire)
{
	struct random r = random_start();

	for (int i = 0; i < 5000; i++) {
		bool is_v4 = random_below(&r, 2);
		enum pcp_opcode opcode = random_below(&r, 3);
		struct pcp_request rq = {.opcode = opcode,
			.lifetime_s = 1 + random_below(&r, UINT32_MAX - 1),
			.client = random_addr(&r, is_v4)};
		struct pcp_request back;
		struct packet p;
		size_t len;

		if (opcode != PCP_OP_ANNOUNCE)
			rq.map = random_map(&r, opcode, is_v4);
		rq.options = random_options(&r, opcode, is_v4);
		len = pcp_encode_request(reply, sizeof(reply), &rq);
		p = packet_copy(reply, len);
		ck_assert_msg(
			pcp_decode(p.octet, len, &rq.client, ALL_FEATURES, &back) == PCP_ACCEPT &&
				back.opcode == opcode && back.lifetime_s == rq.lifetime_s &&
				addr_equal(&back.client, &rq.client) &&
				map_equal(&back.map, &rq.map) &&
				options_equal(&back.options, &rq.options),
			"seed %llu, round %d", r.seed, i);
		packet_free(&p);
	}
}
END_TEST

START_TEST(random_responses_survive_the_wire)
{
	struct random r = random_start();

	for (int i = 0; i < 5000; i++) {
		bool is_v4 = random_below(&r, 2);
		enum pcp_opcode opcode = random_below(&r, 3);
		struct pcp_response rs = {.opcode = opcode,
			.lifetime_s = (uint32_t)random_next(&r),
			.epoch_s = (uint32_t)random_next(&r)};
		struct pcp_response back;
		struct packet p;
		size_t len;

		if (opcode != PCP_OP_ANNOUNCE)
			rs.map = random_map(&r, opcode, is_v4);
		rs.options = random_options(&r, opcode, is_v4);
		len = pcp_encode_response(reply, sizeof(reply), &rs);
		p = packet_copy(reply, len);
		ck_assert_msg(pcp_decode_response(p.octet, len, &back) == 0 &&
				      back.opcode == opcode && back.result == PCP_SUCCESS &&
				      back.lifetime_s == rs.lifetime_s &&
				      back.epoch_s == rs.epoch_s && map_equal(&back.map, &rs.map) &&
				      options_equal(&back.options, &rs.options),
			"seed %llu, round %d", r.seed, i);
		packet_free(&p);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pcp_options");
	TCase *tc = tcase_create("pcp_options");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(
		tc, bad_options_are_rejected_with_their_code, 0, (int)ARRAY_LEN(rejected));
	tcase_add_loop_test(tc, what_was_processed_is_echoed, 0, (int)ARRAY_LEN(accepted));
	tcase_add_loop_test(tc, each_unknown_option_goes_by_its_top_bit, 0, 256);
	tcase_add_test(tc, option_fields_are_read_where_they_stand);
	tcase_add_test(tc, as_many_filters_as_fit_are_kept);
	tcase_add_test(tc, descriptions_are_cut_between_characters);
	tcase_add_test(tc, overlong_descriptions_and_bad_tails_are_ignored);
	tcase_add_test(tc, cutting_options_is_accepted_between_them_only);
	tcase_add_loop_test(tc, options_of_responses_are_read, 0, (int)ARRAY_LEN(responses));
	tcase_add_test(tc, random_requests_survive_the_wire);
	tcase_add_test(tc, random_responses_survive_the_wire);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
