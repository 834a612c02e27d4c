/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proto/utf8.h"

static bool is_continuation(uint8_t octet)
{
	return (octet & 0xc0) == 0x80;
}

/* Octets that a character beginning with @first takes, or 0 when none begins so. */
static size_t char_len(uint8_t first)
{
	if (first < 0x80)
		return 1;
	/* c0, c1 and f5 to ff could only begin overlong forms or code points past the last. */
	if (first < 0xc2 || first > 0xf4)
		return 0;
	return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/* The second octet has a narrower range behind the first octets that touch a limit. */
static bool second_is_valid(uint8_t first, uint8_t second)
{
	switch (first) {
	case 0xe0:
		return second >= 0xa0;
	case 0xed:
		return second < 0xa0; /* surrogates */
	case 0xf0:
		return second >= 0x90;
	case 0xf4:
		return second < 0x90;
	default:
		return true;
	}
}

bool utf8_is_valid(const uint8_t *text, size_t len)
{
	size_t at = 0;

	while (at < len) {
		size_t n = char_len(text[at]);

		if (n == 0 || n > len - at)
			return false;
		for (size_t i = 1; i < n; i++) {
			if (!is_continuation(text[at + i]))
				return false;
		}
		if (n > 1 && !second_is_valid(text[at], text[at + 1]))
			return false;
		at += n;
	}
	return true;
}

size_t utf8_prefix_len(const uint8_t *text, size_t len, size_t max)
{
	size_t cut = max;

	if (len <= max)
		return len;
	while (cut > 0 && is_continuation(text[cut]))
		cut--;
	return cut;
}
