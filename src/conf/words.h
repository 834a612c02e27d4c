/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Words for messages: lists of what would be legal, and which of them was probably meant. */
#ifndef TUNMAP_CONF_WORDS_H
#define TUNMAP_CONF_WORDS_H

#include <stdbool.h>
#include <stddef.h>

/* A text that grows by words; what does not fit is left out. */
struct word_line {
	char text[256];
	size_t len;
};

/* Add @word, behind @separator unless it is the first. */
void words_add(struct word_line *line, const char *separator, const char *word);

/*
 * Copy @text to @out for a terminal and a log: anything that is not printable ASCII as \xNN.
 * Returns the octets written; the text is cut, with dots, when it does not fit.
 */
size_t words_escape(char *out, size_t size, const char *text);

/* True when @written is probably a slip for @meant: few edits lie between them. */
bool words_are_near(const char *written, const char *meant);

#endif
