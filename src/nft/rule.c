/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/nft/rule.h"

#include "src/nft/elements.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <stdio.h>

#include <libnftnl/expr.h>
#include <libnftnl/rule.h>

#define RULE_LEN_MAX   4096 /* octets; ours stay below 1,000 */
#define ANONYMOUS_NAME "__set%d"

/* The 32-bit register at which word @n of a concatenation stands. */
static uint32_t word(size_t n)
{
	return (uint32_t)(NFT_REG32_00 + n);
}

void rule_put(struct batch *b, const char *chain, void (*write)(struct rule *r, const void *arg),
	const void *arg)
{
	struct rule r = {.nftnl = nftnl_rule_alloc()};
	struct nlmsghdr *nlh;

	if (!r.nftnl) {
		batch_fail(b, -ENOMEM);
		return;
	}
	if (nftnl_rule_set_str(r.nftnl, NFTNL_RULE_TABLE, TABLE_NAME) < 0 ||
		nftnl_rule_set_str(r.nftnl, NFTNL_RULE_CHAIN, chain) < 0)
		r.err = -ENOMEM;
	write(&r, arg);
	batch_open(b, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, 0, false);
	if (r.err)
		batch_fail(b, r.err);
	nlh = batch_room(b, RULE_LEN_MAX);
	if (nlh)
		nftnl_rule_nlmsg_build_payload(nlh, r.nftnl);
	batch_close(b);
	nftnl_rule_free(r.nftnl);
}

/* A number of an expression: its attribute, its value. */
struct number {
	uint16_t attribute;
	uint32_t value;
};

static struct nftnl_expr *new_expr(
	struct rule *r, const char *name, const struct number *number, size_t len)
{
	struct nftnl_expr *e = nftnl_expr_alloc(name);

	if (!e) {
		r->err = -ENOMEM;
		return NULL;
	}
	for (size_t i = 0; i < len; i++)
		nftnl_expr_set_u32(e, number[i].attribute, number[i].value);
	return e;
}

/* The rule owns its expressions. */
static void append(struct rule *r, const char *name, const struct number *number, size_t len)
{
	struct nftnl_expr *e = new_expr(r, name, number, len);

	if (e)
		nftnl_rule_add_expr(r->nftnl, e);
}

static void append_data(struct rule *r, const char *name, const struct number *number, size_t len,
	uint16_t attribute, const void *data, uint32_t data_len)
{
	struct nftnl_expr *e = new_expr(r, name, number, len);

	if (!e)
		return;
	if (nftnl_expr_set(e, attribute, data, data_len) < 0)
		r->err = -ENOMEM;
	nftnl_rule_add_expr(r->nftnl, e);
}

static void append_named(struct rule *r, const char *name, const struct number *number, size_t len,
	uint16_t attribute, const char *text)
{
	struct nftnl_expr *e = new_expr(r, name, number, len);

	if (!e)
		return;
	if (nftnl_expr_set_str(e, attribute, text) < 0)
		r->err = -ENOMEM;
	nftnl_rule_add_expr(r->nftnl, e);
}

#define NUMBERS(...)                                                                               \
	(const struct number[]){__VA_ARGS__},                                                      \
		sizeof((const struct number[]){__VA_ARGS__}) / sizeof(struct number)

static void load_meta(struct rule *r, uint32_t key, uint32_t reg)
{
	append(r, "meta", NUMBERS({NFTNL_EXPR_META_KEY, key}, {NFTNL_EXPR_META_DREG, reg}));
}

static void load_ct(struct rule *r, uint32_t key)
{
	append(r, "ct", NUMBERS({NFTNL_EXPR_CT_KEY, key}, {NFTNL_EXPR_CT_DREG, NFT_REG_1}));
}

static void load_payload(struct rule *r, uint32_t base, uint32_t offset, uint32_t len, uint32_t reg)
{
	append(r, "payload",
		NUMBERS({NFTNL_EXPR_PAYLOAD_BASE, base}, {NFTNL_EXPR_PAYLOAD_OFFSET, offset},
			{NFTNL_EXPR_PAYLOAD_LEN, len}, {NFTNL_EXPR_PAYLOAD_DREG, reg}));
}

