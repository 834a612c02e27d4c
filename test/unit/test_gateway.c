/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The gateway as policy and picture make it; no kernel is asked. */
#include "include/compiler.h"
#include "include/gateway.h"
#include "include/net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#define PLACES 32

/* A policy and a picture with places to fill, and what is made of them. */
struct scene {
	struct config config;
	struct config_tunnel tunnels[PLACES];
	struct config_external externals[PLACES];
	struct net_picture picture;
	struct net_interface interfaces[PLACES];
	struct net_address addresses[PLACES];
	struct gateway gateway;
};

static struct scene scene;

static struct addr addr(const char *text)
{
	struct addr a;

	ck_assert_int_eq(addr_parse(text, &a), 0);
	return a;
}

static struct net_interface *have_interface(uint32_t ifindex, const char *name)
{
	struct net_interface *i = &scene.interfaces[scene.picture.interfaces_len++];

	*i = (struct net_interface){.ifindex = ifindex, .up = true};
	ck_assert_uint_lt(strlen(name), sizeof(i->name));
	memcpy(i->name, name, strlen(name));
	return i;
}

static struct net_address *have_address(uint32_t ifindex, const char *text)
{
	struct net_address *a = &scene.addresses[scene.picture.addresses_len++];

	*a = (struct net_address){
		.ifindex = ifindex, .addr = addr(text), .global = true, .primary = true};
	return a;
}

static struct config_tunnel *want_tunnel(const char *name)
{
	struct config_tunnel *t = &scene.tunnels[scene.config.tunnels_len++];

	memcpy(t->interface, name, strlen(name) + 1);
	return t;
}

static struct config_external *want_external(const char *name)
{
	struct config_external *e = &scene.externals[scene.config.externals_len++];

	memcpy(e->interface, name, strlen(name) + 1);
	return e;
}

/* The machine of most tests: the Internet on eth0, a client network on wg0. */
static void setup(void)
{
	memset(&scene, 0, sizeof(scene));
	scene.config.tunnels = scene.tunnels;
	scene.config.externals = scene.externals;
	scene.picture.interfaces = scene.interfaces;
	scene.picture.addresses = scene.addresses;
	scene.picture.default4_ifindex = 2;
	have_interface(1, "lo")->loopback = true;
	have_address(1, "127.0.0.1")->global = false;
	have_interface(2, "eth0");
	have_address(2, "203.0.113.1");
	have_interface(3, "wg0");
	have_address(3, "10.9.0.1");
}

static void teardown(void)
{
	gateway_fini(&scene.gateway);
}

static const struct gateway *resolve(void)
{
	gateway_fini(&scene.gateway);
	ck_assert_int_eq(gateway_resolve(&scene.config, &scene.picture, &scene.gateway), 0);
	return &scene.gateway;
}

/* The lists as one line each, so that a failure shows all of it. */
static const char *names(const struct gateway_interface *list, size_t len)
{
	static char text[1024];

	text[0] = '\0';
	for (size_t i = 0; i < len; i++) {
		size_t at = strlen(text);

		(void)snprintf(text + at, sizeof(text) - at, "%s%s", i ? " " : "", list[i].name);
	}
	return text;
}

static const char *listens(const struct gateway *g)
{
	static char text[2048];

	text[0] = '\0';
	for (size_t i = 0; i < g->listens_len; i++) {
		char a[ADDR_TEXT_MAX];
		size_t at = strlen(text);

		(void)snprintf(text + at, sizeof(text) - at, "%s%s@%s/%u", i ? " " : "",
			addr_format(&g->listens[i].addr, a), g->listens[i].interface,
			g->listens[i].ifindex);
	}
	return text;
}

static const char *externals(const struct gateway *g)
{
	static char text[2048];

	text[0] = '\0';
	for (size_t i = 0; i < g->addresses_len; i++) {
		char a[ADDR_TEXT_MAX];
		char b[ADDR_TEXT_MAX];
		size_t at = strlen(text);

		(void)snprintf(text + at, sizeof(text) - at, "%s%s", i ? " " : "",
			addr_format(&g->addresses[i].addr, a));
		at = strlen(text);
		if (!addr_equal(&g->addresses[i].addr, &g->addresses[i].advertise))
			(void)snprintf(text + at, sizeof(text) - at, "=%s",
				addr_format(&g->addresses[i].advertise, b));
	}
	return text;
}

