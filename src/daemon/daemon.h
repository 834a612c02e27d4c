/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The running daemon: owner of the engine, the kernel's door, the sockets and the loop. */
#ifndef TUNMAP_DAEMON_DAEMON_H
#define TUNMAP_DAEMON_DAEMON_H

#include "include/compiler.h"
#include "include/config.h"

#include <stdbool.h>

struct daemon;

/*
 * Everything up to the first answer: the kernel's table, the sockets, the signals.  @path is
 * borrowed, for reloads; @config, which was read from it, is taken in either case.
 * Returns NULL after a log line that says what is wrong.
 */
struct daemon *daemon_new(const char *path, struct config *config, bool log_level_given);

/* Answer until SIGTERM or SIGINT.  Returns 0, or -errno when the loop broke. */
int daemon_run(struct daemon *d) MUST_CHECK;

/* Leaves the mappings in the kernel.  @d may be NULL. */
void daemon_free(struct daemon *d);

#endif
