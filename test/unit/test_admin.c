/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Users, sessions, peers, static ports, bans and new policies, and what they do to mappings. */
#include "include/admin.h"
#include "include/compiler.h"
#include "include/log.h"
#include "test/support/random.h"
#include "test/support/rig.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#include <check.h>

#define CLASSES 3
#define USERS   3

static struct config_class classes[CLASSES];
static struct config_user users[USERS];
static struct config policy; /* what the test makes of the rig's */
static char names[USERS][8] = {"alice", "bob", "carol"};
static struct config_prefix prefixes[USERS][2];
static struct config_wireguard_key keys[USERS];
static struct config_static statics[USERS][2];
static size_t granted, ended, refused, sessions;
static enum admin_reason last_reason;

static void on_event(void *arg, const struct admin_event *event)
{
	(void)arg;
	granted += event->kind == ADMIN_EVENT_GRANTED;
	refused += event->kind == ADMIN_EVENT_REFUSED;
	sessions +=
		event->kind == ADMIN_EVENT_SESSION_UP || event->kind == ADMIN_EVENT_SESSION_DOWN;
	if (event->kind == ADMIN_EVENT_ENDED) {
		ended++;
		last_reason = event->reason;
	}
}

static struct config_prefix host(unsigned n)
{
	return (struct config_prefix){.addr = client(n), .len = 128};
}

/*
 * Three classes, default, small (2 mappings) and udp (UDP only), and alice (10.9.0.2 and .3,
 * default), bob (10.9.0.4, small) and carol (no address, udp).
 */
static void set_up(void)
{
	rig_set_up();
	granted = ended = refused = sessions = 0;
	for (size_t i = 0; i < CLASSES; i++)
		classes[i] = class;
	memcpy(classes[1].name, "small", 6);
	classes[1].mappings = 2;
	memcpy(classes[2].name, "udp", 4);
	classes[2].protocols = CONFIG_UDP;
	prefixes[0][0] = host(2);
	prefixes[0][1] = host(3);
	prefixes[1][0] = host(4);
	for (size_t i = 0; i < USERS; i++) {
		keys[i].octet[0] = (uint8_t)(i + 1);
		users[i] = (struct config_user){
			.name = names[i],
			.class = (uint32_t)i,
			.addresses = prefixes[i],
			.addresses_len = 2 - i,
			.wireguard = &keys[i],
			.wireguard_len = 1,
			.statics = statics[i],
		};
	}
	policy = config;
	policy.classes = classes;
	policy.classes_len = CLASSES;
	policy.users = users;
	policy.users_len = USERS;
	admin_listen(engine, on_event, NULL);
	(void)admin_reload(engine, &policy, now_ms);
}

/* Another copy of the policy, to change and to adopt. */
static struct config next_policy(void)
{
	return policy;
}

static void add_static(size_t user, uint16_t port, uint16_t internal_port, uint32_t protocols)
{
	struct config_user *u = &users[user];

	statics[user][u->statics_len++] = (struct config_static){
		.port = port,
		.internal_port = internal_port,
		.protocols = protocols,
		.mark = {.line = 42},
	};
}

static int session_up(unsigned address, const char *user, const char *class_name, const char *id)
{
	struct admin_session s = {.address = client(address)};

	memcpy(s.user, user, strlen(user));
	memcpy(s.class, class_name, strlen(class_name));
	memcpy(s.id, id, strlen(id));
	return admin_session_up(engine, &s, now_ms);
}

static int session_down(unsigned address, const char *id)
{
	struct addr addr = client(address);

	return admin_session_down(engine, &addr, id, now_ms);
}

static struct admin_explanation explain(unsigned address, uint8_t protocol, uint16_t port)
{
	struct admin_query q = {.address = client(address),
		.protocol = protocol,
		.internal_port = port,
		.origin = MAPPING_NATPMP};
	struct admin_explanation x;

	admin_explain(engine, &q, now_ms, &x);
	return x;
}

/* Identity */

START_TEST(addresses_of_a_user_share_a_quota)
{
	classes[0].mappings = 2;
	natpmp(2, UDP, 1, 0, 600);
	natpmp(3, UDP, 1, 0, 600);
	ck_assert_int_eq(natpmp(2, UDP, 2, 0, 600).result, NATPMP_OUT_OF_RESOURCES);
	ck_assert_int_eq(natpmp(9, UDP, 2, 0, 600).result, NATPMP_SUCCESS);
}
END_TEST

START_TEST(a_prefix_is_its_users_but_for_longer_ones_inside)
{
	struct config_prefix wide = {.addr = client(0), .len = 96 + 24};

	prefixes[1][0] = wide; /* all of 10.9.0.0/24 is bob's now, but for alice's two */
	(void)admin_reload(engine, &policy, now_ms);
	ck_assert_str_eq(explain(77, IPPROTO_UDP, 1).user, "bob");
	ck_assert_str_eq(explain(2, IPPROTO_UDP, 1).user, "alice");
}
END_TEST

START_TEST(the_class_of_the_user_decides)
{
	ck_assert_int_eq(session_up(9, "carol", "", ""), 0);
	ck_assert_int_eq(natpmp(9, TCP, 1, 0, 600).result, NATPMP_NOT_AUTHORIZED);
	ck_assert_int_eq(natpmp(9, UDP, 1, 0, 600).result, NATPMP_SUCCESS);
}
END_TEST