static void assert_tunnels(const struct gateway *g, const char *wanted)
{
	ck_assert_str_eq(names(g->tunnels, g->tunnels_len), wanted);
}

static void assert_externals(const struct gateway *g, const char *wanted)
{
	ck_assert_str_eq(names(g->externals, g->externals_len), wanted);
}

static void assert_listens(const struct gateway *g, const char *wanted)
{
	ck_assert_str_eq(listens(g), wanted);
}

static void assert_addresses(const struct gateway *g, const char *wanted)
{
	ck_assert_str_eq(externals(g), wanted);
}

START_TEST(a_name_makes_a_tunnel_of_its_interface_alone)
{
	want_tunnel("wg0");
	have_interface(4, "wg01");
	have_address(4, "10.8.0.1");
	assert_tunnels(resolve(), "wg0");
	assert_listens(&scene.gateway, "10.9.0.1@wg0/3");
}
END_TEST

START_TEST(a_glob_makes_tunnels_of_all_that_match_sorted_by_name)
{
	want_tunnel("tun[0-9]*");
	have_interface(4, "tun1");
	have_address(4, "10.1.0.1");
	have_interface(5, "tunx");
	have_interface(6, "tun0");
	have_address(6, "10.0.0.1");
	assert_tunnels(resolve(), "tun0 tun1");
	assert_listens(&scene.gateway, "10.0.0.1@tun0/6 10.1.0.1@tun1/4");
}
END_TEST

START_TEST(a_name_with_glob_characters_matches_itself)
{
	want_tunnel("a[b]");
	have_interface(4, "a[b]");
	assert_tunnels(resolve(), "a[b]");
}
END_TEST

START_TEST(an_interface_that_two_entries_match_is_one_tunnel)
{
	want_tunnel("wg*");
	want_tunnel("wg0");
	assert_tunnels(resolve(), "wg0");
	assert_listens(&scene.gateway, "10.9.0.1@wg0/3");
}
END_TEST

START_TEST(the_first_entry_that_matches_decides_where_to_listen)
{
	struct addr only = addr("10.9.0.2");
	struct config_tunnel *first = want_tunnel("wg0");

	first->listen = &only;
	first->listen_len = 1;
	want_tunnel("wg*");
	have_address(3, "10.9.0.2");
	have_interface(4, "wg1");
	have_address(4, "10.8.0.1");
	assert_listens(resolve(), "10.9.0.2@wg0/3 10.8.0.1@wg1/4");
}
END_TEST

START_TEST(every_address_of_a_tunnel_is_listened_on_whatever_its_scope)
{
	want_tunnel("wg0");
	have_address(3, "169.254.1.1")->global = false;
	have_address(3, "10.9.0.200")->primary = false;
	assert_listens(resolve(), "10.9.0.1@wg0/3 10.9.0.200@wg0/3 169.254.1.1@wg0/3");
}
END_TEST

START_TEST(listen_addresses_that_the_interface_lacks_are_left_out)
{
	struct addr wanted[] = {addr("10.9.0.77"), addr("203.0.113.1"), addr("10.9.0.1")};
	struct config_tunnel *t = want_tunnel("wg0");

	t->listen = wanted;
	t->listen_len = ARRAY_LEN(wanted);
	assert_listens(resolve(), "10.9.0.1@wg0/3");
}
END_TEST

START_TEST(an_address_held_with_two_prefixes_is_listened_on_once)
{
	want_tunnel("wg0");
	have_address(3, "10.9.0.1");
	assert_listens(resolve(), "10.9.0.1@wg0/3");
}
END_TEST

START_TEST(an_address_on_two_tunnels_is_listened_on_at_each)
{
	want_tunnel("*");
	scene.picture.default4_ifindex = 0;
	scene.picture.interfaces_len = 1;
	have_interface(7, "ppp1");
	have_address(7, "10.7.0.1");
	have_interface(6, "ppp0");
	have_address(6, "10.7.0.1");
	assert_listens(resolve(), "10.7.0.1@ppp0/6 10.7.0.1@ppp1/7");
}
END_TEST

