/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "include/compiler.h"
#include "include/config.h"
#include "include/pcp.h"
#include "test/unit/conf_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <check.h>

static void assert_default_nat(const struct config *c)
{
	assert_range(&c->pool, 10240, 32767);
	ck_assert_int_eq(c->masquerade, CONFIG_MASQUERADE_MANAGED);
	ck_assert(!c->has_masquerade_ports);
	ck_assert(c->hairpin);
	ck_assert(c->port_fail_guard);
}

static void assert_default_protocols(const struct config *c)
{
	ck_assert(c->nat_pmp);
	ck_assert(c->pcp);
	ck_assert(!c->anycast);
	ck_assert_int_eq(c->zero_port, CONFIG_ZERO_REFUSE);
	ck_assert_int_eq(c->nonce, CONFIG_NONCE_RELAXED);
	ck_assert_uint_eq(c->third_party_len, 0);
	ck_assert_int_eq(c->announce, CONFIG_ANNOUNCE_AUTO);
}

static void assert_default_class(const struct config_class *class)
{
	ck_assert_str_eq(class->name, "default");
	assert_range(&class->ports, 10240, 32767);
	assert_range(&class->internal_ports, 1, 65535);
	ck_assert_uint_eq(class->protocols, CONFIG_UDP | CONFIG_TCP);
	ck_assert_uint_eq(class->mappings, 16);
	ck_assert_uint_eq(class->lifetime_min_s, 60);
	ck_assert_uint_eq(class->lifetime_default_s, 3600);
	ck_assert_uint_eq(class->lifetime_max_s, 86400);
	ck_assert_uint_eq(class->rate, 20);
	ck_assert_int_eq(class->port_choice, CONFIG_PORT_RANDOM);
	ck_assert_uint_eq(class->quarantine_s, 120);
	ck_assert_uint_eq(class->options, PCP_FEATURE_FILTER | PCP_FEATURE_PREFER_FAILURE |
						  PCP_FEATURE_DESCRIPTION | PCP_FEATURE_PORT_SET);
}

static void assert_defaults(const struct config *c)
{
	assert_default_nat(c);
	assert_default_protocols(c);
	ck_assert_int_eq(c->log_level, LOG_LEVEL_INFO);
	ck_assert_int_eq(c->identity, CONFIG_IDENTITY_NONE);
	ck_assert_int_eq(c->ipv6, CONFIG_IPV6_PINHOLE);
	ck_assert_str_eq(c->control_socket, "/run/tunmap/control.sock");
	ck_assert(!c->metrics);
	ck_assert(!c->unknown_refused);
	ck_assert_uint_eq(c->unknown_class, 0);
	ck_assert_uint_eq(c->files_len, 1);
	ck_assert_str_eq(c->files[0], "policy.yaml");
	ck_assert_uint_eq(c->classes_len, 1);
	assert_default_class(&c->classes[0]);
}

START_TEST(tunnels_alone_are_a_complete_policy)
{
	struct config *c = good("tunnels:\n  - interface: wg0\n");

	ck_assert_uint_eq(c->tunnels_len, 1);
	ck_assert_str_eq(c->tunnels[0].interface, "wg0");
	ck_assert_uint_eq(c->tunnels[0].listen_len, 0);
	ck_assert_uint_eq(c->externals_len, 1);
	ck_assert_str_eq(c->externals[0].interface, "");
	ck_assert_uint_eq(c->externals[0].addresses_len, 0);
	ck_assert(!c->externals[0].has_advertise);
	assert_defaults(c);
	ck_assert_str_eq(c->control_group, "");
	ck_assert_uint_eq(c->users_len, 0);
	ck_assert_ptr_null(config_user(c, "alice"));
	ck_assert_uint_eq(c->unknown_mark.line, 0);
	ck_assert_uint_eq(c->classes[0].mark.line, 0);
	ck_assert_uint_eq(c->classes[0].key_mark[CONFIG_CLASS_PORTS].line, 0);
	ck_assert_uint_eq(c->classes[0].pcp_lifetime_min_s, 120);
	config_free(c);
}
END_TEST

/* The example of the manual, which shows each key with its default. */
static const char example[] =
	"tunnels:\n"
	"  - interface: wg0               # name, or a glob such as \"tun*\"\n"
	"    listen: [10.9.0.1]           # default: every address of the interface\n"
	"external:\n"
	"  - interface: eth0\n"
	"    addresses: [203.0.113.1]     # default: the interface's global addresses\n"
	"    advertise: 198.51.100.7      # told to clients in place of the address\n"
	"nat:\n"
	"  ports: 10240-32767             # the forwarding pool\n"
	"  masquerade: managed\n"
	"  masquerade-ports: auto\n"
	"  hairpin: true\n"
	"  port-fail-guard: true\n"
	"ipv6:\n"
	"  mode: pinhole                  # pinhole: clients have global addresses; nat66; off\n"
	"protocols:\n"
	"  nat-pmp: true\n"
	"  pcp: true\n"
	"  anycast: false\n"
	"  internal-port-zero: refuse\n"
	"  pcp-nonce: relaxed\n"
	"  third-party: []\n"
	"  announce: auto\n"
	"control:\n"
	"  socket: /run/tunmap/control.sock\n"
	"  group: tunmap                  # may use the socket; default: root only\n"
	"metrics:\n"
	"  listen: \"\"                     # empty: only on the control socket\n"
	"log:\n"
	"  level: info\n"
	"  identity: none\n"
	"classes:\n"
	"  default:\n"
	"    ports: 10240-32767           # default: nat.ports\n"
	"    internal-ports: 1-65535\n"
	"    protocols: [udp, tcp]\n"
	"    mappings: 16\n"
	"    lifetime: {min: 60, default: 3600, max: 86400}\n"
	"    rate: 20\n"
	"    port-choice: random\n"
	"    quarantine: 120\n"
	"    options: [filter, prefer-failure, description, port-set]\n"
	"users:\n"
	"  alice:\n"
	"    class: default\n"
	"    addresses: [10.9.0.2, \"fd00:9::2\"]\n"
	"    wireguard: [\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"]\n"
	"    static:                      # held for her always, served without a request\n"
	"      - {port: 31413, protocols: [udp, tcp], internal-port: 51413}\n"
	"unknown-users: default           # or \"refuse\"\n"
	"include: [users.d/*.yaml]        # may hold `classes` and `users`\n";

