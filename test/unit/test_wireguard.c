/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What WireGuard's two implementations say, as text and as messages made by hand. */
#include "include/compiler.h"
#include "src/identity/netlink.h"
#include "src/identity/peers.h"
#include "src/identity/uapi.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <linux/wireguard.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <check.h>

#define FAMILY 42

/* Keys of one octet repeated, in the order in which they sort. */
#define HEX_1 "1111111111111111111111111111111111111111111111111111111111111111"
#define HEX_A "aAaAaAaAaAaAaAaAaAaAaAaAaAaAaAaAaAaAaAaAaAaAaAaAaAaAaAaAaAaAaAaA"
#define END   "errno=0\n\n"

static struct config_wireguard_key key_of(uint8_t octet)
{
	struct config_wireguard_key key;

	memset(key.octet, octet, sizeof(key.octet));
	return key;
}

static const struct wireguard_peer *peer_at(
	const struct wireguard_peers *peers, size_t index, uint8_t key)
{
	struct config_wireguard_key wanted = key_of(key);

	ck_assert_uint_lt(index, peers->len);
	ck_assert_mem_eq(peers->peer[index].key.octet, wanted.octet, sizeof(wanted.octet));
	return &peers->peer[index];
}

static void expect_allowed(
	const struct wireguard_peer *peer, size_t index, const char *text, unsigned int len)
{
	char address[ADDR_TEXT_MAX];

	ck_assert_uint_lt(index, peer->allowed_len);
	ck_assert_str_eq(addr_format(&peer->allowed[index].addr, address), text);
	ck_assert_uint_eq(peer->allowed[index].len, len);
}

static void expect_endpoint(const struct wireguard_peer *peer, const char *text)
{
	char address[ADDR_TEXT_MAX];

	ck_assert(peer->has_endpoint);
	ck_assert_str_eq(addr_format(&peer->endpoint, address), text);
}

/* The text of user space */

/* Parse exactly @len octets, in a heap block where a sanitizer sees one too far. */
static int parse_octets(const char *text, size_t len, struct wireguard_peers *out)
{
	struct peer_list list = {0};
	char *block = malloc(len ? len : 1);
	int err;

	ck_assert_ptr_nonnull(block);
	memcpy(block, text, len);
	err = uapi_parse(block, len, &list);
	free(block);
	peer_list_finish(&list, out);
	return err;
}

static void expect_text(const char *text, int wanted)
{
	struct wireguard_peers peers;
	int err = parse_octets(text, strlen(text), &peers);

	wireguard_peers_fini(&peers);
	ck_assert_msg(err == wanted, "%d instead of %d for %s", err, wanted, text);
}

static const char full_text[] = "private_key=" HEX_1 "\n"
				"listen_port=12912\n"
				"public_key=" HEX_A "\n"
				"preshared_key=" HEX_1 "\n"
				"protocol_version=1\n"
				"endpoint=192.0.2.1:51820\n"
				"last_handshake_time_sec=0\n"
				"tx_bytes=38333\n"
				"allowed_ip=fd00:9::2/128\n"
				"allowed_ip=10.9.0.2/32\n"
				"allowed_ip=10.20.33.44/17\n"
				"public_key=" HEX_1 "\n"
				"endpoint=[fe80::1%eth0]:1\n"
				"some_later_key=\n"
				"allowed_ip=2001:db8:ffff::1/35\n" END;

START_TEST(text_gives_the_peers_in_order_of_their_keys)
{
	struct wireguard_peers peers;
	const struct wireguard_peer *peer;

	ck_assert_int_eq(parse_octets(full_text, strlen(full_text), &peers), 0);
	ck_assert_uint_eq(peers.len, 2);
	peer = peer_at(&peers, 0, 0x11);
	expect_endpoint(peer, "fe80::1");
	ck_assert_uint_eq(peer->allowed_len, 1);
	expect_allowed(peer, 0, "2001:db8:e000::", 35);
	peer = peer_at(&peers, 1, 0xaa);
	expect_endpoint(peer, "192.0.2.1");
	ck_assert_uint_eq(peer->allowed_len, 3);
	expect_allowed(peer, 0, "10.9.0.2", 128);
	expect_allowed(peer, 1, "10.20.0.0", 96 + 17);
	expect_allowed(peer, 2, "fd00:9::2", 128);
	wireguard_peers_fini(&peers);
}
END_TEST

