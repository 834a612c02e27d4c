/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/nft/flow.h"

#include "src/nft/attributes.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include <libmnl/libmnl.h>

static bool read_addr(const struct family *f, const struct nlattr *attr, struct addr *out)
{
	if (!attr || mnl_attr_get_payload_len(attr) < f->addr_len)
		return false;
	*out = family_addr(f, mnl_attr_get_payload(attr));
	return true;
}

static uint16_t read_port(const struct nlattr *attr)
{
	if (!attr || mnl_attr_get_payload_len(attr) < sizeof(uint16_t))
		return 0;
	return ntohs(mnl_attr_get_u16(attr));
}

static bool read_addrs(const struct family *f, const struct nlattr *nest, struct flow_end *from,
	struct flow_end *to)
{
	const struct nlattr *ip[CTA_IP_MAX + 1] = {0};

	return attributes_read_nested(nest, ip, CTA_IP_MAX) &&
	       read_addr(f, ip[f->ct_source], &from->addr) &&
	       read_addr(f, ip[f->ct_destination], &to->addr);
}

static bool read_ports(
	const struct nlattr *nest, uint8_t *protocol, struct flow_end *from, struct flow_end *to)
{
	const struct nlattr *proto[CTA_PROTO_DST_PORT + 1] = {0};

	if (!attributes_read_nested(nest, proto, CTA_PROTO_DST_PORT))
		return false;
	if (!proto[CTA_PROTO_NUM] || !mnl_attr_get_payload_len(proto[CTA_PROTO_NUM]))
		return false;
	*protocol = mnl_attr_get_u8(proto[CTA_PROTO_NUM]);
	from->port = read_port(proto[CTA_PROTO_SRC_PORT]);
	to->port = read_port(proto[CTA_PROTO_DST_PORT]);
	return true;
}

static bool read_tuple(const struct family *f, const struct nlattr *tuple, uint8_t *protocol,
	struct flow_end *from, struct flow_end *to)
{
	const struct nlattr *part[CTA_TUPLE_PROTO + 1] = {0};

	return attributes_read_nested(tuple, part, CTA_TUPLE_PROTO) &&
	       read_addrs(f, part[CTA_TUPLE_IP], from, to) &&
	       read_ports(part[CTA_TUPLE_PROTO], protocol, from, to);
}

static const struct family *family_by_number(uint8_t nfproto)
{
	for (size_t i = 0; i < FAMILIES; i++)
		if (families[i].nfproto == nfproto)
			return &families[i];
	return NULL;
}

bool flow_read(const struct nlmsghdr *nlh, struct flow *out)
{
	const struct nfgenmsg *nfg = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr[CTA_ZONE + 1] = {0};

	if (!attributes_read(nlh, sizeof(*nfg), attr, CTA_ZONE))
		return false;
	out->family = family_by_number(nfg->nfgen_family);
	out->tuple = attr[CTA_TUPLE_ORIG];
	out->id = attr[CTA_ID];
	out->zone = attr[CTA_ZONE];
	if (!out->family || !attr[CTA_STATUS] ||
		mnl_attr_get_payload_len(attr[CTA_STATUS]) < sizeof(out->status))
		return false;
	out->status = ntohl(mnl_attr_get_u32(attr[CTA_STATUS]));
	return read_tuple(out->family, out->tuple, &out->protocol, &out->from, &out->to) &&
	       read_tuple(out->family, attr[CTA_TUPLE_REPLY], &out->protocol, &out->reply_from,
		       &out->reply_to);
}
