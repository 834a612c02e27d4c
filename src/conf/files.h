/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The files that make a policy, in the order in which they are read: the first names the others. */
#ifndef TUNMAP_CONF_FILES_H
#define TUNMAP_CONF_FILES_H

#include "include/compiler.h"
#include "src/conf/report.h"
#include "src/conf/tree.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FILES_WHERE_MAX 160 /* octets of a place in words with its NUL */

struct files {
	char **name;
	struct node **root; /* NULL: an empty file, or one that cannot be read */
	size_t len;
	size_t size;
	bool incomplete; /* one cannot be read: what it would define is not known */
};

/* Append the file @name, which is copied, without a root.  Returns 0 or -ENOMEM. */
int files_add(struct files *files, const char *name) MUST_CHECK;
void files_fini(struct files *files);

/* Parse the @len octets at @text as those of the file @index.  Returns 0, -EINVAL or -ENOMEM. */
int files_parse(struct files *files, size_t index, struct tree *tree, const char *text, size_t len,
	struct report *report) MUST_CHECK;

/* Where @node stands, for a message about @from: "line 3", or "FILE:3" for another file. */
const char *files_where(const struct files *files, const struct node *node, const struct node *from,
	char out[FILES_WHERE_MAX]);

#endif
