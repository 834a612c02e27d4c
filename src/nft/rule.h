/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The words that rules are made of.  Each function appends the expressions that nft makes for
 * the same words, so that nft can print them.  The first failure sticks in the rule and lets the
 * whole batch fail: a rule that lacks a match is never sent.
 */
#ifndef TUNMAP_NFT_RULE_H
#define TUNMAP_NFT_RULE_H

#include "include/config.h"
#include "src/nft/batch.h"
#include "src/nft/family.h"

#include <stdbool.h>
#include <stdint.h>

struct nftnl_rule;

struct rule {
	struct nftnl_rule *nftnl;
	int err;
};

/* Build the rule of @chain that @write describes, and put it into @b. */
void rule_put(struct batch *b, const char *chain, void (*write)(struct rule *r, const void *arg),
	const void *arg);

/* iifname [!=] @set, oifname @set */
void rule_iifname(struct rule *r, const char *set);
void rule_iifname_not(struct rule *r, const char *set);
void rule_oifname(struct rule *r, const char *set);
/* ip saddr @set, ip daddr @set */
void rule_saddr(struct rule *r, const struct family *f, const char *set);
void rule_daddr(struct rule *r, const struct family *f, const char *set);
/* meta l4proto { tcp, udp }, an anonymous set of the same batch */
void rule_l4proto(struct rule *r, uint32_t anonymous_id);
/* udp dport @port */
void rule_udp_dport(struct rule *r, uint16_t port);
/* th dport @range */
void rule_dport_range(struct rule *r, struct port_range range);
/* th dport != @set */
void rule_dport_not(struct rule *r, const char *set);
/* ct state @states (NF_CT_STATE bits) */
void rule_ct_state(struct rule *r, uint32_t states);
/* ct direction original */
void rule_ct_original(struct rule *r);
/* ct status [!] dnat */
void rule_ct_dnat(struct rule *r, bool wanted);
/* fib saddr . iif oif missing */
void rule_no_route_back(struct rule *r);
/* update @f->flood { ip saddr limit rate over R/second burst 2R packets } */
void rule_over_rate(struct rule *r, const struct family *f, uint32_t rate);

/* drop */
void rule_drop(struct rule *r);
/* dnat ip to ip daddr . meta l4proto . th dport map @inbound */
void rule_dnat_map(struct rule *r, const struct family *f);
/* snat ip to ip saddr . meta l4proto . th sport map @outbound */
void rule_snat_map(struct rule *r, const struct family *f);
/* snat ip to @addr:@ports */
void rule_snat(
	struct rule *r, const struct family *f, const struct addr *addr, struct port_range ports);
/* masquerade [to :@ports] */
void rule_masquerade(struct rule *r, const struct port_range *ports);

#endif
