/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/cli/table.h"

#include "src/cli/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define GAP 2

void table_init(
	struct table *t, FILE *out, const struct table_column *columns, size_t len, size_t room)
{
	memset(t, 0, sizeof(*t));
	t->out = out;
	t->columns = columns;
	t->columns_len = len;
	t->room = room;
	t->cell = calloc(TABLE_ROWS * len, sizeof(*t->cell));
	t->nomem = !t->cell;
	for (size_t i = 0; i < len; i++)
		t->width[i] = strlen(columns[i].head);
}

static size_t total_width(const struct table *t)
{
	size_t total = 0;

	for (size_t i = 0; i < t->columns_len; i++)
		if (!t->left_out[i])
			total += t->width[i] + (total > 0 ? GAP : 0);
	return total;
}

/* The column that can be spared most easily and still stands; @columns_len: none. */
static size_t spare_column(const struct table *t)
{
	size_t best = t->columns_len;

	for (size_t i = 0; i < t->columns_len; i++)
		if (!t->left_out[i] && t->columns[i].spared > 0 &&
			(best == t->columns_len || t->columns[i].spared > t->columns[best].spared))
			best = i;
	return best;
}

/* Decided by the first rows; a column that can be spared and is empty is spared. */
static void fit(struct table *t)
{
	size_t i;

	for (i = 0; i < t->columns_len; i++)
		t->left_out[i] = t->columns[i].spared > 0 && !t->filled[i];
	while (t->room > 0 && total_width(t) > t->room && (i = spare_column(t)) < t->columns_len)
		t->left_out[i] = true;
}

/* No spaces behind the last column. */
static void print_cell(const struct table *t, size_t i, const char *text, bool *first, size_t *owed)
{
	size_t width = text_width(text), fill = t->width[i] > width ? t->width[i] - width : 0;
	size_t before = *owed + (*first ? 0 : GAP) + (t->columns[i].right ? fill : 0);

	*first = false;
	if (!text[0]) {
		*owed = before + (t->columns[i].right ? 0 : fill);
		return;
	}
	(void)fprintf(t->out, "%*s%s", (int)before, "", text);
	*owed = t->columns[i].right ? 0 : fill;
}

static void print_row(const struct table *t, char *const *cells)
{
	bool first = true;
	size_t owed = 0;

	for (size_t i = 0; i < t->columns_len; i++)
		if (!t->left_out[i])
			print_cell(t, i, cells ? cells[i] : t->columns[i].head, &first, &owed);
	(void)fputc('\n', t->out);
}

static void flush(struct table *t)
{
	if (!t->begun) {
		fit(t);
		print_row(t, NULL);
	}
	t->begun = true;
	for (size_t row = 0; row < t->rows; row++) {
		char **cells = &t->cell[row * t->columns_len];

		print_row(t, cells);
		for (size_t i = 0; i < t->columns_len; i++)
			free(cells[i]);
	}
	t->rows = 0;
}

void table_add(struct table *t, const char *const *cells)
{
	char **row;

	if (t->nomem)
		return;
	row = &t->cell[t->rows * t->columns_len];
	for (size_t i = 0; i < t->columns_len; i++) {
		size_t width;

		row[i] = text_escape(cells[i]);
		if (!row[i]) {
			t->nomem = true;
			while (i > 0)
				free(row[--i]);
			return;
		}
		width = text_width(row[i]);
		t->filled[i] |= width > 0;
		if (width > t->width[i])
			t->width[i] = width;
	}
	if (++t->rows == TABLE_ROWS)
		flush(t);
}

int table_finish(struct table *t)
{
	if (t->rows > 0 || !t->begun)
		flush(t);
	free(t->cell);
	return t->nomem ? -ENOMEM : 0;
}
