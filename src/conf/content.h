/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The octets of a file. */
#ifndef TUNMAP_CONF_CONTENT_H
#define TUNMAP_CONF_CONTENT_H

#include "include/compiler.h"

#include <stddef.h>

#define CONTENT_MAX ((size_t)67108864) /* content_error() names it */

struct content {
	char *text; /* without a NUL behind it */
	size_t len;
	size_t size;
};

/*
 * Read the regular file at @path, of at most CONTENT_MAX octets.  Returns 0 or -errno; @out is
 * freed with content_fini() in either case.
 */
int content_read(const char *path, struct content *out) MUST_CHECK;
void content_fini(struct content *c);

/* What went wrong, for "cannot be read: ..."; @err is what content_read() returned. */
const char *content_error(int err);

#endif
