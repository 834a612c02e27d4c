/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * YAML documents as trees of nodes that remember where they stood.
 */
#ifndef TUNMAP_CONF_TREE_H
#define TUNMAP_CONF_TREE_H

#include "include/compiler.h"
#include "src/conf/report.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TREE_DEPTH_MAX 16      /* containers within each other; a policy needs six */
#define TREE_NODES_MAX 4000000 /* a few hundred megabytes; 100,000 users need half of them */

enum node_kind {
	NODE_SCALAR,
	NODE_LIST,
	NODE_MAPPING
};

struct node {
	enum node_kind kind;
	bool plain;    /* a scalar without quotes */
	bool faulty;   /* a fault of this node was reported: it has no value to go by */
	uint32_t file; /* index, in the order in which files are read */
	uint32_t line; /* from 1 */
	uint32_t column;
	uint32_t children;
	const char *text;    /* of a scalar, without any NUL inside; of a container "" */
	struct node *parent; /* NULL: the root */
	struct node *key;    /* of a mapping's value; the key's parent is the mapping */
	struct node *child;  /* the first: an entry of a list, or a value of a mapping */
	struct node *next;   /* after this one in the same parent */
};

/* What the documents of all files of a policy are made of. */
struct tree {
	struct tree_block *blocks;
	size_t nodes;
};

/*
 * Read the only document in the @len octets at @text, of the file @file, into @tree.  Faults go
 * to @report: of the syntax, which ends the reading and is reported alone for this file; of
 * single nodes; and of what YAML can do beyond mappings, lists and plain values (anchors,
 * aliases, tags, merge keys, several documents), which is refused so that nothing means
 * something else than it seems to.  Files are parsed in their order, before any other fault of
 * theirs is reported.
 *
 * Returns 0 with the root in @root, NULL for a file without a document; or -EINVAL or -ENOMEM
 * when there is none to look at.  @tree starts zeroed and is freed with tree_fini() in any case.
 */
int tree_parse(struct tree *tree, uint32_t file, const char *text, size_t len,
	struct report *report, struct node **root) MUST_CHECK;
void tree_fini(struct tree *tree);

/* A node with a copy of the @len octets at @text, belonging to @tree.  NULL: out of memory. */
struct node *tree_node(struct tree *tree, enum node_kind kind, const char *text, size_t len);

/* The value under @key in a mapping, the first of them; NULL when @node holds no such thing. */
struct node *node_child(const struct node *node, const char *key);

struct report_place node_place(const struct node *node);

struct config_mark node_mark(const struct node *node);

/* True when @a stands before @b in the order in which files are read. */
bool node_is_before(const struct node *a, const struct node *b);

/* True for what YAML takes for null: nothing at all, ~ and null. */
bool node_is_nothing(const struct node *node);

/* True when @node is NULL or no fault of it was reported: its value, or the default, counts. */
bool node_is_sound(const struct node *node);

/*
 * Mark @node faulty and report "PATH: MESSAGE", where PATH names the keys that lead to it.
 * node_refuse() is for scalars and quotes the bad value: PATH: "TEXT" MESSAGE.
 */
void node_fault(struct report *report, struct node *node, const char *format, ...)
	PRINTF_LIKE(3, 4);
void node_refuse(struct report *report, struct node *node, const char *format, ...)
	PRINTF_LIKE(3, 4);

#endif