static void assert_alice(const struct config *c)
{
	const struct config_user *alice = config_user(c, "alice");

	ck_assert_ptr_nonnull(alice);
	ck_assert_uint_eq(c->users_len, 1);
	ck_assert_uint_eq(alice->class, 0);
	ck_assert_uint_eq(alice->addresses_len, 2);
	assert_addr(&alice->addresses[0].addr, "10.9.0.2");
	assert_addr(&alice->addresses[1].addr, "fd00:9::2");
	ck_assert_uint_eq(alice->wireguard_len, 1);
	for (size_t i = 0; i < sizeof(alice->wireguard[0].octet); i++)
		ck_assert_uint_eq(alice->wireguard[0].octet[i], i);
	ck_assert_uint_eq(alice->statics_len, 1);
	ck_assert_uint_eq(alice->statics[0].port, 31413);
	ck_assert_uint_eq(alice->statics[0].internal_port, 51413);
	ck_assert_uint_eq(alice->statics[0].protocols, CONFIG_UDP | CONFIG_TCP);
}

START_TEST(the_example_spells_out_the_defaults)
{
	struct config *c = good(example);

	ck_assert_uint_eq(c->tunnels[0].listen_len, 1);
	assert_addr(&c->tunnels[0].listen[0], "10.9.0.1");
	ck_assert_str_eq(c->externals[0].interface, "eth0");
	ck_assert_uint_eq(c->externals[0].addresses_len, 1);
	assert_addr(&c->externals[0].addresses[0], "203.0.113.1");
	ck_assert(c->externals[0].has_advertise);
	assert_addr(&c->externals[0].advertise, "198.51.100.7");
	assert_defaults(c);
	ck_assert_str_eq(c->control_group, "tunmap");
	assert_alice(c);
	/* Only here: the minimum is given, and so is PCP's as well. */
	ck_assert_uint_eq(c->classes[0].pcp_lifetime_min_s, 60);
	config_free(c);
}
END_TEST

START_TEST(nat_and_log_take_every_other_value)
{
	struct config *c = good(TUNNEL "nat: {ports: 20000-29999, masquerade: off,\n"
				       "  masquerade-ports: 40000-60000, hairpin: false,\n"
				       "  port-fail-guard: false}\n"
				       "log: {level: debug, identity: full}\n");

	assert_range(&c->pool, 20000, 29999);
	ck_assert_int_eq(c->masquerade, CONFIG_MASQUERADE_OFF);
	ck_assert(c->has_masquerade_ports);
	assert_range(&c->masquerade_ports, 40000, 60000);
	ck_assert(!c->hairpin);
	ck_assert(!c->port_fail_guard);
	ck_assert_int_eq(c->log_level, LOG_LEVEL_DEBUG);
	ck_assert_int_eq(c->identity, CONFIG_IDENTITY_FULL);
	config_free(c);
}
END_TEST

START_TEST(protocols_take_every_other_value)
{
	struct config *c = good(TUNNEL "protocols:\n"
				       "  nat-pmp: false\n"
				       "  pcp: false\n"
				       "  anycast: true\n"
				       "  internal-port-zero: assign\n"
				       "  pcp-nonce: strict\n"
				       "  announce: off\n");

	ck_assert(!c->nat_pmp);
	ck_assert(!c->pcp);
	ck_assert(c->anycast);
	ck_assert_int_eq(c->zero_port, CONFIG_ZERO_ASSIGN);
	ck_assert_int_eq(c->nonce, CONFIG_NONCE_STRICT);
	ck_assert_int_eq(c->announce, CONFIG_ANNOUNCE_OFF);
	config_free(c);
}
END_TEST

START_TEST(ipv6_control_and_metrics_take_every_other_value)
{
	struct config *c = good(TUNNEL "ipv6: {mode: nat66}\n"
				       "control: {socket: /run/a b.sock, group: \"\"}\n"
				       "metrics: {listen: 127.0.0.1:9551}\n");

	ck_assert_int_eq(c->ipv6, CONFIG_IPV6_NAT66);
	ck_assert_str_eq(c->control_socket, "/run/a b.sock");
	ck_assert_str_eq(c->control_group, "");
	ck_assert(c->metrics);
	assert_addr(&c->metrics_addr, "127.0.0.1");
	ck_assert_uint_eq(c->metrics_port, 9551);
	config_free(c);
	c = good(TUNNEL "ipv6: {mode: off}\nmetrics: {listen: \"[2001:db8::1]:65535\"}\n");
	ck_assert_int_eq(c->ipv6, CONFIG_IPV6_OFF);
	assert_addr(&c->metrics_addr, "2001:db8::1");
	ck_assert_uint_eq(c->metrics_port, 65535);
	config_free(c);
}
END_TEST

START_TEST(a_socket_path_fits_up_to_its_last_octet)
{
	char text[256], path[CONFIG_SOCKET_MAX];
	struct config_faults faults;
	struct config *c;

	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[CONFIG_SOCKET_MAX - 1] = '\0';
	(void)snprintf(text, sizeof(text), TUNNEL "control: {socket: %s}\n", path);
	c = good(text);
	ck_assert_str_eq(c->control_socket, path);
	config_free(c);
	(void)snprintf(text, sizeof(text), TUNNEL "control: {socket: %sx}\n", path);
	ck_assert_ptr_null(parse(text, strlen(text), &faults));
	ck_assert_ptr_nonnull(strstr(faults.fault[0].message, "x...\" "
							      "is not an absolute path"));
	config_faults_free(&faults);
}
END_TEST

START_TEST(classes_come_after_the_default_and_take_the_defaults_of_the_table)
{
	struct config *c = good(TUNNEL "classes:\n"
				       "  silver: {lifetime: {min: 30}}\n"
				       "  gold:\n"
				       "    mappings: 64\n"
				       "    ports: 20000-20999\n"
				       "  default: {mappings: 1, ports: 10240-10249}\n"
				       "nat: {ports: 10240-29999}\n"
				       "unknown-users: gold\n");

	ck_assert_uint_eq(c->classes_len, 3);
	ck_assert_str_eq(c->classes[0].name, "default");
	ck_assert_uint_eq(c->classes[0].mappings, 1);
	ck_assert_str_eq(c->classes[1].name, "gold");
	ck_assert_uint_eq(c->classes[1].mappings, 64);
	assert_range(&c->classes[1].ports, 20000, 20999);
	ck_assert_uint_eq(c->classes[1].pcp_lifetime_min_s, 120);
	ck_assert_str_eq(c->classes[2].name, "silver");
	ck_assert_uint_eq(c->classes[2].mappings, 16);
	assert_range(&c->classes[2].ports, 10240, 29999);
	ck_assert_uint_eq(c->classes[2].lifetime_min_s, 30);
	ck_assert_uint_eq(c->classes[2].pcp_lifetime_min_s, 30);
	ck_assert_uint_eq(c->unknown_class, 1);
	ck_assert(!c->unknown_refused);
	config_free(c);
	c = good(TUNNEL "unknown-users: refuse\n");
	ck_assert(c->unknown_refused);
	config_free(c);
}
END_TEST

