/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/conf/tree.h"

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

static void *tree_alloc(struct tree *tree, size_t len)
{
	size_t rounded =
		(len + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
	struct tree_block *b = tree->blocks;
	void *p;

	if (!b || b->size - b->used < rounded)
		b = block_new(tree, rounded > BLOCK_SIZE ? rounded : BLOCK_SIZE);
	if (!b)
		return NULL;
	p = (char *)b->data + b->used;
	b->used += rounded;
	return p;
}

struct node *tree_node(struct tree *tree, enum node_kind kind, const char *text, size_t len)
{
	struct node *node = tree_alloc(tree, sizeof(*node));
	char *copy = tree_alloc(tree, len + 1);

	if (!node || !copy)
		return NULL;
	memcpy(copy, text, len);
	copy[len] = '\0';
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
	tree->root = NULL;
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

/*
 * Copy @text to @out for a terminal and a log: anything that is not printable ASCII as \xNN.
 * Returns the octets written; the text is cut, with dots, when it does not fit.
 */
static size_t escape(char *out, size_t size, const char *text)
{
	size_t len = 0;

	for (; *text && len + sizeof("\\xNN...") <= size; text++) {
		unsigned char c = (unsigned char)*text;

		if (c >= 0x20 && c < 0x7f)
			out[len++] = (char)c;
		else
			len += (size_t)snprintf(out + len, size - len, "\\x%02x", c);
	}
	return len + (size_t)snprintf(out + len, size - len, "%s", *text ? "..." : "");
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
		len += escape(out + len, size - len - 2, name[--names]);
		len += (size_t)snprintf(out + len, size - len, names > 0 ? "." : ": ");
	}
	out[len] = '\0';
}

static void fault(struct report *report, struct node *node, const char *quoted, const char *said)
{
	char path[PATH_MAX_LEN], message[PATH_MAX_LEN + QUOTED_MAX + SAID_MAX];

	node->faulty = true;
	if (!report_admits(report, node->line, node->column)) {
		report_omit(report);
		return;
	}
	write_path(path, sizeof(path), node);
	(void)snprintf(message, sizeof(message), "%s%s%s", path, quoted, said);
	report_add(report, node->line, node->column, message);
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
	len = 1 + escape(quoted + 1, QUOTED_MAX, node->text);
	(void)snprintf(quoted + len, sizeof(quoted) - len, "\" ");
	va_start(args, format);
	(void)vsnprintf(said, sizeof(said), format, args);
	va_end(args);
	fault(report, node, quoted, said);
}
