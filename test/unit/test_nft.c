/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is sent to the kernel, without a kernel: octets of elements and records, choice of rules. */
#include "include/log.h"
#include "include/nft.h"
#include "src/nft/batch.h"
#include "src/nft/compat.h"
#include "src/nft/elements.h"
#include "src/nft/ended.h"
#include "src/nft/flow.h"
#include "src/nft/handle.h"
#include "src/nft/outer.h"
#include "src/nft/pass.h"
#include "src/nft/record.h"
#include "src/nft/ruleset.h"
#include "src/nft/sweep.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>
#include <libmnl/libmnl.h>
#include <libnftnl/rule.h>

/* Nothing here logs; the functions are there so that the daemon's are not needed. */
void log_error(const char *format, ...)
{
	(void)format;
}

void log_warning(const char *format, ...)
{
	(void)format;
}

void log_info(const char *format, ...)
{
	(void)format;
}

void log_debug(const char *format, ...)
{
	(void)format;
}

void log_set_level(enum log_level level)
{
	(void)level;
}

#define SEQ 1000

static const struct element_support newest = {.refresh = true, .destroy = true};
static const struct element_support oldest = {.refresh = false, .destroy = false};

static struct addr v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	return addr_from_v4((const uint8_t[]){a, b, c, d});
}

static struct edit make_edit(enum edit_kind kind)
{
	return (struct edit){
		.kind = kind,
		.timeout_s = kind == EDIT_UNMAP ? 0 : 3630,
		.mapping =
			{
				.internal = v4(10, 9, 1, 2),
				.external = v4(192, 0, 2, 1),
				.internal_port = 5000,
				.external_port = 20000,
				.protocol = IPPROTO_UDP,
				.origin = MAPPING_PCP,
				.opcode = PCP_OP_MAP,
				.nonce = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}},
				.lifetime_s = 3600,
			},
	};
}

static struct batch batch;

static void begin(void)
{
	ck_assert_int_eq(batch_init(&batch, 262144, 1024), 0);
	batch_begin(&batch, SEQ);
}

static void end(void)
{
	batch_fini(&batch);
}

static const struct nlmsghdr *message(size_t index)
{
	const uint8_t *at = batch.buf;

	for (size_t i = 0; i <= index; i++)
		at += ((const struct nlmsghdr *)(const void *)at)->nlmsg_len;
	return (const void *)at;
}

static uint16_t type_of(size_t index)
{
	return message(index)->nlmsg_type & 0xff;
}

static uint16_t flags_of(size_t index)
{
	return message(index)->nlmsg_flags;
}

static void put_edit(const struct element_support *support, enum edit_kind kind)
{
	struct edit edit = make_edit(kind);

	element_put_edit(&batch, support, &edit, 7);
}

/* Records. */

START_TEST(record_comes_back_as_it_went)
{
	struct edit edit = make_edit(EDIT_MAP);
	struct mapping out = {0};
	uint8_t octets[RECORD_LEN];

	edit.mapping.lifetime_s = 0x01020304;
	record_encode(&edit.mapping, octets);
	ck_assert_int_eq(record_decode(octets, sizeof(octets), &out), 0);
	ck_assert_uint_eq(out.origin, MAPPING_PCP);
	ck_assert_uint_eq(out.opcode, PCP_OP_MAP);
	ck_assert_uint_eq(out.lifetime_s, 0x01020304);
	ck_assert_mem_eq(out.nonce.octet, edit.mapping.nonce.octet, PCP_NONCE_LEN);
	ck_assert_uint_lt(sizeof(octets), 128);
}
END_TEST

START_TEST(record_is_found_behind_what_others_wrote)
{
	struct edit edit = make_edit(EDIT_MAP);
	struct mapping out = {0};
	uint8_t octets[4 + RECORD_LEN] = {0, 2, 'x', 0};

	record_encode(&edit.mapping, octets + 4);
	ck_assert_int_eq(record_decode(octets, sizeof(octets), &out), 0);
	ck_assert_uint_eq(out.lifetime_s, 3600);
}
END_TEST

START_TEST(record_refuses_every_truncation)
{
	struct edit edit = make_edit(EDIT_MAP);
	struct mapping out = {0};
	uint8_t octets[RECORD_LEN];
	size_t len = (size_t)_i;
	uint8_t *cut = malloc(len ? len : 1);

	ck_assert_ptr_nonnull(cut);
	record_encode(&edit.mapping, octets);
	memcpy(cut, octets, len);
	ck_assert_int_eq(record_decode(cut, len, &out), -EINVAL);
	ck_assert_uint_eq(out.lifetime_s, 0);
	free(cut);
}
END_TEST

START_TEST(record_refuses_what_is_not_its_own)
{
	const size_t field[] = {0, 1, 2, 3, 4}; /* type, length, version, origin, opcode */
	struct edit edit = make_edit(EDIT_MAP);
	struct mapping out;
	uint8_t octets[RECORD_LEN];

	record_encode(&edit.mapping, octets);
	octets[field[_i]] = 99;
	ck_assert_int_eq(record_decode(octets, sizeof(octets), &out), -EINVAL);
}
END_TEST

