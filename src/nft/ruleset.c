/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DESIGN
 *
 * In nft's own words, for one tunnel wg0 (10.9.1.1), one interface eth0 (192.0.2.1) towards the
 * Internet, the pool 10240-32767 and everybody else's source ports 32768-65535:
 *
 * table inet tunmap {
 *	map inbound4   { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service
 *			 flags timeout }        # external -> internal
 *	map outbound4  { the same }             # internal -> external
 *	set tunnels    { type ifname; elements = { "wg0" } }
 *	set external   { type ifname; elements = { "eth0" } }
 *	set reserved   { type inet_service; }   # ports of the pool with a listener of the gateway
 *	set addresses4 { type ipv4_addr; elements = { 192.0.2.1 } }
 *	set listeners4 { type ipv4_addr; elements = { 10.9.1.1 } }
 *	set flood4     { type ipv4_addr; size 65536; flags dynamic,timeout; timeout 10s }
 *	set outer4     { type ipv4_addr; }      # where the tunnels' peers send from
 *
 *	chain prerouting {
 *		type nat hook prerouting priority dstnat; policy accept
 *		dnat ip to ip daddr . meta l4proto . th dport map @inbound4
 *	}       # without hairpin: iifname != @tunnels dnat ip to ...
 *
 *	chain postrouting {
 *		type nat hook postrouting priority srcnat; policy accept
 *		# a client's own packets leave from its mapped port
 *		oifname @external snat ip to ip saddr . meta l4proto . th sport map @outbound4
 *		# hairpin: peers see the external address, and the mapped port if there is one
 *		iifname @tunnels oifname @tunnels ct status dnat
 *			snat ip to ip saddr . meta l4proto . th sport map @outbound4
 *		iifname @tunnels oifname @tunnels ct status dnat meta l4proto { tcp, udp }
 *			snat ip to 192.0.2.1:32768-65535
 *		# everybody else stays out of the pool
 *		iifname @tunnels oifname @external meta l4proto { tcp, udp }
 *			masquerade to :32768-65535
 *		iifname @tunnels oifname @external masquerade
 *	}
 *
 *	chain forward {
 *		type filter hook forward priority filter; policy accept
 *		# The port-fail guard: a peer's packets that go past its tunnel show who it is.  So
 *		# whoever lures it to a mapping of this gateway's address gets none, also in flows
 *		# from before it was a peer.  What answers a client passes: anybody could else
 *		# take an address's servers from all by connecting from there.
 *		iifname @external oifname @tunnels ip saddr @outer4 ct direction original drop
 *		# Only mappings let strangers in.  In two rules: what conntrack refused or was
 *		# not shown has no status to be compared, and never came through a mapping.
 *		iifname @external oifname @tunnels ct state invalid,untracked drop
 *		iifname @external oifname @tunnels ct state new ct status ! dnat drop
 *		# not translated either, so it would show the tunnel address; with masquerade
 *		iifname @tunnels oifname @external ct state invalid drop
 *	}
 *
 *	chain input {
 *		type filter hook input priority filter; policy accept
 *		# nobody but a tunnel asks for ports, from a source that this tunnel leads to
 *		iifname @external udp dport 5351 drop
 *		ip daddr @listeners4 iifname != @tunnels udp dport 5351 drop
 *		iifname @tunnels udp dport 5351 fib saddr . iif oif missing drop
 *		# after those, as a false source must not fill the set
 *		iifname @tunnels udp dport 5351
 *			update @flood4 { ip saddr limit rate over 100/second burst 200 packets }
 *			drop
 *		# a probe of a port that is not mapped must not leave a conntrack entry, which
 *		# would capture the port's packets once it is
 *		ip daddr @addresses4 meta l4proto { tcp, udp } th dport 10240-32767
 *			th dport != @reserved ct state invalid,new,untracked drop
 *	}
 * }
 *
 * Interfaces are matched by name, which survives an interface that is made again.
 */