START_TEST(unknown_users_are_refused_or_get_their_class)
{
	struct config next = next_policy();

	next.unknown_class = 2;
	(void)admin_reload(engine, &next, now_ms);
	ck_assert_int_eq(natpmp(50, TCP, 1, 0, 600).result, NATPMP_NOT_AUTHORIZED);
	ck_assert_int_eq(natpmp(50, UDP, 1, 0, 600).result, NATPMP_SUCCESS);
	policy.unknown_refused = true;
	(void)admin_reload(engine, &policy, now_ms);
	ck_assert_uint_eq(kernel.len, 0);
	ck_assert_int_eq(natpmp(50, UDP, 1, 0, 600).result, NATPMP_NOT_AUTHORIZED);
	ck_assert_int_eq(natpmp(50, NATPMP_OP_ADDRESS, 0, 0, 0).result, NATPMP_NOT_AUTHORIZED);
	ck_assert_int_eq(pcp_map(50, 1, 1, 0, 600).result, PCP_NOT_AUTHORIZED);
	ck_assert_int_eq(natpmp(2, UDP, 1, 0, 600).result, NATPMP_SUCCESS);
	ck_assert_int_eq(explain(50, IPPROTO_UDP, 1).rule, POLICY_RULE_UNKNOWN_USERS);
}
END_TEST

START_TEST(a_users_former_port_comes_back_at_his_other_address)
{
	uint16_t port = natpmp(2, UDP, 1, 0, 600).external_port;

	natpmp(2, UDP, 1, 0, 0);
	ck_assert_uint_ne(natpmp(9, UDP, 1, port, 600).external_port, port);
	ck_assert_uint_eq(natpmp(3, UDP, 1, port, 600).external_port, port);
}
END_TEST

START_TEST(sticky_ports_follow_the_user_and_the_key_not_the_address)
{
	uint16_t port;

	classes[0].port_choice = CONFIG_PORT_STICKY;
	port = natpmp(2, UDP, 1, 0, 600).external_port;
	natpmp(2, UDP, 1, 0, 0);
	ck_assert_uint_eq(natpmp(3, UDP, 1, 0, 600).external_port, port);
	rig_tear_down();
	set_up();
	classes[0].port_choice = CONFIG_PORT_STICKY;
	ck_assert_uint_eq(natpmp(3, UDP, 1, 0, 600).external_port, port);
}
END_TEST

/* Sessions */

START_TEST(a_session_gives_the_address_to_its_user)
{
	ck_assert_int_eq(session_up(9, "bob", "", "1"), 0);
	ck_assert_str_eq(explain(9, IPPROTO_UDP, 1).user, "bob");
	ck_assert_str_eq(explain(9, IPPROTO_UDP, 1).class, "small");
	ck_assert_int_eq(session_up(10, "dave", "", ""), 0);
	ck_assert_str_eq(explain(10, IPPROTO_UDP, 1).user, "dave");
	ck_assert_str_eq(explain(10, IPPROTO_UDP, 1).class, "default");
	ck_assert_int_eq(session_up(11, "erin", "udp", ""), 0);
	ck_assert_str_eq(explain(11, IPPROTO_UDP, 1).class, "udp");
	ck_assert_int_eq(session_up(12, "frank", "nonsense", ""), -ENOENT);
	ck_assert_uint_eq(sessions, 3);
}
END_TEST

START_TEST(the_end_of_a_session_ends_its_mappings_and_all_flows_of_its_address)
{
	ck_assert_int_eq(session_up(9, "bob", "", "1"), 0);
	natpmp(9, UDP, 1, 0, 600);
	natpmp(4, UDP, 1, 0, 600); /* bob's too, by another address */
	kernel.addresses_cleared = 0;
	ck_assert_int_eq(session_down(9, ""), 0);
	ck_assert_uint_eq(kernel.len, 1);
	ck_assert_uint_eq(kernel.flows_ended, 1);
	ck_assert_uint_eq(kernel.addresses_cleared, 1);
	ck_assert_int_eq(last_reason, ADMIN_REASON_SESSION);
	ck_assert_int_eq(session_down(9, ""), -ENOENT);
}
END_TEST

START_TEST(a_late_end_does_not_end_the_next_session)
{
	ck_assert_int_eq(session_up(9, "bob", "", "1"), 0);
	ck_assert_int_eq(session_up(9, "dave", "", "2"), 0);
	ck_assert_int_eq(session_down(9, "1"), -ESTALE);
	ck_assert_str_eq(explain(9, IPPROTO_UDP, 1).user, "dave");
	ck_assert_int_eq(session_down(9, "2"), 0);
}
END_TEST

START_TEST(the_next_user_of_an_address_inherits_nothing)
{
	uint16_t port;

	ck_assert_int_eq(session_up(9, "bob", "", "1"), 0);
	port = natpmp(9, UDP, 1, 0, 600).external_port;
	ck_assert_int_eq(session_up(9, "dave", "", "2"), 0);
	ck_assert_uint_eq(kernel.len, 0);
	ck_assert_uint_ne(natpmp(9, UDP, 1, port, 600).external_port, port);
}
END_TEST

START_TEST(the_same_session_told_again_changes_nothing)
{
	ck_assert_int_eq(session_up(9, "bob", "", "1"), 0);
	natpmp(9, UDP, 1, 0, 600);
	ck_assert_int_eq(session_up(9, "bob", "", "1"), 0);
	ck_assert_uint_eq(kernel.len, 1);
	ck_assert_int_eq(session_up(9, "bob", "", "2"), 0);
	ck_assert_uint_eq(kernel.len, 0);
}
END_TEST

/* WireGuard */

static struct wireguard_peer peer_of(size_t user, struct config_prefix *allowed)
{
	return (struct wireguard_peer){.key = keys[user], .allowed = allowed, .allowed_len = 1};
}

