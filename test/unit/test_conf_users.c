/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The users of a policy: what they may have, and what no two of them may. */
#include "test/unit/conf_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#define POLICY                                                                                     \
	TUNNEL "classes: {gold: {ports: 20000-20999, internal-ports: 1024-65535},"                 \
	       "  web: {protocols: [tcp]}}\n"                                                      \
	       "users:\n"
#define KEY_A       "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define KEY_B       "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHiA="
#define NOT_A_NAME  "is not a name: 1 to 63 letters, digits and characters of . _ @ : + -\n"
#define IS_ADDRESS  "is an IP address, by which a client goes that no user claims\n"
#define NOT_A_KEY   "is not a WireGuard key: 44 characters of base64, as wg prints them\n"
#define NOT_A_HOST  "is unspecified, loopback, multicast or reserved\n"
#define NOT_ONLY_V6 "contains every IPv4 address; write IPv4 prefixes as 10.9.0.0/24\n"
#define NOT_A_PORT  "is not a port from 1 to 65535\n"

START_TEST(users_are_sorted_and_found_by_name)
{
	struct config *c = good(POLICY "  zoe: {}\n"
				       "  alice@example.org:\n"
				       "    class: gold\n"
				       "  Bob-2_x.y:z+1: {class: web, addresses: []}\n"
				       "unknown-users: refuse\n");

	ck_assert_uint_eq(c->users_len, 3);
	ck_assert_str_eq(c->users[0].name, "Bob-2_x.y:z+1");
	ck_assert_str_eq(c->users[1].name, "alice@example.org");
	ck_assert_str_eq(c->users[2].name, "zoe");
	ck_assert_ptr_eq(config_user(c, "zoe"), &c->users[2]);
	ck_assert_ptr_eq(config_user(c, "Bob-2_x.y:z+1"), &c->users[0]);
	ck_assert_ptr_null(config_user(c, "bob"));
	ck_assert_ptr_null(config_user(c, ""));
	ck_assert_str_eq(c->classes[c->users[0].class].name, "web");
	ck_assert_str_eq(c->classes[c->users[1].class].name, "gold");
	ck_assert_str_eq(c->classes[c->users[2].class].name, "default");
	assert_mark(&c->users[0].mark, 0, 7);
	assert_mark(&c->users[1].mark, 0, 5);
	assert_mark(&c->users[2].mark, 0, 4);
	config_free(c);
}
END_TEST

START_TEST(addresses_are_single_ones_or_prefixes)
{
	struct config *c =
		good(POLICY "  alice: {addresses: [10.9.0.2, 10.9.1.0/28,\n"
			    "    \"fd00:9::2\", \"fd00:8::/64\", \"::ffff:10.9.2.1\"]}\n");
	static const struct {
		const char *addr;
		uint8_t len;
	} want[] = {{"10.9.0.2", 128}, {"10.9.1.0", 124}, {"fd00:9::2", 128}, {"fd00:8::", 64},
		{"10.9.2.1", 128}};

	ck_assert_uint_eq(c->users[0].addresses_len, ARRAY_LEN(want));
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		assert_addr(&c->users[0].addresses[i].addr, want[i].addr);
		ck_assert_uint_eq(c->users[0].addresses[i].len, want[i].len);
	}
	config_free(c);
}
END_TEST

START_TEST(a_users_own_prefixes_may_contain_each_other)
{
	struct config *c =
		good(POLICY "  alice: {addresses: [10.9.0.2, 10.9.0.0/24, 10.9.0.0/25]}\n"
			    "  bob: {addresses: [10.9.1.0/24, 10.8.255.255]}\n");

	ck_assert_uint_eq(c->users_len, 2);
	config_free(c);
}
END_TEST

