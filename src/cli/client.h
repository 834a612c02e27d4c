/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HTTP/1.0 over a UNIX socket: a request, then an answer that ends with the connection.  What
 * is read too early is kept in a buffer.
 */
#ifndef TUNMAP_CLI_CLIENT_H
#define TUNMAP_CLI_CLIENT_H

#include "include/compiler.h"

#include <stddef.h>
#include <sys/types.h>

#define CLIENT_BUFFER 65536

struct client {
	int fd;
	int status;         /* of the answer */
	long long expected; /* octets of the answer that are still to come; -1: until it ends */
	size_t start, end;  /* what is read and not yet handed out */
	char buffer[CLIENT_BUFFER];
};

/* Returns 0 or -errno: -ENOENT and -ECONNREFUSED when nobody listens at @path. */
int client_open(struct client *c, const char *path) MUST_CHECK;
void client_close(struct client *c);

/* With a @timeout_s of 0, client_read() waits for ever. */
int client_set_timeout(struct client *c, unsigned timeout_s) MUST_CHECK;

/* Send a request with @len octets of body and read the answer's head into @c->status. */
int client_request(struct client *c, const char *method, const char *target, const char *body,
	size_t len) MUST_CHECK;

/*
 * The next part of the answer's body.  Returns its octets, 0 at the end, or -errno: -EPIPE when
 * the answer was cut short.
 */
ssize_t client_read(struct client *c, char *out, size_t size) MUST_CHECK;

/* All of the rest with a NUL behind it, to be freed by the caller. */
int client_read_all(struct client *c, char **out, size_t *len) MUST_CHECK;

#endif