START_TEST(a_peers_addresses_are_its_users)
{
	struct config_prefix allowed = host(30);
	struct wireguard_peer peer = peer_of(1, &allowed);
	struct wireguard_peers none = {0};
	struct wireguard_peers now = {.peer = &peer, .len = 1};

	ck_assert_int_eq(admin_set_peers(engine, &none, &now, now_ms), 0);
	ck_assert_str_eq(explain(30, IPPROTO_UDP, 1).user, "bob");
	natpmp(30, UDP, 1, 0, 600);
	ck_assert_int_eq(admin_set_peers(engine, &now, &now, now_ms), 0);
	ck_assert_uint_eq(kernel.len, 1);
	ck_assert_int_eq(admin_set_peers(engine, &now, &none, now_ms), 0);
	ck_assert_uint_eq(kernel.len, 0);
	ck_assert_str_ne(explain(30, IPPROTO_UDP, 1).user, "bob");
}
END_TEST

START_TEST(a_peer_that_no_policy_names_loses_its_mappings_when_it_goes)
{
	struct config_prefix allowed = host(30);
	struct wireguard_peer peer = {.key.octet = {99}, .allowed = &allowed, .allowed_len = 1};
	struct wireguard_peers none = {0};
	struct wireguard_peers now = {.peer = &peer, .len = 1};

	ck_assert_int_eq(admin_set_peers(engine, &none, &now, now_ms), 0);
	natpmp(30, UDP, 1, 0, 600);
	kernel.addresses_cleared = 0;
	ck_assert_int_eq(admin_set_peers(engine, &now, &none, now_ms), 0);
	ck_assert_uint_eq(kernel.len, 0);
	ck_assert_uint_eq(kernel.addresses_cleared, 1);
}
END_TEST

START_TEST(an_address_that_moves_to_another_peer_takes_nothing_along)
{
	struct config_prefix allowed = host(30);
	struct wireguard_peer bobs = peer_of(1, &allowed);
	struct wireguard_peer carols = peer_of(2, &allowed);
	struct wireguard_peers none = {0};
	struct wireguard_peers before = {.peer = &bobs, .len = 1};
	struct wireguard_peers after = {.peer = &carols, .len = 1};

	ck_assert_int_eq(admin_set_peers(engine, &none, &before, now_ms), 0);
	natpmp(30, UDP, 1, 0, 600);
	ck_assert_int_eq(admin_set_peers(engine, &before, &after, now_ms), 0);
	ck_assert_uint_eq(kernel.len, 0);
	ck_assert_str_eq(explain(30, IPPROTO_UDP, 1).user, "carol");
}
END_TEST

START_TEST(a_key_that_leaves_the_policy_leaves_its_address_to_nobody)
{
	struct config_prefix allowed = host(30);
	struct wireguard_peer peer = peer_of(1, &allowed);
	struct wireguard_peers none = {0};
	struct wireguard_peers now = {.peer = &peer, .len = 1};

	ck_assert_int_eq(admin_set_peers(engine, &none, &now, now_ms), 0);
	natpmp(30, UDP, 1, 0, 600);
	users[1].wireguard_len = 0;
	(void)admin_reload(engine, &policy, now_ms);
	ck_assert_int_eq(admin_set_peers(engine, &now, &now, now_ms), 0);
	ck_assert_uint_eq(kernel.len, 0);
	ck_assert_str_eq(explain(30, IPPROTO_UDP, 1).user, "10.9.0.30");
}
END_TEST

START_TEST(a_wide_prefix_that_changes_hands_takes_nothing_along)
{
	struct config_prefix allowed = {.addr = client(30), .len = 127};
	struct wireguard_peer bobs = peer_of(1, &allowed);
	struct wireguard_peer carols = peer_of(2, &allowed);
	struct wireguard_peers none = {0};
	struct wireguard_peers before = {.peer = &bobs, .len = 1};
	struct wireguard_peers after = {.peer = &carols, .len = 1};

	ck_assert_int_eq(admin_set_peers(engine, &none, &before, now_ms), 0);
	natpmp(31, UDP, 1, 0, 600);
	kernel.addresses_cleared = 0;
	ck_assert_int_eq(admin_set_peers(engine, &before, &after, now_ms), 0);
	ck_assert_uint_eq(kernel.len, 0);
	ck_assert_uint_ge(kernel.addresses_cleared, 1);
}
END_TEST

START_TEST(a_key_that_enters_the_policy_keeps_its_clients_mappings)
{
	struct config_prefix allowed = host(30);
	struct wireguard_peer peer = peer_of(1, &allowed);
	struct wireguard_peers none = {0};
	struct wireguard_peers now = {.peer = &peer, .len = 1};

	users[1].wireguard_len = 0;
	(void)admin_reload(engine, &policy, now_ms);
	ck_assert_int_eq(admin_set_peers(engine, &none, &now, now_ms), 0);
	natpmp(30, UDP, 1, 0, 600);
	natpmp(30, UDP, 2, 0, 600);
	natpmp(30, UDP, 3, 0, 600);
	users[1].wireguard_len = 1;
	(void)admin_reload(engine, &policy, now_ms);
	ck_assert_int_eq(admin_set_peers(engine, &now, &now, now_ms), 0);
	ck_assert_uint_eq(kernel.len, 2); /* what bob's class allows */
	ck_assert_int_eq(natpmp(30, UDP, 9, 0, 600).result, NATPMP_OUT_OF_RESOURCES);
}
END_TEST

START_TEST(sessions_of_impossible_addresses_and_names_are_refused)
{
	struct admin_session s = {
		.address = addr_from_v4((const uint8_t[]){224, 0, 0, 1}), .user = "bob"};

	ck_assert_int_eq(admin_session_up(engine, &s, now_ms), -EINVAL);
	s.address = external_1.addr;
	ck_assert_int_eq(admin_session_up(engine, &s, now_ms), -EINVAL);
	ck_assert_int_eq(session_up(9, "10.9.0.77", "", ""), -EINVAL);
	ck_assert_int_eq(session_up(9, "bob", "", ""), 0);
}
END_TEST

