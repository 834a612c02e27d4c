/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sockets on which requests come, one for each address of a tunnel interface. */
#ifndef TUNMAP_DAEMON_LISTENERS_H
#define TUNMAP_DAEMON_LISTENERS_H

#include "include/compiler.h"
#include "include/gateway.h"
#include "src/daemon/event.h"

#include <stddef.h>

/* A socket has datagrams to read. */
typedef void (*listener_fn)(void *arg, int fd);

struct listeners {
	struct loop *loop;
	listener_fn fn;
	void *arg;
	struct listener **list;
	size_t len;
	size_t failed; /* addresses that could not be listened on the last time */
};

/* No sockets yet; @fn is called with @arg for each of them that is readable. */
void listeners_init(struct listeners *l, struct loop *loop, listener_fn fn, void *arg);
void listeners_fini(struct listeners *l);

/*
 * Close the sockets whose address is gone and open those that are new.  An address that cannot
 * be listened on is logged, once, and left out; the others are served.  Returns 0, or the -errno of
 * the last address that was left out.
 */
int listeners_follow(struct listeners *l, const struct gateway *gateway) MUST_CHECK;

#endif
