/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/nft/family.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#define TYPE_IPADDR 7 /* nft's datatype.h, part of what it stores in the kernel */

const struct family families[FAMILIES] = {
	{
		.nfproto = NFPROTO_IPV4,
		.addr_len = 4,
		.addr_at = 12,
		.source_at = 12,
		.destination_at = 16,
		.addr_type = TYPE_IPADDR,
		.ct_source = CTA_IP_V4_SRC,
		.ct_destination = CTA_IP_V4_DST,
		.inbound = "inbound4",
		.outbound = "outbound4",
		.addresses = "addresses4",
		.listeners = "listeners4",
		.flood = "flood4",
		.outer = "outer4",
	},
};

const struct family *family_of(const struct addr *a)
{
	uint8_t want = addr_is_v4(a) ? NFPROTO_IPV4 : NFPROTO_IPV6;

	for (size_t i = 0; i < FAMILIES; i++)
		if (families[i].nfproto == want)
			return &families[i];
	return NULL;
}

struct addr family_addr(const struct family *f, const uint8_t *octets)
{
	return f->nfproto == NFPROTO_IPV4 ? addr_from_v4(octets) : addr_from_v6(octets);
}
