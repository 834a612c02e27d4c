/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What differs between the families of addresses; everything else treats them alike. */
#ifndef TUNMAP_NFT_FAMILY_H
#define TUNMAP_NFT_FAMILY_H

#include "include/addr.h"

#include <stddef.h>
#include <stdint.h>

#define FAMILIES 1 /* IPv4 */

struct family {
	uint8_t nfproto;   /* NFPROTO_IPV4 */
	uint8_t addr_len;  /* octets */
	uint8_t addr_at;   /* where they begin in struct addr */
	uint8_t source_at; /* octets into the packet's network header */
	uint8_t destination_at;
	uint32_t addr_type; /* nft's number for the data type */
	/* Attributes of a conntrack tuple. */
	uint16_t ct_source;
	uint16_t ct_destination;
	/* Names of its sets and maps. */
	const char *inbound;
	const char *outbound;
	const char *addresses;
	const char *listeners;
	const char *flood;
	const char *outer;
};

extern const struct family families[FAMILIES];

/* The family of @a, or NULL when its mappings are not supported. */
const struct family *family_of(const struct addr *a);

/* The octets of @a as the kernel wants them, @f->addr_len of them. */
static inline const uint8_t *family_octets(const struct family *f, const struct addr *a)
{
	return a->octet + f->addr_at;
}

/* The address in the @f->addr_len octets at @octets. */
struct addr family_addr(const struct family *f, const uint8_t *octets);

#endif