START_TEST(keys_are_thirty_two_octets)
{
	struct config *c = good(POLICY "  alice: {wireguard: [" KEY_A ", \"" KEY_B "\"]}\n");
	const struct config_wireguard_key *key = c->users[0].wireguard;

	ck_assert_uint_eq(c->users[0].wireguard_len, 2);
	for (uint8_t i = 0; i < 31; i++) {
		ck_assert_uint_eq(key[0].octet[i], i);
		ck_assert_uint_eq(key[1].octet[i], i);
	}
	ck_assert_uint_eq(key[0].octet[31], 31);
	ck_assert_uint_eq(key[1].octet[31], 32);
	config_free(c);
	c = good(POLICY
		"  alice: {wireguard: [\"/+zZ/+zZ/+zZ/+zZ/+zZ/+zZ/+zZ/+zZ/+zZ/+zZ/+w=\"]}\n");
	for (size_t i = 0; i < 30; i += 3) {
		ck_assert_uint_eq(c->users[0].wireguard[0].octet[i], 0xff);
		ck_assert_uint_eq(c->users[0].wireguard[0].octet[i + 1], 0xec);
		ck_assert_uint_eq(c->users[0].wireguard[0].octet[i + 2], 0xd9);
	}
	config_free(c);
}
END_TEST

START_TEST(static_ports_take_what_is_missing_from_the_port_and_the_class)
{
	struct config *c = good(POLICY "  alice:\n"
				       "    static:\n"
				       "      - {port: 10240}\n"
				       "      - {port: 10241, protocols: [udp], internal-port: 1}\n"
				       "      - port: 10241\n"
				       "        protocols: [tcp]\n"
				       "        internal-port: 2\n"
				       "      - {port: 10242, internal-port: 2, protocols: [udp]}\n"
				       "  bob: {class: web, static: [{port: 32767}]}\n");
	const struct config_static *s = c->users[0].statics;

	ck_assert_uint_eq(c->users[0].statics_len, 4);
	ck_assert_uint_eq(s[0].port, 10240);
	ck_assert_uint_eq(s[0].internal_port, 10240);
	ck_assert_uint_eq(s[0].protocols, CONFIG_UDP | CONFIG_TCP);
	assert_mark(&s[0].mark, 0, 6);
	ck_assert_uint_eq(s[1].port, 10241);
	ck_assert_uint_eq(s[1].internal_port, 1);
	ck_assert_uint_eq(s[1].protocols, CONFIG_UDP);
	ck_assert_uint_eq(s[2].protocols, CONFIG_TCP);
	assert_mark(&s[2].mark, 0, 8);
	ck_assert_uint_eq(s[3].internal_port, 2);
	ck_assert_uint_eq(c->users[1].statics[0].protocols, CONFIG_TCP);
	config_free(c);
}
END_TEST

static const struct faulty users[] = {
	{POLICY "  a b: {}\n  \"\": {}\n  a/b: {}\n  \"\\e[1m\": {}\n  bob:\n  carol: gold\n",
		"4:3: users: \"a b\" " NOT_A_NAME "5:3: users: \"\" " NOT_A_NAME
		"6:3: users: \"a/b\" " NOT_A_NAME "7:3: users: \"\\x1b[1m\" " NOT_A_NAME
		"8:7: users.bob: nothing stands where a mapping belongs\n"
		"9:10: users.carol: \"gold\" stands where a mapping belongs\n"},
	{POLICY "  abcdefghijklmnopqrstuvwxyz-abcdefghijklmnopqrstuvwxyz-123456789: {}\n"
		"  Abcdefghijklmnopqrstuvwxyz-abcdefghijklmnopqrstuvwxyz-1234567890: {}\n",
		"5:3: users: "
		"\"Abcdefghijklmnopqrstuvwxyz-abcdefghijklmnopqrstuvwxyz-123...\" " NOT_A_NAME},
	{POLICY "  10.9.0.2: {}\n  fd00:9::2: {class: gold}\n  \"::ffff:10.9.0.3\": {}\n"
		"  10.9.0: {}\n  10.9.0.2.3: {}\n  \"fd00:9:2\": {}\n",
		"4:3: users: \"10.9.0.2\" " IS_ADDRESS "5:3: users: \"fd00:9::2\" " IS_ADDRESS
		"6:3: users: \"::ffff:10.9.0.3\" " IS_ADDRESS},
	{POLICY "  alice: {}\n  bob: {}\n  alice: {class: none}\n",
		"6:3: users: \"alice\" is repeated; it stands in line 4 already\n"},
	{POLICY "  alice: {clas: gold, class: gold, class: web, colour: red}\n",
		"4:11: users.alice: \"clas\" is not a key here; did you mean class?\n"
		"4:36: users.alice: \"class\" is repeated; it stands in line 4 already\n"
		"4:48: users.alice: \"colour\" is not a key here; there are: class, addresses, "
		"wireguard, static\n"},
	{POLICY "  alice: {class: glod}\n  bob: {class: premium}\n  carol: {class: [gold]}\n"
		"  dave: {class: refuse}\n  erin: {class: wob}\n",
		"4:18: users.alice.class: \"glod\" is not a class; there are: default, gold, web\n"
		"5:16: users.bob.class: \"premium\" is not a class; there are: default, gold, "
		"web\n"
		"6:18: users.carol.class: a list stands where a single value belongs\n"
		"7:17: users.dave.class: \"refuse\" is not a class; there are: default, gold, "
		"web\n"
		"8:17: users.erin.class: \"wob\" is not a class; did you mean web?\n"},
	{POLICY "  alice: {class: defualt}\n",
		"4:18: users.alice.class: \"defualt\" is not a class; did you mean default?\n"},
	{POLICY "  alice: {addresses: 10.9.0.2, wireguard: " KEY_A ", static: {port: 20000}}\n",
		"4:22: users.alice.addresses: \"10.9.0.2\" stands where a list belongs; put it in "
		"[ ]\n"
		"4:43: users.alice.wireguard: \"" KEY_A "\" stands where a list belongs; put it in "
		"[ ]\n"
		"4:97: users.alice.static: a mapping stands where a list belongs\n"},
};