/* Elements. */

/* The inbound element of a mapping, from the message's header on. */
static const uint8_t inbound_map[] = {
	132,
	0,
	0,
	0,
	12,
	10,
	0x01,
	0x06,
	0xe9,
	3,
	0,
	0,
	0,
	0,
	0,
	0,
	1,
	0,
	0,
	0, /* NFPROTO_INET */
	11,
	0,
	1,
	0,
	't',
	'u',
	'n',
	'm',
	'a',
	'p',
	0,
	0, /* table */
	13,
	0,
	2,
	0,
	'i',
	'n',
	'b',
	'o',
	'u',
	'n',
	'd',
	'4',
	0,
	0,
	0,
	0,
	84,
	0,
	3,
	0x80,
	80,
	0,
	1,
	0x80, /* list, element */
	20,
	0,
	1,
	0x80,
	16,
	0,
	1,
	0, /* key */
	192,
	0,
	2,
	1,
	17,
	0,
	0,
	0,
	0x4e,
	0x20,
	0,
	0,
	16,
	0,
	2,
	0x80,
	12,
	0,
	1,
	0, /* data */
	10,
	9,
	1,
	2,
	0x13,
	0x88,
	0,
	0,
	12,
	0,
	4,
	0,
	0,
	0,
	0,
	0,
	0,
	0x37,
	0x63,
	0xb0, /* 3,630,000 ms */
	25,
	0,
	6,
	0,
	RECORD_TYPE,
	19,
	1,
	2,
	1, /* record */
	1,
	2,
	3,
	4,
	5,
	6,
	7,
	8,
	9,
	10,
	11,
	12,
	0,
	0,
	0x0e,
	0x10,
	0,
	0,
	0,
};

START_TEST(map_is_two_elements_of_known_octets)
{
	begin();
	put_edit(&newest, EDIT_MAP);
	ck_assert_int_eq(batch_finish(&batch), 0);
	ck_assert_uint_eq(batch.count, 2);
	ck_assert_uint_eq(message(0)->nlmsg_len, sizeof(inbound_map));
	ck_assert_mem_eq(message(0), inbound_map, sizeof(inbound_map));
	ck_assert_uint_eq(type_of(1), NFT_MSG_NEWSETELEM);
	ck_assert_uint_eq(flags_of(1), NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK);
	end();
}
END_TEST

START_TEST(map_decodes_to_what_it_was_made_from)
{
	struct element_found found;
	struct edit edit = make_edit(EDIT_MAP);
	const struct nlattr *list;

	begin();
	put_edit(&newest, EDIT_MAP);
	ck_assert_int_eq(batch_finish(&batch), 0);
	/* Behind the header, the table's name and the map's: the list and its one element. */
	list = (const void *)((const uint8_t *)message(0) + 20 + 12 + 16);
	ck_assert_int_eq(
		element_decode_inbound(&families[0], mnl_attr_get_payload(list), &found), 0);
	ck_assert(found.has_record);
	ck_assert(addr_equal(&found.mapping.internal, &edit.mapping.internal));
	ck_assert(addr_equal(&found.mapping.external, &edit.mapping.external));
	ck_assert_uint_eq(found.mapping.internal_port, 5000);
	ck_assert_uint_eq(found.mapping.external_port, 20000);
	ck_assert_uint_eq(found.mapping.protocol, IPPROTO_UDP);
	ck_assert_uint_eq(found.mapping.lifetime_s, 3600);
	end();
}
END_TEST

START_TEST(renewal_is_an_addition_where_the_kernel_refreshes)
{
	begin();
	put_edit(&newest, EDIT_RENEW);
	ck_assert_int_eq(batch_finish(&batch), 0);
	ck_assert_uint_eq(batch.count, 2);
	for (size_t i = 0; i < 2; i++) {
		ck_assert_uint_eq(type_of(i), NFT_MSG_NEWSETELEM);
		ck_assert_uint_eq(flags_of(i) & NLM_F_EXCL, 0);
	}
	end();
}
END_TEST

START_TEST(renewal_is_deletion_and_addition_elsewhere)
{
	begin();
	put_edit(&oldest, EDIT_RENEW);
	ck_assert_int_eq(batch_finish(&batch), 0);
	ck_assert_uint_eq(batch.count, 4);
	for (size_t i = 0; i < 4; i++) {
		ck_assert_uint_eq(type_of(i), i % 2 ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM);
		ck_assert(batch.mark[i].optional == (i % 2 == 0));
		ck_assert_uint_eq(batch.mark[i].owner, 7);
	}
	end();
}
END_TEST

