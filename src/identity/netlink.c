/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/identity/netlink.h"

#include <assert.h>
#include <errno.h>
#include <linux/genetlink.h>
#include <linux/wireguard.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>

/* The most that the kernel puts into one part of a dump; it fills what the reader offers. */
#define PART_MAX 32768

/* How often the answer may be torn by changes until we give up. */
#define ATTEMPTS_MAX 8

#define REQUEST_SEQ 1

/* What an attribute must be. */
struct attribute_rule {
	enum mnl_attr_data_type type; /* MNL_TYPE_UNSPEC: not looked at */
	size_t len_min;               /* octets of the payload, where the type does not say */
};

struct attribute_table {
	const struct attribute_rule *rule;
	const struct nlattr **found; /* of each type the last, or NULL */
	size_t len;
};

static const struct attribute_rule family_rules[CTRL_ATTR_FAMILY_NAME + 1] = {
	[CTRL_ATTR_FAMILY_ID] = {MNL_TYPE_U16, 0},
	[CTRL_ATTR_FAMILY_NAME] = {MNL_TYPE_NUL_STRING, 0},
};

static const struct attribute_rule device_rules[WGDEVICE_A_PEERS + 1] = {
	[WGDEVICE_A_PEERS] = {MNL_TYPE_NESTED, 0},
};

static const struct attribute_rule peer_rules[WGPEER_A_ALLOWEDIPS + 1] = {
	[WGPEER_A_PUBLIC_KEY] = {MNL_TYPE_BINARY, 0},
	[WGPEER_A_ENDPOINT] = {MNL_TYPE_BINARY, sizeof(struct sockaddr)},
	[WGPEER_A_ALLOWEDIPS] = {MNL_TYPE_NESTED, 0},
};

static const struct attribute_rule allowed_rules[WGALLOWEDIP_A_CIDR_MASK + 1] = {
	[WGALLOWEDIP_A_FAMILY] = {MNL_TYPE_U16, 0},
	[WGALLOWEDIP_A_IPADDR] = {MNL_TYPE_BINARY, sizeof(struct in_addr)},
	[WGALLOWEDIP_A_CIDR_MASK] = {MNL_TYPE_U8, 0},
};

/* Attributes that a later kernel adds have no rule and are passed over. */
static int check_attribute(const struct nlattr *attr, void *data)
{
	struct attribute_table *table = data;
	size_t type = mnl_attr_get_type(attr);

	if (type >= table->len || table->rule[type].type == MNL_TYPE_UNSPEC)
		return MNL_CB_OK;
	if (mnl_attr_validate(attr, table->rule[type].type) < 0 ||
		mnl_attr_get_payload_len(attr) < table->rule[type].len_min) {
		errno = EPROTO;
		return MNL_CB_ERROR;
	}
	table->found[type] = attr;
	return MNL_CB_OK;
}

static int parse_nested(const struct nlattr *nest, struct attribute_table *table)
{
	return mnl_attr_parse_nested(nest, check_attribute, table) < 0 ? -EPROTO : 0;
}

/* What libmnl wants to hear from a callback: 0 or -errno in its words. */
static int callback_status(int err)
{
	if (!err)
		return MNL_CB_OK;
	errno = -err;
	return MNL_CB_ERROR;
}

/* The attributes of a message behind its generic netlink header. */
static int parse_message(const struct nlmsghdr *nlh, struct attribute_table *table)
{
	/* libmnl reads to the next multiple of four. */
	if (nlh->nlmsg_len % NLMSG_ALIGNTO != 0 ||
		mnl_nlmsg_get_payload_len(nlh) < sizeof(struct genlmsghdr))
		return -EPROTO;
	return mnl_attr_parse(nlh, sizeof(struct genlmsghdr), check_attribute, table) < 0 ? -EPROTO
											  : 0;
}

/* Reading a device */

