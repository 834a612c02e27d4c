/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/conf/named.h"

#include "src/conf/values.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool check_name(struct reader *r, struct node *key, size_t max)
{
	if (!node_is_sound(key))
		return false;
	if (name_is_valid(key->text, max))
		return true;
	node_refuse(r->report, key,
		"is not a name: 1 to %zu letters, digits and characters of . _ @ : + -", max - 1);
	return false;
}

/* The section in the file @index, or NULL: it has none. */
static struct node *section_of(const struct reader *r, size_t index, const char *section)
{
	return node_child(r->files->root[index], section);
}

static size_t count(const struct reader *r, const char *section)
{
	size_t len = 0;

	for (size_t i = 0; i < r->files->len; i++) {
		const struct node *node = section_of(r, i, section);

		len += node ? node->children : 0;
	}
	return len;
}

static void collect_section(struct reader *r, struct node *section, size_t max, struct named *out)
{
	if (!node_expect(r, section, NODE_MAPPING))
		return;
	for (struct node *c = section->child; c; c = c->next)
		if (check_name(r, c->key, max))
			out->node[out->len++] = c;
}

/* By name, and in reading order where names are equal. */
static int compare_names(const void *a, const void *b)
{
	const struct node *x = *(struct node *const *)a, *y = *(struct node *const *)b;
	int order = strcmp(x->key->text, y->key->text);

	if (order != 0)
		return order;
	return node_is_before(x, y) ? -1 : node_is_before(y, x);
}

static void report_repeats(struct reader *r, struct node **sorted, size_t len)
{
	const struct node *first = sorted[0]->key;
	char where[FILES_WHERE_MAX];

	for (size_t i = 1; i < len; i++) {
		struct node *key = sorted[i]->key;

		if (strcmp(key->text, first->text) != 0)
			first = key;
		else
			node_refuse(r->report, key, "is repeated; it stands in %s already",
				files_where(r->files, first, key, where));
	}
}

/* Within one file, parsing has reported them: their keys are not sound. */
static int check_repeats(struct reader *r, const struct named *named)
{
	struct node **sorted;

	if (named->len < 2 || r->files->len < 2)
		return 0;
	sorted = calloc(named->len, sizeof(struct node *));
	if (!sorted)
		return -ENOMEM;
	memcpy(sorted, named->node, named->len * sizeof(struct node *));
	qsort(sorted, named->len, sizeof(struct node *), compare_names);
	report_repeats(r, sorted, named->len);
	free(sorted);
	return 0;
}

static void drop_repeats(struct named *named)
{
	size_t len = 0;

	for (size_t i = 0; i < named->len; i++)
		if (node_is_sound(named->node[i]->key))
			named->node[len++] = named->node[i];
	named->len = len;
}

int named_collect(struct reader *r, const char *section, size_t max, struct named *out)
{
	/* One more: calloc() may return NULL for nothing. */
	out->node = calloc(count(r, section) + 1, sizeof(struct node *));
	out->len = 0;
	if (!out->node)
		return -ENOMEM;
	for (size_t i = 0; i < r->files->len; i++) {
		struct node *node = section_of(r, i, section);

		if (node)
			collect_section(r, node, max, out);
	}
	if (check_repeats(r, out) < 0)
		return -ENOMEM;
	drop_repeats(out);
	return 0;
}

void named_fini(struct named *named)
{
	free(named->node);
}