/* Static ports */

static const struct mapping *in_kernel(uint8_t protocol, uint16_t port)
{
	return fake_backend_find(&kernel, protocol, port);
}

START_TEST(a_static_port_stands_without_a_request_and_outlasts_any_lease)
{
	add_static(0, 20010, 5000, CONFIG_UDP | CONFIG_TCP);
	(void)admin_reload(engine, &policy, now_ms);
	ck_assert_uint_eq(kernel.len, 2);
	ck_assert_uint_eq(in_kernel(IPPROTO_UDP, 20010)->internal_port, 5000);
	ck_assert(addr_equal(&in_kernel(IPPROTO_TCP, 20010)->internal, &prefixes[0][0].addr));
	pass(INT64_C(1000000) * SECOND);
	ck_assert_uint_eq(kernel.len, 2);
	ck_assert_uint_eq(ended, 0);
}
END_TEST

START_TEST(a_request_for_a_static_port_gets_it_and_cannot_end_it)
{
	add_static(0, 20010, 5000, CONFIG_UDP);
	(void)admin_reload(engine, &policy, now_ms);
	ck_assert_uint_eq(natpmp(2, UDP, 5000, 20020, 600).external_port, 20010);
	ck_assert_uint_eq(natpmp(2, UDP, 5000, 0, 600).lifetime_s, 600);
	ck_assert_uint_eq(pcp_map(2, 1, 5000, 0, 600).map.external_port, 20010);
	ck_assert_uint_eq(pcp_map(2, 2, 5000, 0, 600).map.external_port, 20010);
	ck_assert_int_eq(natpmp(2, UDP, 5000, 0, 0).result, NATPMP_NOT_AUTHORIZED);
	ck_assert_int_eq(pcp_map(2, 1, 5000, 0, 0).result, PCP_NOT_AUTHORIZED);
	natpmp(2, UDP, 1, 0, 600);
	ck_assert_int_eq(natpmp(2, UDP, 0, 0, 0).result, NATPMP_NOT_AUTHORIZED);
	ck_assert_uint_eq(kernel.len, 1);
	ck_assert_int_eq(explain(2, IPPROTO_UDP, 5000).rule, POLICY_RULE_STATIC);
	ck_assert_uint_eq(explain(2, IPPROTO_UDP, 5000).mark.line, 42);
}
END_TEST

START_TEST(nobody_else_gets_a_static_port_nor_its_other_half)
{
	add_static(0, 20010, 5000, CONFIG_UDP);
	add_static(2, 20011, 6000, CONFIG_UDP); /* carol is not there */
	(void)admin_reload(engine, &policy, now_ms);
	ck_assert_uint_ne(natpmp(9, UDP, 1, 20010, 600).external_port, 20010);
	ck_assert_uint_ne(natpmp(9, TCP, 2, 20010, 600).external_port, 20010);
	ck_assert_uint_ne(natpmp(9, UDP, 3, 20011, 600).external_port, 20011);
	ck_assert_uint_eq(natpmp(2, TCP, 5000, 0, 600).external_port, 20010);
}
END_TEST

START_TEST(a_static_port_comes_and_goes_with_its_users_session)
{
	add_static(2, 20011, 6000, CONFIG_UDP);
	(void)admin_reload(engine, &policy, now_ms);
	ck_assert_uint_eq(kernel.len, 0);
	ck_assert_int_eq(session_up(9, "carol", "", ""), 0);
	ck_assert_ptr_nonnull(in_kernel(IPPROTO_UDP, 20011));
	ck_assert_int_eq(session_down(9, ""), 0);
	ck_assert_uint_eq(kernel.len, 0);
}
END_TEST

START_TEST(a_static_port_takes_the_place_of_what_stood_there)
{
	natpmp(9, UDP, 1, 20010, 600);    /* a stranger on the port */
	natpmp(2, UDP, 5000, 20020, 600); /* the client's own, elsewhere */
	natpmp(2, TCP, 7000, 20030, 600); /* the client's own, just as it will be */
	add_static(0, 20010, 5000, CONFIG_UDP);
	add_static(0, 20030, 7000, CONFIG_TCP);
	kernel.flows_ended = 0;
	(void)admin_reload(engine, &policy, now_ms);
	ck_assert_uint_eq(kernel.len, 2);
	ck_assert_uint_eq(kernel.flows_ended, 2);
	ck_assert_uint_eq(in_kernel(IPPROTO_UDP, 20010)->internal_port, 5000);
	ck_assert_uint_eq(in_kernel(IPPROTO_TCP, 20030)->origin, MAPPING_STATIC);
}
END_TEST

START_TEST(a_static_port_that_leaves_the_policy_ends)
{
	add_static(0, 20010, 5000, CONFIG_UDP);
	(void)admin_reload(engine, &policy, now_ms);
	users[0].statics_len = 0;
	(void)admin_reload(engine, &policy, now_ms);
	ck_assert_uint_eq(kernel.len, 0);
}
END_TEST

START_TEST(static_ports_follow_the_external_address)
{
	add_static(0, 20010, 5000, CONFIG_UDP);
	(void)admin_reload(engine, &policy, now_ms);
	engine_set_externals(engine, &external_2, 1, now_ms);
	ck_assert_uint_eq(kernel.len, 1);
	ck_assert(addr_equal(&kernel.mapping[0].external, &external_2.addr));
}
END_TEST

