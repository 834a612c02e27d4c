/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The faults of a policy while they are collected: in the order of its files and lines, however
 * they are found, and bounded, so that a hopeless file costs neither memory nor patience.
 */
#ifndef TUNMAP_CONF_REPORT_H
#define TUNMAP_CONF_REPORT_H

#include "include/config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REPORT_MAX 100 /* faults that are told; the others are counted */

/* Where a fault stands. */
struct report_place {
	uint32_t file; /* index, in the order in which files are read */
	uint32_t line; /* from 1 */
	uint32_t column;
};

struct report_entry {
	struct report_place place;
	char *message;
};

struct report {
	struct report_entry entry[REPORT_MAX]; /* sorted by place */
	size_t len;
	size_t omitted; /* faults behind the last of @entry */
	bool nomem;     /* some allocation failed: the collection is not complete */
};

void report_init(struct report *r);

/*
 * True when a fault at this place would be told.  If not, the caller spares itself the wording
 * and calls report_omit().
 */
bool report_admits(const struct report *r, const struct report_place *place);
void report_omit(struct report *r);

/* Add a fault; @message is copied. */
void report_add(struct report *r, const struct report_place *place, const char *message);

/* Forget the faults of the file @index, which is the last of which there are any. */
void report_forget_file(struct report *r, uint32_t index, size_t omitted_before);

/* True when nothing went wrong so far. */
bool report_is_clean(const struct report *r);

/*
 * Hand the faults over, with a last line that counts those omitted; lack of memory replaces
 * them all.  @name holds the names of the files, of which the first is there always.  @r is
 * empty afterwards.  @out stays empty only when memory does not suffice for one fault.
 */
void report_finish(struct report *r, char *const *name, struct config_faults *out);

#endif