START_TEST(marks_tell_where_classes_and_their_keys_stand)
{
	struct config *c = good(TUNNEL "classes:\n"
				       "  gold:\n"
				       "    ports: 20000-20999\n"
				       "    internal-ports: 1-2\n"
				       "    protocols: [udp]\n"
				       "    mappings: 64\n"
				       "    lifetime:\n"
				       "      {min: 30}\n"
				       "    rate: 1\n"
				       "    port-choice: sticky\n"
				       "    quarantine: 0\n"
				       "    options: []\n"
				       "  default: {rate: 1}\n"
				       "unknown-users:\n  gold\n");
	static const uint32_t line[CONFIG_CLASS_KEYS] = {4, 5, 6, 7, 8, 10, 11, 12, 13};

	assert_mark(&c->classes[1].mark, 0, 3);
	for (size_t i = 0; i < CONFIG_CLASS_KEYS; i++)
		assert_mark(&c->classes[1].key_mark[i], 0, line[i]);
	assert_mark(&c->classes[0].mark, 0, 14);
	assert_mark(&c->classes[0].key_mark[CONFIG_CLASS_RATE], 0, 14);
	assert_mark(&c->classes[0].key_mark[CONFIG_CLASS_PORTS], 0, 0);
	assert_mark(&c->unknown_mark, 0, 15);
	config_free(c);
}
END_TEST

START_TEST(the_default_class_takes_every_other_value)
{
	struct config *c = good(
		TUNNEL "classes: {default: {ports: 11000-12000, internal-ports: 1024-65535,\n"
		       "  protocols: [tcp], mappings: 65536, lifetime: {min: 1, default: 2, max: "
		       "31536000},\n"
		       "  rate: 1, port-choice: sticky, quarantine: 0, options: [port-set]}}\n");
	const struct config_class *class = &c->classes[0];

	assert_range(&class->ports, 11000, 12000);
	assert_range(&class->internal_ports, 1024, 65535);
	ck_assert_uint_eq(class->protocols, CONFIG_TCP);
	ck_assert_uint_eq(class->mappings, 65536);
	ck_assert_uint_eq(class->lifetime_min_s, 1);
	ck_assert_uint_eq(class->pcp_lifetime_min_s, 1);
	ck_assert_uint_eq(class->lifetime_default_s, 2);
	ck_assert_uint_eq(class->lifetime_max_s, 31536000);
	ck_assert_uint_eq(class->rate, 1);
	ck_assert_int_eq(class->port_choice, CONFIG_PORT_STICKY);
	ck_assert_uint_eq(class->quarantine_s, 0);
	ck_assert_uint_eq(class->options, PCP_FEATURE_PORT_SET);
	config_free(c);
}
END_TEST

START_TEST(class_ports_follow_the_pool_wherever_it_stands)
{
	struct config *c = good("classes: {default: {mappings: 1}}\n"
				"nat: {ports: 20000-20009}\n" TUNNEL);

	assert_range(&c->classes[0].ports, 20000, 20009);
	config_free(c);
	c = good(TUNNEL "nat: {ports: 20000}\n");
	assert_range(&c->classes[0].ports, 20000, 20000);
	config_free(c);
}
END_TEST

START_TEST(pcp_minimum_lifetime_never_exceeds_the_maximum)
{
	struct config *c = good(TUNNEL "classes: {default: {lifetime: {default: 90, max: 100}}}\n");

	ck_assert_uint_eq(c->classes[0].lifetime_min_s, 60);
	ck_assert_uint_eq(c->classes[0].pcp_lifetime_min_s, 100);
	config_free(c);
	c = good(TUNNEL "classes: {default: {lifetime: {max: 7200}}}\n");
	ck_assert_uint_eq(c->classes[0].pcp_lifetime_min_s, 120);
	config_free(c);
}
END_TEST

START_TEST(prefixes_count_the_bits_before_an_ipv4_address)
{
	struct config *c = good(TUNNEL
		"protocols: {third-party: [10.9.0.0/25, \"fd00:9::/61\", 10.8.0.1, 0.0.0.0/0]}\n");

	ck_assert_uint_eq(c->third_party_len, 4);
	assert_addr(&c->third_party[0].addr, "10.9.0.0");
	ck_assert_uint_eq(c->third_party[0].len, 96 + 25);
	assert_addr(&c->third_party[1].addr, "fd00:9::");
	ck_assert_uint_eq(c->third_party[1].len, 61);
	assert_addr(&c->third_party[2].addr, "10.8.0.1");
	ck_assert_uint_eq(c->third_party[2].len, 128);
	ck_assert_uint_eq(c->third_party[3].len, 96);
	config_free(c);
}
END_TEST

START_TEST(several_tunnels_and_externals_keep_their_order)
{
	struct config *c =
		good("tunnels: [{interface: \"tun*\"}, {interface: tun0}, {interface: "
		     "abcdefghijklmno, listen: [10.0.0.1, \"fd00::1\"]}]\n"
		     "external:\n"
		     "- {interface: eth0, addresses: [192.0.2.1], advertise: 198.51.100.1}\n"
		     "- {interface: eth0, addresses: [192.0.2.2, \"2001:db8::2\"],\n"
		     "   advertise: 198.51.100.2}\n"
		     "- {advertise: 198.51.100.3}\n");
	const struct addr two = address("2001:db8::2");

	ck_assert_uint_eq(c->tunnels_len, 3);
	ck_assert_str_eq(c->tunnels[0].interface, "tun*");
	ck_assert_str_eq(c->tunnels[2].interface, "abcdefghijklmno");
	ck_assert_uint_eq(c->tunnels[2].listen_len, 2);
	assert_addr(&c->tunnels[2].listen[1], "fd00::1");
	ck_assert_uint_eq(c->externals_len, 3);
	assert_addr(&c->externals[1].advertise, "198.51.100.2");
	ck_assert(addr_equal(&c->externals[1].addresses[1], &two));
	ck_assert_str_eq(c->externals[2].interface, "");
	config_free(c);
}
END_TEST

START_TEST(quotes_byte_order_mark_and_document_markers_change_nothing)
{
	struct config *c = good("\xef\xbb\xbf%YAML 1.1\n---\ntunnels:\n- interface: 'wg0'\n"
				"nat: {ports: \"5000-6000\", hairpin: 'false'}\n...\n# end\n");

	assert_range(&c->pool, 5000, 6000);
	ck_assert(!c->hairpin);
	config_free(c);
	c = good("\xef\xbb\xbftunnels:\n- interface: wg0\nlog: {level: error}\n");
	ck_assert_int_eq(c->log_level, LOG_LEVEL_ERROR);
	config_free(c);
}
END_TEST