START_TEST(a_static_port_never_points_at_somebody_elses_address)
{
	struct admin_selector other = {.port = 20099};

	users[0].addresses_len = 1; /* alice has 10.9.0.2 alone */
	add_static(0, 20010, 5000, CONFIG_UDP);
	(void)admin_reload(engine, &policy, now_ms);
	ck_assert_int_eq(session_up(2, "bob", "", "1"), 0);
	ck_assert_ptr_null(in_kernel(IPPROTO_UDP, 20010));
	(void)admin_revoke(engine, &other, now_ms);
	(void)admin_reload(engine, &policy, now_ms);
	ck_assert_ptr_null(in_kernel(IPPROTO_UDP, 20010));
	ck_assert_uint_ne(natpmp(2, UDP, 5000, 20010, 600).external_port, 20010);
	ck_assert_int_eq(session_down(2, "1"), 0);
	ck_assert_ptr_nonnull(in_kernel(IPPROTO_UDP, 20010));
}
END_TEST

START_TEST(a_static_port_stays_where_it_is_when_nothing_changes)
{
	add_static(0, 20010, 5000, CONFIG_UDP);
	(void)admin_reload(engine, &policy, now_ms);
	ck_assert_int_eq(session_up(7, "alice", "", ""), 0);
	kernel.flows_ended = 0;
	(void)admin_reload(engine, &policy, now_ms);
	ck_assert_uint_eq(kernel.flows_ended, 0);
	ck_assert(addr_equal(&in_kernel(IPPROTO_UDP, 20010)->internal, &prefixes[0][0].addr));
}
END_TEST

START_TEST(static_ports_do_not_count_towards_the_quota)
{
	classes[0].mappings = 2;
	natpmp(2, UDP, 1, 20020, 600);
	natpmp(2, UDP, 2, 20021, 600);
	add_static(0, 20010, 5000, CONFIG_UDP);
	for (int i = 0; i < 3; i++)
		(void)admin_reload(engine, &policy, now_ms);
	ck_assert_uint_eq(kernel.len, 3);
	ck_assert_int_eq(natpmp(2, UDP, 3, 0, 600).result, NATPMP_OUT_OF_RESOURCES);
}
END_TEST

START_TEST(a_port_that_becomes_static_is_taken_from_a_stranger_at_once)
{
	natpmp(9, UDP, 1, 20011, 600);
	add_static(2, 20011, 6000, CONFIG_UDP); /* carol is not there */
	(void)admin_reload(engine, &policy, now_ms);
	ck_assert_uint_eq(kernel.len, 0);
}
END_TEST

/* Orders */

START_TEST(revoking_ends_what_matches)
{
	struct admin_selector which = {.port = 20001};

	natpmp(2, UDP, 1, 20001, 600);
	natpmp(2, TCP, 1, 20001, 600);
	natpmp(4, UDP, 1, 20002, 600);
	which.protocol = IPPROTO_TCP;
	ck_assert_uint_eq(admin_revoke(engine, &which, now_ms), 1);
	which = (struct admin_selector){.user = "bob"};
	ck_assert_uint_eq(admin_revoke(engine, &which, now_ms), 1);
	which = (struct admin_selector){.has_address = true, .address = client(2)};
	ck_assert_uint_eq(admin_revoke(engine, &which, now_ms), 1);
	ck_assert_int_eq(last_reason, ADMIN_REASON_REVOKED);
	ck_assert_uint_eq(kernel.len, 0);
}
END_TEST

START_TEST(a_ban_revokes_and_refuses_until_it_is_over)
{
	struct admin_selector bob = {.user = "bob"};
	struct admin_selector address = {.has_address = true, .address = client(9)};

	add_static(1, 20010, 5000, CONFIG_UDP);
	(void)admin_reload(engine, &policy, now_ms);
	natpmp(4, UDP, 1, 0, 600);
	natpmp(9, UDP, 1, 0, 600);
	ck_assert_int_eq(admin_ban(engine, &bob, 60, now_ms), 2);
	ck_assert_int_eq(admin_ban(engine, &address, 0, now_ms), 1);
	(void)admin_reload(engine, &policy, now_ms);
	ck_assert_uint_eq(kernel.len, 0);
	ck_assert_int_eq(natpmp(4, UDP, 1, 0, 600).result, NATPMP_NOT_AUTHORIZED);
	ck_assert_int_eq(natpmp(9, UDP, 1, 0, 600).result, NATPMP_NOT_AUTHORIZED);
	ck_assert_int_eq(explain(4, IPPROTO_UDP, 1).rule, POLICY_RULE_BANNED);
	pass(60 * SECOND);
	ck_assert_uint_eq(kernel.len, 1); /* the static port came back */
	ck_assert_int_eq(natpmp(4, UDP, 1, 0, 600).result, NATPMP_SUCCESS);
	ck_assert_int_eq(natpmp(9, UDP, 1, 0, 600).result, NATPMP_NOT_AUTHORIZED);
	ck_assert_int_eq(admin_unban(engine, &address, now_ms), 0);
	ck_assert_int_eq(admin_unban(engine, &address, now_ms), -ENOENT);
	ck_assert_int_eq(natpmp(9, UDP, 1, 0, 600).result, NATPMP_SUCCESS);
	bob.user[0] = 'x';
	ck_assert_int_eq(admin_ban(engine, &bob, 0, now_ms), -ENOENT);
}
END_TEST

START_TEST(a_ban_of_an_address_keeps_its_static_ports_away_for_as_long)
{
	struct admin_selector address = {.has_address = true, .address = client(2)};

	add_static(0, 20010, 5000, CONFIG_UDP);
	(void)admin_reload(engine, &policy, now_ms);
	ck_assert_int_eq(admin_ban(engine, &address, 60, now_ms), 1);
	(void)admin_reload(engine, &policy, now_ms);
	ck_assert_uint_eq(kernel.len, 0);
	pass(60 * SECOND);
	ck_assert_uint_eq(kernel.len, 1);
}
END_TEST

static void count_mapping(void *arg, const struct admin_mapping *mapping)
{
	size_t *count = arg;

	ck_assert_str_eq(mapping->class, "default");
	++*count;
}

