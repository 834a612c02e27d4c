/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/conf/words.h"

#include <stdio.h>
#include <string.h>

#define WORD_MAX 32 /* longer words are near nothing */

void words_add(struct word_line *line, const char *separator, const char *word)
{
	size_t left = sizeof(line->text) - line->len;

	if (line->len == 0)
		separator = "";
	if (strlen(separator) + strlen(word) < left)
		line->len +=
			(size_t)snprintf(line->text + line->len, left, "%s%s", separator, word);
}

size_t words_escape(char *out, size_t size, const char *text)
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

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t min = a < b ? a : b;

	return min < c ? min : c;
}

/* Levenshtein's distance, with one row kept: row[j] is that of the prefixes read so far. */
static size_t distance(const char *a, const char *b, size_t b_len)
{
	size_t row[WORD_MAX + 1];

	for (size_t j = 0; j <= b_len; j++)
		row[j] = j;
	for (size_t i = 0; a[i]; i++) {
		size_t diagonal = row[0];

		row[0] = i + 1;
		for (size_t j = 1; j <= b_len; j++) {
			size_t above = row[j];

			row[j] = min3(above + 1, row[j - 1] + 1, diagonal + (a[i] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[b_len];
}

bool words_are_near(const char *written, const char *meant)
{
	size_t written_len = strlen(written), len = strlen(meant), edits;

	if (len > WORD_MAX || written_len > WORD_MAX)
		return false;
	/* What differs more in length needs no closer look. */
	if (written_len > len + 2 || len > written_len + 2)
		return false;
	edits = distance(written, meant, len);
	return edits <= 2 && edits * 2 < len;
}