#define CLASS(keys)    TUNNEL "classes: {default: {" keys "}}\n"
#define NOT_A_RANGE    "is not a range of ports; write FIRST-LAST, both from 1 to 65535\n"
#define NOT_AN_ADDRESS "is not an IPv4 or IPv6 address\n"
#define NOT_A_HOST     "is unspecified, loopback, multicast or reserved\n"
#define NOT_A_PREFIX   "is not a prefix; write ADDRESS/LENGTH, such as 10.9.0.0/24\n"
#define NOT_A_PATH     "is not an absolute path of at most 107 octets\n"
#define NOT_ENDPOINT   "is not ADDRESS:PORT, such as 127.0.0.1:9551 or [::1]:9551\n"
#define NOT_A_NAME     "is not the name of an interface: 1 to 15 characters, no space, slash or colon\n"

static const struct faulty structure[] = {
	{"", "1:1: the policy is empty; it needs at least tunnels\n"},
	{"# nothing\n---\n", "1:1: the policy is empty; it needs at least tunnels\n"},
	{"hello\n", "1:1: \"hello\" stands where a mapping belongs\n"},
	{"- tunnels\n", "1:1: a list stands where a mapping belongs\n"},
	{"log: {level: info}\n", "1:1: the key tunnels is missing\n"},
	{"tunels: []\n", "1:1: \"tunels\" is not a key here; did you mean tunnels?\n"
			 "1:1: the key tunnels is missing\n"},
	{TUNNEL "routes: {}\n",
		"2:1: \"routes\" is not a key here; there are: tunnels, external, nat, ipv6, "
		"protocols, control, metrics, log, classes, users, unknown-users, include\n"},
	{TUNNEL "ipv6: {modes: off}\ncontrol: {sock: /a}\nmetrics: {}\nuser: {}\n",
		"2:8: ipv6: \"modes\" is not a key here; did you mean mode?\n"
		"3:11: control: \"sock\" is not a key here; did you mean socket?\n"
		"5:1: \"user\" is not a key here; did you mean users?\n"},
	{TUNNEL "ipv6: off\ncontrol:\nmetrics: []\nclasses: gold\nusers: [alice]\n"
		"unknown-users: [default]\ninclude: users.yaml\n",
		"2:7: ipv6: \"off\" stands where a mapping belongs\n"
		"3:9: control: nothing stands where a mapping belongs\n"
		"4:10: metrics: a list stands where a mapping belongs\n"
		"5:10: classes: \"gold\" stands where a mapping belongs\n"
		"6:8: users: a list stands where a mapping belongs\n"
		"7:16: unknown-users: a list stands where a single value belongs\n"
		"8:10: include: \"users.yaml\" stands where a list belongs; put it in [ ]\n"},
	{TUNNEL "log:\n  levle: info\n  colour: red\n",
		"3:3: log: \"levle\" is not a key here; did you mean level?\n"
		"4:3: log: \"colour\" is not a key here; there are: level, identity\n"},
	{TUNNEL "log: {level: info,\n  level: debug, level: error}\n",
		"3:3: log: \"level\" is repeated; it stands in line 2 already\n"
		"3:17: log: \"level\" is repeated; it stands in line 2 already\n"},
	{TUNNEL "nat: [1]\nlog: info\nprotocols:\nclasses: {default: ~}\n",
		"2:6: nat: a list stands where a mapping belongs\n"
		"3:6: log: \"info\" stands where a mapping belongs\n"
		"4:11: protocols: nothing stands where a mapping belongs\n"
		"5:20: classes.default: nothing stands where a mapping belongs\n"},
	{TUNNEL "nat:\n  ports: [1-2]\n  hairpin: {true: false}\n  masquerade:\n",
		"3:10: nat.ports: a list stands where a single value belongs\n"
		"4:12: nat.hairpin: a mapping stands where a single value belongs\n"
		"5:14: nat.masquerade: nothing stands where a single value belongs\n"},
};

static const struct faulty interfaces[] = {
	{"tunnels: []\n", "1:10: tunnels: the list is empty; name an entry or leave out the key\n"},
	{"tunnels: wg0\n", "1:10: tunnels: \"wg0\" stands where a list belongs; put it in [ ]\n"},
	{"tunnels: [wg0]\n", "1:11: tunnels: \"wg0\" stands where a mapping belongs\n"},
	{"tunnels: [{listen: [10.9.0.1]}]\n", "1:11: tunnels: the key interface is missing\n"},
	{"tunnels: [{interface: \"\"}, {interface: abcdefghijklmnop}, {interface: a/b},\n"
	 "  {interface: a b}, {interface: \"..\"}, {interface: \"\\e[31m\"}]\n",
		"1:23: tunnels.interface: \"\" " NOT_A_NAME
		"1:40: tunnels.interface: \"abcdefghijklmnop\" " NOT_A_NAME
		"1:71: tunnels.interface: \"a/b\" " NOT_A_NAME
		"2:15: tunnels.interface: \"a b\" " NOT_A_NAME
		"2:33: tunnels.interface: \"..\" " NOT_A_NAME
		"2:52: tunnels.interface: \"\\x1b[31m\" " NOT_A_NAME},
	{"tunnels:\n  - interface: wg0\n  - interface: wg1\n  - interface: wg0\n",
		"4:16: tunnels.interface: \"wg0\" is a tunnel already in line 2\n"},
	{TUNNEL "external:\n  - interface: eth*\n", "3:16: external.interface: \"eth*\" is a glob, "
						    "which only tunnels take; write one name\n"},
	{TUNNEL "external:\n  - interface: wg0\n",
		"3:16: external.interface: \"wg0\" is a tunnel as well, in line 1\n"},
	{"tunnels: [{interface: \"e*0\"}]\nexternal:\n  - interface: eth0\n",
		"3:16: external.interface: \"eth0\" is a tunnel as well, in line 1\n"},
	{TUNNEL "external:\n  - interface: eth0\n  - interface: eth0\n    addresses: [192.0.2.1]\n",
		"4:5: external: the interface of line 3 again; both must list addresses\n"},
	{TUNNEL "external: []\n",
		"2:11: external: the list is empty; name an entry or leave out the key\n"},
};