START_TEST(a_list_told_in_pieces_is_whole)
{
	struct admin_selector all = {0};
	uint32_t cursor = 0;
	size_t count = 0;

	for (uint16_t i = 1; i <= 10; i++)
		natpmp(2, UDP, i, 0, 600);
	while (admin_next_mappings(engine, &all, &cursor, 3, now_ms, count_mapping, &count))
		;
	ck_assert_uint_eq(count, 10);
}
END_TEST

/* The users told so far: name, ports held, banned or not. */
struct told {
	char text[4096];
	size_t len;
};

static void note_user(void *arg, const struct admin_user *user)
{
	struct told *told = arg;
	int len = snprintf(told->text + told->len, sizeof(told->text) - told->len, "%s %u %d, ",
		user->name, user->held, user->banned);

	told->len += (size_t)len;
}

static struct told users_in_pieces(uint32_t max)
{
	struct told told = {.len = 0};
	uint32_t cursor = 0;

	while (admin_next_users(engine, &cursor, max, now_ms, note_user, &told))
		;
	return told;
}

START_TEST(users_told_in_pieces_are_whole)
{
	struct admin_selector address = {.has_address = true, .address = client(30)};

	ck_assert_int_eq(session_up(20, "dave", "small", ""), 0);
	natpmp(25, UDP, 1, 0, 600);
	natpmp(30, UDP, 1, 0, 600);
	natpmp(2, UDP, 1, 0, 600);
	ck_assert_int_eq(admin_ban(engine, &address, 60, now_ms), 1);
	for (uint32_t max = 1; max < 9; max++)
		ck_assert_str_eq(users_in_pieces(max).text,
			"alice 1 0, bob 0 0, carol 0 0, dave 0 0, 10.9.0.25 1 0, 10.9.0.30 0 1, ");
}
END_TEST

START_TEST(events_tell_what_happened)
{
	class.mappings = classes[0].mappings = 1;
	natpmp(2, UDP, 1, 0, 600);
	natpmp(2, UDP, 2, 0, 600);
	natpmp(2, UDP, 1, 0, 600);
	natpmp(2, UDP, 1, 0, 0);
	ck_assert_uint_eq(granted, 1);
	ck_assert_uint_eq(refused, 1);
	ck_assert_uint_eq(ended, 1);
	ck_assert_int_eq(last_reason, ADMIN_REASON_REQUEST);
	natpmp(2, UDP, 1, 0, 60);
	pass(60 * SECOND);
	ck_assert_int_eq(last_reason, ADMIN_REASON_EXPIRED);
}
END_TEST

/* Explanations */

START_TEST(an_explanation_is_the_answer_that_a_request_gets)
{
	struct random r = random_start();

	classes[2].mark.line = 7;
	classes[2].key_mark[CONFIG_CLASS_PROTOCOLS].line = 9;
	policy.unknown_class = 2;
	classes[2].mappings = 3;
	(void)admin_reload(engine, &policy, now_ms);
	for (int i = 0; i < 2000; i++) {
		unsigned from = 2 + random_below(&r, 5);
		uint16_t port = (uint16_t)(1 + random_below(&r, 5));
		bool tcp = random_below(&r, 2);
		struct admin_explanation x = explain(from, tcp ? IPPROTO_TCP : IPPROTO_UDP, port);
		struct natpmp_response rs = natpmp(from, tcp ? TCP : UDP, port, 0, 3600);

		ck_assert_msg((x.result == PCP_SUCCESS) == (rs.result == NATPMP_SUCCESS),
			"seed %llu", r.seed);
		if (x.result == PCP_SUCCESS && x.external_port)
			ck_assert_msg(x.external_port == rs.external_port, "seed %llu", r.seed);
		if (x.rule == POLICY_RULE_PROTOCOLS)
			ck_assert_uint_eq(x.mark.line, 9);
		if (random_below(&r, 3) == 0)
			natpmp(from, tcp ? TCP : UDP, port, 0, 0);
	}
}
END_TEST

START_TEST(an_explanation_changes_nothing)
{
	for (unsigned i = 0; i < 100; i++)
		(void)explain(100 + i, IPPROTO_UDP, 1);
	ck_assert_uint_eq(kernel.transactions, 0);
	ck_assert_uint_eq(engine_mappings(engine), 0);
}
END_TEST

/* New policies */

START_TEST(a_reload_keeps_what_is_allowed_and_ends_what_is_not)
{
	struct config next = next_policy();
	struct config_class next_classes[CLASSES];
	struct admin_changes would;
	struct admin_changes did;

	natpmp(2, UDP, 1, 20001, 600);
	natpmp(2, TCP, 2, 20002, 600);
	natpmp(9, UDP, 1, 20050, 600);
	memcpy(next_classes, classes, sizeof(classes));
	next_classes[0].protocols = CONFIG_UDP;
	next_classes[0].ports.last = 20049;
	next.classes = next_classes;
	kernel.transactions = 0;
	ck_assert_int_eq(admin_compare(engine, &next, now_ms, &would), 0);
	ck_assert_uint_eq(kernel.transactions, 0);
	did = admin_reload(engine, &next, now_ms);
	ck_assert_uint_eq(would.revoked, 2);
	ck_assert_uint_eq(did.revoked, 2);
	ck_assert_uint_eq(did.kept, 1);
	ck_assert_uint_eq(kernel.transactions, 1);
	ck_assert_ptr_nonnull(in_kernel(IPPROTO_UDP, 20001));
	ck_assert_int_eq(last_reason, ADMIN_REASON_POLICY);
	(void)admin_reload(engine, &policy, now_ms);
}
END_TEST

