/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bytes in, bytes out, and a kernel that is watched: the engine without its daemon. */
#include "include/compiler.h"
#include "include/engine.h"
#include "include/log.h"
#include "test/support/random.h"
#include "test/support/rig.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#include <check.h>

static bool pcp_gets(unsigned from, const struct pcp_request *rq, const struct addr *external)
{
	struct pcp_response rs = pcp(from, rq);

	return rs.result == PCP_SUCCESS && addr_equal(&rs.map.external, external);
}

/* NAT-PMP, RFC 6886 */

START_TEST(an_address_request_gets_the_external_address)
{
	struct natpmp_response rs = natpmp(2, NATPMP_OP_ADDRESS, 0, 0, 0);

	ck_assert_int_eq(rs.result, NATPMP_SUCCESS);
	ck_assert(addr_equal(&rs.external, &external_1.addr));
	ck_assert_uint_eq(rs.epoch_s, 1);
}
END_TEST

START_TEST(a_mapping_gets_the_suggested_port_and_stands_in_the_kernel_for_a_grace_longer)
{
	struct natpmp_response rs = natpmp(2, UDP, 5000, 20050, 600);
	const struct mapping *m = fake_backend_find(&kernel, IPPROTO_UDP, 20050);
	struct addr internal = client(2);

	ck_assert_int_eq(rs.result, NATPMP_SUCCESS);
	ck_assert_uint_eq(rs.external_port, 20050);
	ck_assert_uint_eq(rs.internal_port, 5000);
	ck_assert_uint_eq(rs.lifetime_s, 600);
	ck_assert_ptr_nonnull(m);
	ck_assert_uint_eq(m->internal_port, 5000);
	ck_assert(addr_equal(&m->internal, &internal));
}
END_TEST

START_TEST(suggestion_zero_gets_a_port_of_the_pool)
{
	struct natpmp_response rs = natpmp(2, UDP, 80, 0, 600);

	ck_assert_uint_ge(rs.external_port, POOL_LO);
	ck_assert_uint_le(rs.external_port, POOL_HI);
}
END_TEST

START_TEST(a_suggestion_outside_the_pool_is_a_hint_that_does_no_harm)
{
	struct natpmp_response rs = natpmp(2, UDP, 80, 80, 600);

	ck_assert_int_eq(rs.result, NATPMP_SUCCESS);
	ck_assert_uint_ge(rs.external_port, POOL_LO);
}
END_TEST

START_TEST(a_second_request_for_the_same_internal_port_makes_no_second_mapping)
{
	natpmp(2, UDP, 5000, 20001, 600);
	ck_assert_uint_eq(natpmp(2, UDP, 5000, 20002, 600).external_port, 20001);
	ck_assert_uint_eq(kernel.len, 1);
}
END_TEST

START_TEST(tcp_and_udp_of_a_client_share_the_number)
{
	uint16_t port = natpmp(2, UDP, 5000, 0, 600).external_port;

	ck_assert_uint_eq(natpmp(2, TCP, 5000, 1, 600).external_port, port);
}
END_TEST

START_TEST(nobody_else_gets_the_other_half_of_a_pair)
{
	natpmp(2, TCP, 5000, 20010, 600);
	ck_assert_uint_ne(natpmp(3, UDP, 5000, 20010, 600).external_port, 20010);
	ck_assert_uint_ne(pcp_map(4, 1, 5000, 20010, 600).map.external_port, 20010);
}
END_TEST

START_TEST(lifetimes_keep_to_the_class)
{
	ck_assert_uint_eq(natpmp(2, UDP, 1, 0, 1000000).lifetime_s, 86400);
	ck_assert_uint_eq(natpmp(2, UDP, 2, 0, 60).lifetime_s, 60);
	ck_assert_uint_eq(natpmp(2, UDP, 3, 0, 1).lifetime_s, 60);
	ck_assert_uint_eq(pcp_map(2, 1, 4, 0, 60).lifetime_s, 120);
	ck_assert_uint_eq(pcp_map(2, 1, 5, 0, UINT32_MAX).lifetime_s, 86400);
}
END_TEST

START_TEST(a_deletion_answers_zeros_whether_or_not_there_was_a_mapping)
{
	natpmp(2, UDP, 5000, 20001, 600);
	for (int i = 0; i < 2; i++) {
		struct natpmp_response rs = natpmp(2, UDP, 5000, 9999, 0);

		ck_assert_int_eq(rs.result, NATPMP_SUCCESS);
		ck_assert_uint_eq(rs.internal_port, 5000);
		ck_assert_uint_eq(rs.external_port, 0);
		ck_assert_uint_eq(rs.lifetime_s, 0);
	}
	ck_assert_uint_eq(kernel.len, 0);
	ck_assert_uint_eq(kernel.flows_ended, 1);
}
END_TEST

START_TEST(delete_all_ends_one_protocol_of_one_client)
{
	for (uint16_t i = 1; i <= 3; i++) {
		natpmp(2, UDP, i, 0, 600);
		natpmp(2, TCP, (uint16_t)(100 + i), 0, 600);
	}
	natpmp(3, UDP, 1, 0, 600);
	pcp_map(2, 1, 77, 0, 600);
	ck_assert_int_eq(natpmp(2, UDP, 0, 0, 0).result, NATPMP_SUCCESS);
	ck_assert_uint_eq(kernel.len, 3 + 1 + 1);
	ck_assert_int_eq(natpmp(2, UDP, 0, 0, 0).result, NATPMP_SUCCESS);
}
END_TEST

