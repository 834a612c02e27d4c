/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The event loop.  The event library shows in event.c alone.  Callbacks run one at a time.
 */
#ifndef TUNMAP_DAEMON_EVENT_H
#define TUNMAP_DAEMON_EVENT_H

#include "include/compiler.h"

#include <stdint.h>

struct loop;
struct watch;
struct event_base;

typedef void (*watch_fn)(void *arg);

/* NULL: out of memory, or no way to wait for events. */
struct loop *loop_new(void);
/* After every watch of it. */
void loop_free(struct loop *loop);

/* The event library's own handle, for its HTTP server (include/ctl.h). */
struct event_base *loop_base(const struct loop *loop);

/* Run until loop_stop().  Returns 0, or -EIO when waiting failed. */
int loop_run(struct loop *loop) MUST_CHECK;
void loop_stop(struct loop *loop);

/* Call @fn with @arg whenever @fd is readable; NULL: out of memory.  @fd stays the caller's. */
struct watch *watch_readable(struct loop *loop, int fd, watch_fn fn, void *arg);

/* Call @fn with @arg on each signal @signum; NULL: out of memory. */
struct watch *watch_signal(struct loop *loop, int signum, watch_fn fn, void *arg);

/* @watch may be NULL. */
void watch_free(struct watch *watch);

#endif
