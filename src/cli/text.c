/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/cli/text.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ESCAPED_MAX 12 /* octets that stand for one of the source: \u{10FFFF} and a NUL */

struct character {
	uint32_t code;
	size_t len; /* octets; 0: not UTF-8 */
};

static bool is_continuation(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

/* RFC 3629: neither longer than need be nor a surrogate nor beyond U+10FFFF. */
static struct character read_character(const unsigned char *at)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	struct character c = {.code = at[0], .len = 1};

	if (at[0] < 0x80)
		return c;
	c.len = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
	c.code = at[0] & (0xffu >> (c.len + 1));
	for (size_t i = 1; i < c.len; i++) {
		if (!is_continuation(at[i]))
			return (struct character){0};
		c.code = c.code << 6 | (at[i] & 0x3f);
	}
	if (at[0] < 0xc0 || at[0] > 0xf4 || c.code < least[c.len] || c.code > 0x10ffff ||
		(c.code >= 0xd800 && c.code <= 0xdfff))
		return (struct character){0};
	return c;
}

/* Controls of both sets, separators of lines, and what changes the direction of writing. */
static bool is_harmless(uint32_t code)
{
	return code >= 0x20 && !(code >= 0x7f && code <= 0x9f) && code != 0x61c &&
	       !(code >= 0x200b && code <= 0x200f) && !(code >= 0x2028 && code <= 0x202e) &&
	       !(code >= 0x2060 && code <= 0x206f) && code != 0xfeff;
}

char *text_escape(const char *text)
{
	const unsigned char *at = (const unsigned char *)text;
	char *out = malloc(strlen(text) * ESCAPED_MAX + 1), *end = out;

	if (!out)
		return NULL;
	while (*at) {
		struct character c = read_character(at);
		size_t len = c.len ? c.len : 1;

		if (c.len && is_harmless(c.code)) {
			memcpy(end, at, len);
			end += len;
		} else if (c.len && c.code >= 0x80) {
			end += snprintf(end, ESCAPED_MAX, "\\u{%" PRIX32 "}", c.code);
		} else {
			end += snprintf(end, ESCAPED_MAX, "\\x%02x", *at);
		}
		at += len;
	}
	*end = '\0';
	return out;
}

size_t text_width(const char *text)
{
	size_t width = 0;

	for (; *text; text++)
		width += !is_continuation((unsigned char)*text);
	return width;
}

const char *text_duration(uint64_t seconds, char out[TEXT_DURATION_MAX])
{
	static const struct {
		uint64_t s;
		char unit;
	} units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
	size_t i = 0;

	while (i < 3 && seconds < units[i].s)
		i++;
	if (i == 3)
		(void)snprintf(out, TEXT_DURATION_MAX, "%" PRIu64 "s", seconds);
	else if (seconds % units[i].s < units[i + 1].s)
		(void)snprintf(out, TEXT_DURATION_MAX, "%" PRIu64 "%c", seconds / units[i].s,
			units[i].unit);
	else
		(void)snprintf(out, TEXT_DURATION_MAX, "%" PRIu64 "%c %" PRIu64 "%c",
			seconds / units[i].s, units[i].unit, seconds % units[i].s / units[i + 1].s,
			units[i + 1].unit);
	return out;
}

void text_make_ascii(char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c != '\n' && c != '\t' && (c < ' ' || c > '~'))
			text[i] = '?';
	}
}