START_TEST(rewrite_replaces_the_element_with_the_record)
{
	begin();
	put_edit(&newest, EDIT_REWRITE);
	ck_assert_int_eq(batch_finish(&batch), 0);
	ck_assert_uint_eq(batch.count, 3);
	ck_assert_uint_eq(type_of(0), COMPAT_MSG_DESTROYSETELEM);
	ck_assert_uint_eq(type_of(1), NFT_MSG_NEWSETELEM);
	ck_assert_uint_eq(type_of(2), NFT_MSG_NEWSETELEM);
	end();
}
END_TEST

START_TEST(edit_out_of_range_is_refused)
{
	struct edit edit = make_edit(EDIT_MAP);

	ck_assert_int_eq(element_check_edit(&edit), 0);
	switch (_i) {
	case 0:
		edit.kind = (enum edit_kind)4;
		break;
	case 1:
		edit.timeout_s = 0;
		break;
	case 2:
		edit.mapping.internal_port = 0;
		break;
	case 3:
		edit.mapping.external_port = 0;
		break;
	case 4:
		edit.mapping.protocol = IPPROTO_ICMP;
		break;
	default:
		edit = make_edit(EDIT_UNMAP);
		edit.timeout_s = 1;
		break;
	}
	ck_assert_int_eq(element_check_edit(&edit), -EINVAL);
}
END_TEST

START_TEST(edit_of_another_family_is_refused)
{
	struct edit edit = make_edit(EDIT_MAP);

	edit.mapping.external = addr_from_v6((const uint8_t[16]){0x20, 1, 0x0d, 0xb8});
	ck_assert_int_eq(element_check_edit(&edit), -EAFNOSUPPORT);
}
END_TEST

/* Batches. */

START_TEST(every_message_has_its_own_number_and_the_last_is_acknowledged)
{
	begin();
	for (int i = 0; i < 3; i++)
		put_edit(&newest, EDIT_MAP);
	ck_assert_int_eq(batch_finish(&batch), 0);
	for (size_t i = 0; i < batch.count; i++) {
		ck_assert_uint_eq(message(i)->nlmsg_seq, SEQ + 1 + i);
		ck_assert_int_eq(!!(flags_of(i) & NLM_F_ACK), i + 1 == batch.count);
	}
	ck_assert_uint_eq(message(batch.count)->nlmsg_type, NFNL_MSG_BATCH_END);
	end();
}
END_TEST

START_TEST(compacting_leaves_out_what_was_dropped)
{
	size_t len;

	begin();
	put_edit(&oldest, EDIT_RENEW);
	put_edit(&oldest, EDIT_UNMAP);
	ck_assert_int_eq(batch_finish(&batch), 0);
	len = batch.len;
	batch.mark[0].dropped = true;
	batch.mark[5].dropped = true;
	batch_compact(&batch, 2 * SEQ);
	ck_assert_uint_eq(batch.count, 4);
	ck_assert_uint_lt(batch.len, len);
	ck_assert_uint_eq(type_of(0), NFT_MSG_NEWSETELEM);
	ck_assert_uint_eq(type_of(3), NFT_MSG_DELSETELEM);
	for (size_t i = 0; i < batch.count; i++) {
		ck_assert_uint_eq(message(i)->nlmsg_seq, 2 * SEQ + 1 + i);
		ck_assert_int_eq(!!(flags_of(i) & NLM_F_ACK), i == 3);
	}
	ck_assert_uint_eq(message(4)->nlmsg_type, NFNL_MSG_BATCH_END);
	end();
}
END_TEST

static struct port_set reserved;

static const struct nft_rules all_rules = {
	.pool = {10240, 32767},
	.masquerade = true,
	.masquerade_ports = {32768, 65535},
	.hairpin = true,
	.port_fail_guard = true,
	.flood_rate = 100,
	.reserved = &reserved,
};

static struct gateway_interface tunnels[] = {{"wg0"}, {"wg1"}};
static struct gateway_interface externals[] = {{"eth0"}};
static struct gateway_listen listens[2];

static const struct outer no_outer;

static struct gateway make_gateway(void)
{
	struct gateway g = {
		.tunnels = tunnels,
		.tunnels_len = ARRAY_LEN(tunnels),
		.listens = listens,
		.listens_len = ARRAY_LEN(listens),
		.externals = externals,
		.externals_len = ARRAY_LEN(externals),
		.addresses_len = 1,
	};

	listens[0].addr = v4(10, 9, 1, 1);
	listens[1].addr = v4(10, 9, 2, 1);
	g.addresses[0].addr = v4(192, 0, 2, 1);
	return g;
}