START_TEST(delete_all_of_more_than_a_transaction_holds_ends_them_all)
{
	enum {
		MANY = 5000
	};

	use_large_pool(MANY);
	for (unsigned i = 1; i <= MANY; i++)
		natpmp(2, UDP, (uint16_t)i, 0, 600);
	ck_assert_uint_eq(kernel.len, MANY);
	natpmp(3, UDP, 1, 0, 600);
	ck_assert_int_eq(natpmp(2, UDP, 0, 0, 0).result, NATPMP_SUCCESS);
	ck_assert_uint_eq(kernel.len, 1);
	ck_assert_uint_eq(kernel.flows_ended, MANY);
}
END_TEST

START_TEST(a_large_delete_all_behind_a_refusal_ends_each_mapping_once)
{
	enum {
		MANY = 5000
	};
	struct exchange *bad, *all;

	use_large_pool(MANY);
	class.quarantine_s = _i ? 120 : 0;
	for (unsigned i = 1; i <= MANY; i++)
		natpmp(2, UDP, (uint16_t)i, (uint16_t)(10000 + i), 600);
	kernel.refuse_port = 60000;
	bad = add_natpmp(3, UDP, 1, 60000, 600);
	all = add_natpmp(2, UDP, 0, 0, 0);
	serve();
	ck_assert_int_eq(natpmp_reply(bad).result, NATPMP_OUT_OF_RESOURCES);
	ck_assert_int_eq(natpmp_reply(all).result, NATPMP_SUCCESS);
	ck_assert_uint_eq(kernel.len, 0);
	ck_assert_uint_eq(kernel.flows_ended, MANY);
}
END_TEST

START_TEST(internal_port_zero_is_refused_or_assigned_as_the_policy_says)
{
	struct natpmp_response rs = natpmp(2, UDP, 0, 1, 60);

	ck_assert_int_eq(rs.result, NATPMP_NOT_AUTHORIZED);
	config.zero_port = CONFIG_ZERO_ASSIGN;
	rs = natpmp(2, UDP, 0, 1, 60);
	ck_assert_int_eq(rs.result, NATPMP_SUCCESS);
	ck_assert_uint_eq(rs.internal_port, 0);
	ck_assert_uint_eq(fake_backend_find(&kernel, IPPROTO_UDP, rs.external_port)->internal_port,
		rs.external_port);
	ck_assert_uint_eq(natpmp(2, TCP, 0, 1, 60).external_port, rs.external_port);
	ck_assert_uint_eq(natpmp(2, UDP, 0, 1, 60).external_port, rs.external_port);
	ck_assert_uint_eq(kernel.len, 2);
}
END_TEST

START_TEST(an_assigned_port_spares_what_the_client_maps_already)
{
	config.zero_port = CONFIG_ZERO_ASSIGN;
	class.ports = (struct port_range){20000, 20001};
	natpmp(2, UDP, 20001, 20000, 60); /* 20000 → 20001: neither number can serve as both */
	ck_assert_int_eq(natpmp(2, UDP, 0, 0, 60).result, NATPMP_OUT_OF_RESOURCES);
}
END_TEST

START_TEST(an_unknown_opcode_is_sent_back)
{
	static const uint8_t request[] = {0, 7, 0xaa, 0xbb, 0x13, 0x88, 0, 0, 0, 0, 0x0e, 0x10};
	struct exchange *x = add_bytes(2, request, sizeof(request));

	serve();
	ck_assert_uint_eq(x->reply_len, sizeof(request));
	ck_assert_mem_eq(x->reply, ((const uint8_t[]){0, 0x87, 0, 5}), 4);
	ck_assert_mem_eq(x->reply + 8, request + 8, 4);
}
END_TEST

START_TEST(an_unknown_opcode_is_sent_back_however_long_the_request)
{
	static const uint8_t request[sizeof(((struct exchange *)0)->request)] = {0, 7};
	struct exchange *x = add_bytes(2, request, sizeof(request));

	serve();
	ck_assert_uint_eq(x->reply_len, sizeof(x->reply));
	ck_assert_mem_eq(x->reply, ((const uint8_t[]){0, 0x87, 0, 5}), 4);
}
END_TEST

/* PCP, RFC 6887 */

START_TEST(announce_is_answered)
{
	struct pcp_request rq = {.opcode = PCP_OP_ANNOUNCE, .client = client(2)};
	struct pcp_response rs = pcp(2, &rq);

	ck_assert_int_eq(rs.result, PCP_SUCCESS);
	ck_assert_uint_eq(rs.lifetime_s, 0);
}
END_TEST

START_TEST(map_is_granted_and_renewed_with_its_port)
{
	struct pcp_response rs = pcp_map(2, 1, 5000, 20042, 600);

	ck_assert_int_eq(rs.result, PCP_SUCCESS);
	ck_assert_uint_eq(rs.map.external_port, 20042);
	ck_assert(addr_equal(&rs.map.external, &external_1.addr));
	pass(100 * SECOND);
	rs = pcp_map(2, 1, 5000, 20043, 600);
	ck_assert_uint_eq(rs.map.external_port, 20042);
	ck_assert_uint_eq(rs.lifetime_s, 600);
	ck_assert_uint_eq(rs.epoch_s, 101);
	ck_assert_uint_eq(kernel.len, 1);
}
END_TEST

