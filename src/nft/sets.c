/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/nft/sets.h"

#include "src/nft/elements.h"
#include "src/nft/family.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <libnftnl/set.h>
#include <libnftnl/udata.h>

#define SET_LEN_MAX      1024
#define FLOOD_SIZE       65536
#define FLOOD_TIMEOUT_MS 10000
#define PROBE_TIMEOUT_MS 3600000

/* Data types as nft numbers them (its datatype.h): what it stores, and reads to print a set. */
enum nft_type {
	TYPE_INET_PROTOCOL = 12,
	TYPE_INET_SERVICE = 13,
	TYPE_IFNAME = 41,
};
#define TYPE_BITS 6

/* Byte orders as nft numbers them; a concatenation has none of its own. */
enum nft_order {
	ORDER_NONE = 0,
	ORDER_HOST = 1,
	ORDER_NETWORK = 2
};

struct set {
	const char *name;
	uint32_t id;
	uint32_t flags;
	uint32_t key_type;
	uint32_t key_len;
	enum nft_order key_order;
	uint32_t data_type; /* of maps */
	uint32_t data_len;
	uint32_t size;
	uint64_t timeout_ms;
};

static uint32_t join(uint32_t type, uint32_t next)
{
	return type << TYPE_BITS | next;
}

/* The byte orders go where nft looks for them, else it prints numbers back to front. */
static int set_byteorder(struct nftnl_set *s, const struct set *set)
{
	struct nftnl_udata_buf *u = nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN);
	int err = -ENOMEM;

	if (!u)
		return -ENOMEM;
	if (!nftnl_udata_put_u32(u, NFTNL_UDATA_SET_KEYBYTEORDER, set->key_order))
		goto done;
	if (set->data_len && !nftnl_udata_put_u32(u, NFTNL_UDATA_SET_DATABYTEORDER, ORDER_NONE))
		goto done;
	if (nftnl_set_set_data(
		    s, NFTNL_SET_USERDATA, nftnl_udata_buf_data(u), nftnl_udata_buf_len(u)) == 0)
		err = 0;
done:
	nftnl_udata_buf_free(u);
	return err;
}

static int describe(struct nftnl_set *s, const char *table, const struct set *set)
{
	if (nftnl_set_set_str(s, NFTNL_SET_TABLE, table) < 0 ||
		nftnl_set_set_str(s, NFTNL_SET_NAME, set->name) < 0)
		return -ENOMEM;
	nftnl_set_set_u32(s, NFTNL_SET_ID, set->id);
	nftnl_set_set_u32(s, NFTNL_SET_FLAGS, set->flags);
	nftnl_set_set_u32(s, NFTNL_SET_KEY_TYPE, set->key_type);
	nftnl_set_set_u32(s, NFTNL_SET_KEY_LEN, set->key_len);
	if (set->data_len) {
		nftnl_set_set_u32(s, NFTNL_SET_DATA_TYPE, set->data_type);
		nftnl_set_set_u32(s, NFTNL_SET_DATA_LEN, set->data_len);
	}
	if (set->size)
		nftnl_set_set_u32(s, NFTNL_SET_DESC_SIZE, set->size);
	if (set->timeout_ms)
		nftnl_set_set_u64(s, NFTNL_SET_TIMEOUT, set->timeout_ms);
	return set_byteorder(s, set);
}

static void put(struct batch *b, const char *table, const struct set *set)
{
	struct nftnl_set *s = nftnl_set_alloc();
	struct nlmsghdr *nlh;
	int err;

	if (!s) {
		batch_fail(b, -ENOMEM);
		return;
	}
	err = describe(s, table, set);
	batch_open(b, NFT_MSG_NEWSET, NLM_F_CREATE, 0, false);
	if (err)
		batch_fail(b, err);
	nlh = batch_room(b, SET_LEN_MAX);
	if (nlh)
		nftnl_set_nlmsg_build_payload(nlh, s);
	batch_close(b);
	nftnl_set_free(s);
}

static void put_names(struct batch *b, const char *name, uint32_t id)
{
	const struct set set = {.name = name,
		.id = id,
		.key_type = TYPE_IFNAME,
		.key_len = IFNAMSIZ,
		.key_order = ORDER_HOST};

	put(b, TABLE_NAME, &set);
}

static void put_addresses(struct batch *b, const struct family *f, const char *name, uint32_t id)
{
	const struct set set = {.name = name,
		.id = id,
		.key_type = f->addr_type,
		.key_len = f->addr_len,
		.key_order = ORDER_NETWORK};

	put(b, TABLE_NAME, &set);
}

/* No size: the kernel's hash table then grows with what is in it. */
static void put_map(struct batch *b, const struct family *f, const char *name, uint32_t id)
{
	const uint32_t place = join(f->addr_type, TYPE_INET_SERVICE);
	const struct set set = {.name = name,
		.id = id,
		.flags = NFT_SET_MAP | NFT_SET_TIMEOUT,
		.key_type = join(join(f->addr_type, TYPE_INET_PROTOCOL), TYPE_INET_SERVICE),
		.key_len = f->addr_len + 8U,
		.data_type = place,
		.data_len = f->addr_len + 4U};

	put(b, TABLE_NAME, &set);
}

