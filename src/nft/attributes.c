/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/nft/attributes.h"

#include <linux/netlink.h>

#include <libmnl/libmnl.h>

#define TYPE_BITS ((uint16_t) ~(NLA_F_NESTED | NLA_F_NET_BYTEORDER))

/*
 * Not mnl_attr_parse(): conntrack may have hundreds of thousands of entries, and its calls for
 * every attribute took more than half of our own time to read them.
 */
static bool read_all(const uint8_t *at, size_t len, const struct nlattr **table, uint16_t max)
{
	while (len >= sizeof(struct nlattr)) {
		const struct nlattr *attr = (const void *)at;
		const uint16_t type = attr->nla_type & TYPE_BITS;
		size_t step = ((size_t)attr->nla_len + 3) & ~(size_t)3;

		if (attr->nla_len < sizeof(*attr) || attr->nla_len > len)
			return false;
		if (type <= max)
			table[type] = attr;
		step = step < len ? step : len;
		at += step;
		len -= step;
	}
	return true;
}

bool attributes_read(
	const struct nlmsghdr *nlh, size_t header_len, const struct nlattr **table, uint16_t max)
{
	const size_t aligned = NLMSG_ALIGN(header_len);
	const size_t len = mnl_nlmsg_get_payload_len(nlh);
	const uint8_t *payload = mnl_nlmsg_get_payload(nlh);

	return len >= aligned && read_all(payload + aligned, len - aligned, table, max);
}

bool attributes_read_nested(const struct nlattr *nest, const struct nlattr **table, uint16_t max)
{
	return nest &&
	       read_all(mnl_attr_get_payload(nest), mnl_attr_get_payload_len(nest), table, max);
}
