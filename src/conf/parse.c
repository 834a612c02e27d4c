/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From libyaml's events to a tree.  Events rather than its document, because depth and size
 * can then be bounded while they grow, and every refusal has a place.
 */
#include "src/conf/tree.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

/* A container that is still open. */
struct level {
	struct node *node;
	struct node **tail; /* where its next child goes */
	struct node *key;   /* of a mapping: whose value comes next */
};

struct builder {
	struct tree *tree;
	struct report *report;
	struct node *root;
	uint32_t file;
	size_t omitted_before; /* faults of other files that the report does not tell */
	struct level level[TREE_DEPTH_MAX];
	size_t depth;
	bool has_document;
};

/* What yaml events of scalars, lists and mappings have in common. */
struct event_node {
	enum node_kind kind;
	const char *text;
	size_t len;
	bool plain;
	const yaml_char_t *anchor;
	const yaml_char_t *tag;
	yaml_mark_t mark;
};

static uint32_t from_one(size_t from_zero)
{
	return (uint32_t)from_zero + 1;
}

static void set_mark(const struct builder *b, struct node *node, const yaml_mark_t *mark)
{
	node->file = b->file;
	node->line = from_one(mark->line);
	node->column = from_one(mark->column);
}

static int out_of_memory(struct builder *b)
{
	b->report->nomem = true;
	return -ENOMEM;
}

static void check_key(struct builder *b, struct node *key)
{
	if (key->kind != NODE_SCALAR)
		node_fault(b->report, key, "a key must be a plain word");
	else if (key->plain && strcmp(key->text, "<<") == 0)
		node_fault(b->report, key, "merge keys are not supported; write the values out");
}

static void attach(struct builder *b, struct node *node)
{
	struct level *level;

	if (b->depth == 0) {
		b->root = node;
		return;
	}
	level = &b->level[b->depth - 1];
	node->parent = level->node;
	if (level->node->kind == NODE_MAPPING && !level->key) {
		level->key = node;
		check_key(b, node);
		return;
	}
	node->key = level->key;
	level->key = NULL;
	*level->tail = node;
	level->tail = &node->next;
	level->node->children++;
}

static void check_node(struct builder *b, struct node *node, const struct event_node *e)
{
	if (e->anchor)
		node_fault(b->report, node, "anchors are not supported; write the value out");
	if (e->tag)
		node_fault(b->report, node, "tags are not supported; remove it");
	if (strlen(node->text) != e->len)
		node_fault(b->report, node, "a NUL character stands in the value");
}

/* Returns the new node, attached, or NULL when memory ran out. */
static struct node *add_node(struct builder *b, const struct event_node *e)
{
	struct node *node = tree_node(b->tree, e->kind, e->text, e->len);

	if (!node)
		return NULL;
	set_mark(b, node, &e->mark);
	node->plain = e->plain;
	attach(b, node);
	check_node(b, node, e);
	return node;
}

static int take_scalar(struct builder *b, const yaml_event_t *event)
{
	const struct event_node e = {
		.kind = NODE_SCALAR,
		.text = (const char *)event->data.scalar.value,
		.len = event->data.scalar.length,
		.plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE,
		.anchor = event->data.scalar.anchor,
		.tag = event->data.scalar.tag,
		.mark = event->start_mark,
	};

	return add_node(b, &e) ? 0 : out_of_memory(b);
}

/* An alias has no value of its own: the fault marks the node, and nobody reads it. */
static int take_alias(struct builder *b, const yaml_event_t *event)
{
	const struct event_node e = {.kind = NODE_SCALAR, .text = "", .mark = event->start_mark};
	struct node *node = add_node(b, &e);

	if (!node)
		return out_of_memory(b);
	node_fault(b->report, node, "aliases are not supported; write the value out");
	return 0;
}

static int open_container(struct builder *b, const struct event_node *e)
{
	struct node *node = add_node(b, e);

	if (!node)
		return out_of_memory(b);
	if (b->depth == TREE_DEPTH_MAX) {
		node_fault(b->report, node, "nested too deep");
		return -EINVAL;
	}
	b->level[b->depth++] = (struct level){.node = node, .tail = &node->child};
	return 0;
}

