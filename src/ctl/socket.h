/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sockets on which the control API listens. */
#ifndef TUNMAP_CTL_SOCKET_H
#define TUNMAP_CTL_SOCKET_H

#include "include/addr.h"
#include "include/compiler.h"
#include "include/config.h"

#include <stdint.h>
#include <sys/types.h>

struct control_socket {
	int fd;
	char path[CONFIG_SOCKET_MAX];
	dev_t dev; /* what we made, so that we remove nothing else */
	ino_t ino;
};

/*
 * Listen at @path, which is 0600 for root or, with a @group that is not "", 0660 for it; no
 * moment passes with more.  The last folder is made if it is missing.  A socket that a dead
 * daemon left is replaced; behind a live one: -EADDRINUSE; anything else there: -ENOTSOCK.
 * -ENOENT with *@what the group: there is none of that name.  Returns 0 or -errno with *@what.
 */
int control_socket_open(struct control_socket *s, const char *path, const char *group,
	const char **what) MUST_CHECK;

/* Remove what control_socket_open() made; the descriptor stays open. */
void control_socket_remove(const struct control_socket *s);

/* Listen on a TCP port.  Returns a descriptor or -errno. */
int metrics_socket_open(const struct addr *addr, uint16_t port) MUST_CHECK;

#endif