/* Whatever is cut off, the answer is not whole: the last octet is the empty line's. */
START_TEST(text_is_refused_at_every_cut)
{
	struct wireguard_peers peers;
	int err = parse_octets(full_text, (size_t)_i, &peers);

	wireguard_peers_fini(&peers);
	ck_assert_int_eq(err, -EPROTO);
}
END_TEST

START_TEST(text_without_peers_is_complete)
{
	expect_text(END, 0);
	expect_text("private_key=" HEX_1 "\nlisten_port=0\n" END, 0);
}
END_TEST

START_TEST(text_with_an_errno_says_that_the_question_failed)
{
	expect_text("errno=22\n\n", -EREMOTEIO);
	expect_text("errno=-5\n\n", -EREMOTEIO);
	expect_text("public_key=" HEX_1 "\nerrno=1\n\n", -EREMOTEIO);
}
END_TEST

static const char *const bad_texts[] = {
	"",
	"\n",
	"\n\n",
	"get=1\n\n",
	"no equals sign\n" END,
	"errno=\n\n",
	"errno=-\n\n",
	"errno=x\n\n",
	"errno=00000000000\n\n",
	"errno=0\n",
	"errno=0\n\n\n",
	"errno=0\npublic_key=" HEX_1 "\n\n",
	END END,
	"public_key=" HEX_1 "\n\nerrno=0\n\n",
	"public_key=\n" END,
	"public_key=" HEX_1 "1\n" END,
	"public_key=1" HEX_1 "1\n" END,
	"public_key=g" HEX_1 "\n" END,
	"public_key=EREREREREREREREREREREREREREREREREREREREREREg=\n" END,
	"endpoint=192.0.2.1:1\n" END,
	"allowed_ip=10.9.0.2/32\n" END,
};

START_TEST(text_that_breaks_the_protocol_is_refused)
{
	expect_text(bad_texts[_i], -EPROTO);
}
END_TEST

static const char *const bad_lines[] = {
	"endpoint=",
	"endpoint=192.0.2.1",
	"endpoint=192.0.2.1:",
	"endpoint=192.0.2.1:65536",
	"endpoint=192.0.2.1:000001",
	"endpoint=192.0.2.1:-1",
	"endpoint=192.0.2:1",
	"endpoint=[192.0.2.1]:1",
	"endpoint=2001:db8::1:1",
	"endpoint=[2001:db8::1]",
	"endpoint=[2001:db8::1]1",
	"endpoint=[2001:db8::1:1",
	"endpoint=[]:1",
	"endpoint=[",
	"endpoint=vpn.example.org:51820",
	"allowed_ip=",
	"allowed_ip=/",
	"allowed_ip=10.9.0.2",
	"allowed_ip=10.9.0.2/",
	"allowed_ip=10.9.0.2/33",
	"allowed_ip=10.9.0.2/0032",
	"allowed_ip=10.9.0.2/+3",
	"allowed_ip=10.9.0.2/32 ",
	"allowed_ip=10.9.0.256/32",
	"allowed_ip=fd00::2/129",
	"allowed_ip=fd00::2%eth0/128",
};

START_TEST(text_with_a_bad_value_is_refused)
{
	char text[512];

	(void)snprintf(text, sizeof(text), "public_key=" HEX_1 "\n%s\n" END, bad_lines[_i]);
	expect_text(text, -EPROTO);
}
END_TEST

START_TEST(text_with_a_nul_octet_is_refused)
{
	static const char text[] = "public_key=" HEX_1 "\nallowed_ip=10.9.0.2\0/32\n" END;
	struct wireguard_peers peers;
	int err = parse_octets(text, sizeof(text) - 1, &peers);

	wireguard_peers_fini(&peers);
	ck_assert_int_eq(err, -EPROTO);
}
END_TEST

START_TEST(text_with_an_endless_address_is_refused)
{
	expect_text("public_key=" HEX_1 "\nallowed_ip=" HEX_A HEX_A "/128\n" END, -EPROTO);
}
END_TEST

