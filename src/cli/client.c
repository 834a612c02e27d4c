/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/cli/client.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define HEAD_MAX 4096

int client_open(struct client *c, const char *path)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	size_t len = strlen(path);

	memset(c, 0, sizeof(*c));
	c->expected = -1;
	c->fd = -1;
	if (len >= sizeof(name.sun_path))
		return -ENAMETOOLONG;
	memcpy(name.sun_path, path, len);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return -errno;
	if (connect(c->fd, (const struct sockaddr *)&name, sizeof(name)) < 0) {
		int err = -errno;

		client_close(c);
		return err;
	}
	return 0;
}

void client_close(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

int client_set_timeout(struct client *c, unsigned timeout_s)
{
	const struct timeval tv = {.tv_sec = (time_t)timeout_s};

	if (setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) < 0)
		return -errno;
	return setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) < 0 ? -errno : 0;
}

/* Whoever refuses a long body may stop reading it; the answer is there all the same. */
static int send_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t sent = send(fd, data, len, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return errno == EPIPE ? 0 : -errno;
		data += sent;
		len -= (size_t)sent;
	}
	return 0;
}

/* Returns the octets that came, 0 at the end, or -errno. */
static ssize_t fill(struct client *c)
{
	ssize_t got;

	if (c->start == c->end)
		c->start = c->end = 0;
	do
		got = recv(c->fd, c->buffer + c->end, sizeof(c->buffer) - c->end, 0);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	c->end += (size_t)got;
	return got;
}

/* The value of a header in @head, or NULL. */
static const char *find_header(const char *head, const char *name)
{
	size_t len = strlen(name);

	for (const char *line = strchr(head, '\n'); line; line = strchr(line, '\n')) {
		line++;
		if (strncasecmp(line, name, len) == 0 && line[len] == ':')
			return line + len + 1 + strspn(line + len + 1, " \t");
	}
	return NULL;
}

static int read_status(const char *head)
{
	const char *space = strchr(head, ' ');
	long status = space ? strtol(space, NULL, 10) : 0;

	if (strncmp(head, "HTTP/1.", 7) != 0 || status < 100 || status > 599)
		return -EPROTO;
	return (int)status;
}

static int take_head(struct client *c, const char *end)
{
	char head[HEAD_MAX];
	size_t len = (size_t)(end - c->buffer);
	const char *length;
	int status;

	if (len >= sizeof(head))
		return -EPROTO;
	memcpy(head, c->buffer, len);
	head[len] = '\0';
	status = read_status(head);
	if (status < 0)
		return status;
	c->status = status;
	length = find_header(head, "Content-Length");
	c->expected = length ? strtoll(length, NULL, 10) : -1;
	c->start = len + 4;
	return 0;
}

static int read_head(struct client *c)
{
	for (;;) {
		ssize_t got = fill(c);
		const char *end = memmem(c->buffer, c->end, "\r\n\r\n", 4);

		if (end)
			return take_head(c, end);
		if (got <= 0)
			return got < 0 ? (int)got : -EPROTO;
		if (c->end == sizeof(c->buffer))
			return -EPROTO;
	}
}

int client_request(
	struct client *c, const char *method, const char *target, const char *body, size_t len)
{
	char *head;
	int size = asprintf(&head, "%s %s HTTP/1.0\r\nHost: tunmapd\r\nContent-Length: %zu\r\n\r\n",
		method, target, len);
	int err;

	if (size < 0)
		return -ENOMEM;
	err = send_all(c->fd, head, (size_t)size);
	free(head);
	if (!err)
		err = send_all(c->fd, body, len);
	return err ? err : read_head(c);
}

ssize_t client_read(struct client *c, char *out, size_t size)
{
	size_t len;

	if (c->expected == 0)
		return 0;
	if (c->start == c->end) {
		ssize_t got = fill(c);

		if (got <= 0)
			return got == 0 && c->expected > 0 ? -EPIPE : got;
	}
	len = c->end - c->start < size ? c->end - c->start : size;
	if (c->expected > 0 && (long long)len > c->expected)
		len = (size_t)c->expected;
	memcpy(out, c->buffer + c->start, len);
	c->start += len;
	if (c->expected > 0)
		c->expected -= (long long)len;
	return (ssize_t)len;
}

int client_read_all(struct client *c, char **out, size_t *len)
{
	char *text = NULL, part[8192];
	FILE *memory = open_memstream(&text, len);
	ssize_t got;

	if (!memory)
		return -ENOMEM;
	while ((got = client_read(c, part, sizeof(part))) > 0)
		(void)fwrite(part, 1, (size_t)got, memory);
	if (fclose(memory) != 0 && got >= 0)
		got = -ENOMEM;
	if (got < 0) {
		free(text);
		return (int)got;
	}
	*out = text;
	return 0;
}