static const struct faulty addresses[] = {
	{"tunnels:\n- interface: wg0\n  listen: [10.9.0.01, 10.9.0.256, fd00::1%wg0, ten, "
	 "10.9.0.1/24]\n",
		"3:12: tunnels.listen: \"10.9.0.01\" " NOT_AN_ADDRESS
		"3:23: tunnels.listen: \"10.9.0.256\" " NOT_AN_ADDRESS
		"3:35: tunnels.listen: \"fd00::1%wg0\" " NOT_AN_ADDRESS
		"3:48: tunnels.listen: \"ten\" " NOT_AN_ADDRESS
		"3:53: tunnels.listen: \"10.9.0.1/24\" " NOT_AN_ADDRESS},
	{"tunnels:\n- interface: wg0\n  listen: [0.0.0.0, '::', 127.1.2.3, '::1', 224.0.0.1, "
	 "ff02::1,\n"
	 "    255.255.255.255]\n",
		"3:12: tunnels.listen: \"0.0.0.0\" " NOT_A_HOST
		"3:21: tunnels.listen: \"::\" " NOT_A_HOST
		"3:27: tunnels.listen: \"127.1.2.3\" " NOT_A_HOST
		"3:38: tunnels.listen: \"::1\" " NOT_A_HOST
		"3:45: tunnels.listen: \"224.0.0.1\" " NOT_A_HOST
		"3:56: tunnels.listen: \"ff02::1\" " NOT_A_HOST
		"4:5: tunnels.listen: \"255.255.255.255\" " NOT_A_HOST},
	{"tunnels: [{interface: wg0, listen: [10.9.0.1, 'fd00::1', 'fd00:0::1']}]\n",
		"1:58: tunnels.listen: \"fd00:0::1\" is listed twice\n"},
	{"tunnels: [{interface: wg0, listen: []}]\n",
		"1:36: tunnels.listen: the list is empty; name an entry or leave out the key\n"},
	{TUNNEL "external:\n- {interface: a, addresses: [192.0.2.1]}\n"
		"- {interface: b, addresses: [192.0.2.2, 192.0.2.1], advertise: 0.0.0.0}\n",
		"4:41: external.addresses: \"192.0.2.1\" is listed already in line 3\n"
		"4:64: external.advertise: \"0.0.0.0\" " NOT_A_HOST},
	{TUNNEL "external:\n- {addresses: [192.0.2.1, 192.0.2.2], advertise: 198.51.100.1}\n",
		"3:50: external.advertise: \"198.51.100.1\" stands for one address, not 2; give "
		"each an "
		"entry of its own\n"},
	{TUNNEL "external:\n- {addresses: [192.0.2.1], advertise: '2001:db8::1'}\n",
		"3:39: external.advertise: \"2001:db8::1\" is of another family than the "
		"addresses\n"},
	{TUNNEL "external:\n- addresses: [192.0.2.1, 192.0.2.2, 192.0.2.3, 192.0.2.4, 192.0.2.5]\n"
		"  interface: a\n"
		"- addresses: [192.0.2.6, 192.0.2.7, 192.0.2.8, 192.0.2.9, 192.0.2.10, "
		"192.0.2.11]\n"
		"- addresses: [192.0.2.12, 192.0.2.13, 192.0.2.14, 192.0.2.15, 192.0.2.16, "
		"192.0.2.17]\n"
		"  interface: c\n",
		"6:75: external.addresses: \"192.0.2.17\" is one too many; the limit is 16 "
		"external "
		"addresses\n"},
	{TUNNEL "protocols:\n  third-party: [10.9.0.1/24, 10.9.0.0/33, 10.9.0.0/, /8, "
		"'fd00::1/64',\n"
		"    10.0.0.0/8, 10.0.0.0/8, 10.0.0.0/08]\n",
		"3:17: protocols.third-party: \"10.9.0.1/24\" has bits behind its length; write "
		"10.9.0.0/24\n"
		"3:30: protocols.third-party: \"10.9.0.0/33\" " NOT_A_PREFIX
		"3:43: protocols.third-party: \"10.9.0.0/\" " NOT_A_PREFIX
		"3:54: protocols.third-party: \"/8\" " NOT_A_PREFIX
		"3:58: protocols.third-party: \"fd00::1/64\" has bits behind its length; write "
		"fd00::/64\n"
		"4:17: protocols.third-party: \"10.0.0.0/8\" is listed twice\n"
		"4:29: protocols.third-party: \"10.0.0.0/08\" " NOT_A_PREFIX},
};

static const struct faulty ports[] = {
	{TUNNEL "nat:\n  ports: 32767-10240\n",
		"3:10: nat.ports: \"32767-10240\" is reversed; write 10240-32767\n"},
	{TUNNEL "nat: {ports: 0-5}\n", "2:14: nat.ports: \"0-5\" " NOT_A_RANGE},
	{TUNNEL "nat: {ports: 1-65536}\n", "2:14: nat.ports: \"1-65536\" " NOT_A_RANGE},
	{TUNNEL "nat: {ports: 1 - 2}\n", "2:14: nat.ports: \"1 - 2\" " NOT_A_RANGE},
	{TUNNEL "nat: {ports: 1-2-3}\n", "2:14: nat.ports: \"1-2-3\" " NOT_A_RANGE},
	{TUNNEL "nat: {ports: 010-020}\n", "2:14: nat.ports: \"010-020\" " NOT_A_RANGE},
	{TUNNEL "nat: {ports: -5}\n", "2:14: nat.ports: \"-5\" " NOT_A_RANGE},
	{TUNNEL "nat: {ports: 18446744073709551617-3}\n",
		"2:14: nat.ports: \"18446744073709551617-3\" " NOT_A_RANGE},
	{TUNNEL "nat: {ports: 1-65535}\n", "2:14: nat.ports: \"1-65535\" leaves no port to "
					   "masquerade from; keep some outside\n"},
	{TUNNEL "nat: {masquerade-ports: 32767-40000}\n",
		"2:25: nat.masquerade-ports: \"32767-40000\" overlaps nat.ports, which are "
		"10240-32767\n"},
	{TUNNEL "nat: {masquerade-ports: automatic}\n",
		"2:25: nat.masquerade-ports: \"automatic\" " NOT_A_RANGE},
	{CLASS("ports: 10239-10240"),
		"2:28: classes.default.ports: \"10239-10240\" is not within nat.ports, which are "
		"10240-32767\n"},
	/* Nothing is measured against a pool that is at fault itself. */
	{CLASS("ports: 40000-50000") "nat: {ports: x, masquerade-ports: 20000-30000}\n",
		"3:14: nat.ports: \"x\" " NOT_A_RANGE},
};