/* An IPv6 prefix must not become an IPv4 client's address by the way we write those. */
START_TEST(mapped_ipv6_prefixes_are_nobodys)
{
	static const char text[] = "public_key=" HEX_1 "\n"
				   "allowed_ip=::ffff:10.9.0.2/128\n"
				   "allowed_ip=::ffff:0:0/96\n"
				   "allowed_ip=::/0\n" END;
	struct wireguard_peers peers;

	ck_assert_int_eq(parse_octets(text, strlen(text), &peers), 0);
	ck_assert_uint_eq(peer_at(&peers, 0, 0x11)->allowed_len, 1);
	expect_allowed(&peers.peer[0], 0, "::", 0);
	wireguard_peers_fini(&peers);
}
END_TEST

/* The order of maps and tries is not the same twice. */
START_TEST(equality_does_not_depend_on_the_order)
{
	static const char *const text[] = {
		"public_key=" HEX_1 "\nallowed_ip=10.0.0.1/32\nallowed_ip=10.0.0.2/32\n"
		"public_key=" HEX_A "\n" END,
		"public_key=" HEX_A "\n"
		"public_key=" HEX_1 "\nallowed_ip=10.0.0.2/32\nallowed_ip=10.0.0.1/32\n" END,
		"public_key=" HEX_1 "\nallowed_ip=10.0.0.1/32\nallowed_ip=10.0.0.2/31\n"
		"public_key=" HEX_A "\n" END,
		"public_key=" HEX_1 "\nallowed_ip=10.0.0.1/32\nallowed_ip=10.0.0.2/32\n" END,
		"public_key=" HEX_1 "\nallowed_ip=10.0.0.1/32\nallowed_ip=10.0.0.2/32\n"
		"public_key=" HEX_A "\nendpoint=0.0.0.0:0\n" END,
	};
	struct wireguard_peers peers[ARRAY_LEN(text)];

	for (size_t i = 0; i < ARRAY_LEN(text); i++)
		ck_assert_int_eq(parse_octets(text[i], strlen(text[i]), &peers[i]), 0);
	for (size_t i = 0; i < ARRAY_LEN(text); i++) {
		for (size_t j = 0; j < ARRAY_LEN(text); j++)
			ck_assert_int_eq(wireguard_peers_equal(&peers[i], &peers[j]),
				i == j || (i < 2 && j < 2));
	}
	for (size_t i = 0; i < ARRAY_LEN(text); i++)
		wireguard_peers_fini(&peers[i]);
}
END_TEST

/* Messages of the kernel; written octet by octet, so that libmnl does not check itself */

struct message {
	_Alignas(8) uint8_t octet[4096];
	size_t len;
};

static void put(struct message *m, const void *octets, size_t len)
{
	ck_assert_uint_le(m->len + len + 3, sizeof(m->octet));
	if (len > 0)
		memcpy(m->octet + m->len, octets, len);
	m->len += len;
	while (m->len % 4 != 0)
		m->octet[m->len++] = 0;
}

static void put_u16(struct message *m, size_t at, size_t value)
{
	uint16_t v = (uint16_t)value;

	memcpy(m->octet + at, &v, sizeof(v));
}

static void put_attribute(struct message *m, uint16_t type, const void *octets, size_t len)
{
	uint16_t head[2] = {(uint16_t)(len + sizeof(head)), type};

	put(m, head, sizeof(head));
	put(m, octets, len);
}

/* Returns where the nest starts, for nest_end(). */
static size_t nest_begin(struct message *m, uint16_t type)
{
	size_t at = m->len;

	put_attribute(m, type | NLA_F_NESTED, NULL, 0);
	return at;
}

static void nest_end(struct message *m, size_t at)
{
	put_u16(m, at, m->len - at);
}

static struct message message_begin(void)
{
	struct message m = {.len = 0};
	struct nlmsghdr nlh = {.nlmsg_type = FAMILY, .nlmsg_flags = NLM_F_MULTI, .nlmsg_seq = 1};
	struct genlmsghdr genl = {.cmd = WG_CMD_GET_DEVICE, .version = WG_GENL_VERSION};