START_TEST(loopback_is_never_a_tunnel_nor_listened_on)
{
	want_tunnel("*");
	have_address(3, "127.0.0.9");
	assert_tunnels(resolve(), "eth0 wg0");
	assert_listens(&scene.gateway, "203.0.113.1@eth0/2 10.9.0.1@wg0/3");
}
END_TEST

START_TEST(ipv6_addresses_are_not_listened_on_yet)
{
	want_tunnel("wg0");
	have_address(3, "fd00:9::1");
	assert_listens(resolve(), "10.9.0.1@wg0/3");
}
END_TEST

START_TEST(a_tunnel_that_is_missing_makes_an_empty_gateway)
{
	want_tunnel("wg7");
	assert_tunnels(resolve(), "");
	assert_listens(&scene.gateway, "");
}
END_TEST

START_TEST(a_picture_of_nothing_makes_an_empty_gateway)
{
	scene.picture = (struct net_picture){0};
	want_tunnel("wg0");
	want_external("");
	assert_tunnels(resolve(), "");
	assert_externals(&scene.gateway, "");
	assert_addresses(&scene.gateway, "");
}
END_TEST

START_TEST(a_tunnel_that_is_down_keeps_its_place)
{
	want_tunnel("wg0");
	scene.interfaces[2].up = false;
	assert_tunnels(resolve(), "wg0");
	assert_listens(&scene.gateway, "10.9.0.1@wg0/3");
}
END_TEST

START_TEST(the_default_routes_interface_is_external_by_default)
{
	want_tunnel("wg0");
	want_external("");
	assert_externals(resolve(), "eth0");
	assert_addresses(&scene.gateway, "203.0.113.1");
}
END_TEST

START_TEST(without_a_default_route_there_is_no_external_by_default)
{
	want_tunnel("wg0");
	want_external("");
	scene.picture.default4_ifindex = 0;
	assert_externals(resolve(), "");
	assert_addresses(&scene.gateway, "");
}
END_TEST

START_TEST(a_default_route_through_a_tunnel_makes_nothing_external)
{
	want_tunnel("wg*");
	want_external("");
	scene.picture.default4_ifindex = 3;
	assert_tunnels(resolve(), "wg0");
	assert_externals(&scene.gateway, "");
	assert_addresses(&scene.gateway, "");
}
END_TEST

START_TEST(an_interface_that_is_tunnel_and_external_is_a_tunnel)
{
	want_tunnel("*");
	want_external("eth0");
	assert_tunnels(resolve(), "eth0 wg0");
	assert_externals(&scene.gateway, "");
	assert_addresses(&scene.gateway, "");
}
END_TEST

START_TEST(loopback_is_never_external)
{
	want_external("lo");
	have_address(1, "198.51.100.1");
	assert_externals(resolve(), "");
	assert_addresses(&scene.gateway, "");
}
END_TEST

START_TEST(a_named_external_needs_no_default_route)
{
	want_external("eth0");
	scene.picture.default4_ifindex = 0;
	assert_externals(resolve(), "eth0");
	assert_addresses(&scene.gateway, "203.0.113.1");
}
END_TEST

START_TEST(external_interfaces_are_sorted_their_addresses_in_the_policys_order)
{
	want_external("eth1");
	want_external("eth0");
	want_external("eth1");
	have_interface(4, "eth1");
	have_address(4, "198.51.100.1");
	assert_externals(resolve(), "eth0 eth1");
	assert_addresses(&scene.gateway, "198.51.100.1 203.0.113.1");
}
END_TEST

START_TEST(global_addresses_are_used_primary_ones_first)
{
	want_external("eth0");
	have_address(2, "203.0.113.9")->primary = false;
	have_address(2, "169.254.3.3")->global = false;
	have_address(2, "198.51.100.5");
	have_address(2, "2001:db8::1");
	assert_addresses(resolve(), "203.0.113.1 198.51.100.5 203.0.113.9");
}
END_TEST

START_TEST(given_addresses_are_used_in_their_order_and_alone)
{
	struct addr given[] = {addr("203.0.113.9"), addr("203.0.113.1"), addr("203.0.113.9")};
	struct config_external *e = want_external("eth0");

	e->addresses = given;
	e->addresses_len = ARRAY_LEN(given);
	have_address(2, "203.0.113.5");
	have_address(2, "203.0.113.9")->primary = false;
	assert_addresses(resolve(), "203.0.113.9 203.0.113.1");
}
END_TEST

