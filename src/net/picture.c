/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "include/net.h"
#include "src/net/dump.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include <libmnl/libmnl.h>

/* A reading fails when something changes meanwhile; more would keep the loop from its work. */
#define PICTURE_ATTEMPTS 32

#define REQUEST_MAX 128 /* octets of the longest request below, and to spare */

/* A request with its storage, aligned for the header that stands at its start. */
union request {
	struct nlmsghdr header;
	char room[REQUEST_MAX];
};

struct route_search {
	uint32_t ifindex; /* of the best one so far; 0: none */
	uint32_t metric;
};

/* Room for one item more in an array that doubles when its length is a power of two. */
static void *make_room(void *array, size_t len, size_t size)
{
	if (len & (len - 1))
		return array;
	return reallocarray(array, len > 0 ? len * 2 : 1, size);
}

/* The attributes of a message that stand in @table's places; later ones of a type win. */
struct attributes {
	const struct nlattr **table;
	uint16_t max;
};

static int note_attribute(const struct nlattr *attr, void *data)
{
	const struct attributes *a = data;
	uint16_t type = mnl_attr_get_type(attr);

	if (type <= a->max)
		a->table[type] = attr;
	return MNL_CB_OK;
}

/* False for a message too short to hold its own header. */
static bool read_attributes(const struct nlmsghdr *nlh, unsigned int header_len,
	const struct nlattr **table, uint16_t max)
{
	struct attributes a = {.table = table, .max = max};

	return mnl_nlmsg_get_payload_len(nlh) >= header_len &&
	       mnl_attr_parse(nlh, header_len, note_attribute, &a) >= 0;
}

/* @fallback when the attribute is missing or not a number of 32 bits. */
static uint32_t attribute_u32(const struct nlattr *attr, uint32_t fallback)
{
	return attr && mnl_attr_get_payload_len(attr) == sizeof(uint32_t) ? mnl_attr_get_u32(attr)
									  : fallback;
}

static int read_link(const struct nlmsghdr *nlh, void *data)
{
	struct net_picture *p = data;
	const struct nlattr *attr[IFLA_IFNAME + 1] = {0};
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(nlh);
	struct net_interface *interfaces;
	struct net_interface *i;
	const char *name;

	if (nlh->nlmsg_type != RTM_NEWLINK ||
		!read_attributes(nlh, sizeof(*info), attr, IFLA_IFNAME) || !attr[IFLA_IFNAME] ||
		mnl_attr_validate(attr[IFLA_IFNAME], MNL_TYPE_NUL_STRING) < 0)
		return MNL_CB_OK;
	name = mnl_attr_get_str(attr[IFLA_IFNAME]);
	if (strlen(name) >= sizeof(i->name))
		return MNL_CB_OK;
	interfaces = make_room(p->interfaces, p->interfaces_len, sizeof(*interfaces));
	if (!interfaces)
		return MNL_CB_ERROR; /* errno is ENOMEM */
	p->interfaces = interfaces;
	i = &p->interfaces[p->interfaces_len++];
	*i = (struct net_interface){.ifindex = (uint32_t)info->ifi_index,
		.up = (info->ifi_flags & IFF_UP) != 0,
		.loopback = (info->ifi_flags & IFF_LOOPBACK) != 0};
	memcpy(i->name, name, strlen(name));
	return MNL_CB_OK;
}

static int read_links(struct net_picture *p)
{
	union request request;
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(&request);
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));

	nlh->nlmsg_type = RTM_GETLINK;
	info->ifi_family = AF_UNSPEC;
	/* Counters are two thirds of the answer, and a gateway may have thousands of links. */
	if (!mnl_attr_put_u32_check(nlh, sizeof(request), IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS))
		return -EMSGSIZE;
	return dump_run(NETLINK_ROUTE, nlh, read_link, p);
}

/* Copy the address out of @attr; false when it is of no family we know or cut short. */
static bool read_addr(const struct nlattr *attr, int family, struct addr *out)
{
	if (attr && family == AF_INET && mnl_attr_get_payload_len(attr) == 4) {
		*out = addr_from_v4(mnl_attr_get_payload(attr));
		return true;
	}
	if (attr && family == AF_INET6 && mnl_attr_get_payload_len(attr) == 16) {
		*out = addr_from_v6(mnl_attr_get_payload(attr));
		return true;
	}
	return false;
}