	put(&m, &nlh, sizeof(nlh));
	put(&m, &genl, sizeof(genl));
	put_attribute(&m, WGDEVICE_A_IFNAME, "wg0", 4);
	return m;
}

static void put_allowed(
	struct message *m, uint16_t family, const char *address, size_t octets, uint8_t len)
{
	struct addr a;
	size_t nest = nest_begin(m, 0);

	ck_assert_int_eq(addr_parse(address, &a), 0);
	put_attribute(m, WGALLOWEDIP_A_CIDR_MASK, &len, sizeof(len));
	put_attribute(m, WGALLOWEDIP_A_FAMILY, &family, sizeof(family));
	put_attribute(m, WGALLOWEDIP_A_IPADDR, a.octet + 16 - octets, octets);
	nest_end(m, nest);
}

static void put_key(struct message *m, uint8_t octet)
{
	struct config_wireguard_key key = key_of(octet);

	put_attribute(m, WGPEER_A_PUBLIC_KEY, key.octet, sizeof(key.octet));
}

static void put_endpoint_v4(struct message *m, const char *text)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = 1};
	struct addr a;

	ck_assert_int_eq(addr_parse(text, &a), 0);
	memcpy(&sa.sin_addr, addr_v4(&a), 4);
	put_attribute(m, WGPEER_A_ENDPOINT, &sa, sizeof(sa));
}

static void put_endpoint_v6(struct message *m, const char *text)
{
	struct sockaddr_in6 sa = {.sin6_family = AF_INET6, .sin6_port = 1};
	struct addr a;

	ck_assert_int_eq(addr_parse(text, &a), 0);
	memcpy(&sa.sin6_addr, a.octet, sizeof(a.octet));
	put_attribute(m, WGPEER_A_ENDPOINT, &sa, sizeof(sa));
}

/* A peer with one address 10.9.0.@host/32. */
static void put_peer(struct message *m, uint8_t key, bool first, int host)
{
	char address[ADDR_TEXT_MAX];
	size_t allowed, peer = nest_begin(m, 0);

	(void)snprintf(address, sizeof(address), "10.9.0.%d", host);
	put_key(m, key);
	if (first) {
		put_endpoint_v4(m, "192.0.2.1");
		put_attribute(m, WGPEER_A_RX_BYTES, "12345678", 8);
	}
	allowed = nest_begin(m, WGPEER_A_ALLOWEDIPS);
	put_allowed(m, AF_INET, address, 4, 32);
	nest_end(m, allowed);
	nest_end(m, peer);
}

/* Parse the message cut to @len octets, in a heap block of that size. */
static int parse_cut(const struct message *m, size_t len, struct peer_list *list)
{
	struct nlmsghdr *nlh = malloc(len);
	int err;

	ck_assert_ptr_nonnull(nlh);
	memcpy(nlh, m->octet, len);
	nlh->nlmsg_len = (uint32_t)len;
	err = netlink_parse_device(nlh, list);
	free(nlh);
	return err;
}

static void expect_message(const struct message *m, int wanted)
{
	struct peer_list list = {0};
	int err = parse_cut(m, m->len, &list);

	peer_list_fini(&list);
	ck_assert_int_eq(err, wanted);
}

static struct message full_message(void)
{
	struct message m = message_begin();
	size_t peers = nest_begin(&m, WGDEVICE_A_PEERS);
	size_t peer = nest_begin(&m, 0);
	size_t allowed;

	put_key(&m, 0xaa);
	put_endpoint_v6(&m, "2001:db8::1");
	allowed = nest_begin(&m, WGPEER_A_ALLOWEDIPS);
	put_allowed(&m, AF_INET6, "fd00:9::2", 16, 128);
	put_allowed(&m, AF_INET, "10.20.33.44", 4, 17);
	nest_end(&m, allowed);
	nest_end(&m, peer);
	put_peer(&m, 0x11, true, 2);
	nest_end(&m, peers);
	return m;
}