static const struct faulty addresses[] = {
	{POLICY "  alice: {addresses: [10.9.0.2/24, \"fd00:9::2/64\", 10.9.0, alice, [10.9.0.2],\n"
		"    10.9.0.0/33]}\n",
		"4:23: users.alice.addresses: \"10.9.0.2/24\" has bits behind its length; write "
		"10.9.0.0/24\n"
		"4:36: users.alice.addresses: \"fd00:9::2/64\" has bits behind its length; write "
		"fd00:9::/64\n"
		"4:52: users.alice.addresses: \"10.9.0\" is not a prefix; write ADDRESS/LENGTH, "
		"such as 10.9.0.0/24\n"
		"4:60: users.alice.addresses: \"alice\" is not a prefix; write ADDRESS/LENGTH, "
		"such as 10.9.0.0/24\n"
		"4:67: users.alice.addresses: a list stands where a single value belongs\n"
		"5:5: users.alice.addresses: \"10.9.0.0/33\" is not a prefix; write "
		"ADDRESS/LENGTH, such as 10.9.0.0/24\n"},
	{POLICY "  alice: {addresses: [\"::/0\", \"::/80\", \"::ff00:0:0/88\", \"::/96\",\n"
		"    0.0.0.0/0, 127.0.0.1, 224.0.0.0/4, \"ff00::/8\", \"::fffe:0:0/95\"]}\n",
		"4:23: users.alice.addresses: \"::/0\" " NOT_ONLY_V6
		"4:31: users.alice.addresses: \"::/80\" " NOT_ONLY_V6
		"4:40: users.alice.addresses: \"::ff00:0:0/88\" " NOT_ONLY_V6
		"4:57: users.alice.addresses: \"::/96\" " NOT_A_HOST
		"5:5: users.alice.addresses: \"0.0.0.0/0\" " NOT_A_HOST
		"5:16: users.alice.addresses: \"127.0.0.1\" " NOT_A_HOST
		"5:27: users.alice.addresses: \"224.0.0.0/4\" " NOT_A_HOST
		"5:40: users.alice.addresses: \"ff00::/8\" " NOT_A_HOST
		"5:52: users.alice.addresses: \"::fffe:0:0/95\" " NOT_ONLY_V6},
	{POLICY "  alice: {addresses: [10.9.0.2, \"fd00:9::2\"]}\n"
		"  bob: {addresses: [10.9.0.3, \"FD00:9:0::2\"]}\n"
		"  carol: {addresses: [\"::ffff:10.9.0.2\"]}\n",
		"5:31: users.bob.addresses: \"FD00:9:0::2\" is an address of alice already, in "
		"line 4\n"
		"6:23: users.carol.addresses: \"::ffff:10.9.0.2\" is an address of alice already, "
		"in line 4\n"},
	{POLICY "  zoe: {addresses: [10.9.0.5]}\n"
		"  alice: {addresses: [10.9.0.0/28]}\n"
		"  bob: {addresses: [10.9.0.16/28, 10.9.0.17]}\n"
		"  carol: {addresses: [10.9.0.18, \"fd00:9::/64\"]}\n"
		"  dave: {addresses: [\"fd00:9::1:0/112\"]}\n",
		"5:23: users.alice.addresses: \"10.9.0.0/28\" overlaps 10.9.0.5 of zoe, in line 4\n"
		"7:23: users.carol.addresses: \"10.9.0.18\" overlaps 10.9.0.16/28 of bob, in line "
		"6\n"
		"8:22: users.dave.addresses: \"fd00:9::1:0/112\" overlaps fd00:9::/64 of carol, in "
		"line 7\n"},
	{POLICY "  alice: {addresses: [10.9.0.2, 10.9.0.0/24, 10.9.0.2/32]}\n",
		"4:46: users.alice.addresses: \"10.9.0.2/32\" is listed twice\n"},
};