#include "src/nft/ruleset.h"

#include "src/nft/elements.h"
#include "src/nft/rule.h"
#include "src/nft/sets.h"
#include "src/nft/table.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>

#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>

#define CHAIN_LEN_MAX 512
#define REQUEST_PORT  5351 /* RFC 6886 3.1, RFC 6887 19.1 */

/* From linux/netfilter_ipv4.h, which does not go with netinet/in.h. */
#define PRIORITY_DSTNAT (-100)
#define PRIORITY_SRCNAT 100

struct chain {
	const char *name;
	const char *type;
	uint32_t hook;
	int32_t priority;
};

static const struct chain chains[] = {
	{"prerouting", "nat", NF_INET_PRE_ROUTING, PRIORITY_DSTNAT},
	{"postrouting", "nat", NF_INET_POST_ROUTING, PRIORITY_SRCNAT},
	{"forward", "filter", NF_INET_FORWARD, 0},
	{"input", "filter", NF_INET_LOCAL_IN, 0},
};

/* What a rule is written from. */
struct context {
	const struct nft_rules *rules;
	const struct gateway *gateway;
	const struct family *family; /* of rules that are made once for each */
	uint32_t transports;         /* number of the rule's own set { tcp, udp } */
};

struct rule_kind {
	const char *chain;
	bool each_family;
	bool transports; /* it says { tcp, udp } */
	bool (*wanted)(const struct context *c);
	void (*write)(struct rule *r, const void *context);
};

static bool always(const struct context *c)
{
	(void)c;
	return true;
}

static bool with_masquerade(const struct context *c)
{
	return c->rules->masquerade;
}

static bool with_hairpin(const struct context *c)
{
	return c->rules->hairpin;
}

/* The address that clients without a mapping show to each other. */
static const struct addr *first_external(const struct context *c)
{
	for (size_t i = 0; i < c->gateway->addresses_len; i++)
		if (family_of(&c->gateway->addresses[i].addr) == c->family)
			return &c->gateway->addresses[i].addr;
	return NULL;
}

static bool with_hairpin_address(const struct context *c)
{
	return c->rules->hairpin && first_external(c);
}

static bool with_port_fail_guard(const struct context *c)
{
	return c->rules->port_fail_guard;
}

static bool with_flood_limit(const struct context *c)
{
	return c->rules->flood_rate > 0;
}

static void write_inbound(struct rule *r, const void *context)
{
	const struct context *c = context;

	if (!c->rules->hairpin)
		rule_iifname_not(r, SET_TUNNELS);
	rule_dnat_map(r, c->family);
}

static void write_outbound(struct rule *r, const void *context)
{
	const struct context *c = context;

	rule_oifname(r, SET_EXTERNAL);
	rule_snat_map(r, c->family);
}

static void match_hairpin(struct rule *r)
{
	rule_iifname(r, SET_TUNNELS);
	rule_oifname(r, SET_TUNNELS);
	rule_ct_dnat(r, true);
}

static void write_hairpin_mapped(struct rule *r, const void *context)
{
	const struct context *c = context;

	match_hairpin(r);
	rule_snat_map(r, c->family);
}

static void write_hairpin_others(struct rule *r, const void *context)
{
	const struct context *c = context;

	match_hairpin(r);
	rule_l4proto(r, c->transports);
	rule_snat(r, c->family, first_external(c), c->rules->masquerade_ports);
}

static void match_outgoing(struct rule *r)
{
	rule_iifname(r, SET_TUNNELS);
	rule_oifname(r, SET_EXTERNAL);
}

static void write_masquerade_ports(struct rule *r, const void *context)
{
	const struct context *c = context;

	match_outgoing(r);
	rule_l4proto(r, c->transports);
	rule_masquerade(r, &c->rules->masquerade_ports);
}

