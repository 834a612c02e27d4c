/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rows in aligned columns.  Rows are kept until there are many of them and are then printed
 * together, so that a long table needs little memory and still has widths that fit.
 */
#ifndef TUNMAP_CLI_TABLE_H
#define TUNMAP_CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define TABLE_COLUMNS_MAX 8
#define TABLE_ROWS        1000 /* printed together */

struct table_column {
	const char *head;
	bool right; /* aligned */
	unsigned
		spared; /* left out when empty or the table too wide, the highest first; 0: never */
};

struct table {
	FILE *out;
	const struct table_column *columns;
	size_t columns_len;
	size_t room; /* columns of the terminal; 0: any width will do */
	size_t width[TABLE_COLUMNS_MAX];
	bool filled[TABLE_COLUMNS_MAX]; /* some row has something here */
	bool left_out[TABLE_COLUMNS_MAX];
	bool begun; /* the head is printed */
	bool nomem;
	char **cell; /* TABLE_ROWS rows of @columns_len */
	size_t rows;
};

/* All that is passed is borrowed. */
void table_init(
	struct table *t, FILE *out, const struct table_column *columns, size_t len, size_t room);
/* One text a column; escaped here. */
void table_add(struct table *t, const char *const *cells);
/* Print what is left, the head in any case.  Returns 0 or -ENOMEM when rows are missing. */
int table_finish(struct table *t);

#endif