static const struct faulty wireguard[] = {
	{POLICY "  alice:\n    wireguard:\n      - \"<public key>\"\n      - \"\"\n"
		"      - AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n"
		"      - AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=\n"
		"      - AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8a\n"
		"      - AAECAwQFBgcICQoL-A0ODxAREhMUFRYXGBkaGxwdHh8=\n",
		"6:9: users.alice.wireguard: \"<public key>\" " NOT_A_KEY
		"7:9: users.alice.wireguard: \"\" " NOT_A_KEY "8:9: users.alice.wireguard: "
		"\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\" " NOT_A_KEY
		"9:9: users.alice.wireguard: "
		"\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=\" " NOT_A_KEY
		"10:9: users.alice.wireguard: "
		"\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8a\" " NOT_A_KEY
		"11:9: users.alice.wireguard: "
		"\"AAECAwQFBgcICQoL-A0ODxAREhMUFRYXGBkaGxwdHh8=\" " NOT_A_KEY},
	{POLICY "  alice: {wireguard: [" KEY_A ", " KEY_A "]}\n  bob: {wireguard: [" KEY_B
		", " KEY_A "]}\n",
		"4:69: users.alice.wireguard: \"" KEY_A "\" is listed twice\n"
		"5:67: users.bob.wireguard: \"" KEY_A "\" is a key of alice already, in line 4\n"},
};