START_TEST(too_small_a_buffer_is_told_and_never_passed)
{
	struct gateway gateway = make_gateway();
	struct batch b;

	for (size_t size = 40; size < 20000; size += 52) {
		ck_assert_int_eq(batch_init(&b, size, 1024), 0);
		batch_begin(&b, SEQ);
		ruleset_put(&b, &all_rules, &gateway, &no_outer, true);
		if (batch_finish(&b) == 0)
			ck_assert_uint_le(b.len, size);
		batch_fini(&b);
	}
	for (size_t size = 40; size < 500; size++) {
		struct edit edit = make_edit(EDIT_MAP);
		int err;

		ck_assert_int_eq(batch_init(&b, size, 1024), 0);
		batch_begin(&b, SEQ);
		element_put_edit(&b, &newest, &edit, 0);
		err = batch_finish(&b);
		ck_assert(err == 0 ? b.len <= size : err == -EMSGSIZE);
		batch_fini(&b);
	}
}
END_TEST

START_TEST(too_many_messages_are_told)
{
	struct batch b;

	ck_assert_int_eq(batch_init(&b, 65536, 3), 0);
	batch_begin(&b, SEQ);
	for (int i = 0; i < 2; i++) {
		struct edit edit = make_edit(EDIT_MAP);

		element_put_edit(&b, &newest, &edit, 0);
	}
	ck_assert_int_eq(batch_finish(&b), -EMSGSIZE);
	batch_fini(&b);
}
END_TEST

/* Choice of rules. */

/* All rules of a ruleset, each as libnftnl words its expressions, one behind the other. */
static char text[65536];

static size_t describe(const struct nft_rules *rules, const struct gateway *gateway)
{
	size_t at = 0, count = 0;

	begin();
	ruleset_put(&batch, rules, gateway, &no_outer, false);
	ck_assert_int_eq(batch_finish(&batch), 0);
	for (size_t i = 0; i < batch.count; i++) {
		struct nftnl_rule *rule;
		int len;

		if (type_of(i) != NFT_MSG_NEWRULE)
			continue;
		rule = nftnl_rule_alloc();
		ck_assert_ptr_nonnull(rule);
		ck_assert_int_eq(nftnl_rule_nlmsg_parse(message(i), rule), 0);
		len = nftnl_rule_snprintf(
			text + at, sizeof(text) - at, rule, NFTNL_OUTPUT_DEFAULT, 0);
		ck_assert_int_gt(len, 0);
		at += (size_t)len;
		ck_assert_uint_lt(at, sizeof(text));
		nftnl_rule_free(rule);
		count++;
	}
	end();
	return count;
}

START_TEST(every_rule_is_there_when_everything_is_on)
{
	struct gateway gateway = make_gateway();

	ck_assert_uint_eq(describe(&all_rules, &gateway), 15);
	ck_assert_ptr_nonnull(strstr(text, "limit rate 100/second burst 200"));
	ck_assert_ptr_nonnull(strstr(text, "fib saddr . iif oif present"));
	ck_assert_ptr_null(strstr(text, "prerouting [ meta load iifname"));
}
END_TEST

START_TEST(masquerade_off_leaves_it_to_others)
{
	struct gateway gateway = make_gateway();
	struct nft_rules rules = all_rules;

	rules.masquerade = false;
	ck_assert_uint_eq(describe(&rules, &gateway), 12);
	ck_assert_ptr_null(strstr(text, "[ masq"));
}
END_TEST

START_TEST(hairpin_off_translates_nothing_that_comes_from_a_tunnel)
{
	struct gateway gateway = make_gateway();
	struct nft_rules rules = all_rules;

	rules.hairpin = false;
	ck_assert_uint_eq(describe(&rules, &gateway), 13);
	ck_assert_ptr_nonnull(strstr(text, "[ lookup reg 1 set tunnels 0x1 ]"));
	ck_assert_ptr_eq(strstr(text, "inet tunmap prerouting\n  [ meta load iifname"), text);
}
END_TEST

START_TEST(without_an_external_address_no_rule_names_one)
{
	struct gateway gateway = make_gateway();

	gateway.addresses_len = 0;
	ck_assert_uint_eq(describe(&all_rules, &gateway), 14);
	ck_assert_ptr_null(strstr(text, "0x010200c0"));
}
END_TEST

START_TEST(flood_rate_zero_is_no_limit)
{
	struct gateway gateway = make_gateway();
	struct nft_rules rules = all_rules;

	rules.flood_rate = 0;
	ck_assert_uint_eq(describe(&rules, &gateway), 14);
	ck_assert_ptr_null(strstr(text, "dynset"));
}
END_TEST

START_TEST(port_fail_guard_comes_first_and_asks_for_direction_alone)
{
	struct gateway gateway = make_gateway();
	struct nft_rules rules = all_rules;
	const char *guard, *next, *ct;

	ck_assert_uint_eq(describe(&rules, &gateway), 15);
	guard = strstr(text, "inet tunmap forward");
	ck_assert_ptr_nonnull(guard);
	next = strstr(guard + 1, "inet tunmap forward");
	ck_assert_ptr_nonnull(next);
	ck_assert_ptr_nonnull(strstr(guard, "set outer4"));
	ck_assert(strstr(guard, "set outer4") < next);
	ct = strstr(guard, "[ ct load direction");
	ck_assert_ptr_nonnull(ct);
	ck_assert(ct < next);
	ck_assert(strstr(guard, "[ ct load state") > next);
	rules.port_fail_guard = false;
	ck_assert_uint_eq(describe(&rules, &gateway), 14);
	ck_assert_ptr_null(strstr(text, "outer4"));
}
END_TEST