START_TEST(another_nonce_is_refused_when_strict_and_adopts_when_relaxed)
{
	struct pcp_response rs;

	config.nonce = CONFIG_NONCE_STRICT;
	pcp_map(2, 1, 5000, 0, 600);
	pass(100 * SECOND);
	rs = pcp_map(2, 2, 5000, 0, 600);
	ck_assert_int_eq(rs.result, PCP_NOT_AUTHORIZED);
	ck_assert_uint_eq(rs.lifetime_s, 500);
	config.nonce = CONFIG_NONCE_RELAXED;
	ck_assert_int_eq(pcp_map(2, 2, 5000, 0, 600).result, PCP_SUCCESS);
	ck_assert_int_eq(pcp_map(2, 1, 5000, 0, 0).result, PCP_NOT_AUTHORIZED);
	ck_assert_int_eq(pcp_map(2, 2, 5000, 0, 0).result, PCP_SUCCESS);
	ck_assert_uint_eq(kernel.len, 0);
}
END_TEST

START_TEST(a_deletion_copies_the_suggestion_back)
{
	struct pcp_response rs = pcp_map(2, 1, 5000, 7777, 0);

	ck_assert_int_eq(rs.result, PCP_SUCCESS);
	ck_assert_uint_eq(rs.map.external_port, 7777);
	ck_assert_uint_eq(rs.lifetime_s, 0);
}
END_TEST

START_TEST(whole_protocols_and_unknown_ones_are_unsupported)
{
	struct pcp_request rq = map_request(2, 1, 5000, 0, 600);

	rq.map.protocol = 47;
	ck_assert_int_eq(pcp(2, &rq).result, PCP_UNSUPP_PROTOCOL);
	ck_assert_int_eq(pcp_map(2, 1, 0, 0, 600).result, PCP_UNSUPP_PROTOCOL);
	rq.map.protocol = 0;
	rq.map.internal_port = 0;
	ck_assert_int_eq(pcp(2, &rq).result, PCP_UNSUPP_PROTOCOL);
	ck_assert_int_eq(pcp_map(2, 1, 0, 0, 0).result, PCP_SUCCESS);
}
END_TEST

START_TEST(prefer_failure_takes_the_suggestion_or_nothing)
{
	struct pcp_request rq = map_request(2, 1, 5000, 20005, 600);
	struct pcp_response rs;

	rq.options.present = PCP_FEATURE_PREFER_FAILURE;
	rs = pcp(2, &rq);
	ck_assert_int_eq(rs.result, PCP_SUCCESS);
	ck_assert_uint_eq(rs.options.present, PCP_FEATURE_PREFER_FAILURE);
	rq.map.external_port = 20006;
	ck_assert_int_eq(pcp(2, &rq).result, PCP_CANNOT_PROVIDE_EXTERNAL);
	rq = map_request(3, 1, 5000, 20005, 600);
	rq.options.present = PCP_FEATURE_PREFER_FAILURE;
	rs = pcp(3, &rq);
	ck_assert_int_eq(rs.result, PCP_CANNOT_PROVIDE_EXTERNAL);
	ck_assert_uint_eq(rs.lifetime_s, 600 + 120);
	rq.map.external_port = 80;
	ck_assert_uint_eq(pcp(3, &rq).lifetime_s, 1800);
	rq.map.external_port = 20007;
	rq.map.external = external_2.addr;
	ck_assert_int_eq(pcp(3, &rq).result, PCP_CANNOT_PROVIDE_EXTERNAL);
	ck_assert_uint_eq(kernel.len, 1);
}
END_TEST

START_TEST(an_option_that_the_class_denies_is_unsupported)
{
	struct pcp_request rq = map_request(2, 1, 5000, 20005, 600);

	class.options = 0;
	rq.options.present = PCP_FEATURE_PREFER_FAILURE;
	ck_assert_int_eq(pcp(2, &rq).result, PCP_UNSUPP_OPTION);
}
END_TEST

/* Both protocols on one internal port (conformance note Q-21) */

START_TEST(natpmp_learns_of_a_pcp_mapping_but_neither_extends_nor_ends_it)
{
	struct natpmp_response rs;
	uint16_t port = pcp_map(2, 1, 5000, 0, 600).map.external_port;

	pass(100 * SECOND);
	rs = natpmp(2, UDP, 5000, 0, 7200);
	ck_assert_int_eq(rs.result, NATPMP_SUCCESS);
	ck_assert_uint_eq(rs.external_port, port);
	ck_assert_uint_eq(rs.lifetime_s, 500);
	ck_assert_int_eq(natpmp(2, UDP, 5000, 0, 0).result, NATPMP_NOT_AUTHORIZED);
	ck_assert_int_eq(natpmp(2, UDP, 0, 0, 0).result, NATPMP_SUCCESS);
	ck_assert_uint_eq(kernel.len, 1);
}
END_TEST

START_TEST(pcp_adopts_a_natpmp_mapping_but_cannot_end_it_unadopted)
{
	uint16_t port = natpmp(2, UDP, 5000, 0, 600).external_port;

	ck_assert_int_eq(pcp_map(2, 1, 5000, 0, 0).result, PCP_NOT_AUTHORIZED);
	ck_assert_uint_eq(pcp_map(2, 1, 5000, 0, 600).map.external_port, port);
	ck_assert_int_eq(natpmp(2, UDP, 5000, 0, 0).result, NATPMP_NOT_AUTHORIZED);
	ck_assert_int_eq(pcp_map(2, 1, 5000, 0, 0).result, PCP_SUCCESS);
}
END_TEST