static void put_flood(struct batch *b, const struct family *f, uint32_t id)
{
	const struct set set = {.name = f->flood,
		.id = id,
		.flags = NFT_SET_EVAL | NFT_SET_TIMEOUT,
		.key_type = f->addr_type,
		.key_len = f->addr_len,
		.key_order = ORDER_NETWORK,
		.size = FLOOD_SIZE,
		.timeout_ms = FLOOD_TIMEOUT_MS};

	put(b, TABLE_NAME, &set);
}

static void put_ports(struct batch *b, const char *name, uint32_t id)
{
	const struct set set = {.name = name,
		.id = id,
		.key_type = TYPE_INET_SERVICE,
		.key_len = sizeof(in_port_t),
		.key_order = ORDER_NETWORK};

	put(b, TABLE_NAME, &set);
}

void sets_put(struct batch *b)
{
	uint32_t id = 1;

	/* The maps first: the kernel looks for a set by walking a list in this order. */
	for (size_t i = 0; i < FAMILIES; i++) {
		put_map(b, &families[i], families[i].inbound, id++);
		put_map(b, &families[i], families[i].outbound, id++);
	}
	put_names(b, SET_TUNNELS, id++);
	put_names(b, SET_EXTERNAL, id++);
	put_ports(b, SET_RESERVED, id++);
	for (size_t i = 0; i < FAMILIES; i++) {
		const struct family *f = &families[i];

		put_addresses(b, f, f->addresses, id++);
		put_addresses(b, f, f->listeners, id++);
		put_flood(b, f, id++);
		put_addresses(b, f, f->outer, id++);
	}
}

void sets_put_probe(struct batch *b, const char *table, const char *name)
{
	const struct set set = {.name = name,
		.id = 1,
		.flags = NFT_SET_TIMEOUT,
		.key_type = families[0].addr_type,
		.key_len = families[0].addr_len,
		.key_order = ORDER_NETWORK,
		.timeout_ms = PROBE_TIMEOUT_MS};

	put(b, table, &set);
}

void sets_put_transports(struct batch *b, uint32_t id)
{
	static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP};
	const struct set set = {.name = "__set%d",
		.id = id,
		.flags = NFT_SET_ANONYMOUS | NFT_SET_CONSTANT,
		.key_type = TYPE_INET_PROTOCOL,
		.key_len = sizeof(protocols[0]),
		.key_order = ORDER_HOST,
		.size = sizeof(protocols)};

	put(b, TABLE_NAME, &set);
	element_put_anonymous(b, set.name, id, protocols, sizeof(protocols), sizeof(protocols[0]));
}

static void fill_names(
	struct batch *b, const char *set, const struct gateway_interface *names, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		uint8_t key[IFNAMSIZ] = {0};

		memcpy(key, names[i].name, strnlen(names[i].name, sizeof(key) - 1));
		element_put_keys(b, set, key, 1, sizeof(key));
	}
}

static void fill_address(
	struct batch *b, const struct family *f, const char *set, const struct addr *a)
{
	if (family_of(a) == f)
		element_put_keys(b, set, family_octets(f, a), 1, f->addr_len);
}

/* Only ports of the pool matter: nothing else is mapped or guarded. */
static void fill_reserved(struct batch *b, const struct nft_rules *rules)
{
	uint16_t *ports = calloc(UINT16_MAX + 1, sizeof(*ports));
	size_t len = 0;

	if (!ports) {
		batch_fail(b, -ENOMEM);
		return;
	}
	for (uint32_t port = rules->pool.first; port <= rules->pool.last; port++)
		if (port_set_has(rules->reserved, (uint16_t)port))
			ports[len++] = htons((uint16_t)port);
	element_put_keys(b, SET_RESERVED, (const uint8_t *)ports, len, sizeof(*ports));
	free(ports);
}

void sets_fill(struct batch *b, const struct nft_rules *rules, const struct gateway *gateway)
{
	fill_names(b, SET_TUNNELS, gateway->tunnels, gateway->tunnels_len);
	fill_names(b, SET_EXTERNAL, gateway->externals, gateway->externals_len);
	if (rules->reserved)
		fill_reserved(b, rules);
	for (size_t i = 0; i < FAMILIES; i++) {
		const struct family *f = &families[i];

		for (size_t k = 0; k < gateway->addresses_len; k++)
			fill_address(b, f, f->addresses, &gateway->addresses[k].addr);
		for (size_t k = 0; k < gateway->listens_len; k++)
			fill_address(b, f, f->listeners, &gateway->listens[k].addr);
	}
}

void sets_flush(struct batch *b)
{
	element_put_flush(b, SET_TUNNELS);
	element_put_flush(b, SET_EXTERNAL);
	element_put_flush(b, SET_RESERVED);
	for (size_t i = 0; i < FAMILIES; i++) {
		element_put_flush(b, families[i].addresses);
		element_put_flush(b, families[i].listeners);
	}
}