/* Outer addresses of peers. */

START_TEST(outer_addresses_are_sorted_and_each_is_there_once)
{
	const struct addr some[] = {v4(198, 51, 100, 7), v4(10, 0, 0, 1), v4(198, 51, 100, 7),
		addr_from_v6((const uint8_t[16]){0x20, 1, 0x0d, 0xb8}), v4(192, 0, 2, 200),
		v4(10, 0, 0, 1)};
	struct outer o;

	ck_assert_int_eq(outer_init(&o, some, ARRAY_LEN(some)), 0);
	ck_assert_uint_eq(o.len, 3);
	ck_assert(addr_equal(&o.addr[0], &some[1]));
	ck_assert(addr_equal(&o.addr[1], &some[4]));
	ck_assert(addr_equal(&o.addr[2], &some[0]));
	outer_fini(&o);
	ck_assert_int_eq(outer_init(&o, NULL, 0), 0);
	ck_assert_uint_eq(o.len, 0);
	outer_fini(&o);
}
END_TEST

START_TEST(outer_change_says_the_difference_only)
{
	struct addr addr[3000];
	struct outer from, to;

	for (size_t i = 0; i < ARRAY_LEN(addr); i++)
		addr[i] = v4(198, 51, (uint8_t)(i / 250), (uint8_t)(i % 250));
	ck_assert_int_eq(outer_init(&from, addr, ARRAY_LEN(addr)), 0);
	addr[1700] = v4(203, 0, 113, 1);
	ck_assert_int_eq(outer_init(&to, addr, ARRAY_LEN(addr)), 0);
	begin();
	outer_put_change(&batch, &from, &from);
	ck_assert_uint_eq(batch.count, 0);
	outer_put_change(&batch, &from, &to);
	ck_assert_int_eq(batch_finish(&batch), 0);
	ck_assert_uint_eq(batch.count, 2);
	ck_assert_uint_eq(type_of(0), NFT_MSG_DELSETELEM);
	ck_assert_uint_eq(type_of(1), NFT_MSG_NEWSETELEM);
	ck_assert_uint_lt(message(0)->nlmsg_len, 100);
	ck_assert_uint_lt(message(1)->nlmsg_len, 100);
	end();
	outer_fini(&from);
	outer_fini(&to);
}
END_TEST

/* Mappings whose flows are to end. */

START_TEST(ended_set_holds_what_was_added_and_nothing_else)
{
	struct ended_set set = {0};
	struct edit edit = make_edit(EDIT_UNMAP);
	struct mapping m = edit.mapping;

	for (uint16_t port = 1000; port < 3000; port++) {
		m.internal_port = port;
		m.external_port = (uint16_t)(port + 20000);
		ck_assert_int_eq(ended_add(&set, &m), 0);
		ck_assert_int_eq(ended_add(&set, &m), 0);
	}
	ck_assert_uint_eq(set.len, 2000);
	for (uint16_t port = 900; port < 3100; port++) {
		struct flow_end in = {m.internal, port};
		struct flow_end out = {m.external, (uint16_t)(port + 20000)};
		struct flow_end other = {m.external, (uint16_t)(port + 20001)};
		bool there = port >= 1000 && port < 3000;

		ck_assert(ended_has(&set, IPPROTO_UDP, &in, &out) == there);
		ck_assert(!ended_has(&set, IPPROTO_TCP, &in, &out));
		ck_assert(!ended_has(&set, IPPROTO_UDP, &in, &other));
	}
	ended_clear(&set);
	ck_assert_uint_eq(set.len, 0);
}
END_TEST

START_TEST(ended_set_holds_whole_addresses_beside_mappings)
{
	struct ended_set set = {0};
	struct edit edit = make_edit(EDIT_UNMAP);
	struct flow_end internal = {edit.mapping.internal, edit.mapping.internal_port};
	struct flow_end external = {edit.mapping.external, edit.mapping.external_port};

	ck_assert_int_eq(ended_add(&set, &edit.mapping), 0);
	ck_assert(!ended_has_addr(&set, &edit.mapping.internal));
	for (size_t i = 0; i < 1000; i++) {
		struct addr a = v4(10, 9, (uint8_t)(2 + i / 250), (uint8_t)(i % 250));

		ck_assert_int_eq(ended_add_addr(&set, &a), 0);
		ck_assert_int_eq(ended_add_addr(&set, &a), 0);
		ck_assert(ended_has_addr(&set, &a));
	}
	ck_assert_uint_eq(set.len, 1001);
	ck_assert(!ended_has_addr(&set, &edit.mapping.internal));
	ck_assert(ended_has(&set, IPPROTO_UDP, &internal, &external));
	ended_clear(&set);
	ck_assert(!ended_has_addr(&set, &edit.mapping.internal));
}
END_TEST

