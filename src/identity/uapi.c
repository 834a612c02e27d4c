/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/identity/uapi.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define REPLY_CAPACITY (64u << 10) /* at first */

static const char question[] = "get=1\n\n";

struct reply {
	char *text;
	size_t len;
	size_t capacity;
};

/* It holds the interface's private key and the preshared keys. */
static void reply_free(struct reply *r)
{
	if (r->text)
		explicit_bzero(r->text, r->len);
	free(r->text);
}

/* More room; not by realloc(), which would leave a copy of the keys behind. */
static int reply_grow(struct reply *r)
{
	size_t capacity = r->capacity ? r->capacity * 2 : REPLY_CAPACITY;
	char *text;

	if (capacity > UAPI_REPLY_MAX)
		return -EFBIG;
	text = malloc(capacity);
	if (!text)
		return -ENOMEM;
	if (r->len > 0)
		memcpy(text, r->text, r->len);
	reply_free(r);
	r->text = text;
	r->capacity = capacity;
	return 0;
}

/* An empty line ends the answer, and there is none before. */
static bool reply_is_whole(const struct reply *r)
{
	return r->len >= 2 && memcmp(r->text + r->len - 2, "\n\n", 2) == 0;
}

/*
 * Wait until @fd can be read.  Asked before each read, so that a program which sends without
 * end does not keep us either.
 */
static int wait_readable(int fd, int64_t deadline_ms)
{
	struct pollfd wanted = {.fd = fd, .events = POLLIN};

	for (;;) {
		struct timespec now;
		int64_t left_ms;
		int ready;

		(void)clock_gettime(CLOCK_MONOTONIC, &now);
		left_ms = deadline_ms - (now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000);
		if (left_ms <= 0)
			return -ETIMEDOUT;
		ready = poll(&wanted, 1, (int)left_ms);
		if (ready > 0)
			return 0;
		if (ready < 0 && errno != EINTR)
			return -errno;
	}
}

static int read_reply(int fd, int64_t deadline_ms, struct reply *r)
{
	while (!reply_is_whole(r)) {
		int err = wait_readable(fd, deadline_ms);
		ssize_t len;

		if (!err && r->len == r->capacity)
			err = reply_grow(r);
		if (err)
			return err;
		len = recv(fd, r->text + r->len, r->capacity - r->len, 0);
		if (len > 0)
			r->len += (size_t)len;
		else if (len == 0 || errno == ECONNRESET)
			return -EPROTO; /* it closed before it had said all */
		else if (errno != EAGAIN && errno != EINTR)
			return -errno;
	}
	return 0;
}

/*
 * Whoever answers decides which user an address belongs to, and what the users may do.  Besides
 * the kernel only root may say that: were the folder of the sockets ever open to others, anybody
 * on the gateway could put a socket there for an interface and name every address his own.
 */
static int check_file(const char *path)
{
	struct stat status;

	if (lstat(path, &status) < 0)
		return errno == ENOTDIR ? -ENOENT : -errno;
	if (status.st_uid != 0)
		return -EPERM;
	return S_ISSOCK(status.st_mode) ? 0 : -ENOTSOCK;
}

/* The file might have been another one when it was looked at: who listens counts as well. */
static int check_listener(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return -errno;
	return peer.uid == 0 ? 0 : -EPERM;
}

static int connect_to(int fd, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t len = strlen(path);

	if (len >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, len + 1);
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return check_listener(fd);
	switch (errno) {
	case ECONNREFUSED: /* left behind by a program that died, and its interface with it */
		return -ENOENT;
	case EAGAIN: /* too many are waiting already for a program that takes nobody in */
		return -ETIMEDOUT;
	default:
		return -errno;
	}
}

static int ask(int fd)
{
	const size_t len = sizeof(question) - 1;
	ssize_t sent = send(fd, question, len, MSG_NOSIGNAL);

	if (sent == (ssize_t)len)
		return 0;
	return sent < 0 && errno != EPIPE && errno != ECONNRESET ? -errno : -EPROTO;
}

int uapi_read_peers(const char *path, int64_t deadline_ms, struct peer_list *list)
{
	struct reply reply = {0};
	int err = check_file(path);
	int fd;

	if (err)
		return err;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	err = connect_to(fd, path);
	if (!err)
		err = ask(fd);
	if (!err)
		err = read_reply(fd, deadline_ms, &reply);
	if (!err)
		err = uapi_parse(reply.text, reply.len, list);
	reply_free(&reply);
	(void)close(fd);
	return err;
}