static const struct faulty numbers[] = {
	{CLASS("mappings: 0"),
		"2:31: classes.default.mappings: \"0\" is not a whole number from 1 to 65536\n"},
	{CLASS("mappings: 65537"), "2:31: classes.default.mappings: \"65537\" is not a whole "
				   "number from 1 to 65536\n"},
	{CLASS("mappings: 1e3"),
		"2:31: classes.default.mappings: \"1e3\" is not a whole number from 1 to 65536\n"},
	{CLASS("mappings: ' 5'"),
		"2:31: classes.default.mappings: \" 5\" is not a whole number from 1 to 65536\n"},
	{CLASS("mappings: 010"),
		"2:31: classes.default.mappings: \"010\" is not a whole number from 1 to 65536\n"},
	{CLASS("mappings: 0x10"),
		"2:31: classes.default.mappings: \"0x10\" is not a whole number from 1 to 65536\n"},
	{CLASS("mappings: 1.0"),
		"2:31: classes.default.mappings: \"1.0\" is not a whole number from 1 to 65536\n"},
	{CLASS("mappings: 1_0"),
		"2:31: classes.default.mappings: \"1_0\" is not a whole number from 1 to 65536\n"},
	{CLASS("mappings: +1"),
		"2:31: classes.default.mappings: \"+1\" is not a whole number from 1 to 65536\n"},
	{CLASS("mappings: 4294967297"), "2:31: classes.default.mappings: \"4294967297\" is not a "
					"whole number from 1 to 65536\n"},
	{CLASS("rate: 0"),
		"2:27: classes.default.rate: \"0\" is not a whole number from 1 to 100000\n"},
	{CLASS("quarantine: 86401, rate: -1"),
		"2:33: classes.default.quarantine: \"86401\" is not a whole number from 0 to "
		"86400\n"
		"2:46: classes.default.rate: \"-1\" is not a whole number from 1 to 100000\n"},
	{CLASS("lifetime: {min: 0, max: 31536001}"),
		"2:37: classes.default.lifetime.min: \"0\" is not a whole number from 1 to "
		"31536000\n"
		"2:45: classes.default.lifetime.max: \"31536001\" is not a whole number from 1 to "
		"31536000\n"},
	{CLASS("lifetime: {min: 100, default: 99, max: 98}"),
		"2:37: classes.default.lifetime.min: \"100\" is above default, which is 99\n"
		"2:51: classes.default.lifetime.default: \"99\" is above max, which is 98\n"},
	{CLASS("lifetime: {max: 600}"),
		"2:37: classes.default.lifetime.max: \"600\" is below default, which is 3600\n"},
	{CLASS("lifetime: {default: 30}"),
		"2:41: classes.default.lifetime.default: \"30\" is below min, which is 60\n"},
};

static const struct faulty words[] = {
	{TUNNEL "nat: {hairpin: yes, port-fail-guard: True}\n",
		"2:16: nat.hairpin: \"yes\" is neither true nor false\n"
		"2:38: nat.port-fail-guard: \"True\" is neither true nor false\n"},
	{TUNNEL "nat: {masquerade: false}\n",
		"2:19: nat.masquerade: \"false\" is unknown; write managed or off\n"},
	{TUNNEL "log: {level: loud, identity: all}\n",
		"2:14: log.level: \"loud\" is unknown; write error, warning, info or debug\n"
		"2:30: log.identity: \"all\" is unknown; write none, pseudonym or full\n"},
	{TUNNEL "protocols: {internal-port-zero: drop, pcp-nonce: lax, announce: on}\n",
		"2:33: protocols.internal-port-zero: \"drop\" is unknown; write refuse or assign\n"
		"2:50: protocols.pcp-nonce: \"lax\" is unknown; write relaxed or strict\n"
		"2:65: protocols.announce: \"on\" is unknown; write auto or off\n"},
	{CLASS("protocols: [udp, sctp, udp], port-choice: sequential"),
		"2:38: classes.default.protocols: \"sctp\" is unknown; write udp or tcp\n"
		"2:44: classes.default.protocols: \"udp\" is listed twice\n"
		"2:63: classes.default.port-choice: \"sequential\" is unknown; write random or "
		"sticky\n"},
	{CLASS("protocols: [], options: [filters]"), "2:32: classes.default.protocols: the list is "
						     "empty; name an entry or leave out the key\n"
						     "2:46: classes.default.options: \"filters\" "
						     "is unknown; write filter, prefer-failure, "
						     "description or port-set\n"},
	{CLASS("protocols: udp"), "2:32: classes.default.protocols: \"udp\" stands where a list "
				  "belongs; put it in [ ]\n"},
};

static const struct faulty beyond[] = {
	{"tunnels: &a [{interface: &b wg0}]\nlog: {level: *b}\n",
		"1:10: tunnels: anchors are not supported; write the value out\n"
		"1:26: tunnels.interface: anchors are not supported; write the value out\n"
		"2:14: log.level: aliases are not supported; write the value out\n"},
	{TUNNEL "nat: !!map {ports: !!str 1-2}\n",
		"2:6: nat: tags are not supported; remove it\n"
		"2:20: nat.ports: tags are not supported; remove it\n"},
	{TUNNEL "log: {<<: {level: info}}\n",
		"2:7: log: merge keys are not supported; write the values out\n"},
	{TUNNEL "log:\n  ? [level]\n  : info\n", "3:5: log: a key must be a plain word\n"},
	{TUNNEL "---\nlog: {}\n", "2:1: a second document starts here; a policy is a single one\n"},
	{TUNNEL "log: {level: \"info\\0\"}\n",
		"2:14: log.level: a NUL character stands in the value\n"},
	{"%TAG ! tag:example.org,2000:\n---\n" TUNNEL,
		"1:1: %TAG directives are not supported; remove it\n"},
	{"log: {level: *none}\n",
		"1:1: the key tunnels is missing\n"
		"1:14: log.level: aliases are not supported; write the value out\n"},
	{"[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]", "1:17: nested too deep\n"},
};