START_TEST(a_protocol_switched_off_is_answered_in_the_other)
{
	struct exchange *x;

	config.pcp = false;
	x = add_bytes(2, (const uint8_t[24]){2}, 24);
	serve();
	ck_assert_uint_eq(x->reply_len, 8);
	ck_assert_mem_eq(x->reply, ((const uint8_t[]){0, 128, 0, 1}), 4);
	config.pcp = true;
	config.nat_pmp = false;
	x = add_bytes(2, (const uint8_t[2]){0, 0}, 2);
	serve();
	ck_assert_uint_eq(x->reply_len, 24);
	ck_assert_mem_eq(x->reply, ((const uint8_t[]){2, 128, 0, 1}), 4);
}
END_TEST

START_TEST(responses_and_stumps_are_met_with_silence)
{
	static const uint8_t silent[][2] = {{0, 128}, {2, 128}, {3, 128}, {2, 0}};

	for (size_t i = 0; i < ARRAY_LEN(silent); i++) {
		struct exchange *x = add_bytes(2, silent[i], 2);

		x->reply_len = 99;
		serve();
		ck_assert_uint_eq(x->reply_len, 0);
	}
	for (size_t len = 0; len < 2; len++) {
		struct exchange *x = add_bytes(2, "\0", len);

		serve();
		ck_assert_uint_eq(x->reply_len, 0);
	}
}
END_TEST

/* Batches */

START_TEST(one_batch_is_one_transaction)
{
	for (unsigned i = 0; i < 50; i++)
		add_natpmp(i, UDP, 5000, 0, 600);
	serve();
	ck_assert_uint_eq(kernel.transactions, 1);
	ck_assert_uint_eq(kernel.len, 50);
}
END_TEST

START_TEST(later_requests_of_a_batch_see_earlier_ones)
{
	struct exchange *create = add_natpmp(2, UDP, 5000, 20001, 600);
	struct exchange *again = add_natpmp(2, UDP, 5000, 20001, 600);
	struct exchange *taken = add_natpmp(3, UDP, 5000, 20001, 600);
	struct exchange *delete = add_natpmp(2, UDP, 5000, 0, 0);
	struct exchange *anew = add_natpmp(2, UDP, 5000, 20002, 600);

	serve();
	ck_assert_uint_eq(natpmp_reply(create).external_port, 20001);
	ck_assert_uint_eq(natpmp_reply(again).external_port, 20001);
	ck_assert_uint_ne(natpmp_reply(taken).external_port, 20001);
	ck_assert_uint_eq(natpmp_reply(delete).external_port, 0);
	ck_assert_uint_eq(natpmp_reply(anew).external_port, 20002);
	ck_assert_uint_eq(kernel.len, 2);
	ck_assert_uint_eq(kernel.transactions, 1);
}
END_TEST

START_TEST(a_refused_edit_refuses_its_request_alone)
{
	struct exchange *x[40];

	kernel.name_culprit = _i;
	kernel.refuse_port = 20017;
	for (unsigned i = 0; i < ARRAY_LEN(x); i++)
		x[i] = add_natpmp(i, UDP, 5000, (uint16_t)(20000 + i), 600);
	serve();
	for (unsigned i = 0; i < ARRAY_LEN(x); i++)
		ck_assert_int_eq(natpmp_reply(x[i]).result,
			i == 17 ? NATPMP_OUT_OF_RESOURCES : NATPMP_SUCCESS);
	ck_assert_uint_eq(kernel.len, ARRAY_LEN(x) - 1);
}
END_TEST

START_TEST(requests_that_built_on_a_refused_one_are_judged_as_if_it_had_never_been)
{
	struct exchange *create, *renew, *delete, *other;

	kernel.name_culprit = _i;
	kernel.refuse_port = 20001;
	create = add_natpmp(2, UDP, 5000, 20001, 600);
	renew = add_natpmp(2, UDP, 5000, 20002, 600);
	delete = add_natpmp(2, UDP, 6000, 0, 0);
	other = add_natpmp(3, UDP, 5000, 20003, 600);
	serve();
	ck_assert_int_eq(natpmp_reply(create).result, NATPMP_OUT_OF_RESOURCES);
	ck_assert_uint_eq(natpmp_reply(create).external_port, 0);
	ck_assert_uint_eq(natpmp_reply(renew).external_port, 20002);
	ck_assert_int_eq(natpmp_reply(delete).result, NATPMP_SUCCESS);
	ck_assert_uint_eq(natpmp_reply(other).external_port, 20003);
	ck_assert_uint_eq(kernel.len, 2);
}
END_TEST

START_TEST(a_kernel_that_refuses_everything_leaves_nothing_behind)
{
	natpmp(2, UDP, 5000, 20001, 600);
	kernel.refuse_all = -ENOMEM;
	ck_assert_int_eq(natpmp(2, UDP, 5001, 0, 600).result, NATPMP_OUT_OF_RESOURCES);
	ck_assert_int_eq(natpmp(2, UDP, 5000, 0, 0).result, NATPMP_OUT_OF_RESOURCES);
	ck_assert_int_eq(natpmp(2, UDP, 0, 0, 0).result, NATPMP_OUT_OF_RESOURCES);
	ck_assert_int_eq(natpmp(2, UDP, 5000, 0, 600).result, NATPMP_OUT_OF_RESOURCES);
	kernel.refuse_all = 0;
	ck_assert_uint_eq(natpmp(2, UDP, 5000, 0, 600).external_port, 20001);
}
END_TEST

/* Time */