static int parse_allowed(const struct nlattr *nest, struct peer_list *list)
{
	const struct nlattr *found[ARRAY_LEN(allowed_rules)] = {0};
	struct attribute_table table = {allowed_rules, found, ARRAY_LEN(found)};
	const struct nlattr *address;
	uint16_t family;
	int err = parse_nested(nest, &table);

	if (err)
		return err;
	address = found[WGALLOWEDIP_A_IPADDR];
	if (!found[WGALLOWEDIP_A_FAMILY] || !address || !found[WGALLOWEDIP_A_CIDR_MASK])
		return -EPROTO;
	family = mnl_attr_get_u16(found[WGALLOWEDIP_A_FAMILY]);
	if (family == AF_INET6 && mnl_attr_get_payload_len(address) < sizeof(struct in6_addr))
		return -EPROTO;
	return peer_list_allow(list, family, mnl_attr_get_payload(address),
		mnl_attr_get_u8(found[WGALLOWEDIP_A_CIDR_MASK]));
}

static int each_allowed(const struct nlattr *nest, void *data)
{
	return callback_status(parse_allowed(nest, data));
}

static int parse_endpoint(const struct nlattr *attr, struct peer_list *list)
{
	size_t len = mnl_attr_get_payload_len(attr);
	const void *payload = mnl_attr_get_payload(attr);
	struct sockaddr_in6 v6;
	struct sockaddr_in v4;
	struct addr endpoint;

	memcpy(&v4, payload, sizeof(v4));
	if (v4.sin_family == AF_INET) {
		endpoint = addr_from_v4((const uint8_t *)&v4.sin_addr);
	} else if (v4.sin_family == AF_INET6 && len >= sizeof(v6)) {
		memcpy(&v6, payload, sizeof(v6));
		endpoint = addr_from_v6(v6.sin6_addr.s6_addr);
	} else {
		return -EPROTO;
	}
	peer_list_set_endpoint(list, &endpoint);
	return 0;
}

static int parse_peer(const struct nlattr *nest, struct peer_list *list)
{
	const struct nlattr *found[ARRAY_LEN(peer_rules)] = {0};
	struct attribute_table table = {peer_rules, found, ARRAY_LEN(found)};
	struct config_wireguard_key key;
	const struct nlattr *public_key, *allowed;
	int err = parse_nested(nest, &table);

	if (err)
		return err;
	public_key = found[WGPEER_A_PUBLIC_KEY];
	if (!public_key || mnl_attr_get_payload_len(public_key) != sizeof(key.octet))
		return -EPROTO;
	memcpy(key.octet, mnl_attr_get_payload(public_key), sizeof(key.octet));
	err = peer_list_add(list, &key);
	/* Where a peer goes on in another message, its endpoint is not said again. */
	if (!err && found[WGPEER_A_ENDPOINT])
		err = parse_endpoint(found[WGPEER_A_ENDPOINT], list);
	allowed = found[WGPEER_A_ALLOWEDIPS];
	if (!err && allowed && mnl_attr_parse_nested(allowed, each_allowed, list) < 0)
		err = -errno;
	return err;
}

static int each_peer(const struct nlattr *nest, void *data)
{
	return callback_status(parse_peer(nest, data));
}

int netlink_parse_device(const struct nlmsghdr *nlh, struct peer_list *list)
{
	const struct nlattr *found[ARRAY_LEN(device_rules)] = {0};
	struct attribute_table table = {device_rules, found, ARRAY_LEN(found)};
	const struct nlattr *peers;
	int err = parse_message(nlh, &table);

	if (err)
		return err;
	peers = found[WGDEVICE_A_PEERS];
	return peers && mnl_attr_parse_nested(peers, each_peer, list) < 0 ? -errno : 0;
}

static int each_device(const struct nlmsghdr *nlh, void *data)
{
	return callback_status(netlink_parse_device(nlh, data));
}

/* Finding the family */

struct family_search {
	const char *name;
	bool found;
	uint16_t family;
};

static int each_family(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *found[ARRAY_LEN(family_rules)] = {0};
	struct attribute_table table = {family_rules, found, ARRAY_LEN(found)};
	struct family_search *search = data;

	if (parse_message(nlh, &table) < 0 || !found[CTRL_ATTR_FAMILY_ID] ||
		!found[CTRL_ATTR_FAMILY_NAME]) {
		errno = EPROTO;
		return MNL_CB_ERROR;
	}
	if (strcmp(mnl_attr_get_str(found[CTRL_ATTR_FAMILY_NAME]), search->name) == 0) {
		search->found = true;
		search->family = mnl_attr_get_u16(found[CTRL_ATTR_FAMILY_ID]);
	}
	return MNL_CB_OK;
}

/* Asking */

