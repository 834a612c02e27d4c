/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/conf/values.h"

#include <errno.h>
#include <string.h>

#define V4_BITS   32
#define V6_BITS   128
#define V4_OFFSET (V6_BITS - V4_BITS) /* bits before the IPv4 address in a struct addr */

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

int value_number(const char *text, uint32_t min, uint32_t max, uint32_t *out)
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

/* Clear the bits behind the first @len; true when there were any. */
static bool clear_behind(struct addr *a, unsigned len)
{
	bool any = false;

	for (unsigned i = len / 8; i < sizeof(a->octet); i++) {
		uint8_t kept = i == len / 8 ? (uint8_t)(0xff00u >> len % 8) : 0;

		any = any || (a->octet[i] & ~kept);
		a->octet[i] &= kept;
	}
	return any;
}

/* @length: the text behind the slash, or NULL. */
static int read_prefix(const char *address, const char *length, struct config_prefix *out)
{
	bool dotted = !strchr(address, ':');
	uint32_t max = dotted ? V4_BITS : V6_BITS, len = max;
	struct addr a;

	if (addr_parse(address, &a) < 0)
		return -EINVAL;
	if (length && value_number(length, 0, max, &len) < 0)
		return -EINVAL;
	out->len = (uint8_t)(dotted ? len + V4_OFFSET : len);
	out->addr = a;
	return clear_behind(&out->addr, out->len) ? -ERANGE : 0;
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

bool range_contains(const struct port_range *outer, const struct port_range *inner)
{
	return outer->first <= inner->first && inner->last <= outer->last;
}

bool range_overlaps(const struct port_range *a, const struct port_range *b)
{
	return a->first <= b->last && b->first <= a->last;
}

static bool v4_is_reachable(const uint8_t *v4)
{
	return v4[0] != 0 && v4[0] != 127 && v4[0] < 224; /* from 224 on: multicast, reserved */
}

static bool v6_is_reachable(const struct addr *a)
{
	static const struct addr loopback = {.octet = {[15] = 1}};

	return !addr_is_any(a) && !addr_equal(a, &loopback) && a->octet[0] != 0xff;
}

bool addr_is_reachable(const struct addr *a)
{
	return addr_is_v4(a) ? v4_is_reachable(addr_v4(a)) : v6_is_reachable(a);
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