START_TEST(a_mapping_of_an_address_that_gets_a_user_goes_to_the_user)
{
	struct admin_selector bob = {.user = "bob"};

	natpmp(40, UDP, 1, 20001, 600);
	natpmp(40, TCP, 1, 20001, 600);
	prefixes[1][0] = host(40);
	kernel.transactions = 0;
	(void)admin_reload(engine, &policy, now_ms);
	ck_assert_uint_eq(kernel.transactions, 0);
	ck_assert_uint_eq(kernel.len, 2);
	natpmp(40, UDP, 2, 0, 600);
	ck_assert_int_eq(natpmp(40, UDP, 3, 0, 600).result, NATPMP_OUT_OF_RESOURCES);
	ck_assert_uint_eq(admin_revoke(engine, &bob, now_ms), 3);
}
END_TEST

START_TEST(a_user_who_leaves_the_policy_leaves_nothing)
{
	struct config next = next_policy();
	struct admin_changes did;

	natpmp(4, UDP, 1, 20001, 600);
	next.users_len = 1;
	did = admin_reload(engine, &next, now_ms);
	ck_assert_uint_eq(did.users_removed, 2);
	ck_assert_uint_eq(did.revoked, 1);
	did = admin_reload(engine, &policy, now_ms);
	ck_assert_uint_eq(did.users_added, 2);
}
END_TEST

START_TEST(a_reload_of_the_same_policy_leaves_a_sessions_class_alone)
{
	ck_assert_int_eq(session_up(9, "bob", "default", "1"), 0);
	for (uint16_t i = 1; i <= 6; i++)
		natpmp(9, UDP, i, 0, 600);
	ck_assert_uint_eq(admin_reload(engine, &policy, now_ms).revoked, 0);
	ck_assert_uint_eq(kernel.len, 6);
	ck_assert_int_eq(session_up(10, "bob", "", "2"), 0);
	ck_assert_int_eq(session_down(10, "2"), 0);
	ck_assert_str_eq(explain(9, IPPROTO_UDP, 1).class, "default");
	ck_assert_int_eq(session_up(9, "bob", "", "1"), 0);
	ck_assert_uint_eq(kernel.len, 2);
}
END_TEST

START_TEST(a_smaller_quota_ends_whole_pairs)
{
	struct config next = next_policy();
	struct config_class next_classes[CLASSES];
	struct admin_changes would;

	for (uint16_t i = 1; i <= 2; i++) {
		natpmp(2, UDP, i, 0, 600);
		natpmp(2, TCP, i, 0, 600);
	}
	memcpy(next_classes, classes, sizeof(classes));
	next_classes[0].mappings = 1;
	next.classes = next_classes;
	ck_assert_int_eq(admin_compare(engine, &next, now_ms, &would), 0);
	ck_assert_uint_gt(would.revoked, 0);
	(void)admin_reload(engine, &next, now_ms);
	ck_assert_uint_eq(kernel.len, 2);
	ck_assert_uint_eq(kernel.mapping[0].external_port, kernel.mapping[1].external_port);
	(void)admin_reload(engine, &policy, now_ms);
}
END_TEST

START_TEST(what_was_revoked_rests_without_counting)
{
	struct admin_selector alice = {.user = "alice"};

	classes[0].mappings = 1;
	natpmp(2, UDP, 1, 20001, 600);
	ck_assert_uint_eq(admin_revoke(engine, &alice, now_ms), 1);
	classes[0].ports.first = 20050;
	(void)admin_reload(engine, &policy, now_ms);
	ck_assert_int_eq(natpmp(2, UDP, 1, 0, 600).result, NATPMP_SUCCESS);
}
END_TEST

START_TEST(a_smaller_quota_ends_what_is_beyond_it)
{
	for (uint16_t i = 1; i <= 8; i++)
		natpmp(2, UDP, i, 0, 600);
	classes[0].mappings = 3;
	(void)admin_reload(engine, &policy, now_ms);
	ck_assert_uint_eq(kernel.len, 3);
}
END_TEST

START_TEST(a_thousand_reloads_under_load_lose_nothing)
{
	struct config next = next_policy();

	for (unsigned i = 10; i < 50; i++)
		natpmp(i, UDP, 1, 0, 80000);
	for (int i = 0; i < 1000; i++) {
		(void)admin_reload(engine, i % 2 ? &policy : &next, now_ms);
		natpmp(2, UDP, (uint16_t)(1 + i % 3), 0, 600);
		if (i % 3 == 0)
			natpmp(2, UDP, (uint16_t)(1 + i % 3), 0, 0);
		pass(10);
	}
	for (uint16_t i = 1; i <= 3; i++)
		natpmp(2, UDP, i, 0, 0);
	ck_assert_uint_eq(kernel.len, 40);
}
END_TEST

/* Everything at once */

static void random_order(struct random *r)
{
	unsigned n = 2 + random_below(r, 10);
	struct admin_selector who = {.has_address = true, .address = client(n)};

	switch (random_below(r, 9)) {
	case 0:
		(void)session_up(
			n, names[random_below(r, USERS)], "", random_below(r, 2) ? "1" : "");
		break;
	case 1:
		(void)session_down(n, random_below(r, 2) ? "1" : "");
		break;
	case 2:
		(void)admin_revoke(engine, &who, now_ms);
		break;
	case 3:
		(void)admin_ban(engine, &who, 1 + random_below(r, 20), now_ms);
		break;
	case 4:
		classes[random_below(r, CLASSES)].mappings = 1 + random_below(r, 5);
		users[0].statics_len = random_below(r, 3);
		(void)admin_reload(engine, &policy, now_ms);
		break;
	case 5:
		engine_set_externals(
			engine, random_below(r, 2) ? &external_1 : &external_2, 1, now_ms);
		break;
	case 6:
		kernel.refuse_all = random_below(r, 4) ? 0 : -ENOMEM;
		break;
	default:
		kernel.refuse_port =
			random_below(r, 2) ? (uint16_t)(20000 + random_below(r, 20)) : 0;
		break;
	}
}