static void write_masquerade(struct rule *r, const void *context)
{
	(void)context;
	match_outgoing(r);
	rule_masquerade(r, NULL);
}

static void write_port_fail(struct rule *r, const void *context)
{
	const struct context *c = context;

	rule_iifname(r, SET_EXTERNAL);
	rule_oifname(r, SET_TUNNELS);
	rule_saddr(r, c->family, c->family->outer);
	rule_ct_original(r);
	rule_drop(r);
}

static void write_untracked_strangers(struct rule *r, const void *context)
{
	(void)context;
	rule_iifname(r, SET_EXTERNAL);
	rule_oifname(r, SET_TUNNELS);
	rule_ct_state(r, NF_CT_STATE_INVALID_BIT | NF_CT_STATE_UNTRACKED_BIT);
	rule_drop(r);
}

static void write_strangers(struct rule *r, const void *context)
{
	(void)context;
	rule_iifname(r, SET_EXTERNAL);
	rule_oifname(r, SET_TUNNELS);
	rule_ct_state(r, NF_CT_STATE_BIT(IP_CT_NEW));
	rule_ct_dnat(r, false);
	rule_drop(r);
}

static void write_untranslated(struct rule *r, const void *context)
{
	(void)context;
	match_outgoing(r);
	rule_ct_state(r, NF_CT_STATE_INVALID_BIT);
	rule_drop(r);
}

static void write_request_outside(struct rule *r, const void *context)
{
	(void)context;
	rule_iifname(r, SET_EXTERNAL);
	rule_udp_dport(r, REQUEST_PORT);
	rule_drop(r);
}

static void write_request_elsewhere(struct rule *r, const void *context)
{
	const struct context *c = context;

	rule_daddr(r, c->family, c->family->listeners);
	rule_iifname_not(r, SET_TUNNELS);
	rule_udp_dport(r, REQUEST_PORT);
	rule_drop(r);
}

static void write_request_spoofed(struct rule *r, const void *context)
{
	(void)context;
	rule_iifname(r, SET_TUNNELS);
	rule_udp_dport(r, REQUEST_PORT);
	rule_no_route_back(r);
	rule_drop(r);
}

static void write_request_flood(struct rule *r, const void *context)
{
	const struct context *c = context;

	rule_iifname(r, SET_TUNNELS);
	rule_udp_dport(r, REQUEST_PORT);
	rule_over_rate(r, c->family, c->rules->flood_rate);
	rule_drop(r);
}

static void write_probe_guard(struct rule *r, const void *context)
{
	const struct context *c = context;

	rule_daddr(r, c->family, c->family->addresses);
	rule_l4proto(r, c->transports);
	rule_dport_range(r, c->rules->pool);
	rule_dport_not(r, SET_RESERVED);
	rule_ct_state(r,
		NF_CT_STATE_INVALID_BIT | NF_CT_STATE_BIT(IP_CT_NEW) | NF_CT_STATE_UNTRACKED_BIT);
	rule_drop(r);
}

/* In their order within a chain. */
static const struct rule_kind rule_kinds[] = {
	{"prerouting", true, false, always, write_inbound},
	{"postrouting", true, false, always, write_outbound},
	{"postrouting", true, false, with_hairpin, write_hairpin_mapped},
	{"postrouting", true, true, with_hairpin_address, write_hairpin_others},
	{"postrouting", false, true, with_masquerade, write_masquerade_ports},
	{"postrouting", false, false, with_masquerade, write_masquerade},
	{"forward", true, false, with_port_fail_guard, write_port_fail},
	{"forward", false, false, always, write_untracked_strangers},
	{"forward", false, false, always, write_strangers},
	{"forward", false, false, with_masquerade, write_untranslated},
	{"input", false, false, always, write_request_outside},
	{"input", true, false, always, write_request_elsewhere},
	{"input", false, false, always, write_request_spoofed},
	{"input", true, false, with_flood_limit, write_request_flood},
	{"input", true, true, always, write_probe_guard},
};

