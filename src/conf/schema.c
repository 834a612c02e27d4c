/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Mappings and lists; single values are in readers.c. */
#include "src/conf/schema.h"

#include "src/conf/words.h"

#include <stdlib.h>
#include <string.h>

static const char *kind_name(enum node_kind kind)
{
	static const char *const name[] = {
		[NODE_SCALAR] = "a single value",
		[NODE_LIST] = "a list",
		[NODE_MAPPING] = "a mapping",
	};

	return name[kind];
}

static void report_kind(struct reader *r, struct node *node, enum node_kind kind)
{
	const char *wanted = kind_name(kind);

	if (node_is_nothing(node))
		node_fault(r->report, node, "nothing stands where %s belongs", wanted);
	else if (node->kind == NODE_SCALAR && kind == NODE_LIST)
		node_refuse(r->report, node, "stands where a list belongs; put it in [ ]");
	else if (node->kind == NODE_SCALAR)
		node_refuse(r->report, node, "stands where %s belongs", wanted);
	else
		node_fault(r->report, node, "%s stands where %s belongs", kind_name(node->kind),
			wanted);
}

bool node_expect(struct reader *r, struct node *node, enum node_kind kind)
{
	if (node->kind == NODE_SCALAR && node->faulty)
		return false;
	if (node->kind == kind && !node_is_nothing(node))
		return true;
	report_kind(r, node, kind);
	return false;
}

static const struct key *find_key(const struct table *table, const char *name)
{
	for (size_t i = 0; i < table->len; i++)
		if (strcmp(table->key[i].name, name) == 0)
			return &table->key[i];
	return NULL;
}

static const char *nearest_key(const struct table *table, const char *name)
{
	for (size_t i = 0; i < table->len; i++)
		if (words_are_near(name, table->key[i].name))
			return table->key[i].name;
	return NULL;
}

static void refuse_key(struct reader *r, const struct table *table, struct node *key)
{
	struct word_line line = {0};
	const char *nearest = nearest_key(table, key->text);

	for (size_t i = 0; i < table->len; i++)
		words_add(&line, ", ", table->key[i].name);
	if (nearest)
		node_refuse(r->report, key, "is not a key here; did you mean %s?", nearest);
	else
		node_refuse(r->report, key, "is not a key here; there are: %s", line.text);
}

/* Advice is costly, and a file may have a million keys that nobody gets to see. */
static void check_key(struct reader *r, const struct table *table, struct node *key)
{
	const struct report_place place = node_place(key);

	if (!node_is_sound(key) || find_key(table, key->text))
		return;
	if (report_admits(r->report, &place))
		refuse_key(r, table, key);
	else
		report_omit(r->report);
}

static void check_keys(struct reader *r, const struct node *node, const struct table *table)
{
	for (const struct node *c = node->child; c; c = c->next)
		check_key(r, table, c->key);
}

static void read_key(struct reader *r, struct node *node, const struct key *key, void *target)
{
	struct node *child = node_child(node, key->name);

	if (child)
		key->read(r, child, key, target);
	else if (key->required)
		node_fault(r->report, node, "the key %s is missing", key->name);
}

void read_table(struct reader *r, struct node *node, const struct key *key, void *target)
{
	const struct table *table = key->how;
	void *member = (char *)target + key->offset;

	if (!node_expect(r, node, NODE_MAPPING))
		return;
	check_keys(r, node, table);
	for (size_t i = 0; i < table->len; i++)
		read_key(r, node, &table->key[i], member);
	if (table->check)
		table->check(r, node, member);
}

static bool check_length(struct reader *r, struct node *node, const struct list *list)
{
	if (node->children < list->min)
		node_fault(
			r->report, node, "the list is empty; name an entry or leave out the key");
	else if (node->children > list->max)
		node_fault(r->report, node, "%u entries are too many; the limit is %zu",
			(unsigned)node->children, list->max);
	else
		return true;
	return false;
}

/* Refuse the entry @node at @entry if a sound one before it is equal. */
static void check_distinct(struct reader *r, struct node *node, const struct list *list,
	const void *array, size_t index)
{
	const struct node *other = node->parent->child;
	const char *entry = array;

	for (size_t i = 0; i < index; i++, other = other->next) {
		if (!node_is_sound(other) || !node_is_sound(node))
			continue;
		if (memcmp(entry + i * list->size, entry + index * list->size, list->size) == 0)
			node_refuse(r->report, node, "is listed twice");
	}
}

static void read_entries(
	struct reader *r, const struct node *node, const struct list *list, char *array)
{
	size_t i = 0;

	for (struct node *c = node->child; c; c = c->next, i++) {
		list->entry.read(r, c, &list->entry, array + i * list->size);
		if (list->distinct)
			check_distinct(r, c, list, array, i);
	}
}

/* An array in the struct: the same pointer whatever its entries are, hence by octets. */
static void set_array(void *target, const struct key *key, void *array, size_t len)
{
	const struct list *list = key->how;

	memcpy((char *)target + key->offset, &array, sizeof(array));
	memcpy((char *)target + list->len_offset, &len, sizeof(len));
}

void read_list(struct reader *r, struct node *node, const struct key *key, void *target)
{
	const struct list *list = key->how;
	void *array;

	if (!node_expect(r, node, NODE_LIST) || !check_length(r, node, list))
		return;
	if (node->children == 0)
		return;
	array = calloc(node->children, list->size);
	if (!array) {
		r->report->nomem = true;
		return;
	}
	set_array(target, key, array, node->children);
	read_entries(r, node, list, array);
}
