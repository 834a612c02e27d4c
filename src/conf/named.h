/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Classes and users: things with names, in one section of any number of files. */
#ifndef TUNMAP_CONF_NAMED_H
#define TUNMAP_CONF_NAMED_H

#include "include/compiler.h"
#include "src/conf/schema.h"

struct named {
	struct node **node; /* each with its name as key, in the order in which files are read */
	size_t len;
};

/*
 * Collect what stands under @section in all files, with legal names of up to @max - 1 octets.
 * Of those with equal names the first counts; the others are faults.  Returns 0 or -ENOMEM;
 * @out is freed with named_fini() in either case.
 */
int named_collect(struct reader *r, const char *section, size_t max, struct named *out) MUST_CHECK;
void named_fini(struct named *named);

#endif
