/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/conf/files.h"

#include "src/conf/words.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SIZE 8

static int grow(struct files *files)
{
	size_t size = files->size > 0 ? files->size * 2 : FIRST_SIZE;
	char **name = reallocarray(files->name, size, sizeof(*name));
	struct node **root;

	if (!name)
		return -ENOMEM;
	files->name = name;
	root = reallocarray(files->root, size, sizeof(struct node *));
	if (!root)
		return -ENOMEM;
	files->root = root;
	files->size = size;
	return 0;
}

int files_add(struct files *files, const char *name)
{
	char *copy;

	if (files->len == files->size && grow(files) < 0)
		return -ENOMEM;
	copy = strdup(name);
	if (!copy)
		return -ENOMEM;
	files->root[files->len] = NULL;
	files->name[files->len++] = copy;
	return 0;
}

void files_fini(struct files *files)
{
	for (size_t i = 0; i < files->len; i++)
		free(files->name[i]);
	free(files->name);
	free(files->root);
	*files = (struct files){0};
}

int files_parse(struct files *files, size_t index, struct tree *tree, const char *text, size_t len,
	struct report *report)
{
	int err = tree_parse(tree, (uint32_t)index, text, len, report, &files->root[index]);

	if (err < 0)
		files->incomplete = true;
	return err;
}

const char *files_where(const struct files *files, const struct node *node, const struct node *from,
	char out[FILES_WHERE_MAX])
{
	size_t len;

	if (node->file == from->file) {
		(void)snprintf(out, FILES_WHERE_MAX, "line %u", (unsigned)node->line);
		return out;
	}
	len = words_escape(out, FILES_WHERE_MAX - sizeof(":4294967295"), files->name[node->file]);
	(void)snprintf(out + len, FILES_WHERE_MAX - len, ":%u", (unsigned)node->line);
	return out;
}