/* A dump that fails half-way says so in its last message only, which libmnl 1.0.4 ignores. */
static int dump_done(const struct nlmsghdr *nlh, void *data)
{
	const int *error = mnl_nlmsg_get_payload(nlh);

	(void)data;
	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*error) || *error >= 0)
		return MNL_CB_STOP;
	errno = -*error;
	return MNL_CB_ERROR;
}

/* One that is refused at once.  To name DONE's callback takes away libmnl's own for this. */
static int dump_error(const struct nlmsghdr *nlh, void *data)
{
	const struct nlmsgerr *refusal = mnl_nlmsg_get_payload(nlh);

	(void)data;
	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*refusal))
		return callback_status(-EPROTO);
	return refusal->error == 0 ? MNL_CB_STOP : callback_status(refusal->error);
}

static int dump_receive(struct mnl_socket *nl, void *part, mnl_cb_t each, void *data)
{
	mnl_cb_t control[] = {[NLMSG_ERROR] = dump_error, [NLMSG_DONE] = dump_done};
	int state = MNL_CB_OK;

	while (state > MNL_CB_STOP) {
		ssize_t len = mnl_socket_recvfrom(nl, part, PART_MAX);

		if (len < 0)
			return -errno;
		state = mnl_cb_run2(part, (size_t)len, REQUEST_SEQ, mnl_socket_get_portid(nl), each,
			data, control, ARRAY_LEN(control));
	}
	return state < 0 ? -errno : 0;
}

/* Send @request on a socket of its own, where no late part of an older answer can be read. */
static int dump_run(const struct nlmsghdr *request, mnl_cb_t each, void *data)
{
	void *part = malloc(PART_MAX);
	struct mnl_socket *nl = NULL;
	int err;

	if (!part)
		return -ENOMEM;
	nl = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);
	if (!nl || mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 ||
		mnl_socket_sendto(nl, request, request->nlmsg_len) < 0) {
		err = -errno;
		goto out;
	}
	err = dump_receive(nl, part, each, data);
out:
	if (nl)
		(void)mnl_socket_close(nl);
	/* The kernel's answer holds the interface's private key and the preshared keys. */
	explicit_bzero(part, PART_MAX);
	free(part);
	return err;
}

static struct nlmsghdr *put_header(
	uint8_t buffer[NETLINK_REQUEST_MAX], uint16_t family, uint8_t command, uint8_t version)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
	struct genlmsghdr *genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));

	nlh->nlmsg_type = family;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = REQUEST_SEQ;
	genl->cmd = command;
	genl->version = version;
	return nlh;
}

int netlink_find_family(const char *name, uint16_t *family)
{
	_Alignas(struct nlmsghdr) uint8_t buffer[NETLINK_REQUEST_MAX];
	struct family_search search;
	int attempts = 0;
	int err;

	do {
		search = (struct family_search){.name = name};
		/*
		 * All families rather than this one: who asks for one that is not there makes the
		 * kernel look for a module, each time.  An interface of it has loaded it already.
		 */
		err = dump_run(put_header(buffer, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1), each_family,
			&search);
	} while (err == -EINTR && ++attempts < ATTEMPTS_MAX);
	if (err)
		return err;
	if (!search.found)
		return -ENOENT;
	*family = search.family;
	return 0;
}

struct nlmsghdr *netlink_put_request(
	uint8_t buffer[NETLINK_REQUEST_MAX], uint16_t family, const char *interface)
{
	struct nlmsghdr *nlh = put_header(buffer, family, WG_CMD_GET_DEVICE, WG_GENL_VERSION);
	bool fits = mnl_attr_put_strz_check(nlh, NETLINK_REQUEST_MAX, WGDEVICE_A_IFNAME, interface);

	/* An interface's name is at most CONFIG_INTERFACE_MAX octets. */
	assert(fits);
	(void)fits;
	return nlh;
}

int netlink_read_peers(uint16_t family, const char *interface, struct peer_list *list)
{
	_Alignas(struct nlmsghdr) uint8_t buffer[NETLINK_REQUEST_MAX];
	int attempts = 0;
	int err;

	do {
		/* An answer that was torn by a change may miss a peer, or hold one twice. */
		peer_list_restart_interface(list);
		err = dump_run(netlink_put_request(buffer, family, interface), each_device, list);
	} while (err == -EINTR && ++attempts < ATTEMPTS_MAX);
	return err;
}