START_TEST(message_gives_the_peers_in_order_of_their_keys)
{
	struct message m = full_message();
	struct peer_list list = {0};
	struct wireguard_peers peers;

	ck_assert_int_eq(parse_cut(&m, m.len, &list), 0);
	peer_list_finish(&list, &peers);
	ck_assert_uint_eq(peers.len, 2);
	expect_endpoint(peer_at(&peers, 0, 0x11), "192.0.2.1");
	expect_allowed(&peers.peer[0], 0, "10.9.0.2", 128);
	expect_endpoint(peer_at(&peers, 1, 0xaa), "2001:db8::1");
	ck_assert_uint_eq(peers.peer[1].allowed_len, 2);
	expect_allowed(&peers.peer[1], 0, "10.20.0.0", 96 + 17);
	expect_allowed(&peers.peer[1], 1, "fd00:9::2", 128);
	wireguard_peers_fini(&peers);
}
END_TEST

START_TEST(message_without_peers_has_none)
{
	struct message m = message_begin();
	struct peer_list list = {0};

	ck_assert_int_eq(parse_cut(&m, m.len, &list), 0);
	ck_assert_uint_eq(list.peers.len, 0);
	nest_end(&m, nest_begin(&m, WGDEVICE_A_PEERS));
	ck_assert_int_eq(parse_cut(&m, m.len, &list), 0);
	ck_assert_uint_eq(list.peers.len, 0);
	peer_list_fini(&list);
}
END_TEST

/* <linux/wireguard.h>: what does not fit goes on in the next message, with its key again. */
START_TEST(peers_go_on_in_later_messages)
{
	struct peer_list list = {0};
	struct wireguard_peers peers;

	for (int i = 0; i < 3; i++) {
		struct message m = message_begin();
		size_t nest = nest_begin(&m, WGDEVICE_A_PEERS);

		put_peer(&m, (uint8_t)(0x30 - i), i == 0, 2 * i);
		put_peer(&m, (uint8_t)(0x30 - i - 1), true, 2 * i + 1);
		nest_end(&m, nest);
		ck_assert_int_eq(parse_cut(&m, m.len, &list), 0);
	}
	peer_list_finish(&list, &peers);
	ck_assert_uint_eq(peers.len, 4);
	ck_assert_uint_eq(peer_at(&peers, 0, 0x2d)->allowed_len, 1);
	ck_assert_uint_eq(peer_at(&peers, 1, 0x2e)->allowed_len, 2);
	expect_allowed(&peers.peer[1], 0, "10.9.0.3", 128);
	expect_allowed(&peers.peer[1], 1, "10.9.0.4", 128);
	expect_endpoint(&peers.peer[1], "192.0.2.1");
	ck_assert_uint_eq(peer_at(&peers, 2, 0x2f)->allowed_len, 2);
	ck_assert_uint_eq(peer_at(&peers, 3, 0x30)->allowed_len, 1);
	wireguard_peers_fini(&peers);
}
END_TEST

START_TEST(peers_of_two_interfaces_stay_apart)
{
	struct message m = message_begin();
	size_t nest = nest_begin(&m, WGDEVICE_A_PEERS);
	struct peer_list list = {0};
	struct wireguard_peers peers;

	put_peer(&m, 0x11, true, 7);
	nest_end(&m, nest);
	ck_assert_int_eq(parse_cut(&m, m.len, &list), 0);
	peer_list_next_interface(&list);
	/* The second interface is read twice; the first time does not count. */
	ck_assert_int_eq(parse_cut(&m, m.len, &list), 0);
	ck_assert_uint_eq(list.peers.len, 2);
	peer_list_restart_interface(&list);
	ck_assert_uint_eq(list.peers.len, 1);
	ck_assert_int_eq(parse_cut(&m, m.len, &list), 0);
	peer_list_finish(&list, &peers);
	ck_assert_uint_eq(peers.len, 2);
	ck_assert_uint_eq(peer_at(&peers, 0, 0x11)->allowed_len, 1);
	ck_assert_uint_eq(peer_at(&peers, 1, 0x11)->allowed_len, 1);
	wireguard_peers_fini(&peers);
}
END_TEST

