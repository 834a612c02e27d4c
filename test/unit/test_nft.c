/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is sent to the kernel, without a kernel: octets of elements and records, choice of rules. */
#include "include/log.h"
#include "include/nft.h"
#include "src/nft/batch.h"
#include "src/nft/compat.h"
#include "src/nft/elements.h"
#include "src/nft/ended.h"
#include "src/nft/record.h"
#include "src/nft/ruleset.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
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
	.flood_rate = 100,
	.reserved = &reserved,
};

static struct gateway_interface tunnels[] = {{"wg0"}, {"wg1"}};
static struct gateway_interface externals[] = {{"eth0"}};
static struct gateway_listen listens[2];

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
		ruleset_put(&b, &all_rules, &gateway, true);
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
	ruleset_put(&batch, rules, gateway, false);
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

	ck_assert_uint_eq(describe(&all_rules, &gateway), 12);
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
	ck_assert_uint_eq(describe(&rules, &gateway), 10);
	ck_assert_ptr_null(strstr(text, "[ masq"));
}
END_TEST

START_TEST(hairpin_off_translates_nothing_that_comes_from_a_tunnel)
{
	struct gateway gateway = make_gateway();
	struct nft_rules rules = all_rules;

	rules.hairpin = false;
	ck_assert_uint_eq(describe(&rules, &gateway), 10);
	ck_assert_ptr_nonnull(strstr(text, "[ lookup reg 1 set tunnels 0x1 ]"));
	ck_assert_ptr_eq(strstr(text, "inet tunmap prerouting\n  [ meta load iifname"), text);
}
END_TEST

START_TEST(without_an_external_address_no_rule_names_one)
{
	struct gateway gateway = make_gateway();

	gateway.addresses_len = 0;
	ck_assert_uint_eq(describe(&all_rules, &gateway), 11);
	ck_assert_ptr_null(strstr(text, "0x010200c0"));
}
END_TEST

START_TEST(flood_rate_zero_is_no_limit)
{
	struct gateway gateway = make_gateway();
	struct nft_rules rules = all_rules;

	rules.flood_rate = 0;
	ck_assert_uint_eq(describe(&rules, &gateway), 11);
	ck_assert_ptr_null(strstr(text, "dynset"));
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
	tcase_add_test(c, ended_set_holds_what_was_added_and_nothing_else);
	suite_add_tcase(suite, c);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