START_TEST(a_given_address_may_be_on_any_interface_but_must_be_there)
{
	struct addr given[] = {addr("192.0.2.1"), addr("192.0.2.2"), addr("127.0.0.1")};
	struct config_external *e = want_external("eth0");

	e->addresses = given;
	e->addresses_len = ARRAY_LEN(given);
	have_address(1, "192.0.2.2");
	assert_addresses(resolve(), "192.0.2.2");
}
END_TEST

START_TEST(given_addresses_go_with_their_interface)
{
	struct addr given = addr("203.0.113.1");
	struct config_external *e = want_external("eth7");

	e->addresses = &given;
	e->addresses_len = 1;
	assert_externals(resolve(), "");
	assert_addresses(&scene.gateway, "");
}
END_TEST

START_TEST(advertise_is_told_in_place_of_the_address)
{
	struct config_external *e = want_external("");

	e->has_advertise = true;
	e->advertise = addr("198.51.100.7");
	assert_addresses(resolve(), "203.0.113.1=198.51.100.7");
}
END_TEST

START_TEST(advertise_stands_for_the_first_address_of_its_entry_alone)
{
	struct addr given[] = {addr("192.0.2.9"), addr("203.0.113.2"), addr("203.0.113.1")};
	struct config_external *e = want_external("eth0");

	e->addresses = given;
	e->addresses_len = ARRAY_LEN(given);
	e->has_advertise = true;
	e->advertise = addr("198.51.100.7");
	have_address(2, "203.0.113.2");
	have_interface(4, "eth1");
	have_address(4, "192.0.2.1");
	have_address(4, "192.0.2.2");
	want_external("eth1");
	assert_addresses(resolve(), "203.0.113.2=198.51.100.7 192.0.2.1 192.0.2.2");
}
END_TEST

START_TEST(an_address_of_two_entries_is_the_firsts)
{
	struct addr given = addr("203.0.113.1");
	struct config_external *first = want_external("eth0");
	struct config_external *second = want_external("eth0");

	first->addresses = &given;
	first->addresses_len = 1;
	first->has_advertise = true;
	first->advertise = addr("198.51.100.7");
	second->has_advertise = true;
	second->advertise = addr("198.51.100.8");
	have_address(2, "203.0.113.2");
	assert_addresses(resolve(), "203.0.113.1=198.51.100.7 203.0.113.2=198.51.100.8");
}
END_TEST

START_TEST(addresses_beyond_the_most_are_left_out)
{
	struct config_external *e;
	char text[ADDR_TEXT_MAX];

	want_external("eth0");
	for (int i = 2; i < GATEWAY_EXTERNALS_MAX + 5; i++) {
		(void)snprintf(text, sizeof(text), "203.0.113.%d", i);
		have_address(2, text);
	}
	/* Full before this entry begins, so that a limit of its own has no room either. */
	e = want_external("wg0");
	e->has_advertise = true;
	e->advertise = addr("198.51.100.7");
	ck_assert_uint_eq(resolve()->addresses_len, GATEWAY_EXTERNALS_MAX);
	ck_assert(addr_equal(&scene.gateway.addresses[0].addr, &scene.addresses[1].addr));
}
END_TEST

START_TEST(addresses_without_an_interface_are_ignored)
{
	want_tunnel("*");
	want_external("");
	have_address(99, "192.0.2.1");
	scene.picture.default4_ifindex = 99;
	assert_externals(resolve(), "");
	assert_listens(&scene.gateway, "203.0.113.1@eth0/2 10.9.0.1@wg0/3");
}
END_TEST

/* Changes of a picture, and whether the gateway is another after it. */
static void no_change(void)
{
}

static void tunnel_gone(void)
{
	scene.picture.interfaces_len--;
}

static void tunnel_made_again(void)
{
	scene.interfaces[2].ifindex = 33;
	scene.addresses[2].ifindex = 33;
}

static void tunnel_renamed(void)
{
	memcpy(scene.interfaces[2].name, "wg1", sizeof("wg1"));
}

static void listen_moved(void)
{
	scene.addresses[2].addr.octet[15]++;
}

static void external_moved(void)
{
	scene.addresses[1].addr.octet[15]++;
}