#define SOURCE_PORT_AT      0
#define DESTINATION_PORT_AT 2

static void load_port(struct rule *r, uint32_t offset, uint32_t reg)
{
	load_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, offset, sizeof(uint16_t), reg);
}

static void compare(struct rule *r, uint32_t op, const void *data, uint32_t len)
{
	append_data(r, "cmp", NUMBERS({NFTNL_EXPR_CMP_SREG, NFT_REG_1}, {NFTNL_EXPR_CMP_OP, op}),
		NFTNL_EXPR_CMP_DATA, data, len);
}

static void compare_u8(struct rule *r, uint8_t value)
{
	compare(r, NFT_CMP_EQ, &value, sizeof(value));
}

static void compare_port(struct rule *r, uint32_t op, uint16_t port)
{
	uint16_t wire = htons(port);

	compare(r, op, &wire, sizeof(wire));
}

static void look_up(struct rule *r, const char *set)
{
	append_named(r, "lookup", NUMBERS({NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1}),
		NFTNL_EXPR_LOOKUP_SET, set);
}

static void look_up_not(struct rule *r, const char *set)
{
	append_named(r, "lookup",
		NUMBERS({NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1},
			{NFTNL_EXPR_LOOKUP_FLAGS, NFT_LOOKUP_F_INV}),
		NFTNL_EXPR_LOOKUP_SET, set);
}

/* Are any of the @bits set in what was loaded?  With NFT_CMP_EQ: are none? */
static void compare_bits(struct rule *r, uint32_t op, uint32_t bits)
{
	const uint32_t zero = 0;
	struct nftnl_expr *e = new_expr(r, "bitwise",
		NUMBERS({NFTNL_EXPR_BITWISE_SREG, NFT_REG_1}, {NFTNL_EXPR_BITWISE_DREG, NFT_REG_1},
			{NFTNL_EXPR_BITWISE_LEN, sizeof(bits)},
			{NFTNL_EXPR_BITWISE_OP, NFT_BITWISE_BOOL}));

	if (!e)
		return;
	if (nftnl_expr_set(e, NFTNL_EXPR_BITWISE_MASK, &bits, sizeof(bits)) < 0 ||
		nftnl_expr_set(e, NFTNL_EXPR_BITWISE_XOR, &zero, sizeof(zero)) < 0)
		r->err = -ENOMEM;
	nftnl_rule_add_expr(r->nftnl, e);
	compare(r, op, &zero, sizeof(zero));
}

/* What follows reads the header of this family only. */
static void match_family(struct rule *r, const struct family *f)
{
	load_meta(r, NFT_META_NFPROTO, NFT_REG_1);
	compare_u8(r, f->nfproto);
}

void rule_iifname(struct rule *r, const char *set)
{
	load_meta(r, NFT_META_IIFNAME, NFT_REG_1);
	look_up(r, set);
}

void rule_iifname_not(struct rule *r, const char *set)
{
	load_meta(r, NFT_META_IIFNAME, NFT_REG_1);
	look_up_not(r, set);
}

void rule_oifname(struct rule *r, const char *set)
{
	load_meta(r, NFT_META_OIFNAME, NFT_REG_1);
	look_up(r, set);
}

void rule_saddr(struct rule *r, const struct family *f, const char *set)
{
	match_family(r, f);
	load_payload(r, NFT_PAYLOAD_NETWORK_HEADER, f->source_at, f->addr_len, NFT_REG_1);
	look_up(r, set);
}

void rule_daddr(struct rule *r, const struct family *f, const char *set)
{
	match_family(r, f);
	load_payload(r, NFT_PAYLOAD_NETWORK_HEADER, f->destination_at, f->addr_len, NFT_REG_1);
	look_up(r, set);
}

