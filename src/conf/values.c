/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/conf/values.h"

#include <errno.h>
#include <string.h>

#define V4_BITS   32
#define V6_BITS   128
#define V4_OFFSET (V6_BITS - V4_BITS) /* bits before the IPv4 address in a struct addr */

#define WIREGUARD_TEXT_LEN 44 /* of 32 octets in base64: 43 characters and one of padding */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/*
 * Read digits up to the first other character and move @text there.  -EINVAL without a digit,
 * with a leading zero, or beyond @max.
 */
static int scan_number(const char **text, uint32_t max, uint32_t *out)
{
	const char *start = *text, *p = start;
	uint64_t n = 0;

	for (; is_digit(*p) && n <= max; p++)
		n = n * 10 + (uint64_t)(*p - '0');
	if (p == start || n > max || (*start == '0' && p > start + 1))
		return -EINVAL;
	*text = p;
	*out = (uint32_t)n;
	return 0;
}

int value_integer(const char *text, uint32_t min, uint32_t max, uint32_t *out)
{
	uint32_t n;

	if (scan_number(&text, max, &n) < 0 || *text != '\0' || n < min)
		return -EINVAL;
	*out = n;
	return 0;
}

int value_range(const char *text, struct port_range *out)
{
	uint32_t first, last;

	if (scan_number(&text, UINT16_MAX, &first) < 0)
		return -EINVAL;
	last = first;
	if (*text == '-') {
		text++;
		if (scan_number(&text, UINT16_MAX, &last) < 0)
			return -EINVAL;
	}
	if (*text != '\0' || first == 0 || last == 0)
		return -EINVAL;
	out->first = (uint16_t)(first < last ? first : last);
	out->last = (uint16_t)(first < last ? last : first);
	return first > last ? -ERANGE : 0;
}

/* @length: the text behind the slash, or NULL. */
static int read_prefix(const char *address, const char *length, struct config_prefix *out)
{
	bool dotted = !strchr(address, ':');
	uint32_t max = dotted ? V4_BITS : V6_BITS, len = max;
	struct addr a;

	if (addr_parse(address, &a) < 0)
		return -EINVAL;
	if (length && value_integer(length, 0, max, &len) < 0)
		return -EINVAL;
	out->len = (uint8_t)(dotted ? len + V4_OFFSET : len);
	out->addr = addr_mask(&a, out->len);
	return addr_equal(&out->addr, &a) ? 0 : -ERANGE;
}

int value_prefix(const char *text, struct config_prefix *out)
{
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	char address[ADDR_TEXT_MAX];

	if (len >= sizeof(address))
		return -EINVAL;
	memcpy(address, text, len);
	address[len] = '\0';
	return read_prefix(address, slash ? slash + 1 : NULL, out);
}

unsigned prefix_written_len(const struct config_prefix *prefix)
{
	return addr_is_v4(&prefix->addr) ? prefix->len - V4_OFFSET : prefix->len;
}

bool prefix_contains(const struct config_prefix *outer, const struct config_prefix *inner)
{
	return inner->len >= outer->len && addr_is_in(&inner->addr, &outer->addr, outer->len);
}

/* The six bits that @c stands for in base64, or -1. */
static int sextet(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (is_digit(c))
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

int value_wireguard_key(const char *text, struct config_wireguard_key *out)
{
	struct config_wireguard_key key;
	size_t len = 0;
	uint32_t bits = 0;

	if (strlen(text) != WIREGUARD_TEXT_LEN || text[WIREGUARD_TEXT_LEN - 1] != '=')
		return -EINVAL;
	for (size_t i = 0; i < WIREGUARD_TEXT_LEN - 1; i++) {
		int six = sextet(text[i]);

		if (six < 0)
			return -EINVAL;
		bits = (bits << 6 | (uint32_t)six) & 0xffffff;
		if (i % 4 != 0) /* another octet is complete */
			key.octet[len++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
	}
	/* The last two bits stand for nothing: set, they would be a second spelling. */
	if (bits & 3)
		return -EINVAL;
	*out = key;
	return 0;
}

/* The address without its brackets; an IPv4 address has none. */
static int read_host(const char *text, size_t len, struct addr *out)
{
	char host[ADDR_TEXT_MAX];
	bool bracketed = text[0] == '[' && len >= 2 && text[len - 1] == ']';

	if (bracketed) {
		text++;
		len -= 2;
	}
	if (len >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, len);
	host[len] = '\0';
	return bracketed == (strchr(host, ':') != NULL) ? addr_parse(host, out) : -EINVAL;
}

int value_endpoint(const char *text, struct addr *addr, uint16_t *port)
{
	const char *colon = strrchr(text, ':');
	uint32_t number;

	if (!colon || value_integer(colon + 1, 1, UINT16_MAX, &number) < 0)
		return -EINVAL;
	*port = (uint16_t)number;
	return read_host(text, (size_t)(colon - text), addr);
}

bool range_contains(const struct port_range *outer, const struct port_range *inner)
{
	return outer->first <= inner->first && inner->last <= outer->last;
}

bool range_overlaps(const struct port_range *a, const struct port_range *b)
{
	return a->first <= b->last && b->first <= a->last;
}

static bool is_name_octet(char c)
{
	return (unsigned char)c > ' ' && c != 0x7f && c != '/' && c != ':';
}

bool interface_is_valid(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len >= CONFIG_INTERFACE_MAX)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!is_name_octet(name[i]))
			return false;
	return strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

bool interface_is_glob(const char *name)
{
	return strpbrk(name, "*?[") != NULL;
}

static bool is_word_octet(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || is_digit(c) ||
	       (c != '\0' && strchr("._@:+-", c));
}

bool name_is_valid(const char *name, size_t max)
{
	size_t len = strlen(name);

	if (len == 0 || len >= max)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!is_word_octet(name[i]))
			return false;
	return true;
}

bool path_is_valid(const char *path, size_t max)
{
	size_t len = strlen(path);

	if (path[0] != '/' || path[len - 1] == '/' || len >= max)
		return false;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)path[i] < ' ' || path[i] == 0x7f)
			return false;
	return true;
}