static void external_added(void)
{
	have_address(2, "203.0.113.50");
}

static void external_renamed(void)
{
	memcpy(scene.interfaces[1].name, "eth1", sizeof("eth1"));
}

static void default_lost(void)
{
	scene.picture.default4_ifindex = 0;
}

static void advertise_set(void)
{
	scene.externals[0].has_advertise = true;
	scene.externals[0].advertise = addr("198.51.100.7");
}

static void stranger_came(void)
{
	have_interface(9, "docker0");
	have_address(9, "172.17.0.1");
}

static void link_down(void)
{
	scene.interfaces[1].up = false;
}

static const struct {
	void (*happens)(void);
	bool equal;
} changes[] = {
	{no_change, true},
	{stranger_came, true},
	{link_down, true},
	{tunnel_gone, false},
	{tunnel_made_again, false},
	{tunnel_renamed, false},
	{listen_moved, false},
	{external_moved, false},
	{external_added, false},
	{external_renamed, false},
	{default_lost, false},
	{advertise_set, false},
};

START_TEST(equality_sees_what_matters_and_nothing_else)
{
	struct gateway before = {0};

	want_tunnel("wg*");
	want_external("");
	ck_assert_int_eq(gateway_resolve(&scene.config, &scene.picture, &before), 0);
	changes[_i].happens();
	ck_assert_int_eq(gateway_equal(&before, resolve()), changes[_i].equal);
	ck_assert_int_eq(gateway_equal(&scene.gateway, &before), changes[_i].equal);
	gateway_fini(&before);
}
END_TEST

START_TEST(an_empty_gateway_may_be_freed_twice)
{
	struct gateway g = {0};

	gateway_fini(&g);
	ck_assert_int_eq(gateway_resolve(&scene.config, &scene.picture, &g), 0);
	gateway_fini(&g);
	gateway_fini(&g);
}
END_TEST

static Suite *gateway_suite(void)
{
	const TTest *const tests[] = {
		a_name_makes_a_tunnel_of_its_interface_alone,
		a_glob_makes_tunnels_of_all_that_match_sorted_by_name,
		a_name_with_glob_characters_matches_itself,
		an_interface_that_two_entries_match_is_one_tunnel,
		the_first_entry_that_matches_decides_where_to_listen,
		every_address_of_a_tunnel_is_listened_on_whatever_its_scope,
		listen_addresses_that_the_interface_lacks_are_left_out,
		an_address_held_with_two_prefixes_is_listened_on_once,
		an_address_on_two_tunnels_is_listened_on_at_each,
		loopback_is_never_a_tunnel_nor_listened_on,
		ipv6_addresses_are_not_listened_on_yet,
		a_tunnel_that_is_missing_makes_an_empty_gateway,
		a_picture_of_nothing_makes_an_empty_gateway,
		a_tunnel_that_is_down_keeps_its_place,
		the_default_routes_interface_is_external_by_default,
		without_a_default_route_there_is_no_external_by_default,
		a_default_route_through_a_tunnel_makes_nothing_external,
		an_interface_that_is_tunnel_and_external_is_a_tunnel,
		loopback_is_never_external,
		a_named_external_needs_no_default_route,
		external_interfaces_are_sorted_their_addresses_in_the_policys_order,
		global_addresses_are_used_primary_ones_first,
		given_addresses_are_used_in_their_order_and_alone,
		a_given_address_may_be_on_any_interface_but_must_be_there,
		given_addresses_go_with_their_interface,
		advertise_is_told_in_place_of_the_address,
		advertise_stands_for_the_first_address_of_its_entry_alone,
		an_address_of_two_entries_is_the_firsts,
		addresses_beyond_the_most_are_left_out,
		addresses_without_an_interface_are_ignored,
		an_empty_gateway_may_be_freed_twice,
	};
	Suite *suite = suite_create("gateway");
	TCase *tcase = tcase_create("resolve");

	tcase_add_checked_fixture(tcase, setup, teardown);
	for (size_t i = 0; i < ARRAY_LEN(tests); i++)
		tcase_add_test(tcase, tests[i]);
	tcase_add_loop_test(
		tcase, equality_sees_what_matters_and_nothing_else, 0, (int)ARRAY_LEN(changes));
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(gateway_suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
