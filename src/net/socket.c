/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "include/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * Some thousands of requests, as the kernel counts them: when a server comes back, all its
 * clients ask at once, and what does not fit is lost for a retransmission's 250 ms.
 */
#define SOCKET_BUFFER_LEN (4 * 1024 * 1024)

/* The arrays that recvmmsg and sendmmsg work on, one place for each exchange. */
struct socket_batch {
	struct mmsghdr message[EXCHANGE_BATCH_MAX];
	struct iovec payload[EXCHANGE_BATCH_MAX];
	struct sockaddr_in peer[EXCHANGE_BATCH_MAX];
};

static struct sockaddr_in sockaddr_from(const struct addr *addr, uint16_t port)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(port)};

	memcpy(&sa.sin_addr, addr_v4(addr), sizeof(sa.sin_addr));
	return sa;
}

static struct addr addr_from_sockaddr(const struct sockaddr_in *sa)
{
	uint8_t octet[4];

	memcpy(octet, &sa->sin_addr, sizeof(octet));
	return addr_from_v4(octet);
}

/* As large as we may: past the system's limit with CAP_NET_ADMIN, else up to it. */
static void grow_buffer(int fd, int forced, int limited)
{
	int len = SOCKET_BUFFER_LEN;

	if (setsockopt(fd, SOL_SOCKET, forced, &len, sizeof(len)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, limited, &len, sizeof(len));
}

int net_listen(const struct gateway_listen *listen)
{
	struct sockaddr_in sa;
	int fd;
	int err;

	if (!addr_is_v4(&listen->addr))
		return -EAFNOSUPPORT;
	sa = sockaddr_from(&listen->addr, NET_PORT);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* Before bind(), which compares interfaces when it looks for a holder of the port. */
	if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, listen->interface,
		    (socklen_t)strnlen(listen->interface, sizeof(listen->interface))) < 0) {
		err = -errno;
		goto fail;
	}
	grow_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF);
	grow_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF);
	if (bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0) {
		err = -errno;
		goto fail;
	}
	return fd;
fail:
	(void)close(fd);
	return err;
}

/* Place @i of the batch: @len octets at @payload, from or to the peer that stands there. */
static void batch_set(struct socket_batch *b, size_t i, void *payload, size_t len)
{
	b->payload[i] = (struct iovec){.iov_base = payload, .iov_len = len};
	b->message[i] = (struct mmsghdr){.msg_hdr = {.msg_name = &b->peer[i],
						 .msg_namelen = sizeof(b->peer[i]),
						 .msg_iov = &b->payload[i],
						 .msg_iovlen = 1}};
}

int net_receive(int fd, struct exchange *x, size_t max)
{
	struct socket_batch b;
	size_t len = max < EXCHANGE_BATCH_MAX ? max : EXCHANGE_BATCH_MAX;
	int got;

	for (size_t i = 0; i < len; i++)
		batch_set(&b, i, x[i].request, sizeof(x[i].request));
	got = recvmmsg(fd, b.message, (unsigned int)len, MSG_DONTWAIT, NULL);
	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	for (size_t i = 0; i < (size_t)got; i++) {
		x[i].source = addr_from_sockaddr(&b.peer[i]);
		x[i].source_port = ntohs(b.peer[i].sin_port);
		x[i].request_len = b.message[i].msg_len;
		x[i].reply_len = 0;
	}
	return got;
}

/* Send what stands in the batch's first @len places; returns how many could not be sent. */
static size_t batch_send(int fd, struct socket_batch *b, size_t len)
{
	size_t done = 0;
	size_t dropped = 0;

	while (done < len) {
		int sent =
			sendmmsg(fd, b->message + done, (unsigned int)(len - done), MSG_DONTWAIT);

		if (sent >= 0) {
			done += (size_t)sent;
		} else if (errno != EINTR) {
			/* The error is that of the first message alone; the next may fare well. */
			done++;
			dropped++;
		}
	}
	return dropped;
}

/* Nothing is written through it: struct iovec serves both directions. */
static void *unconst(const uint8_t *octet)
{
	return (void *)(uintptr_t)octet;
}

size_t net_reply(int fd, const struct exchange *x, size_t len)
{
	struct socket_batch b;
	size_t filled = 0;
	size_t dropped = 0;

	for (size_t i = 0; i < len; i++) {
		if (x[i].reply_len == 0)
			continue;
		b.peer[filled] = sockaddr_from(&x[i].source, x[i].source_port);
		batch_set(&b, filled, unconst(x[i].reply), x[i].reply_len);
		filled++;
		if (filled == EXCHANGE_BATCH_MAX) {
			dropped += batch_send(fd, &b, filled);
			filled = 0;
		}
	}
	return dropped + batch_send(fd, &b, filled);
}
