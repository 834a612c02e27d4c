/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The faults of a policy file while they are collected: in the order of the file, however
 * they are found, and bounded, so that a hopeless file costs neither memory nor patience.
 */
#ifndef TUNMAP_CONF_REPORT_H
#define TUNMAP_CONF_REPORT_H

#include "include/config.h"

#include <stdbool.h>
#include <stddef.h>

#define REPORT_MAX 100 /* faults that are told; the others are counted */

struct report {
	const char *file;
	struct config_fault fault[REPORT_MAX]; /* sorted by line and column */
	size_t len;
	size_t omitted; /* faults behind the last of @fault */
	bool nomem;     /* some allocation failed: the collection is not complete */
};

/* @file is borrowed. */
void report_init(struct report *r, const char *file);

/*
 * True when a fault at this place would be told.  If not, the caller spares itself the wording
 * and calls report_omit().
 */
bool report_admits(const struct report *r, unsigned long line, unsigned long column);
void report_omit(struct report *r);

/* Add a fault; @message is copied. */
void report_add(struct report *r, unsigned long line, unsigned long column, const char *message);

/* Forget every fault, and a lack of memory as well. */
void report_clear(struct report *r);

/* True when nothing went wrong so far. */
bool report_is_clean(const struct report *r);

/*
 * Hand the faults over, with a last line that counts those omitted; lack of memory replaces
 * them all.  @r is empty afterwards.  @out stays empty only when memory does not suffice for
 * one fault.
 */
void report_finish(struct report *r, struct config_faults *out);

#endif
