/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/ctl/query.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Decode the @len octets at @text; an octet 0 would end the text early for its reader. */
static int decode(const char *text, size_t len, char *out, size_t size, const char **why)
{
	size_t used = 0;

	for (size_t i = 0; i < len; i++) {
		int c = (unsigned char)text[i];

		if (c == '%') {
			int high = i + 1 < len ? hex_digit(text[i + 1]) : -1;
			int low = i + 2 < len ? hex_digit(text[i + 2]) : -1;

			c = high < 0 || low < 0 ? 0 : high << 4 | low;
			i += 2;
		}
		if (c == 0) {
			*why = "a % must be followed by two hexadecimal digits that are not 00";
			return -EINVAL;
		}
		if (used + 1 >= size) {
			*why = "the path, or the name or value of a parameter, is too long";
			return -EINVAL;
		}
		out[used++] = (char)c;
	}
	out[used] = '\0';
	return 0;
}

static int add_param(struct query *q, const char *text, size_t len, const char **why)
{
	const char *equals = memchr(text, '=', len);
	struct query_param *p = &q->param[q->len];
	size_t name_len;
	int err;

	if (!equals || equals == text) {
		*why = "parameters are written name=value, with & between them";
		return -EINVAL;
	}
	if (q->len == QUERY_PARAMS) {
		*why = "too many parameters";
		return -EINVAL;
	}
	name_len = (size_t)(equals - text);
	err = decode(text, name_len, p->name, sizeof(p->name), why);
	if (!err)
		err = decode(equals + 1, len - name_len - 1, p->value, sizeof(p->value), why);
	if (!err)
		q->len++;
	return err;
}

int query_parse(const char *target, struct query *out, const char **why)
{
	size_t len = strcspn(target, "?#");
	int err;

	memset(out, 0, sizeof(*out));
	err = decode(target, len, out->path, sizeof(out->path), why);
	if (err || target[len] != '?')
		return err;
	for (const char *at = target + len + 1; *at && *at != '#' && !err;) {
		len = strcspn(at, "&#");
		err = add_param(out, at, len, why);
		at += len;
		if (*at == '&')
			at++;
	}
	return err;
}

const char *query_get(const struct query *q, const char *name)
{
	for (size_t i = 0; i < q->len; i++)
		if (strcmp(q->param[i].name, name) == 0)
			return q->param[i].value;
	return NULL;
}