void rule_l4proto(struct rule *r, uint32_t anonymous_id)
{
	load_meta(r, NFT_META_L4PROTO, NFT_REG_1);
	append_named(r, "lookup",
		NUMBERS({NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1},
			{NFTNL_EXPR_LOOKUP_SET_ID, anonymous_id}),
		NFTNL_EXPR_LOOKUP_SET, ANONYMOUS_NAME);
}

void rule_udp_dport(struct rule *r, uint16_t port)
{
	load_meta(r, NFT_META_L4PROTO, NFT_REG_1);
	compare_u8(r, IPPROTO_UDP);
	load_port(r, DESTINATION_PORT_AT, NFT_REG_1);
	compare_port(r, NFT_CMP_EQ, port);
}

void rule_dport_range(struct rule *r, struct port_range range)
{
	load_port(r, DESTINATION_PORT_AT, NFT_REG_1);
	if (range.first == range.last) {
		compare_port(r, NFT_CMP_EQ, range.first);
	} else {
		compare_port(r, NFT_CMP_GTE, range.first);
		compare_port(r, NFT_CMP_LTE, range.last);
	}
}

void rule_dport_not(struct rule *r, const char *set)
{
	load_port(r, DESTINATION_PORT_AT, NFT_REG_1);
	look_up_not(r, set);
}

void rule_ct_state(struct rule *r, uint32_t states)
{
	load_ct(r, NFT_CT_STATE);
	compare_bits(r, NFT_CMP_NEQ, states);
}

void rule_ct_original(struct rule *r)
{
	load_ct(r, NFT_CT_DIRECTION);
	compare_u8(r, IP_CT_DIR_ORIGINAL);
}

void rule_ct_dnat(struct rule *r, bool wanted)
{
	load_ct(r, NFT_CT_STATUS);
	compare_bits(r, wanted ? NFT_CMP_NEQ : NFT_CMP_EQ, IPS_DST_NAT);
}

void rule_no_route_back(struct rule *r)
{
	append(r, "fib",
		NUMBERS({NFTNL_EXPR_FIB_DREG, NFT_REG_1},
			{NFTNL_EXPR_FIB_RESULT, NFT_FIB_RESULT_OIF},
			{NFTNL_EXPR_FIB_FLAGS,
				NFTA_FIB_F_SADDR | NFTA_FIB_F_IIF | NFTA_FIB_F_PRESENT}));
	compare(r, NFT_CMP_EQ, &(const uint32_t){0}, sizeof(uint32_t));
}

static struct nftnl_expr *new_limit(struct rule *r, uint32_t rate)
{
	struct nftnl_expr *e = new_expr(r, "limit",
		NUMBERS({NFTNL_EXPR_LIMIT_BURST, 2 * rate}, {NFTNL_EXPR_LIMIT_TYPE, NFT_LIMIT_PKTS},
			{NFTNL_EXPR_LIMIT_FLAGS, NFT_LIMIT_F_INV}));

	if (e) {
		nftnl_expr_set_u64(e, NFTNL_EXPR_LIMIT_RATE, rate);
		nftnl_expr_set_u64(e, NFTNL_EXPR_LIMIT_UNIT, 1); /* second */
	}
	return e;
}

void rule_over_rate(struct rule *r, const struct family *f, uint32_t rate)
{
	struct nftnl_expr *e, *limit;

	match_family(r, f);
	load_payload(r, NFT_PAYLOAD_NETWORK_HEADER, f->source_at, f->addr_len, NFT_REG_1);
	e = new_expr(r, "dynset",
		NUMBERS({NFTNL_EXPR_DYNSET_OP, NFT_DYNSET_OP_UPDATE},
			{NFTNL_EXPR_DYNSET_SREG_KEY, NFT_REG_1}));
	if (!e)
		return;
	if (nftnl_expr_set_str(e, NFTNL_EXPR_DYNSET_SET_NAME, f->flood) < 0)
		r->err = -ENOMEM;
	limit = new_limit(r, rate);
	if (limit)
		nftnl_expr_add_expr(e, NFTNL_EXPR_DYNSET_EXPRESSIONS, limit);
	nftnl_rule_add_expr(r->nftnl, e);
}