static void sweep_more(struct sweep *s, struct addr internal)
{
	sweep_add_addr(s, &internal);
}

static bool sweeps(const struct sweep *s, struct addr internal)
{
	return sweep_has_addr(s, &internal);
}

START_TEST(sweep_is_exact_for_one_and_widens_for_more)
{
	const struct addr at = v4(192, 0, 2, 1);
	struct sweep s = {0};

	ck_assert(!sweep_wanted(&s));
	sweep_add_ports(&s, (struct port_range){20000, 20000}, &at);
	ck_assert(sweep_wanted(&s));
	ck_assert(sweep_has_end(&s, &(struct flow_end){at, 20000}));
	ck_assert(!sweep_has_end(&s, &(struct flow_end){at, 19999}));
	ck_assert(!sweep_has_end(&s, &(struct flow_end){at, 20001}));
	ck_assert(!sweep_has_end(&s, &(struct flow_end){v4(192, 0, 2, 2), 20000}));
	sweep_add_ports(&s, (struct port_range){19000, 19001}, &at);
	ck_assert(sweep_has_end(&s, &(struct flow_end){at, 19000}));
	ck_assert(!sweep_has_end(&s, &(struct flow_end){at, 20001}));
	ck_assert_uint_eq(s.at_len, 1);
	ck_assert(!sweep_has_addr(&s, &at));
	sweep_more(&s, v4(10, 9, 1, 5));
	ck_assert(sweeps(&s, v4(10, 9, 1, 5)));
	ck_assert(!sweeps(&s, v4(10, 9, 1, 4)));
	ck_assert(!sweeps(&s, v4(10, 9, 1, 6)));
	sweep_more(&s, v4(10, 9, 1, 2));
	ck_assert(sweeps(&s, v4(10, 9, 1, 4)));
}
END_TEST

START_TEST(sweep_of_too_many_addresses_is_of_all)
{
	struct sweep s = {0};

	for (uint8_t i = 0; i <= GATEWAY_EXTERNALS_MAX; i++) {
		struct addr at = v4(192, 0, 2, i);

		ck_assert(!sweep_has_end(&s, &(struct flow_end){at, 20000}));
		sweep_add_ports(&s, (struct port_range){20000, 20000}, &at);
		ck_assert(sweep_has_end(&s, &(struct flow_end){at, 20000}));
	}
	ck_assert(!sweep_has_end(&s, &(struct flow_end){v4(192, 0, 2, 1), 20001}));
}
END_TEST

/* Flows, and which of them a pass ends. */

static void put_tuple(
	struct nlmsghdr *nlh, uint16_t type, const struct flow_end *from, const struct flow_end *to)
{
	struct nlattr *tuple = mnl_attr_nest_start(nlh, type);
	struct nlattr *nest = mnl_attr_nest_start(nlh, CTA_TUPLE_IP);

	mnl_attr_put(nlh, CTA_IP_V4_SRC, 4, addr_v4(&from->addr));
	mnl_attr_put(nlh, CTA_IP_V4_DST, 4, addr_v4(&to->addr));
	mnl_attr_nest_end(nlh, nest);
	nest = mnl_attr_nest_start(nlh, CTA_TUPLE_PROTO);
	mnl_attr_put_u8(nlh, CTA_PROTO_NUM, IPPROTO_UDP);
	mnl_attr_put_u16(nlh, CTA_PROTO_SRC_PORT, htons(from->port));
	mnl_attr_put_u16(nlh, CTA_PROTO_DST_PORT, htons(to->port));
	mnl_attr_nest_end(nlh, nest);
	mnl_attr_nest_end(nlh, tuple);
}

/* A stranger's flow through a mapping, as the kernel tells it. */
static struct nlmsghdr *put_entry(uint8_t *octets, const struct flow *flow)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(octets);
	struct nfgenmsg *nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));

	nfg->nfgen_family = families[0].nfproto;
	put_tuple(nlh, CTA_TUPLE_ORIG, &flow->from, &flow->to);
	put_tuple(nlh, CTA_TUPLE_REPLY, &flow->reply_from, &flow->reply_to);
	mnl_attr_put_u32(nlh, CTA_STATUS, htonl(flow->status));
	mnl_attr_put_u32(nlh, CTA_ID, 77);
	mnl_attr_put_u32(nlh, CTA_SYNPROXY, 1); /* of a type that has no place */
	return nlh;
}

static const struct flow_end client_end = {{{[10] = 0xff, [11] = 0xff, 10, 9, 1, 2}}, 5000};
static const struct flow_end mapped_end = {{{[10] = 0xff, [11] = 0xff, 192, 0, 2, 1}}, 20000};
static const struct flow_end other_end = {{{[10] = 0xff, [11] = 0xff, 192, 0, 2, 1}}, 41055};
static const struct flow_end world_end = {{{[10] = 0xff, [11] = 0xff, 198, 51, 100, 1}}, 9000};