static int read_address(const struct nlmsghdr *nlh, void *data)
{
	static const uint32_t unfit = IFA_F_TENTATIVE | IFA_F_DADFAILED | IFA_F_DEPRECATED;
	struct net_picture *p = data;
	const struct nlattr *attr[IFA_FLAGS + 1] = {0};
	const struct ifaddrmsg *info = mnl_nlmsg_get_payload(nlh);
	struct net_address *addresses;
	struct net_address a;
	uint32_t flags;

	if (nlh->nlmsg_type != RTM_NEWADDR || !read_attributes(nlh, sizeof(*info), attr, IFA_FLAGS))
		return MNL_CB_OK;
	/* On a point-to-point link IFA_ADDRESS is the other end's; ours is IFA_LOCAL. */
	if (!read_addr(attr[IFA_LOCAL] ? attr[IFA_LOCAL] : attr[IFA_ADDRESS], info->ifa_family,
		    &a.addr))
		return MNL_CB_OK;
	flags = attribute_u32(attr[IFA_FLAGS], info->ifa_flags);
	a.ifindex = info->ifa_index;
	a.global = info->ifa_scope == RT_SCOPE_UNIVERSE && (flags & unfit) == 0;
	a.primary = (flags & IFA_F_SECONDARY) == 0;
	addresses = make_room(p->addresses, p->addresses_len, sizeof(*addresses));
	if (!addresses)
		return MNL_CB_ERROR; /* errno is ENOMEM */
	p->addresses = addresses;
	p->addresses[p->addresses_len++] = a;
	return MNL_CB_OK;
}

static int read_addresses(struct net_picture *p)
{
	union request request;
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(&request);
	struct ifaddrmsg *info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));

	nlh->nlmsg_type = RTM_GETADDR;
	info->ifa_family = AF_UNSPEC;
	return dump_run(NETLINK_ROUTE, nlh, read_address, p);
}

/* The interface of the first next hop that is alive, or 0. */
static uint32_t multipath_ifindex(const struct nlattr *attr)
{
	const char *at = mnl_attr_get_payload(attr);
	size_t left = mnl_attr_get_payload_len(attr);
	struct rtnexthop hop;
	size_t step;

	while (left >= sizeof(hop)) {
		memcpy(&hop, at, sizeof(hop));
		if (hop.rtnh_len < sizeof(hop) || hop.rtnh_len > left)
			break;
		if ((hop.rtnh_flags & RTNH_F_DEAD) == 0)
			return (uint32_t)hop.rtnh_ifindex;
		step = (size_t)RTNH_ALIGN(hop.rtnh_len);
		if (step >= left)
			break;
		at += step;
		left -= step;
	}
	return 0;
}

/* True for a route by which any packet may leave. */
static bool is_default_route(const struct rtmsg *info, const struct nlattr *table)
{
	return info->rtm_family == AF_INET && info->rtm_dst_len == 0 && info->rtm_tos == 0 &&
	       info->rtm_type == RTN_UNICAST &&
	       (info->rtm_flags & (RTM_F_CLONED | RTNH_F_DEAD)) == 0 &&
	       attribute_u32(table, info->rtm_table) == RT_TABLE_MAIN;
}

static int read_route(const struct nlmsghdr *nlh, void *data)
{
	struct route_search *best = data;
	const struct nlattr *attr[RTA_TABLE + 1] = {0};
	const struct rtmsg *info = mnl_nlmsg_get_payload(nlh);
	uint32_t metric;
	uint32_t ifindex;

	if (nlh->nlmsg_type != RTM_NEWROUTE ||
		!read_attributes(nlh, sizeof(*info), attr, RTA_TABLE) ||
		!is_default_route(info, attr[RTA_TABLE]))
		return MNL_CB_OK;
	ifindex = attribute_u32(attr[RTA_OIF], 0);
	if (ifindex == 0 && attr[RTA_MULTIPATH])
		ifindex = multipath_ifindex(attr[RTA_MULTIPATH]);
	metric = attribute_u32(attr[RTA_PRIORITY], 0);
	if (ifindex != 0 && (best->ifindex == 0 || metric < best->metric))
		*best = (struct route_search){.ifindex = ifindex, .metric = metric};
	return MNL_CB_OK;
}

static int read_default_route(struct net_picture *p)
{
	union request request;
	struct route_search best = {0};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(&request);
	struct rtmsg *info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));
	int err;

	nlh->nlmsg_type = RTM_GETROUTE;
	info->rtm_family = AF_INET;
	info->rtm_table = RT_TABLE_MAIN;
	err = dump_run(NETLINK_ROUTE, nlh, read_route, &best);
	/* The main table comes into being with its first route. */
	if (err == -ENOENT)
		err = 0;
	p->default4_ifindex = best.ifindex;
	return err;
}

/* -EINTR: what was read is not consistent.  @out is written on success only. */
static int read_once(struct net_picture *out)
{
	struct net_picture p = {0};
	int err = read_links(&p);

	if (!err)
		err = read_addresses(&p);
	if (!err)
		err = read_default_route(&p);
	if (err)
		net_picture_fini(&p);
	else
		*out = p;
	return err;
}

int net_picture_read(struct net_picture *out)
{
	int err = -EINTR;

	for (int attempt = 0; err == -EINTR && attempt < PICTURE_ATTEMPTS; attempt++)
		err = read_once(out);
	return err == -EINTR ? -EAGAIN : err;
}

void net_picture_fini(struct net_picture *picture)
{
	free(picture->interfaces);
	free(picture->addresses);
	*picture = (struct net_picture){0};
}