START_TEST(a_lease_ends_at_its_time_and_not_before)
{
	natpmp(2, UDP, 5000, 20001, 60);
	pass(59 * SECOND + 999);
	ck_assert_uint_eq(kernel.len, 1);
	pass(1);
	ck_assert_uint_eq(kernel.len, 0);
	ck_assert_uint_eq(kernel.flows_ended, 1);
}
END_TEST

START_TEST(a_renewal_moves_the_end)
{
	natpmp(2, UDP, 5000, 20001, 60);
	pass(50 * SECOND);
	natpmp(2, UDP, 5000, 20001, 60);
	pass(50 * SECOND);
	ck_assert_uint_eq(kernel.len, 1);
	pass(10 * SECOND);
	ck_assert_uint_eq(kernel.len, 0);
}
END_TEST

START_TEST(a_shorter_lifetime_shortens)
{
	pcp_map(2, 1, 5000, 0, 3600);
	pcp_map(2, 1, 5000, 0, 120);
	pass(120 * SECOND);
	ck_assert_uint_eq(kernel.len, 0);
}
END_TEST

START_TEST(a_released_port_rests_for_others_but_not_for_its_client)
{
	natpmp(2, UDP, 5000, 20001, 600);
	natpmp(2, UDP, 5000, 0, 0);
	ck_assert_uint_ne(natpmp(3, UDP, 5000, 20001, 600).external_port, 20001);
	ck_assert_uint_ne(natpmp(3, TCP, 5000, 20001, 600).external_port, 20001);
	ck_assert_uint_eq(natpmp(2, UDP, 5000, 0, 600).external_port, 20001);
	natpmp(2, UDP, 5000, 0, 0);
	pass(120 * SECOND);
	ck_assert_uint_eq(natpmp(4, UDP, 5000, 20001, 600).external_port, 20001);
}
END_TEST

START_TEST(under_strict_nonces_a_resting_port_wants_its_nonce)
{
	config.nonce = CONFIG_NONCE_STRICT;
	pcp_map(2, 1, 5000, 20001, 600);
	pcp_map(2, 1, 5000, 0, 0);
	ck_assert_uint_ne(pcp_map(2, 9, 5000, 20001, 600).map.external_port, 20001);
	pcp_map(2, 9, 5000, 0, 0);
	ck_assert_uint_eq(pcp_map(2, 1, 5000, 20001, 600).map.external_port, 20001);
}
END_TEST

START_TEST(a_lease_that_the_kernel_will_not_end_is_tried_again)
{
	natpmp(2, UDP, 5000, 20001, 60);
	kernel.refuse_all = -ENOMEM;
	now_ms += 60 * SECOND;
	engine_expire(engine, now_ms);
	ck_assert_uint_eq(kernel.len, 1);
	ck_assert_int_gt(engine_next_ms(engine), now_ms);
	kernel.refuse_all = 0;
	pass(2 * SECOND);
	ck_assert_uint_eq(kernel.len, 0);
}
END_TEST

START_TEST(more_leases_than_a_batch_end_together)
{
	use_large_pool(1000);
	for (uint16_t i = 1; i <= 1000; i++)
		natpmp(2, UDP, i, 0, 60);
	kernel.transactions = 0;
	pass(60 * SECOND);
	ck_assert_uint_eq(kernel.len, 0);
	ck_assert_uint_le(kernel.transactions, 4);
}
END_TEST

/* Limits */

START_TEST(the_quota_counts_pairs_once_and_never_stops_a_renewal_or_a_deletion)
{
	class.mappings = 2;
	natpmp(2, UDP, 1, 0, 600);
	natpmp(2, UDP, 2, 0, 600);
	ck_assert_int_eq(natpmp(2, UDP, 3, 0, 600).result, NATPMP_OUT_OF_RESOURCES);
	ck_assert_int_eq(pcp_map(2, 1, 3, 0, 600).result, PCP_USER_EX_QUOTA);
	ck_assert_int_eq(natpmp(2, TCP, 1, 0, 600).result, NATPMP_SUCCESS);
	ck_assert_int_eq(natpmp(2, UDP, 2, 0, 600).result, NATPMP_SUCCESS);
	ck_assert_int_eq(natpmp(3, UDP, 3, 0, 600).result, NATPMP_SUCCESS);
	ck_assert_int_eq(natpmp(2, UDP, 2, 0, 0).result, NATPMP_SUCCESS);
	ck_assert_int_eq(natpmp(2, UDP, 3, 0, 600).result, NATPMP_SUCCESS);
}
END_TEST

START_TEST(half_a_pair_still_counts)
{
	uint16_t port;

	class.mappings = 1;
	port = natpmp(2, UDP, 1, 0, 600).external_port;
	natpmp(2, TCP, 1, 0, 600);
	natpmp(2, UDP, 1, 0, 0);
	ck_assert_int_eq(natpmp(2, TCP, 9, 0, 600).result, NATPMP_OUT_OF_RESOURCES);
	ck_assert_uint_eq(natpmp(2, UDP, 9, 0, 600).external_port, port);
}
END_TEST