static int take_list_start(struct builder *b, const yaml_event_t *event)
{
	const struct event_node e = {
		.kind = NODE_LIST,
		.text = "",
		.anchor = event->data.sequence_start.anchor,
		.tag = event->data.sequence_start.tag,
		.mark = event->start_mark,
	};

	return open_container(b, &e);
}

static int take_mapping_start(struct builder *b, const yaml_event_t *event)
{
	const struct event_node e = {
		.kind = NODE_MAPPING,
		.text = "",
		.anchor = event->data.mapping_start.anchor,
		.tag = event->data.mapping_start.tag,
		.mark = event->start_mark,
	};

	return open_container(b, &e);
}

/* By name, and in the file's order where names are equal. */
static int compare_keys(const void *a, const void *b)
{
	const struct node *x = *(struct node *const *)a, *y = *(struct node *const *)b;
	int order = strcmp(x->text, y->text);

	if (order != 0)
		return order;
	return node_is_before(x, y) ? -1 : node_is_before(y, x);
}

static void report_repeats(struct builder *b, struct node **key, size_t len)
{
	const struct node *first = key[0];

	for (size_t i = 1; i < len; i++) {
		if (strcmp(key[i]->text, first->text) != 0)
			first = key[i];
		else if (!key[i]->faulty)
			node_refuse(b->report, key[i], "is repeated; it stands in line %u already",
				(unsigned)first->line);
	}
}

/* Sorting finds repeated keys, so that a mapping of a hundred thousand users stays cheap. */
static int check_repeats(struct builder *b, const struct node *mapping)
{
	size_t len = 0;
	struct node **key;

	if (mapping->children < 2)
		return 0;
	key = calloc(mapping->children, sizeof(struct node *));
	if (!key)
		return out_of_memory(b);
	for (const struct node *c = mapping->child; c; c = c->next)
		key[len++] = c->key;
	qsort(key, len, sizeof(struct node *), compare_keys);
	report_repeats(b, key, len);
	free(key);
	return 0;
}

static int take_end(struct builder *b)
{
	const struct node *node;

	assert(b->depth > 0); /* libyaml closes what it opened */
	node = b->level[--b->depth].node;
	return node->kind == NODE_MAPPING ? check_repeats(b, node) : 0;
}

/* Returns 1, the end, for a second document: it is not looked into. */
static int take_document(struct builder *b, const yaml_event_t *event)
{
	struct node at = {0};

	if (!b->has_document) {
		b->has_document = true;
		return 0;
	}
	set_mark(b, &at, &event->start_mark);
	node_fault(b->report, &at, "a second document starts here; a policy is a single one");
	return 1;
}

/* Returns 0 to go on, 1 at the end, or an error. */
static int take_event(struct builder *b, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		return take_document(b, event);
	case YAML_SCALAR_EVENT:
		return take_scalar(b, event);
	case YAML_ALIAS_EVENT:
		return take_alias(b, event);
	case YAML_SEQUENCE_START_EVENT:
		return take_list_start(b, event);
	case YAML_MAPPING_START_EVENT:
		return take_mapping_start(b, event);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return take_end(b);
	case YAML_STREAM_END_EVENT:
		return 1;
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_DOCUMENT_END_EVENT:
		break;
	}
	return 0;
}

/* libyaml's reader knows the octet of what it cannot decode, but not its line. */
static yaml_mark_t mark_of_offset(const char *text, size_t offset)
{
	yaml_mark_t mark = {0};

	for (size_t i = 0; i < offset; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '\n') {
			mark.line++;
			mark.column = 0;
		} else if ((c & 0xc0) != 0x80) { /* not in the middle of a character */
			mark.column++;
		}
	}
	return mark;
}

/* The text that is parsed, to find the line of an octet. */
struct source {
	const char *text;
	size_t len;
};

/* libyaml's own words; the context's line only where it tells something new. */
static void word_problem(const yaml_parser_t *parser, char *out, size_t size)
{
	const char *problem = parser->problem ? parser->problem : "unknown error";
	const char *context = parser->context ? parser->context : "";
	const char *comma = parser->context ? ", " : "";

	if (parser->context && parser->context_mark.line != parser->problem_mark.line)
		(void)snprintf(out, size, "not valid YAML: %s, %s from line %u on", problem,
			context, (unsigned)from_one(parser->context_mark.line));
	else
		(void)snprintf(out, size, "not valid YAML: %s%s%s", problem, comma, context);
}

