/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line as a request to the daemon.  Pure: reads no file and opens nothing. */
#ifndef TUNMAP_CLI_COMMAND_H
#define TUNMAP_CLI_COMMAND_H

#include "include/compiler.h"

#include <stdbool.h>
#include <stdio.h>

#define COMMAND_SOCKET     "/run/tunmap/control.sock"
#define COMMAND_TARGET_MAX 2048
#define COMMAND_WHY_MAX    256

/* How an answer is shown. */
enum view {
	VIEW_STATUS,
	VIEW_MAPPINGS,
	VIEW_USERS,
	VIEW_EXPLANATION,
	VIEW_REVOKED,
	VIEW_BANNED,
	VIEW_UNBANNED,
	VIEW_SESSION_UP,
	VIEW_SESSION_DOWN,
	VIEW_RELOADED,
	VIEW_CHECKED,
	VIEW_EVENTS,
};

struct command {
	const char *socket;
	bool json;
	bool help;
	bool version;
	enum view view;
	const char *method;
	char target[COMMAND_TARGET_MAX];
	char *body;       /* of the request, or NULL */
	const char *file; /* that becomes the body, "-" for standard input, or NULL */
};

/*
 * Returns 0 with @out to be freed by command_fini(), or -EINVAL with @why telling what is
 * wrong.  With help or version asked for, nothing else is set.
 */
int command_parse(
	int argc, char *const *argv, struct command *out, char why[COMMAND_WHY_MAX]) MUST_CHECK;
void command_fini(struct command *command);

void command_print_help(FILE *out);

#endif