START_TEST(resting_ports_count_but_are_there_for_their_client)
{
	uint16_t first;

	class.mappings = 3;
	first = natpmp(2, UDP, 1, 0, 600).external_port;
	natpmp(2, UDP, 2, 0, 600);
	natpmp(2, UDP, 3, 0, 600);
	for (uint16_t i = 4; i < 100; i++) {
		natpmp(2, UDP, 0, 0, 0);
		ck_assert_int_eq(natpmp(2, UDP, i, 0, 600).result, NATPMP_SUCCESS);
	}
	natpmp(2, UDP, 0, 0, 0);
	ck_assert_uint_eq(natpmp(2, UDP, 1, 0, 600).external_port, first);
	ck_assert_int_eq(natpmp(3, UDP, 1, 0, 600).result, NATPMP_SUCCESS);
	/* The pool of a hundred lost three ports to one client and one to the other, however often
	 * they asked. */
	class.mappings = 100;
	for (uint16_t i = 1; i <= 96; i++)
		ck_assert_int_eq(natpmp(4, UDP, i, 0, 600).result, NATPMP_SUCCESS);
	ck_assert_int_eq(natpmp(4, UDP, 97, 0, 600).result, NATPMP_OUT_OF_RESOURCES);
}
END_TEST

START_TEST(under_strict_nonces_twice_the_quota_may_be_claimed)
{
	config.nonce = CONFIG_NONCE_STRICT;
	class.mappings = 2;
	for (uint8_t i = 1; i <= 4; i++) {
		ck_assert_int_eq(pcp_map(2, i, i, 0, 600).result, PCP_SUCCESS);
		pcp_map(2, i, i, 0, 0);
	}
	ck_assert_int_eq(pcp_map(2, 5, 5, 0, 600).result, PCP_USER_EX_QUOTA);
	ck_assert_int_eq(pcp_map(2, 4, 4, 0, 600).result, PCP_SUCCESS);
}
END_TEST

START_TEST(requests_beyond_the_rate_are_dropped_and_others_are_served)
{
	class.rate = 5;
	for (int i = 0; i < 12; i++) {
		struct exchange *x = add_natpmp(2, UDP, 1, 0, 600);

		serve();
		ck_assert_uint_eq(x->reply_len, i < 10 ? NATPMP_MAPPING_LEN : 0);
	}
	ck_assert_int_eq(natpmp(3, UDP, 1, 0, 600).result, NATPMP_SUCCESS);
	pass(200);
	ck_assert_int_eq(natpmp(2, UDP, 1, 0, 600).result, NATPMP_SUCCESS);
	ck_assert_uint_eq(engine_counters(engine)->dropped[ENGINE_DROP_RATE], 2);
}
END_TEST

START_TEST(a_full_pool_is_out_of_resources_and_takes_nothing_from_anybody)
{
	class.mappings = 100;
	for (uint16_t i = 1; i <= 100; i++)
		ck_assert_int_eq(natpmp(2, UDP, i, 0, 600).result, NATPMP_SUCCESS);
	ck_assert_int_eq(natpmp(3, UDP, 1, 0, 600).result, NATPMP_OUT_OF_RESOURCES);
	ck_assert_int_eq(pcp_map(3, 1, 1, 0, 600).result, PCP_NO_RESOURCES);
	ck_assert_uint_eq(kernel.len, 100);
}
END_TEST

START_TEST(the_policy_on_protocols_and_internal_ports_is_not_authorized)
{
	class.protocols = CONFIG_UDP;
	class.internal_ports = (struct port_range){1000, 2000};
	ck_assert_int_eq(natpmp(2, TCP, 1500, 0, 600).result, NATPMP_NOT_AUTHORIZED);
	ck_assert_int_eq(natpmp(2, UDP, 999, 0, 600).result, NATPMP_NOT_AUTHORIZED);
	ck_assert_int_eq(natpmp(2, UDP, 1000, 0, 600).result, NATPMP_SUCCESS);
	ck_assert_int_eq(pcp_map(2, 1, 2001, 0, 600).result, PCP_NOT_AUTHORIZED);
}
END_TEST

START_TEST(a_sticky_port_comes_back_after_its_rest)
{
	uint16_t port;

	class.port_choice = CONFIG_PORT_STICKY;
	port = natpmp(2, UDP, 5000, 0, 600).external_port;
	natpmp(2, UDP, 5000, 0, 0);
	pass(1000 * SECOND);
	ck_assert_uint_eq(natpmp(2, UDP, 5000, 0, 600).external_port, port);
}
END_TEST

/* The network */

START_TEST(without_an_external_address_requests_fail_until_there_is_one)
{
	natpmp(2, UDP, 5000, 20001, 600);
	engine_set_externals(engine, NULL, 0, now_ms);
	ck_assert_int_eq(natpmp(2, NATPMP_OP_ADDRESS, 0, 0, 0).result, NATPMP_NETWORK_FAILURE);
	ck_assert_int_eq(natpmp(2, UDP, 5000, 0, 600).result, NATPMP_NETWORK_FAILURE);
	ck_assert_uint_eq(pcp_map(2, 1, 1, 0, 600).lifetime_s, 30);
	engine_set_externals(engine, &external_1, 1, now_ms);
	ck_assert_uint_eq(natpmp(2, UDP, 5000, 0, 600).external_port, 20001);
	ck_assert_uint_eq(natpmp(2, UDP, 5000, 0, 600).epoch_s, 1);
}
END_TEST

START_TEST(a_replaced_external_address_ends_its_mappings_and_the_epoch)
{
	struct pcp_response rs;

	pass(500 * SECOND);
	pcp_map(2, 1, 5000, 20001, 600);
	engine_set_externals(engine, &external_2, 1, now_ms);
	ck_assert_uint_eq(kernel.len, 0);
	rs = pcp_map(2, 1, 5000, 0, 600);
	ck_assert_uint_eq(rs.epoch_s, 1);
	ck_assert_uint_eq(rs.map.external_port, 20001);
	ck_assert(addr_equal(&rs.map.external, &external_2.advertise));
	ck_assert(addr_equal(&kernel.mapping[0].external, &external_2.addr));
}
END_TEST