static void put_rule(struct batch *b, const struct rule_kind *kind, struct context *c)
{
	if (!kind->wanted(c))
		return;
	if (kind->transports)
		sets_put_transports(b, ++c->transports);
	rule_put(b, kind->chain, kind->write, c);
}

static void put_rules(struct batch *b, const struct nft_rules *rules, const struct gateway *gateway)
{
	struct context c = {.rules = rules, .gateway = gateway, .transports = SETS_IDS_MAX};

	for (size_t i = 0; i < ARRAY_LEN(rule_kinds); i++) {
		const struct rule_kind *kind = &rule_kinds[i];

		for (size_t k = 0; k < FAMILIES; k++) {
			c.family = kind->each_family ? &families[k] : NULL;
			if (kind->each_family || k == 0)
				put_rule(b, kind, &c);
		}
	}
}

static int describe_chain(struct nftnl_chain *n, const char *table, const struct chain *chain)
{
	if (nftnl_chain_set_str(n, NFTNL_CHAIN_TABLE, table) < 0 ||
		nftnl_chain_set_str(n, NFTNL_CHAIN_NAME, chain->name) < 0 ||
		nftnl_chain_set_str(n, NFTNL_CHAIN_TYPE, chain->type) < 0)
		return -ENOMEM;
	nftnl_chain_set_u32(n, NFTNL_CHAIN_HOOKNUM, chain->hook);
	nftnl_chain_set_s32(n, NFTNL_CHAIN_PRIO, chain->priority);
	nftnl_chain_set_u32(n, NFTNL_CHAIN_POLICY, NF_ACCEPT);
	return 0;
}

static void put_chain(struct batch *b, const char *table, const struct chain *chain)
{
	struct nftnl_chain *n = nftnl_chain_alloc();
	struct nlmsghdr *nlh;
	int err;

	if (!n) {
		batch_fail(b, -ENOMEM);
		return;
	}
	err = describe_chain(n, table, chain);
	batch_open(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE, 0, false);
	if (err)
		batch_fail(b, err);
	nlh = batch_room(b, CHAIN_LEN_MAX);
	if (nlh)
		nftnl_chain_nlmsg_build_payload(nlh, n);
	batch_close(b);
	nftnl_chain_free(n);
}

void ruleset_put_probe_chain(struct batch *b, const char *table)
{
	put_chain(b, table, &chains[0]);
}

void ruleset_put(struct batch *b, const struct nft_rules *rules, const struct gateway *gateway,
	const struct outer *outer, bool over)
{
	if (over) {
		table_put(b, TABLE_NAME, 0, 0);
		table_put_delete(b, TABLE_NAME);
	}
	table_put(b, TABLE_NAME, 0, over ? 0 : NLM_F_EXCL);
	for (size_t i = 0; i < ARRAY_LEN(chains); i++)
		put_chain(b, TABLE_NAME, &chains[i]);
	sets_put(b);
	sets_fill(b, rules, gateway);
	outer_put(b, outer);
	put_rules(b, rules, gateway);
}

/* A removal that names no rule is one of all rules in the chain. */
static void put_chain_flush(struct batch *b, const char *chain)
{
	batch_open(b, NFT_MSG_DELRULE, 0, 0, false);
	batch_put_str(b, NFTA_RULE_TABLE, TABLE_NAME);
	batch_put_str(b, NFTA_RULE_CHAIN, chain);
	batch_close(b);
}

void ruleset_put_update(struct batch *b, const struct nft_rules *rules,
	const struct gateway *gateway, const struct outer *outer)
{
	for (size_t i = 0; i < ARRAY_LEN(chains); i++)
		put_chain_flush(b, chains[i].name);
	sets_flush(b);
	sets_fill(b, rules, gateway);
	outer_put_flush(b);
	outer_put(b, outer);
	put_rules(b, rules, gateway);
}
