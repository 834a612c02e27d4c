/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The target of a request, taken apart: a path and name=value pairs, both percent-decoded
 * (RFC 3986 2.1).  A '+' stands for itself: user names contain it.  Pure, and bounded.
 */
#ifndef TUNMAP_CTL_QUERY_H
#define TUNMAP_CTL_QUERY_H

#include "include/compiler.h"

#include <stddef.h>

#define QUERY_PATH_MAX  256 /* octets of a decoded path with its NUL */
#define QUERY_NAME_MAX  32
#define QUERY_VALUE_MAX 256
#define QUERY_PARAMS    16

struct query_param {
	char name[QUERY_NAME_MAX];
	char value[QUERY_VALUE_MAX];
};

struct query {
	char path[QUERY_PATH_MAX];
	struct query_param param[QUERY_PARAMS];
	size_t len;
};

/* Returns 0, or -EINVAL with *@why saying what is wrong with @target. */
int query_parse(const char *target, struct query *out, const char **why) MUST_CHECK;

/* The value of the first parameter of that name, or NULL. */
const char *query_get(const struct query *q, const char *name);

#endif