START_TEST(with_two_external_addresses_a_client_keeps_to_one_or_names_one)
{
	struct gateway_external both[] = {external_1, external_2};
	struct pcp_request rq = map_request(2, 1, 1, 0, 600);
	struct addr first;

	engine_set_externals(engine, both, 2, now_ms);
	first = pcp(2, &rq).map.external;
	for (uint16_t i = 2; i < 8; i++) {
		rq.map.internal_port = i;
		ck_assert(pcp_gets(2, &rq, &first));
	}
	rq = map_request(3, 1, 1, 20001, 600);
	rq.map.external = external_2.advertise;
	ck_assert(pcp_gets(3, &rq, &external_2.advertise));
	rq.map.internal_port = 2;
	rq.map.external = external_1.advertise;
	ck_assert(pcp_gets(3, &rq, &external_1.advertise));
	ck_assert(natpmp(2, NATPMP_OP_ADDRESS, 0, 0, 0).result == NATPMP_SUCCESS);
}
END_TEST

START_TEST(a_named_address_that_is_full_does_no_harm)
{
	struct gateway_external both[] = {external_1, external_2};
	struct pcp_request rq = map_request(2, 1, 1, 0, 600);

	engine_set_externals(engine, both, 2, now_ms);
	class.mappings = 100;
	rq.map.external = external_1.advertise;
	ck_assert(pcp_gets(2, &rq, &external_1.advertise));
	for (uint16_t i = 1; i <= 100; i++) {
		rq = map_request(3, 1, i, 0, 600);
		rq.map.external = external_2.advertise;
		ck_assert(pcp_gets(3, &rq, &external_2.advertise));
	}
	rq = map_request(2, 1, 2, 0, 600);
	rq.map.external = external_2.advertise;
	ck_assert(pcp_gets(2, &rq, &external_1.advertise));
}
END_TEST

START_TEST(ports_of_the_gateway_itself_are_never_given)
{
	static struct port_set reserved;

	for (uint16_t port = POOL_LO; port < POOL_HI; port++)
		port_set_add(&reserved, port);
	engine_reserve_ports(engine, &reserved);
	ck_assert_uint_eq(natpmp(2, UDP, 1, POOL_LO, 600).external_port, POOL_HI);
	ck_assert_int_eq(natpmp(3, UDP, 1, POOL_LO, 600).result, NATPMP_OUT_OF_RESOURCES);
}
END_TEST

/* Everything at once, against the watched kernel */

static void random_request(struct random *r)
{
	unsigned from = random_below(r, 12);
	uint16_t internal = (uint16_t)random_below(r, 6);
	uint16_t suggested = random_below(r, 2) ? (uint16_t)(POOL_LO + random_below(r, 110)) : 0;
	uint32_t lifetime_s = random_below(r, 3) ? random_below(r, 500) : 0;
	struct pcp_request rq;

	if (random_below(r, 2)) {
		add_natpmp(from, random_below(r, 2) ? UDP : TCP, internal, suggested, lifetime_s);
		return;
	}
	rq = map_request(from, (uint8_t)random_below(r, 2), internal, suggested, lifetime_s);
	rq.map.protocol = random_below(r, 2) ? IPPROTO_UDP : IPPROTO_TCP;
	if (random_below(r, 8) == 0 && suggested && lifetime_s)
		rq.options.present = PCP_FEATURE_PREFER_FAILURE;
	add_pcp(from, &rq);
}

static void random_event(struct random *r)
{
	static const struct gateway_external *const address[] = {&external_1, &external_2};

	switch (random_below(r, 40)) {
	case 0:
		engine_set_externals(engine, address[random_below(r, 2)], 1, now_ms);
		break;
	case 1:
		engine_set_externals(engine, NULL, 0, now_ms);
		break;
	case 2:
		kernel.refuse_all = random_below(r, 2) ? -ENOMEM : 0;
		break;
	default:
		kernel.refuse_port =
			random_below(r, 2) ? (uint16_t)(POOL_LO + random_below(r, 100)) : 0;
		kernel.name_culprit = random_below(r, 2);
		break;
	}
}

START_TEST(table_and_kernel_agree_after_any_batch)
{
	struct random r = random_start();

	class.mappings = 5;
	config.zero_port = CONFIG_ZERO_ASSIGN;
	config.nonce = random_below(&r, 2) ? CONFIG_NONCE_STRICT : CONFIG_NONCE_RELAXED;
	for (int i = 0; i < 20000; i++) {
		size_t len = 1 + random_below(&r, 30);

		for (size_t k = 0; k < len; k++)
			random_request(&r);
		serve();
		ck_assert_msg(!kernel.lied && kernel.len == engine_mappings(engine),
			"seed %llu, round %d", r.seed, i);
		random_event(&r);
		now_ms += random_below(&r, 20 * SECOND);
		engine_expire(engine, now_ms);
		ck_assert_msg(!kernel.lied && kernel.len == engine_mappings(engine),
			"seed %llu, round %d, expiry", r.seed, i);
	}
	kernel.refuse_all = 0;
	kernel.refuse_port = 0;
	pass(INT64_C(100000) * SECOND);
	ck_assert_msg(kernel.len == 0, "seed %llu", r.seed);
}
END_TEST

