/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/conf/tree.h"

#include "src/conf/words.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE   65536
#define QUOTED_MAX   64  /* octets of a bad value that are shown */
#define PATH_MAX_LEN 160 /* octets of a path that are shown */
#define SAID_MAX     512 /* octets of what is said of it; longer than any legal list of keys */

/* A tree dies as a whole, so its nodes and texts are cut from large blocks. */
struct tree_block {
	struct tree_block *next;
	size_t used;
	size_t size;
	max_align_t data[];
};

static struct tree_block *block_new(struct tree *tree, size_t size)
{
	struct tree_block *b = malloc(sizeof(*b) + size);

	if (!b)
		return NULL;
	b->next = tree->blocks;
	b->used = 0;
	b->size = size;
	tree->blocks = b;
	return b;
}

static void *tree_alloc(struct tree *tree, size_t len, size_t align)
{
	struct tree_block *b = tree->blocks;
	size_t start = b ? (b->used + align - 1) / align * align : 0;

	if (!b || b->size < start || b->size - start < len) {
		b = block_new(tree, len > BLOCK_SIZE ? len : BLOCK_SIZE);
		start = 0;
	}
	if (!b)
		return NULL;
	b->used = start + len;
	return (char *)b->data + start;
}

static const char *copy_text(struct tree *tree, const char *text, size_t len)
{
	char *copy;

	if (len == 0)
		return "";
	copy = tree_alloc(tree, len + 1, 1);
	if (!copy)
		return NULL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

struct node *tree_node(struct tree *tree, enum node_kind kind, const char *text, size_t len)
{
	struct node *node = tree_alloc(tree, sizeof(*node), _Alignof(struct node));
	const char *copy = copy_text(tree, text, len);

	if (!node || !copy)
		return NULL;
	*node = (struct node){.kind = kind, .text = copy};
	tree->nodes++;
	return node;
}

void tree_fini(struct tree *tree)
{
	while (tree->blocks) {
		struct tree_block *next = tree->blocks->next;

		free(tree->blocks);
		tree->blocks = next;
	}
}

struct node *node_child(const struct node *node, const char *key)
{
	if (!node || node->kind != NODE_MAPPING)
		return NULL;
	for (struct node *c = node->child; c; c = c->next)
		if (strcmp(c->key->text, key) == 0)
			return c;
	return NULL;
}

struct report_place node_place(const struct node *node)
{
	return (struct report_place){
		.file = node->file, .line = node->line, .column = node->column};
}

struct config_mark node_mark(const struct node *node)
{
	return (struct config_mark){.file = node->file, .line = node->line};
}

bool node_is_before(const struct node *a, const struct node *b)
{
	if (a->file != b->file)
		return a->file < b->file;
	return a->line != b->line ? a->line < b->line : a->column < b->column;
}

bool node_is_nothing(const struct node *node)
{
	return node->kind == NODE_SCALAR && node->plain &&
	       (node->text[0] == '\0' || strcmp(node->text, "~") == 0 ||
		       strcmp(node->text, "null") == 0);
}

bool node_is_sound(const struct node *node)
{
	return !node || !node->faulty;
}

/* Write "key.key.key: " to @out, or nothing for the root. */
static void write_path(char *out, size_t size, const struct node *node)
{
	const char *name[TREE_DEPTH_MAX];
	size_t names = 0, len = 0;

	for (; node && names < TREE_DEPTH_MAX; node = node->parent)
		if (node->key)
			name[names++] = node->key->text;
	while (names > 0 && len + 8 < size) {
		len += words_escape(out + len, size - len - 2, name[--names]);
		len += (size_t)snprintf(out + len, size - len, names > 0 ? "." : ": ");
	}
	out[len] = '\0';
}

static void fault(struct report *report, struct node *node, const char *quoted, const char *said)
{
	char path[PATH_MAX_LEN], message[PATH_MAX_LEN + QUOTED_MAX + SAID_MAX];
	struct report_place place = node_place(node);

	node->faulty = true;
	if (!report_admits(report, &place)) {
		report_omit(report);
		return;
	}
	write_path(path, sizeof(path), node);
	(void)snprintf(message, sizeof(message), "%s%s%s", path, quoted, said);
	report_add(report, &place, message);
}

void node_fault(struct report *report, struct node *node, const char *format, ...)
{
	char said[SAID_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(said, sizeof(said), format, args);
	va_end(args);
	fault(report, node, "", said);
}

void node_refuse(struct report *report, struct node *node, const char *format, ...)
{
	char quoted[QUOTED_MAX + sizeof("\"\" ")], said[SAID_MAX];
	va_list args;
	size_t len;

	quoted[0] = '"';
	len = 1 + words_escape(quoted + 1, QUOTED_MAX, node->text);
	(void)snprintf(quoted + len, sizeof(quoted) - len, "\" ");
	va_start(args, format);
	(void)vsnprintf(said, sizeof(said), format, args);
	va_end(args);
	fault(report, node, quoted, said);
}