/* A cut through the peers leaves their nest longer than the message. */
START_TEST(message_survives_every_cut)
{
	struct message m = full_message();

	for (size_t len = sizeof(struct nlmsghdr); len < m.len; len++) {
		struct peer_list list = {0};
		int err = parse_cut(&m, len, &list);

		ck_assert(err == 0 || err == -EPROTO);
		if (len < sizeof(struct nlmsghdr) + sizeof(struct genlmsghdr))
			ck_assert_int_eq(err, -EPROTO);
		ck_assert_uint_eq(list.peers.len, 0);
		peer_list_fini(&list);
	}
}
END_TEST

/* Any octet may be any other: no overread, no crash, nothing leaked. */
START_TEST(message_survives_every_changed_octet)
{
	static const uint8_t values[] = {0, 1, 3, 4, 5, 0x7f, 0x80, 0xff};
	struct message good = full_message();

	for (size_t at = sizeof(struct nlmsghdr); at < good.len; at++) {
		for (size_t i = 0; i < ARRAY_LEN(values); i++) {
			struct message m = good;
			struct peer_list list = {0};
			int err;

			m.octet[at] = values[i];
			err = parse_cut(&m, m.len, &list);
			ck_assert(err == 0 || err == -EPROTO);
			peer_list_fini(&list);
		}
	}
}
END_TEST

/* A message with one peer that has the key and one attribute @type. */
static struct message peer_with(uint16_t type, size_t len)
{
	struct message m = message_begin();
	size_t peers = nest_begin(&m, WGDEVICE_A_PEERS);
	size_t peer = nest_begin(&m, 0);
	uint8_t zero[64] = {0};

	if (type != WGPEER_A_PUBLIC_KEY)
		put_key(&m, 1);
	put_attribute(&m, type, zero, len);
	nest_end(&m, peer);
	nest_end(&m, peers);
	return m;
}

START_TEST(message_with_a_wrong_size_is_refused)
{
	struct message key_short = peer_with(WGPEER_A_PUBLIC_KEY, 31);
	struct message key_long = peer_with(WGPEER_A_PUBLIC_KEY, 33);
	struct message no_key = peer_with(WGPEER_A_PRESHARED_KEY, 32);
	struct message endpoint_short = peer_with(WGPEER_A_ENDPOINT, 15);
	struct message endpoint_no_family = peer_with(WGPEER_A_ENDPOINT, 28);
	struct message allowed_short = peer_with(WGPEER_A_ALLOWEDIPS, 3);

	expect_message(&key_short, -EPROTO);
	expect_message(&key_long, -EPROTO);
	/* Two attributes of 36 octets: the first becomes a preshared key like the second. */
	no_key.octet[no_key.len - 70] = WGPEER_A_PRESHARED_KEY;
	expect_message(&no_key, -EPROTO);
	expect_message(&endpoint_short, -EPROTO);
	expect_message(&endpoint_no_family, -EPROTO);
	expect_message(&allowed_short, -EPROTO);
}
END_TEST

static struct message allowed_with(uint16_t family, size_t octets, uint8_t len)
{
	struct message m = message_begin();
	size_t peers = nest_begin(&m, WGDEVICE_A_PEERS);
	size_t peer = nest_begin(&m, 0);
	size_t allowed;

	put_key(&m, 1);
	allowed = nest_begin(&m, WGPEER_A_ALLOWEDIPS);
	put_allowed(&m, family, "2001:db8::1", octets, len);
	nest_end(&m, allowed);
	nest_end(&m, peer);
	nest_end(&m, peers);
	return m;
}