static void add_natpmp_tests(TCase *tc)
{
	tcase_add_test(tc, an_address_request_gets_the_external_address);
	tcase_add_test(
		tc, a_mapping_gets_the_suggested_port_and_stands_in_the_kernel_for_a_grace_longer);
	tcase_add_test(tc, suggestion_zero_gets_a_port_of_the_pool);
	tcase_add_test(tc, a_suggestion_outside_the_pool_is_a_hint_that_does_no_harm);
	tcase_add_test(tc, a_second_request_for_the_same_internal_port_makes_no_second_mapping);
	tcase_add_test(tc, tcp_and_udp_of_a_client_share_the_number);
	tcase_add_test(tc, nobody_else_gets_the_other_half_of_a_pair);
	tcase_add_test(tc, lifetimes_keep_to_the_class);
	tcase_add_test(tc, a_deletion_answers_zeros_whether_or_not_there_was_a_mapping);
	tcase_add_test(tc, delete_all_ends_one_protocol_of_one_client);
	tcase_add_test(tc, delete_all_of_more_than_a_transaction_holds_ends_them_all);
	tcase_add_loop_test(tc, a_large_delete_all_behind_a_refusal_ends_each_mapping_once, 0, 2);
	tcase_add_test(tc, internal_port_zero_is_refused_or_assigned_as_the_policy_says);
	tcase_add_test(tc, an_assigned_port_spares_what_the_client_maps_already);
	tcase_add_test(tc, an_unknown_opcode_is_sent_back);
	tcase_add_test(tc, an_unknown_opcode_is_sent_back_however_long_the_request);
}

static void add_pcp_tests(TCase *tc)
{
	tcase_add_test(tc, announce_is_answered);
	tcase_add_test(tc, map_is_granted_and_renewed_with_its_port);
	tcase_add_test(tc, another_nonce_is_refused_when_strict_and_adopts_when_relaxed);
	tcase_add_test(tc, a_deletion_copies_the_suggestion_back);
	tcase_add_test(tc, whole_protocols_and_unknown_ones_are_unsupported);
	tcase_add_test(tc, prefer_failure_takes_the_suggestion_or_nothing);
	tcase_add_test(tc, an_option_that_the_class_denies_is_unsupported);
	tcase_add_test(tc, natpmp_learns_of_a_pcp_mapping_but_neither_extends_nor_ends_it);
	tcase_add_test(tc, pcp_adopts_a_natpmp_mapping_but_cannot_end_it_unadopted);
	tcase_add_test(tc, a_protocol_switched_off_is_answered_in_the_other);
	tcase_add_test(tc, responses_and_stumps_are_met_with_silence);
}

static void add_batch_tests(TCase *tc)
{
	tcase_add_test(tc, one_batch_is_one_transaction);
	tcase_add_test(tc, later_requests_of_a_batch_see_earlier_ones);
	tcase_add_loop_test(tc, a_refused_edit_refuses_its_request_alone, 0, 2);
	tcase_add_loop_test(
		tc, requests_that_built_on_a_refused_one_are_judged_as_if_it_had_never_been, 0, 2);
	tcase_add_test(tc, a_kernel_that_refuses_everything_leaves_nothing_behind);
	tcase_add_test(tc, table_and_kernel_agree_after_any_batch);
}

static void add_time_tests(TCase *tc)
{
	tcase_add_test(tc, a_lease_ends_at_its_time_and_not_before);
	tcase_add_test(tc, a_renewal_moves_the_end);
	tcase_add_test(tc, a_shorter_lifetime_shortens);
	tcase_add_test(tc, a_released_port_rests_for_others_but_not_for_its_client);
	tcase_add_test(tc, under_strict_nonces_a_resting_port_wants_its_nonce);
	tcase_add_test(tc, a_lease_that_the_kernel_will_not_end_is_tried_again);
	tcase_add_test(tc, more_leases_than_a_batch_end_together);
}

static void add_limit_tests(TCase *tc)
{
	tcase_add_test(tc, the_quota_counts_pairs_once_and_never_stops_a_renewal_or_a_deletion);
	tcase_add_test(tc, half_a_pair_still_counts);
	tcase_add_test(tc, resting_ports_count_but_are_there_for_their_client);
	tcase_add_test(tc, under_strict_nonces_twice_the_quota_may_be_claimed);
	tcase_add_test(tc, requests_beyond_the_rate_are_dropped_and_others_are_served);
	tcase_add_test(tc, a_full_pool_is_out_of_resources_and_takes_nothing_from_anybody);
	tcase_add_test(tc, the_policy_on_protocols_and_internal_ports_is_not_authorized);
	tcase_add_test(tc, a_sticky_port_comes_back_after_its_rest);
	tcase_add_test(tc, without_an_external_address_requests_fail_until_there_is_one);
	tcase_add_test(tc, a_replaced_external_address_ends_its_mappings_and_the_epoch);
	tcase_add_test(tc, with_two_external_addresses_a_client_keeps_to_one_or_names_one);
	tcase_add_test(tc, a_named_address_that_is_full_does_no_harm);
	tcase_add_test(tc, ports_of_the_gateway_itself_are_never_given);
}

int main(void)
{
	Suite *suite = suite_create("engine");
	TCase *tc = tcase_create("engine");
	SRunner *runner = srunner_create(suite);
	int failed;

	log_set_level(LOG_LEVEL_ERROR);
	tcase_add_checked_fixture(tc, rig_set_up, rig_tear_down);
	tcase_set_timeout(tc, 120);
	add_natpmp_tests(tc);
	add_pcp_tests(tc);
	add_batch_tests(tc);
	add_time_tests(tc);
	add_limit_tests(tc);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