static const struct faulty statics[] = {
	{POLICY "  alice:\n    static: [20000, {}, {port: 0}, {port: 70000, internal-port: x},\n"
		"      {port: 20000, protocols: [], prot: 1}, {port: 20001, protocols: [icmp]}]\n",
		"5:14: users.alice.static: \"20000\" stands where a mapping belongs\n"
		"5:21: users.alice.static: the key port is missing\n"
		"5:32: users.alice.static.port: \"0\" " NOT_A_PORT
		"5:43: users.alice.static.port: \"70000\" " NOT_A_PORT
		"5:65: users.alice.static.internal-port: \"x\" " NOT_A_PORT
		"6:32: users.alice.static.protocols: the list is empty; name an entry or leave out "
		"the key\n"
		"6:36: users.alice.static: \"prot\" is not a key here; there are: port, protocols, "
		"internal-port\n"
		"6:72: users.alice.static.protocols: \"icmp\" is unknown; write udp or tcp\n"},
	{POLICY "  alice: {class: gold, static: [{port: 10239}, {port: 19999}, {port: 21000},\n"
		"    {port: 20000, internal-port: 22}]}\n"
		"  bob: {class: web, static: [{port: 10240, protocols: [udp, tcp]}]}\n"
		"  carol: {class: none, static: [{port: 40000}, {port: 10241}]}\n",
		"4:40: users.alice.static.port: \"10239\" is outside nat.ports, which are "
		"10240-32767\n"
		"4:55: users.alice.static.port: \"19999\" is outside the ports of class gold, "
		"which "
		"are 20000-20999\n"
		"4:70: users.alice.static.port: \"21000\" is outside the ports of class gold, "
		"which "
		"are 20000-20999\n"
		"5:34: users.alice.static.internal-port: \"22\" is outside the internal-ports of "
		"class gold, which are 1024-65535\n"
		"6:56: users.bob.static.protocols: \"udp\" is not for class web, whose protocol is "
		"tcp\n"
		"7:18: users.carol.class: \"none\" is not a class; there are: default, gold, web\n"
		"7:40: users.carol.static.port: \"40000\" is outside nat.ports, which are "
		"10240-32767\n"},
	{TUNNEL "nat: {ports: 5000-5999}\nclasses: {low: {internal-ports: 1-5999}}\n"
		"users: {alice: {static: [{port: 5350}, {port: 5351}, {port: 5352}]},\n"
		"  bob: {class: low, static: [{port: 5353, internal-port: 6000}]}}\n",
		"4:33: users.alice.static.port: \"5350\" is a port of NAT-PMP and PCP, which "
		"nobody "
		"can have\n"
		"4:47: users.alice.static.port: \"5351\" is a port of NAT-PMP and PCP, which "
		"nobody "
		"can have\n"
		"5:58: users.bob.static.internal-port: \"6000\" is outside the internal-ports of "
		"class low, which are 1-5999\n"},
	/* A number is one user's, whatever the protocol. */
	{POLICY "  zoe: {static: [{port: 20000, protocols: [udp]}]}\n"
		"  alice: {static: [{port: 20000, protocols: [tcp]}]}\n"
		"  bob: {static: [{port: 20000, protocols: [udp]}, {port: 20001}]}\n",
		"5:27: users.alice.static.port: \"20000\" is a static port of zoe already, in line "
		"4\n"
		"6:25: users.bob.static.port: \"20000\" is a static port of zoe already, in line "
		"4\n"},
	{POLICY "  alice:\n    static:\n"
		"      - {port: 20000, protocols: [udp], internal-port: 1}\n"
		"      - {port: 20000, protocols: [tcp], internal-port: 1}\n"
		"      - {port: 20000, internal-port: 2}\n"
		"      - {port: 20001, protocols: [tcp], internal-port: 1}\n"
		"      - {port: 20002, protocols: [udp], internal-port: 20003}\n"
		"      - {port: 20003}\n",
		"8:16: users.alice.static.port: \"20000\" is a static port for udp already, in "
		"line "
		"6\n"
		"9:56: users.alice.static.internal-port: \"1\" is an internal port with a static "
		"port for tcp already, in line 7\n"
		"11:16: users.alice.static.port: \"20003\" is an internal port with a static port "
		"for udp already, in line 10\n"},
	/* Nothing is measured against a pool or a class that is at fault itself. */
	{TUNNEL "nat: {ports: x}\nclasses: {gold: {}}\n"
		"users: {alice: {class: gold, static: [{port: 40000}]}}\n",
		"2:14: nat.ports: \"x\" is not a range of ports; write FIRST-LAST, both from 1 to "
		"65535\n"},
};

FAULT_TEST(users)
FAULT_TEST(addresses)
FAULT_TEST(wireguard)
FAULT_TEST(statics)

#define MANY 100000

static unsigned host(unsigned i)
{
	return 0x0a000000u + i * 7919 % (1u << 24);
}

/* Users in no order of name or address; the first twenty thousand have a static port each. */
static char *many_users(size_t *len)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, len);

	ck_assert_ptr_nonnull(out);
	(void)fputs(TUNNEL "classes: {gold: {}}\nusers:\n", out);
	for (unsigned i = 0; i < MANY; i++) {
		unsigned a = host(i);

		(void)fprintf(out, "  u%05u: {class: gold, addresses: [%u.%u.%u.%u]",
			i * 7919 % MANY, a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255);
		if (i < 20000)
			(void)fprintf(
				out, ", static: [{port: %u, internal-port: 51413}]", 10240 + i);
		(void)fputs("}\n", out);
	}
	(void)fclose(out);
	return text;
}

