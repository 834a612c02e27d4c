/* SPDX-License-Identifier: GPL-2.0-or-later */
/* UTF-8 as RFC 3629 restricts it: no surrogates, no overlong forms, nothing past U+10FFFF. */
#ifndef TUNMAP_UTF8_H
#define TUNMAP_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* True when all of @text is UTF-8.  NUL is a character like any other. */
bool utf8_is_valid(const uint8_t *text, size_t len);

/* Octets of the longest prefix of valid @text that has at most @max and splits no character. */
size_t utf8_prefix_len(const uint8_t *text, size_t len, size_t max);

#endif
