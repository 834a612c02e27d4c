/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A list, written piece by piece, so that a million mappings hold up nobody: {"mappings":[ or
 * {"users":[ on the first line, then one of them a line, then ]}.
 */
#ifndef TUNMAP_CTL_LISTING_H
#define TUNMAP_CTL_LISTING_H

#include "include/admin.h"
#include "include/compiler.h"
#include "include/engine.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum listing_kind {
	LISTING_MAPPINGS, /* those that @which selects */
	LISTING_USERS,
};

/* With the kind and what belongs to it set, the rest is 0 at first. */
struct listing {
	enum listing_kind kind;
	struct admin_selector which;
	uint32_t cursor;
	bool begun;
	bool any; /* something was written between the first line and the last */
};

/* A piece of the list; @text is to be freed. */
struct listing_piece {
	char *text;
	size_t len;
	bool more;
};

/* Write what the next @max places of the table hold.  Returns 0 or -ENOMEM. */
int listing_next(struct listing *l, const struct engine *e, uint32_t max, int64_t now_ms,
	struct listing_piece *out) MUST_CHECK;

#endif
