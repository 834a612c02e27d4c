/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/net/dump.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <sys/socket.h>

/* The most that the kernel puts into one part of a dump; it fills what the reader offers. */
#define DUMP_PART_MAX 32768

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

/* A list of handlers replaces libmnl's own, so the refusal of a dump wants one too. */
static int dump_refused(const struct nlmsghdr *nlh, void *data)
{
	const struct nlmsgerr *refusal = mnl_nlmsg_get_payload(nlh);

	(void)data;
	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*refusal)) {
		errno = EPROTO;
		return MNL_CB_ERROR;
	}
	errno = -refusal->error;
	return refusal->error ? MNL_CB_ERROR : MNL_CB_STOP;
}

static int dump_receive(
	struct mnl_socket *nl, unsigned int seq, void *part, mnl_cb_t each, void *data)
{
	mnl_cb_t control[] = {[NLMSG_ERROR] = dump_refused, [NLMSG_DONE] = dump_done};
	int state = MNL_CB_OK;

	while (state > MNL_CB_STOP) {
		ssize_t len = mnl_socket_recvfrom(nl, part, DUMP_PART_MAX);

		if (len < 0)
			return -errno;
		state = mnl_cb_run2(part, (size_t)len, seq, mnl_socket_get_portid(nl), each, data,
			control, ARRAY_LEN(control));
	}
	return state < 0 ? -errno : 0;
}

int dump_run(int family, struct nlmsghdr *request, mnl_cb_t each, void *data)
{
	void *part = malloc(DUMP_PART_MAX);
	struct mnl_socket *nl = NULL;
	int on = 1;
	int err;

	if (!part)
		return -ENOMEM;
	/* A socket of its own: after a failure no late part of an older answer can be read. */
	nl = mnl_socket_open2(family, SOCK_CLOEXEC);
	if (!nl || mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0) {
		err = -errno;
		goto out;
	}
	/* With strict checking the kernel heeds a request's filters; without, we filter alone. */
	(void)mnl_socket_setsockopt(nl, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	request->nlmsg_seq = 1;
	if (mnl_socket_sendto(nl, request, request->nlmsg_len) < 0) {
		err = -errno;
		goto out;
	}
	err = dump_receive(nl, request->nlmsg_seq, part, each, data);
out:
	if (nl)
		(void)mnl_socket_close(nl);
	free(part);
	return err;
}
