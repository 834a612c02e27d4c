/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Texts for a person at a terminal. */
#ifndef TUNMAP_CLI_TEXT_H
#define TUNMAP_CLI_TEXT_H

#include <stddef.h>
#include <stdint.h>

#define TEXT_DURATION_MAX 32

/*
 * A copy of @text that no terminal takes for an order: control characters, what turns the
 * direction of writing, and octets that are not UTF-8 are written as \xNN or \u{N}.  To be
 * freed; NULL: out of memory.
 */
char *text_escape(const char *text);

/* Columns that an escaped text takes: one a character. */
size_t text_width(const char *text);

/* "2d 3h", "5m 20s", "12s": the two largest units. */
const char *text_duration(uint64_t seconds, char out[TEXT_DURATION_MAX]);

/* Make every octet but newline, tab and printable ASCII a '?': the daemon's JSON is ASCII. */
void text_make_ascii(char *text, size_t len);

#endif