void rule_drop(struct rule *r)
{
	append(r, "immediate",
		NUMBERS({NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT}, {NFTNL_EXPR_IMM_VERDICT, NF_DROP}));
}

/* Address, protocol and port are one key; what it leads to is an address and a port. */
static void nat_map(struct rule *r, const struct family *f, uint32_t kind, uint32_t addr_at,
	uint32_t port_at, const char *map)
{
	const size_t addr_words = f->addr_len / 4;

	match_family(r, f);
	load_payload(r, NFT_PAYLOAD_NETWORK_HEADER, addr_at, f->addr_len, NFT_REG_1);
	load_meta(r, NFT_META_L4PROTO, word(addr_words));
	load_port(r, port_at, word(addr_words + 1));
	append_named(r, "lookup",
		NUMBERS({NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1}, {NFTNL_EXPR_LOOKUP_DREG, NFT_REG_1}),
		NFTNL_EXPR_LOOKUP_SET, map);
	append(r, "nat",
		NUMBERS({NFTNL_EXPR_NAT_TYPE, kind}, {NFTNL_EXPR_NAT_FAMILY, f->nfproto},
			{NFTNL_EXPR_NAT_REG_ADDR_MIN, NFT_REG_1},
			{NFTNL_EXPR_NAT_REG_PROTO_MIN, word(addr_words)}));
}

void rule_dnat_map(struct rule *r, const struct family *f)
{
	nat_map(r, f, NFT_NAT_DNAT, f->destination_at, DESTINATION_PORT_AT, f->inbound);
}

void rule_snat_map(struct rule *r, const struct family *f)
{
	nat_map(r, f, NFT_NAT_SNAT, f->source_at, SOURCE_PORT_AT, f->outbound);
}

static void load_value(struct rule *r, uint32_t reg, const void *value, uint32_t len)
{
	append_data(r, "immediate", NUMBERS({NFTNL_EXPR_IMM_DREG, reg}), NFTNL_EXPR_IMM_DATA, value,
		len);
}

static void load_range(struct rule *r, struct port_range ports, uint32_t first, uint32_t last)
{
	uint16_t wire = htons(ports.first);

	load_value(r, first, &wire, sizeof(wire));
	wire = htons(ports.last);
	load_value(r, last, &wire, sizeof(wire));
}

void rule_snat(
	struct rule *r, const struct family *f, const struct addr *addr, struct port_range ports)
{
	load_value(r, NFT_REG_1, family_octets(f, addr), f->addr_len);
	load_range(r, ports, NFT_REG_2, NFT_REG_3);
	append(r, "nat",
		NUMBERS({NFTNL_EXPR_NAT_TYPE, NFT_NAT_SNAT}, {NFTNL_EXPR_NAT_FAMILY, f->nfproto},
			{NFTNL_EXPR_NAT_REG_ADDR_MIN, NFT_REG_1},
			{NFTNL_EXPR_NAT_REG_PROTO_MIN, NFT_REG_2},
			{NFTNL_EXPR_NAT_REG_PROTO_MAX, NFT_REG_3},
			{NFTNL_EXPR_NAT_FLAGS, NF_NAT_RANGE_PROTO_SPECIFIED}));
}

void rule_masquerade(struct rule *r, const struct port_range *ports)
{
	if (!ports) {
		append(r, "masq", NULL, 0);
		return;
	}
	load_range(r, *ports, NFT_REG_1, NFT_REG_2);
	append(r, "masq",
		NUMBERS({NFTNL_EXPR_MASQ_REG_PROTO_MIN, NFT_REG_1},
			{NFTNL_EXPR_MASQ_REG_PROTO_MAX, NFT_REG_2},
			{NFTNL_EXPR_MASQ_FLAGS, NF_NAT_RANGE_PROTO_SPECIFIED}));
}