static const struct faulty doors[] = {
	{TUNNEL "ipv6: {mode: on}\n",
		"2:14: ipv6.mode: \"on\" is unknown; write pinhole, nat66 or off\n"},
	{TUNNEL "control: {socket: control.sock, group: \"a b\"}\n",
		"2:19: control.socket: \"control.sock\" " NOT_A_PATH
		"2:40: control.group: \"a b\" is not the name of a group\n"},
	{TUNNEL "control: {socket: /run/tunmap/}\n",
		"2:19: control.socket: \"/run/tunmap/\" " NOT_A_PATH},
	{TUNNEL "control: {socket: \"/run/\\n\"}\n",
		"2:19: control.socket: \"/run/\\x0a\" " NOT_A_PATH},
	{TUNNEL "control: {group: abcdefghijklmnopqrstuvwxyz0123456}\n",
		"2:18: control.group: \"abcdefghijklmnopqrstuvwxyz0123456\" is not the name of a "
		"group\n"},
	{TUNNEL "metrics: {listen: 9551}\n", "2:19: metrics.listen: \"9551\" " NOT_ENDPOINT},
	{TUNNEL "metrics: {listen: \"::1:9551\"}\n",
		"2:19: metrics.listen: \"::1:9551\" " NOT_ENDPOINT},
	{TUNNEL "metrics: {listen: \"[127.0.0.1]:9551\"}\n",
		"2:19: metrics.listen: \"[127.0.0.1]:9551\" " NOT_ENDPOINT},
	{TUNNEL "metrics: {listen: \"127.0.0.1:0\"}\n",
		"2:19: metrics.listen: \"127.0.0.1:0\" " NOT_ENDPOINT},
	{TUNNEL "metrics: {listen: \":9551\"}\n", "2:19: metrics.listen: \":9551\" " NOT_ENDPOINT},
	{TUNNEL "metrics: {listen: localhost:9551}\n",
		"2:19: metrics.listen: \"localhost:9551\" " NOT_ENDPOINT},
	{TUNNEL "metrics:\n  listen:\n",
		"3:10: metrics.listen: nothing stands where a single value belongs\n"},
};

#define NOT_A_CLASS_NAME "is not a name: 1 to 31 letters, digits and characters of . _ @ : + -\n"

static const struct faulty classes[] = {
	{TUNNEL "classes:\n  go ld: {}\n  \"\": {}\n"
		"  abcdefghijklmnopqrstuvwxyz012345: {}\n  refuse: {}\n  gold:\n",
		"3:3: classes: \"go ld\" " NOT_A_CLASS_NAME "4:3: classes: \"\" " NOT_A_CLASS_NAME
		"5:3: classes: \"abcdefghijklmnopqrstuvwxyz012345\" " NOT_A_CLASS_NAME
		"6:3: classes: \"refuse\" cannot be the name of a class: unknown-users takes it "
		"for a word\n"
		"7:8: classes.gold: nothing stands where a mapping belongs\n"},
	{TUNNEL "classes:\n  gold: {rate: 0}\n  iron: {ports: 5-4, prots: 1}\n  gold: {}\n",
		"3:16: classes.gold.rate: \"0\" is not a whole number from 1 to 100000\n"
		"4:17: classes.iron.ports: \"5-4\" is reversed; write 4-5\n"
		"4:22: classes.iron: \"prots\" is not a key here; did you mean ports?\n"
		"5:3: classes: \"gold\" is repeated; it stands in line 3 already\n"},
	{TUNNEL "nat: {ports: 20000-29999}\n"
		"classes: {gold: {ports: 10240-20000}, iron: {ports: 20000-29999}}\n",
		"3:25: classes.gold.ports: \"10240-20000\" is not within nat.ports, which are "
		"20000-29999\n"},
	{TUNNEL "classes: {gold: {}, silver: {}}\nunknown-users: golden\n",
		"3:16: unknown-users: \"golden\" is not a class; there are: default, gold, "
		"silver; or write refuse\n"},
	{TUNNEL "classes: {gold: {}, silver: {}}\nunknown-users: sliver\n",
		"3:16: unknown-users: \"sliver\" is not a class; did you mean silver?\n"},
	{TUNNEL "unknown-users: refused\n",
		"2:16: unknown-users: \"refused\" is not a class; did you mean refuse?\n"},
	{TUNNEL "unknown-users:\n",
		"2:15: unknown-users: nothing stands where a single value belongs\n"},
};

/* A fault of the syntax stands alone: what follows it cannot be told. */
static const struct faulty syntax[] = {
	{"colour: red\ntunnels: [\n", "3:1: not valid YAML: did not find expected node content, "
				      "while parsing a flow node\n"},
	{"tunnels:\n\t- interface: wg0\n", "2:1: not valid YAML: found character that cannot start "
					   "any token, while scanning for "
					   "the next token\n"},
	{"tunnels:\n  - interface: wg0\n listen: x\n", "3:2: not valid YAML: did not find expected "
						       "key, while parsing a block mapping from "
						       "line 1 on\n"},
	{"tunnels:\n- interface: \xc3\x28\n",
		"2:15: not valid YAML: invalid trailing UTF-8 octet\n"},
	{"# \xc3\xbc\xc3\xbc \x01\n", "1:6: not valid YAML: control characters are not allowed\n"},
	{"\xff\xfet", "1:1: not valid YAML: invalid leading UTF-8 octet\n"},
};

FAULT_TEST(structure)
FAULT_TEST(interfaces)
FAULT_TEST(addresses)
FAULT_TEST(ports)
FAULT_TEST(numbers)
FAULT_TEST(words)
FAULT_TEST(doors)
FAULT_TEST(classes)
FAULT_TEST(beyond)
FAULT_TEST(syntax)

START_TEST(faults_of_all_sections_are_told_at_once_in_the_order_of_the_file)
{
	static const char text[] = "classes: {default: {rate: x}}\n"
				   "log: {level: x}\n"
				   "nat: {ports: x, ports: y}\n"
				   "tunnels: [{interface: wg0, listen: x}]\n";

	assert_faults(text, strlen(text),
		"1:27: classes.default.rate: \"x\" is not a whole number from 1 to 100000\n"
		"2:14: log.level: \"x\" is unknown; write error, warning, info or debug\n"
		"3:14: nat.ports: \"x\" " NOT_A_RANGE
		"3:17: nat: \"ports\" is repeated; it stands in line 3 already\n"
		"4:36: tunnels.listen: \"x\" stands where a list belongs; put it in [ ]\n");
}
END_TEST

START_TEST(a_nul_octet_in_the_file_is_a_fault)
{
	assert_faults("log:\n \0", 7, "2:2: not valid YAML: control characters are not allowed\n");
}
END_TEST

START_TEST(a_long_value_is_shown_cut)
{
	struct config_faults faults;
	size_t len;
	char *text = repeated(TUNNEL "nat:\n  ports: ", "x", 300, &len);

	ck_assert_ptr_null(parse(text, len, &faults));
	ck_assert_uint_eq(faults.len, 1);
	ck_assert_ptr_nonnull(strstr(faults.fault[0].message, "xxx...\" is not a range"));
	ck_assert_uint_lt(strlen(faults.fault[0].message), 160);
	config_faults_free(&faults);
	free(text);
}
END_TEST

