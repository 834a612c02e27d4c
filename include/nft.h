/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's NAT: the table `inet tunmap`, and the flows in conntrack.  See DESIGN in the
 * head of src/nft/ruleset.c for the rules.  Functions return 0 or -errno unless they say otherwise.
 */
#ifndef TUNMAP_NFT_H
#define TUNMAP_NFT_H

#include "include/backend.h"
#include "include/compiler.h"
#include "include/config.h"
#include "include/gateway.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nft;

/* What the rules are made of beside the gateway's interfaces and addresses. */
struct nft_rules {
	struct port_range pool;
	bool masquerade;                    /* masquerade the tunnels ourselves */
	struct port_range masquerade_ports; /* outside the pool: source ports of everybody else */
	bool hairpin;
	bool port_fail_guard; /* drop what comes past a tunnel from its peer: nft_set_outer() */
	uint32_t flood_rate;  /* packets a second from one source to port 5351; more are dropped */
	const struct port_set *reserved; /* pool ports that the gateway itself listens on */
};

enum nft_error {
	NFT_OK = 0,
	NFT_NO_PERMISSION, /* no CAP_NET_ADMIN in this network namespace */
	NFT_NO_SUPPORT,    /* the kernel has no nf_tables, or not its NAT */
	NFT_FOREIGN_TABLE, /* a table `inet tunmap` stands there that is not ours */
	NFT_FAILED,        /* anything else; *err tells */
};

/*
 * Open the door to the kernel and probe what it can do.  On NFT_OK *@out is the handle, closed with
 * nft_close(); on anything else *@err is the -errno behind it.
 */
enum nft_error nft_open(struct nft **out, int *err) MUST_CHECK;
/* Leaves the table in the kernel, where mappings run out by themselves. */
void nft_close(struct nft *nft);

/* How mappings are written on this kernel, in a few words for people; valid until nft_close(). */
const char *nft_way(const struct nft *nft);

/*
 * Put the table in place in one transaction: made new and empty, or made new over the one
 * that an earlier daemon left.  Then end the flows of every mapping there was: of those in that
 * table, and of those that there may have been in the pool, should the table be gone.
 * NFT_FOREIGN_TABLE leaves everything as it is.
 */
enum nft_error nft_install(struct nft *nft, const struct nft_rules *rules,
	const struct gateway *gateway, int *err) MUST_CHECK;

/* Bring rules and sets in line in one transaction; mappings stay. */
int nft_update(
	struct nft *nft, const struct nft_rules *rules, const struct gateway *gateway) MUST_CHECK;

/*
 * Make the @len addresses at @addr those that the tunnels' peers send their tunnel packets from,
 * in one transaction.  Order and repetition do not matter, IPv6 is passed over; an unchanged list
 * costs the kernel nothing.  They are remembered, also for nft_install() and nft_update() to come,
 * and even when the kernel refused them; only -ENOMEM may leave the former ones.
 */
int nft_set_outer(struct nft *nft, const struct addr *addr, size_t len) MUST_CHECK;

/* The engine's door; valid until nft_close(). */
struct backend nft_backend(struct nft *nft);

/* A descriptor to be watched for reading: readable when there is work on flows to be ended. */
int nft_flows_fd(const struct nft *nft);
/* Continue ending flows; bounded work, to be called when the descriptor is readable. */
void nft_flows_continue(struct nft *nft);
/* True while flows of ended mappings remain to be found. */
bool nft_flows_pending(const struct nft *nft);

#endif