START_TEST(a_hundred_thousand_users_are_all_there)
{
	struct config_faults faults;
	size_t len;
	char *text = many_users(&len);
	struct config *c = config_parse("policy.yaml", text, len, &faults);

	ck_assert_ptr_nonnull(c);
	ck_assert_uint_eq(c->users_len, MANY);
	for (unsigned i = 0; i < MANY; i++) {
		const struct config_user *user;
		char name[16];

		(void)snprintf(name, sizeof(name), "u%05u", i * 7919 % MANY);
		user = config_user(c, name);
		ck_assert_ptr_nonnull(user);
		ck_assert_uint_eq(user->mark.line, i + 4);
		ck_assert_uint_eq(user->class, 1);
		ck_assert_uint_eq(user->addresses_len, 1);
		ck_assert_uint_eq(user->addresses[0].addr.octet[15], host(i) & 255);
		ck_assert_uint_eq(user->statics_len, i < 20000);
	}
	config_free(c);
	config_faults_free(&faults);
	free(text);
}
END_TEST

/* Each would easily be quadratic. */
static const struct {
	const char *start;
	const char *line;
	const char *end;
} bombs[] = {
	{POLICY "  alice: {addresses: [", "10.0.0.1,", "]}\n"},
	{POLICY "  alice: {addresses: [", "10.0.0.0/8,10.0.0.1,", "]}\n"},
	{POLICY "  bob: {addresses: [10.0.0.0/8]}\n  alice: {addresses: [", "10.0.0.1,", "]}\n"},
	{POLICY "  alice: {static: [", "{port: 20000},", "]}\n"},
	{POLICY "  bob: {static: [{port: 20000}]}\n  alice: {static: [", "{port: 20000},", "]}\n"},
	{POLICY "  alice: {wireguard: [", KEY_A ",", "]}\n"},
	{POLICY, "  alice: {}\n", ""},
	{TUNNEL "users: {", "a: {class: x},", "}\n"},
	{TUNNEL "classes: {", "a: {ports: 1-2},", "}\n"},
	{TUNNEL "include: [", "x,", "]\n"},
};

START_TEST(bombs_cost_no_more_than_their_length)
{
	struct config_faults faults;
	size_t len;
	char *text =
		repeated(bombs[_i].start, bombs[_i].line, 4000000 / strlen(bombs[_i].line), &len);
	char *whole = NULL;

	ck_assert_int_gt(asprintf(&whole, "%s%s", text, bombs[_i].end), 0);
	free(text);
	ck_assert_ptr_null(config_parse("/nowhere/bomb", whole, strlen(whole), &faults));
	ck_assert_uint_ge(faults.len, 1);
	ck_assert_uint_le(faults.len, 101);
	/* A fault of the syntax would keep the bomb from going off. */
	ck_assert_ptr_null(strstr(faults.fault[0].message, "not valid YAML"));
	config_faults_free(&faults);
	free(whole);
}
END_TEST

static TCase *values_case(void)
{
	TCase *tc = tcase_create("values");

	tcase_add_test(tc, users_are_sorted_and_found_by_name);
	tcase_add_test(tc, addresses_are_single_ones_or_prefixes);
	tcase_add_test(tc, a_users_own_prefixes_may_contain_each_other);
	tcase_add_test(tc, keys_are_thirty_two_octets);
	tcase_add_test(tc, static_ports_take_what_is_missing_from_the_port_and_the_class);
	return tc;
}

static TCase *faults_case(void)
{
	TCase *tc = tcase_create("faults");

	ADD_FAULTS(tc, users);
	ADD_FAULTS(tc, addresses);
	ADD_FAULTS(tc, wireguard);
	ADD_FAULTS(tc, statics);
	return tc;
}

static TCase *scale_case(void)
{
	TCase *tc = tcase_create("scale");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_hundred_thousand_users_are_all_there);
	tcase_add_loop_test(tc, bombs_cost_no_more_than_their_length, 0, (int)ARRAY_LEN(bombs));
	return tc;
}

int main(void)
{
	Suite *suite = suite_create("conf_users");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, values_case());
	suite_add_tcase(suite, faults_case());
	suite_add_tcase(suite, scale_case());
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