START_TEST(a_hundred_faults_are_told_and_the_others_counted)
{
	struct config_faults faults;
	size_t len;
	char *text = repeated("tunnels: []\nlog:\n", " a: b\n", 1000, &len);

	ck_assert_ptr_null(parse(text, len, &faults));
	ck_assert_uint_eq(faults.len, 101);
	ck_assert_str_eq(faults.fault[0].message,
		"tunnels: the list is empty; name an entry or leave out the key");
	ck_assert_str_eq(faults.fault[1].message,
		"log: \"a\" is not a key here; there are: level, identity");
	/* Every a after the first is repeated, and only that is told of it. */
	ck_assert_str_eq(
		faults.fault[99].message, "log: \"a\" is repeated; it stands in line 3 already");
	ck_assert_uint_eq(faults.fault[99].line, 101);
	ck_assert_str_eq(faults.fault[100].message, "and 901 more");
	config_faults_free(&faults);
	free(text);
}
END_TEST

/* Each once was, or would easily be, quadratic: 4 MB of them must not be felt. */
static const struct {
	const char *start;
	const char *line;
} bombs[] = {
	{"", "["},
	{"", "{"},
	{"", "- "},
	{"", "? "},
	{"", "a: 1\n"},
	{"", "%TAG !a! b\n"},
	{"tunnels:\n", "- interface: wg0\n"},
	{"tunnels:\n", "- &a b\n"},
	{"tunnels: [{interface: wg0}]\nprotocols: {third-party: [", "10.0.0.0/8,"},
	{"tunnels: \"", "\\x41"},
	{"", "---\n"},
};

START_TEST(bombs_cost_no_more_than_their_length)
{
	struct config_faults faults;
	size_t len;
	char *text =
		repeated(bombs[_i].start, bombs[_i].line, 4000000 / strlen(bombs[_i].line), &len);

	ck_assert_ptr_null(config_parse("bomb", text, len, &faults));
	ck_assert_uint_ge(faults.len, 1);
	ck_assert_uint_le(faults.len, 101);
	config_faults_free(&faults);
	free(text);
}
END_TEST

/* A file of @text, to be unlinked and freed. */
static char *write_file(const char *text)
{
	char *path = strdup("/tmp/test_conf.XXXXXX");
	int fd;

	ck_assert_ptr_nonnull(path);
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	(void)close(fd);
	return path;
}

START_TEST(a_file_is_loaded_and_named_in_its_faults)
{
	struct config_faults faults;
	char *path = write_file(TUNNEL);
	struct config *c = config_load(path, &faults);

	ck_assert_ptr_nonnull(c);
	ck_assert_uint_eq(faults.len, 0);
	config_free(c);
	config_faults_free(&faults);
	(void)unlink(path);
	free(path);

	path = write_file("tunnels: x\n");
	ck_assert_ptr_null(config_load(path, &faults));
	ck_assert_uint_eq(faults.len, 1);
	ck_assert_str_eq(faults.fault[0].file, path);
	config_faults_free(&faults);
	(void)unlink(path);
	free(path);
}
END_TEST

static void assert_unreadable(const char *path, const char *want)
{
	struct config_faults faults;

	ck_assert_ptr_null(config_load(path, &faults));
	ck_assert_uint_eq(faults.len, 1);
	ck_assert_str_eq(faults.fault[0].file, path);
	ck_assert_uint_eq(faults.fault[0].line, 1);
	ck_assert_uint_eq(faults.fault[0].column, 1);
	ck_assert_str_eq(faults.fault[0].message, want);
	config_faults_free(&faults);
}

START_TEST(what_cannot_be_read_is_a_fault_of_its_first_line)
{
	char *path = write_file("");

	assert_unreadable("/tmp/no/such/file", "cannot be read: No such file or directory");
	assert_unreadable("/tmp", "cannot be read: Is a directory");
	assert_unreadable("/dev/null", "cannot be read: not a regular file");
	ck_assert_int_eq(truncate(path, (64 << 20) + 1), 0);
	assert_unreadable(path, "cannot be read: larger than 67108864 octets");
	(void)unlink(path);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	assert_unreadable(path, "cannot be read: not a regular file");
	(void)unlink(path);
	free(path);
}
END_TEST

static TCase *values_case(void)
{
	TCase *tc = tcase_create("values");

	tcase_add_test(tc, tunnels_alone_are_a_complete_policy);
	tcase_add_test(tc, the_example_spells_out_the_defaults);
	tcase_add_test(tc, nat_and_log_take_every_other_value);
	tcase_add_test(tc, protocols_take_every_other_value);
	tcase_add_test(tc, ipv6_control_and_metrics_take_every_other_value);
	tcase_add_test(tc, a_socket_path_fits_up_to_its_last_octet);
	tcase_add_test(tc, classes_come_after_the_default_and_take_the_defaults_of_the_table);
	tcase_add_test(tc, marks_tell_where_classes_and_their_keys_stand);
	tcase_add_test(tc, the_default_class_takes_every_other_value);
	tcase_add_test(tc, class_ports_follow_the_pool_wherever_it_stands);
	tcase_add_test(tc, pcp_minimum_lifetime_never_exceeds_the_maximum);
	tcase_add_test(tc, prefixes_count_the_bits_before_an_ipv4_address);
	tcase_add_test(tc, several_tunnels_and_externals_keep_their_order);
	tcase_add_test(tc, quotes_byte_order_mark_and_document_markers_change_nothing);
	return tc;
}

static TCase *faults_case(void)
{
	TCase *tc = tcase_create("faults");

	ADD_FAULTS(tc, structure);
	ADD_FAULTS(tc, interfaces);
	ADD_FAULTS(tc, addresses);
	ADD_FAULTS(tc, ports);
	ADD_FAULTS(tc, numbers);
	ADD_FAULTS(tc, words);
	ADD_FAULTS(tc, doors);
	ADD_FAULTS(tc, classes);
	ADD_FAULTS(tc, beyond);
	ADD_FAULTS(tc, syntax);
	tcase_add_test(tc, faults_of_all_sections_are_told_at_once_in_the_order_of_the_file);
	tcase_add_test(tc, a_nul_octet_in_the_file_is_a_fault);
	tcase_add_test(tc, a_long_value_is_shown_cut);
	tcase_add_test(tc, a_hundred_faults_are_told_and_the_others_counted);
	return tc;
}

static TCase *files_case(void)
{
	TCase *tc = tcase_create("files");

	tcase_set_timeout(tc, 30);
	tcase_add_loop_test(tc, bombs_cost_no_more_than_their_length, 0, (int)ARRAY_LEN(bombs));
	tcase_add_test(tc, a_file_is_loaded_and_named_in_its_faults);
	tcase_add_test(tc, what_cannot_be_read_is_a_fault_of_its_first_line);
	return tc;
}

int main(void)
{
	Suite *suite = suite_create("conf");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, values_case());
	suite_add_tcase(suite, faults_case());
	suite_add_tcase(suite, files_case());
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