START_TEST(table_and_kernel_agree_whatever_is_ordered)
{
	struct random r = random_start();

	add_static(0, 20010, 1, CONFIG_UDP | CONFIG_TCP);
	add_static(0, 20011, 2, CONFIG_UDP);
	users[0].statics_len = 0;
	for (int i = 0; i < 20000; i++) {
		size_t len = random_below(&r, 8);

		for (size_t k = 0; k < len; k++)
			add_natpmp(2 + random_below(&r, 10), random_below(&r, 2) ? UDP : TCP,
				(uint16_t)random_below(&r, 5),
				(uint16_t)(20000 + random_below(&r, 20)),
				random_below(&r, 3) ? 600 : 0);
		serve();
		random_order(&r);
		now_ms += random_below(&r, 5 * SECOND);
		engine_expire(engine, now_ms);
		ck_assert_msg(!kernel.lied && kernel.len == engine_mappings(engine),
			"seed %llu, round %d", r.seed, i);
	}
}
END_TEST

static void add_identity_tests(TCase *tc)
{
	tcase_add_test(tc, addresses_of_a_user_share_a_quota);
	tcase_add_test(tc, a_prefix_is_its_users_but_for_longer_ones_inside);
	tcase_add_test(tc, the_class_of_the_user_decides);
	tcase_add_test(tc, unknown_users_are_refused_or_get_their_class);
	tcase_add_test(tc, a_users_former_port_comes_back_at_his_other_address);
	tcase_add_test(tc, sticky_ports_follow_the_user_and_the_key_not_the_address);
	tcase_add_test(tc, a_session_gives_the_address_to_its_user);
	tcase_add_test(tc, the_end_of_a_session_ends_its_mappings_and_all_flows_of_its_address);
	tcase_add_test(tc, a_late_end_does_not_end_the_next_session);
	tcase_add_test(tc, the_next_user_of_an_address_inherits_nothing);
	tcase_add_test(tc, the_same_session_told_again_changes_nothing);
	tcase_add_test(tc, a_peers_addresses_are_its_users);
	tcase_add_test(tc, a_peer_that_no_policy_names_loses_its_mappings_when_it_goes);
	tcase_add_test(tc, an_address_that_moves_to_another_peer_takes_nothing_along);
	tcase_add_test(tc, a_key_that_leaves_the_policy_leaves_its_address_to_nobody);
	tcase_add_test(tc, a_wide_prefix_that_changes_hands_takes_nothing_along);
	tcase_add_test(tc, a_key_that_enters_the_policy_keeps_its_clients_mappings);
	tcase_add_test(tc, sessions_of_impossible_addresses_and_names_are_refused);
}

static void add_static_tests(TCase *tc)
{
	tcase_add_test(tc, a_static_port_stands_without_a_request_and_outlasts_any_lease);
	tcase_add_test(tc, a_request_for_a_static_port_gets_it_and_cannot_end_it);
	tcase_add_test(tc, nobody_else_gets_a_static_port_nor_its_other_half);
	tcase_add_test(tc, a_static_port_comes_and_goes_with_its_users_session);
	tcase_add_test(tc, a_static_port_takes_the_place_of_what_stood_there);
	tcase_add_test(tc, a_static_port_that_leaves_the_policy_ends);
	tcase_add_test(tc, a_static_port_never_points_at_somebody_elses_address);
	tcase_add_test(tc, a_static_port_stays_where_it_is_when_nothing_changes);
	tcase_add_test(tc, static_ports_do_not_count_towards_the_quota);
	tcase_add_test(tc, a_port_that_becomes_static_is_taken_from_a_stranger_at_once);
	tcase_add_test(tc, static_ports_follow_the_external_address);
}

static void add_order_tests(TCase *tc)
{
	tcase_add_test(tc, revoking_ends_what_matches);
	tcase_add_test(tc, a_ban_revokes_and_refuses_until_it_is_over);
	tcase_add_test(tc, a_ban_of_an_address_keeps_its_static_ports_away_for_as_long);
	tcase_add_test(tc, a_list_told_in_pieces_is_whole);
	tcase_add_test(tc, users_told_in_pieces_are_whole);
	tcase_add_test(tc, events_tell_what_happened);
	tcase_add_test(tc, an_explanation_is_the_answer_that_a_request_gets);
	tcase_add_test(tc, an_explanation_changes_nothing);
	tcase_add_test(tc, a_reload_keeps_what_is_allowed_and_ends_what_is_not);
	tcase_add_test(tc, a_mapping_of_an_address_that_gets_a_user_goes_to_the_user);
	tcase_add_test(tc, a_user_who_leaves_the_policy_leaves_nothing);
	tcase_add_test(tc, a_smaller_quota_ends_what_is_beyond_it);
	tcase_add_test(tc, a_reload_of_the_same_policy_leaves_a_sessions_class_alone);
	tcase_add_test(tc, a_smaller_quota_ends_whole_pairs);
	tcase_add_test(tc, what_was_revoked_rests_without_counting);
	tcase_add_test(tc, a_thousand_reloads_under_load_lose_nothing);
	tcase_add_test(tc, table_and_kernel_agree_whatever_is_ordered);
}

int main(void)
{
	Suite *suite = suite_create("admin");
	TCase *tc = tcase_create("admin");
	SRunner *runner = srunner_create(suite);
	int failed;

	log_set_level(LOG_LEVEL_ERROR);
	tcase_add_checked_fixture(tc, set_up, rig_tear_down);
	tcase_set_timeout(tc, 120);
	add_identity_tests(tc);
	add_static_tests(tc);
	add_order_tests(tc);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