static struct flow flow_in(struct flow_end from, struct flow_end reply_to)
{
	return (struct flow){.status = IPS_CONFIRMED | IPS_DST_NAT,
		.protocol = IPPROTO_UDP,
		.from = from,
		.to = mapped_end,
		.reply_from = client_end,
		.reply_to = reply_to};
}

static struct flow flow_out(struct flow_end left_from)
{
	return (struct flow){.status = IPS_CONFIRMED | IPS_SRC_NAT,
		.protocol = IPPROTO_UDP,
		.from = client_end,
		.to = world_end,
		.reply_from = world_end,
		.reply_to = left_from};
}

static bool ends(const struct pass *p, struct flow flow)
{
	return pass_ends(p, &flow);
}

static bool same_end(const struct flow_end *a, const struct flow_end *b)
{
	return a->port == b->port && addr_equal(&a->addr, &b->addr);
}

START_TEST(flow_is_read_as_the_kernel_tells_it)
{
	_Alignas(struct nlmsghdr) uint8_t octets[512] = {0};
	struct flow in = flow_in(world_end, world_end), out;

	ck_assert(flow_read(put_entry(octets, &in), &out));
	ck_assert_ptr_eq(out.family, &families[0]);
	ck_assert_uint_eq(out.protocol, IPPROTO_UDP);
	ck_assert_uint_eq(out.status, in.status);
	ck_assert(same_end(&out.from, &in.from));
	ck_assert(same_end(&out.to, &in.to));
	ck_assert(same_end(&out.reply_from, &in.reply_from));
	ck_assert(same_end(&out.reply_to, &in.reply_to));
	ck_assert_ptr_nonnull(out.tuple);
	ck_assert_uint_eq(mnl_attr_get_u32(out.id), 77);
	ck_assert_ptr_null(out.zone);
}
END_TEST

/* Whatever is cut off or overstates its length, nothing is read behind the end. */
START_TEST(flow_reads_nothing_behind_the_end)
{
	_Alignas(struct nlmsghdr) uint8_t octets[512] = {0};
	struct flow in = flow_in(world_end, world_end), out;
	const size_t whole = put_entry(octets, &in)->nlmsg_len;

	for (size_t len = NLMSG_HDRLEN; len < whole; len++) {
		struct nlmsghdr *cut = malloc(len);

		ck_assert_ptr_nonnull(cut);
		memcpy(cut, octets, len);
		cut->nlmsg_len = (uint32_t)len;
		if (flow_read(cut, &out))
			ck_assert_uint_eq(out.status, in.status);
		free(cut);
	}
	for (size_t at = NLMSG_HDRLEN; at < whole; at++) {
		struct nlmsghdr *wrong = malloc(whole);

		ck_assert_ptr_nonnull(wrong);
		memcpy(wrong, octets, whole);
		((uint8_t *)wrong)[at] = 0xff;
		(void)flow_read(wrong, &out);
		((uint8_t *)wrong)[at] = 1;
		(void)flow_read(wrong, &out);
		free(wrong);
	}
}
END_TEST

START_TEST(pass_ends_flows_of_a_mapping)
{
	struct edit edit = make_edit(EDIT_UNMAP);
	struct pass p = {0};

	ck_assert(!pass_is_wanted(&p));
	pass_add(&p, &edit.mapping);
	ck_assert(pass_is_wanted(&p));
	ck_assert(ends(&p, flow_in(world_end, world_end)));
	ck_assert(ends(&p, flow_out(mapped_end)));
	ck_assert(!ends(&p, flow_out(other_end)));
	pass_clear(&p);
	ck_assert(!pass_is_wanted(&p));
	ck_assert(!ends(&p, flow_out(mapped_end)));
}
END_TEST

START_TEST(pass_adopts_what_left_elsewhere)
{
	const struct flow_end rewritten = {world_end.addr, 19974};
	struct edit edit = make_edit(EDIT_MAP);
	struct mapping next = edit.mapping;
	struct flow tcp = flow_out(other_end);
	struct pass p = {0};

	pass_adopt(&p, &edit.mapping);
	ck_assert(pass_is_wanted(&p));
	ck_assert(ends(&p, flow_out(other_end)));
	ck_assert(ends(&p, flow_in(world_end, rewritten)));
	ck_assert(!ends(&p, flow_out(mapped_end)));
	ck_assert(!ends(&p, flow_in(world_end, world_end)));
	ck_assert(!ends(&p, flow_in(world_end, other_end))); /* from tunnel to tunnel */
	tcp.protocol = IPPROTO_TCP;
	ck_assert(!ends(&p, tcp));
	/* Another mapping of the same port follows: neither one's flows end. */
	next.external_port = other_end.port;
	pass_adopt(&p, &next);
	ck_assert(!ends(&p, flow_out(mapped_end)));
	ck_assert(!ends(&p, flow_out(other_end)));
	pass_clear(&p);
}
END_TEST

