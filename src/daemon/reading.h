/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading a policy in a thread of its own, so that requests are answered meanwhile however large
 * it is.  The thread touches nothing but what it reads into.
 */
#ifndef TUNMAP_DAEMON_READING_H
#define TUNMAP_DAEMON_READING_H

#include "include/compiler.h"
#include "include/config.h"
#include "src/daemon/event.h"

#include <stdbool.h>
#include <stddef.h>

struct reading;

/* A policy was read: @config, which the callee takes, or NULL with @faults, which it frees. */
typedef void (*reading_fn)(void *arg, struct config *config, struct config_faults *faults);

/* NULL: out of memory, or no way to wait for a thread. */
struct reading *reading_new(struct loop *loop);
/* Waits for a thread that reads.  @r may be NULL. */
void reading_free(struct reading *r);

/*
 * Begin to read the policy file at @path, or the @len octets at @text as if they stood in it
 * unless @text is NULL, and call @fn with @arg from the loop when that is done.  @text is
 * copied, @path borrowed.  Returns 0, -EBUSY while another is being read, or -errno.
 */
int reading_begin(struct reading *r, const char *path, const char *text, size_t len, reading_fn fn,
	void *arg) MUST_CHECK;

#endif