START_TEST(message_with_an_impossible_prefix_is_refused)
{
	static const struct {
		size_t octets;
		int wanted;
		uint16_t family;
		uint8_t len;
	} cases[] = {
		{4, 0, AF_INET, 32},
		{4, 0, AF_INET, 0},
		{3, -EPROTO, AF_INET, 24},
		{4, -EPROTO, AF_INET, 33},
		{16, 0, AF_INET6, 128},
		{16, -EPROTO, AF_INET6, 129},
		{15, -EPROTO, AF_INET6, 120},
		{4, -EPROTO, AF_INET6, 32},
		{16, -EPROTO, AF_UNIX, 32},
		{16, -EPROTO, 0, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct message m = allowed_with(cases[i].family, cases[i].octets, cases[i].len);

		expect_message(&m, cases[i].wanted);
	}
}
END_TEST

/* What `wg show` sends: length 28, dump, GET_DEVICE of version 1, the name with its NUL. */
START_TEST(request_is_a_dump_of_the_named_interface)
{
	_Alignas(struct nlmsghdr) uint8_t buffer[NETLINK_REQUEST_MAX];
	static const uint8_t payload[] = {
		WG_CMD_GET_DEVICE, 1, 0, 0, 8, 0, WGDEVICE_A_IFNAME, 0, 'w', 'g', '0', 0};
	struct nlmsghdr *nlh = netlink_put_request(buffer, FAMILY, "wg0");

	ck_assert_uint_eq(nlh->nlmsg_len, 28);
	ck_assert_uint_eq(nlh->nlmsg_type, FAMILY);
	ck_assert_uint_eq(nlh->nlmsg_flags, NLM_F_REQUEST | NLM_F_DUMP);
	ck_assert_mem_eq(buffer + sizeof(*nlh), payload, sizeof(payload));
	/* The longest name. */
	nlh = netlink_put_request(buffer, FAMILY, "fifteen-octets-");
	ck_assert_uint_eq(nlh->nlmsg_len, 16 + 4 + 4 + 16);
}
END_TEST

/* The controller is a family itself, and always there. */
START_TEST(families_are_found_by_their_whole_name)
{
	uint16_t family = 0;

	ck_assert_int_eq(netlink_find_family("nlctrl", &family), 0);
	ck_assert_uint_eq(family, GENL_ID_CTRL);
	ck_assert_int_eq(netlink_find_family("nlctr", &family), -ENOENT);
	ck_assert_int_eq(netlink_find_family("nlctrl2", &family), -ENOENT);
}
END_TEST

/* A family that nobody has: the kernel's refusal arrives as an error. */
START_TEST(refusals_of_the_kernel_are_errors)
{
	struct peer_list list = {0};

	ck_assert_int_eq(netlink_read_peers(UINT16_MAX, "lo", &list), -ENOENT);
	ck_assert_uint_eq(list.peers.len, 0);
	peer_list_fini(&list);
}
END_TEST

static Suite *wireguard_suite(void)
{
	Suite *suite = suite_create("wireguard");
	TCase *text = tcase_create("text");
	TCase *message = tcase_create("message");

	tcase_add_test(text, text_gives_the_peers_in_order_of_their_keys);
	tcase_add_loop_test(text, text_is_refused_at_every_cut, 0, (int)sizeof(full_text) - 1);
	tcase_add_test(text, text_without_peers_is_complete);
	tcase_add_test(text, text_with_an_errno_says_that_the_question_failed);
	tcase_add_loop_test(
		text, text_that_breaks_the_protocol_is_refused, 0, (int)ARRAY_LEN(bad_texts));
	tcase_add_loop_test(text, text_with_a_bad_value_is_refused, 0, (int)ARRAY_LEN(bad_lines));
	tcase_add_test(text, text_with_a_nul_octet_is_refused);
	tcase_add_test(text, text_with_an_endless_address_is_refused);
	tcase_add_test(text, mapped_ipv6_prefixes_are_nobodys);
	tcase_add_test(text, equality_does_not_depend_on_the_order);
	suite_add_tcase(suite, text);

	tcase_add_test(message, message_gives_the_peers_in_order_of_their_keys);
	tcase_add_test(message, message_without_peers_has_none);
	tcase_add_test(message, peers_go_on_in_later_messages);
	tcase_add_test(message, peers_of_two_interfaces_stay_apart);
	tcase_add_test(message, message_survives_every_cut);
	tcase_add_test(message, message_survives_every_changed_octet);
	tcase_add_test(message, message_with_a_wrong_size_is_refused);
	tcase_add_test(message, message_with_an_impossible_prefix_is_refused);
	tcase_add_test(message, request_is_a_dump_of_the_named_interface);
	tcase_add_test(message, families_are_found_by_their_whole_name);
	tcase_add_test(message, refusals_of_the_kernel_are_errors);
	suite_add_tcase(suite, message);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(wireguard_suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