START_TEST(pass_adopts_nothing_for_tcp_or_without_memory)
{
	struct edit edit = make_edit(EDIT_MAP);
	struct pass p = {.forgetful = true};

	pass_adopt(&p, &edit.mapping);
	ck_assert(!pass_is_wanted(&p));
	p.forgetful = false;
	edit.mapping.protocol = IPPROTO_TCP;
	pass_adopt(&p, &edit.mapping);
	ck_assert(!pass_is_wanted(&p));
}
END_TEST

START_TEST(pool_is_cleared_of_all_but_listeners_flows)
{
	struct gateway gateway = make_gateway();
	struct flow listener = flow_in(world_end, world_end);
	struct pass p = {0};

	pass_add_pool(&p, all_rules.pool, &gateway);
	ck_assert(ends(&p, flow_in(world_end, world_end)));
	ck_assert(ends(&p, flow_out(mapped_end)));
	ck_assert(!ends(&p, flow_out(other_end)));
	listener.reply_from = mapped_end;
	listener.status = IPS_CONFIRMED;
	ck_assert(ends(&p, listener)); /* nobody answered: a probe */
	listener.status = IPS_CONFIRMED | IPS_SEEN_REPLY;
	ck_assert(!ends(&p, listener));
	pass_clear(&p);
}
END_TEST

START_TEST(way_of_writing_is_told_apart)
{
	const char *way[4];

	for (unsigned int i = 0; i < ARRAY_LEN(way); i++) {
		struct nft nft = {.support = {.refresh = i & 1, .destroy = i & 2}};

		way[i] = nft_way(&nft);
		for (unsigned int k = 0; k < i; k++)
			ck_assert_str_ne(way[k], way[i]);
	}
	ck_assert_str_eq(way[3], "refreshed in place, removals forgive what is gone");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("nft");
	TCase *c = tcase_create("octets");
	SRunner *runner;
	int failed;

	tcase_add_test(c, record_comes_back_as_it_went);
	tcase_add_test(c, record_is_found_behind_what_others_wrote);
	tcase_add_loop_test(c, record_refuses_every_truncation, 0, RECORD_LEN);
	tcase_add_loop_test(c, record_refuses_what_is_not_its_own, 0, 5);
	tcase_add_test(c, map_is_two_elements_of_known_octets);
	tcase_add_test(c, map_decodes_to_what_it_was_made_from);
	tcase_add_test(c, renewal_is_an_addition_where_the_kernel_refreshes);
	tcase_add_test(c, renewal_is_deletion_and_addition_elsewhere);
	tcase_add_test(c, rewrite_replaces_the_element_with_the_record);
	tcase_add_loop_test(c, edit_out_of_range_is_refused, 0, 6);
	tcase_add_test(c, edit_of_another_family_is_refused);
	tcase_add_test(c, every_message_has_its_own_number_and_the_last_is_acknowledged);
	tcase_add_test(c, compacting_leaves_out_what_was_dropped);
	tcase_add_test(c, too_small_a_buffer_is_told_and_never_passed);
	tcase_add_test(c, too_many_messages_are_told);
	tcase_add_test(c, every_rule_is_there_when_everything_is_on);
	tcase_add_test(c, masquerade_off_leaves_it_to_others);
	tcase_add_test(c, hairpin_off_translates_nothing_that_comes_from_a_tunnel);
	tcase_add_test(c, without_an_external_address_no_rule_names_one);
	tcase_add_test(c, flood_rate_zero_is_no_limit);
	tcase_add_test(c, port_fail_guard_comes_first_and_asks_for_direction_alone);
	tcase_add_test(c, outer_addresses_are_sorted_and_each_is_there_once);
	tcase_add_test(c, outer_change_says_the_difference_only);
	tcase_add_test(c, ended_set_holds_what_was_added_and_nothing_else);
	tcase_add_test(c, ended_set_holds_whole_addresses_beside_mappings);
	tcase_add_test(c, sweep_is_exact_for_one_and_widens_for_more);
	tcase_add_test(c, sweep_of_too_many_addresses_is_of_all);
	tcase_add_test(c, flow_is_read_as_the_kernel_tells_it);
	tcase_add_test(c, flow_reads_nothing_behind_the_end);
	tcase_add_test(c, pass_ends_flows_of_a_mapping);
	tcase_add_test(c, pass_adopts_what_left_elsewhere);
	tcase_add_test(c, pass_adopts_nothing_for_tcp_or_without_memory);
	tcase_add_test(c, pool_is_cleared_of_all_but_listeners_flows);
	tcase_add_test(c, way_of_writing_is_told_apart);
	suite_add_tcase(suite, c);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
