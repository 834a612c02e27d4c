/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The attributes of a netlink message, or of one that holds others, by their type. */
#ifndef TUNMAP_NFT_ATTRIBUTES_H
#define TUNMAP_NFT_ATTRIBUTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nlattr;
struct nlmsghdr;

/*
 * Note where the attributes behind a header of @header_len octets stand, in @table, which has a
 * place for each type up to @max and begins empty.  Larger types, those of newer kernels, are
 * passed over.  False when the message is too short for the header, or cut off.
 */
bool attributes_read(
	const struct nlmsghdr *nlh, size_t header_len, const struct nlattr **table, uint16_t max);

/* The same for those in @nest; false without it. */
bool attributes_read_nested(const struct nlattr *nest, const struct nlattr **table, uint16_t max);

#endif
