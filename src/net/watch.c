/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "include/compiler.h"
#include "include/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

/* Messages read in one call; the descriptor stays readable while there are more. */
#define WATCH_DRAIN_MAX 4096

/*
 * Only default routes of the main table pass, besides all that is not a route.  In the kernel,
 * because on a gateway that speaks BGP other routes change all the time, and they would wake
 * the loop and push out of the socket what matters.  A filter reads numbers in network order;
 * netlink's are in the host's.
 */
static int watch_filter(int fd)
{
	const uint32_t route = sizeof(struct nlmsghdr);
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offsetof(struct nlmsghdr, nlmsg_type)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_NEWROUTE), 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_DELROUTE), 0, 4),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, route + offsetof(struct rtmsg, rtm_dst_len)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 3),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, route + offsetof(struct rtmsg, rtm_table)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, RT_TABLE_MAIN, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = {.len = ARRAY_LEN(code), .filter = code};

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0)
		return -errno;
	return 0;
}

int net_watch_open(void)
{
	struct sockaddr_nl groups = {.nl_family = AF_NETLINK,
		.nl_groups =
			RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE);
	int err;

	if (fd < 0)
		return -errno;
	/* The filter first: nothing passes that it has not seen. */
	err = watch_filter(fd);
	if (err)
		goto fail;
	if (bind(fd, (const struct sockaddr *)&groups, sizeof(groups)) < 0) {
		err = -errno;
		goto fail;
	}
	return fd;
fail:
	(void)close(fd);
	return err;
}

/* 1: the kernel tells of a change; 0: nothing to do with one; -EAGAIN: nothing waits. */
static int watch_receive(int fd)
{
	struct sockaddr_nl from = {0};
	socklen_t from_len = sizeof(from);
	char octet;

	/* What changed is not read, only that something did: the rest of a message is cut off. */
	if (recvfrom(fd, &octet, sizeof(octet), 0, (struct sockaddr *)&from, &from_len) < 0) {
		if (errno == ENOBUFS)
			return 1;
		return errno == EINTR ? 0 : -errno;
	}
	return from.nl_pid == 0 ? 1 : 0;
}

int net_watch_drain(int fd)
{
	int changed = 0;

	for (int i = 0; i < WATCH_DRAIN_MAX; i++) {
		int got = watch_receive(fd);

		if (got == -EAGAIN)
			break;
		if (got < 0)
			return got;
		changed |= got;
	}
	return changed;
}