static void add_fault(struct builder *b, const yaml_mark_t *mark, const char *message)
{
	const struct report_place place = {
		.file = b->file,
		.line = from_one(mark->line),
		.column = from_one(mark->column),
	};

	report_add(b->report, &place, message);
}

static int syntax_fault(struct builder *b, const yaml_parser_t *parser, const struct source *source)
{
	yaml_mark_t mark = parser->problem_mark;
	char message[256];

	if (parser->error == YAML_MEMORY_ERROR)
		return out_of_memory(b);
	report_forget_file(b->report, b->file, b->omitted_before);
	if (parser->error == YAML_READER_ERROR)
		mark = mark_of_offset(source->text, parser->problem_offset < source->len
							    ? parser->problem_offset
							    : source->len);
	word_problem(parser, message, sizeof(message));
	add_fault(b, &mark, message);
	return -EINVAL;
}

static int check_size(struct builder *b, const yaml_event_t *event)
{
	char message[64];

	if (b->tree->nodes < TREE_NODES_MAX)
		return 0;
	(void)snprintf(message, sizeof(message), "more than %d values", TREE_NODES_MAX);
	add_fault(b, &event->start_mark, message);
	return -EINVAL;
}

static int read_events(struct builder *b, yaml_parser_t *parser, const struct source *source)
{
	yaml_event_t event;
	int status = 0;

	while (status == 0) {
		if (!yaml_parser_parse(parser, &event))
			return syntax_fault(b, parser, source);
		status = check_size(b, &event);
		if (status == 0)
			status = take_event(b, &event);
		yaml_event_delete(&event);
	}
	return status < 0 ? status : 0;
}

/*
 * A byte order mark counts as a character for libyaml once the encoding is set, which would
 * shift the first line against the others.
 */
static struct source without_bom(const char *text, size_t len)
{
	if (len == 0)
		return (struct source){.text = ""};
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		return (struct source){.text = text + 3, .len = len - 3};
	return (struct source){.text = text, .len = len};
}

static bool is_line_break(char c)
{
	/* The last three end U+0085, U+2028 and U+2029, breaks for YAML 1.1 as well. */
	return c == '\n' || c == '\r' || c == '\x85' || c == '\xa8' || c == '\xa9';
}

/*
 * Tag directives are of no use without tags, and libyaml compares each with all before it: a
 * file of nothing else would keep it busy for hours.  Hence the look ahead of it.
 */
static int refuse_tag_directive(struct builder *b, const struct source *source)
{
	static const char word[] = "%TAG";
	const char *p = source->text, *end = source->text + source->len;
	yaml_mark_t mark;

	while (p && p < end) {
		p = memmem(p, (size_t)(end - p), word, sizeof(word) - 1);
		if (p && (p == source->text || is_line_break(p[-1])))
			break;
		p = p ? p + 1 : NULL;
	}
	if (!p || p == end)
		return 0;
	mark = mark_of_offset(source->text, (size_t)(p - source->text));
	add_fault(b, &mark, "%TAG directives are not supported; remove it");
	return -EINVAL;
}

static int read_source(struct builder *b, const struct source *source)
{
	yaml_parser_t parser;
	int status;

	if (!yaml_parser_initialize(&parser))
		return out_of_memory(b);
	/* Set, not guessed: UTF-16 in a policy is a mistake, and offsets stay those of the text. */
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)source->text, source->len);
	status = read_events(b, &parser, source);
	yaml_parser_delete(&parser);
	return status;
}

int tree_parse(struct tree *tree, uint32_t file, const char *text, size_t len,
	struct report *report, struct node **root)
{
	struct source source = without_bom(text, len);
	struct builder b = {
		.tree = tree,
		.report = report,
		.file = file,
		.omitted_before = report->omitted,
	};
	int err = refuse_tag_directive(&b, &source);

	if (err == 0)
		err = read_source(&b, &source);
	*root = err < 0 ? NULL : b.root;
	return err;
}
