/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "include/compiler.h"
#include "include/net.h"
#include "src/net/dump.h"
#include "src/net/loopback.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

/* How often a listing that was interrupted is asked for again. */
#define PORTS_ATTEMPTS 32

/* A kind of socket that takes packets from strangers, in sock_diag's terms. */
struct ports_kind {
	uint8_t family;
	uint8_t protocol;
	uint32_t states;
};

union request {
	struct nlmsghdr header;
	char room[NLMSG_SPACE(sizeof(struct inet_diag_req_v2))];
};

static struct addr socket_addr(const struct inet_diag_msg *msg)
{
	uint8_t octet[16];

	memcpy(octet, msg->id.idiag_src, sizeof(octet));
	return msg->idiag_family == AF_INET ? addr_from_v4(octet) : addr_from_v6(octet);
}

static int read_socket(const struct nlmsghdr *nlh, void *data)
{
	const struct inet_diag_msg *msg = mnl_nlmsg_get_payload(nlh);
	struct addr addr;

	if (nlh->nlmsg_type != SOCK_DIAG_BY_FAMILY ||
		mnl_nlmsg_get_payload_len(nlh) < sizeof(*msg) || msg->id.idiag_sport == 0)
		return MNL_CB_OK;
	addr = socket_addr(msg);
	if (!addr_is_loopback(&addr))
		port_set_add(data, ntohs(msg->id.idiag_sport));
	return MNL_CB_OK;
}

static int read_kind(const struct ports_kind *kind, struct port_set *out)
{
	union request request;
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(&request);
	struct inet_diag_req_v2 *diag = mnl_nlmsg_put_extra_header(nlh, sizeof(*diag));
	int err = -EINTR;

	nlh->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	diag->sdiag_family = kind->family;
	diag->sdiag_protocol = kind->protocol;
	diag->idiag_states = kind->states;
	/* A set takes no harm from seeing a socket twice: there is nothing to throw away. */
	for (int attempt = 0; err == -EINTR && attempt < PORTS_ATTEMPTS; attempt++)
		err = dump_run(NETLINK_SOCK_DIAG, nlh, read_socket, out);
	return err == -EINTR ? -EAGAIN : err;
}

int net_ports_in_use(struct port_set *out)
{
	/* sock_diag calls a UDP socket established when it is connected, and closed when not. */
	static const uint32_t tcp = 1u << TCP_LISTEN;
	static const uint32_t udp = 1u << TCP_CLOSE | 1u << TCP_ESTABLISHED;
	const struct ports_kind kinds[] = {
		{.family = AF_INET, .protocol = IPPROTO_TCP, .states = tcp},
		{.family = AF_INET, .protocol = IPPROTO_UDP, .states = udp},
		{.family = AF_INET6, .protocol = IPPROTO_TCP, .states = tcp},
		{.family = AF_INET6, .protocol = IPPROTO_UDP, .states = udp},
	};
	struct port_set ports = {0};

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		int err = read_kind(&kinds[i], &ports);

		if (err)
			return err;
	}
	*out = ports;
	return 0;
}
