/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "include/addr.h"

#include <arpa/inet.h>
#include <errno.h>

#define V4_PREFIX_LEN 12

static const uint8_t v4_prefix[V4_PREFIX_LEN] = {[10] = 0xff, [11] = 0xff};

struct addr addr_from_v4(const uint8_t v4[4])
{
	struct addr a;

	memcpy(a.octet, v4_prefix, V4_PREFIX_LEN);
	memcpy(a.octet + V4_PREFIX_LEN, v4, 4);
	return a;
}

struct addr addr_from_v6(const uint8_t v6[16])
{
	struct addr a;

	memcpy(a.octet, v6, sizeof(a.octet));
	return a;
}

bool addr_is_v4(const struct addr *a)
{
	return memcmp(a->octet, v4_prefix, V4_PREFIX_LEN) == 0;
}

bool addr_is_any(const struct addr *a)
{
	static const struct addr any;
	size_t prefix_len = addr_is_v4(a) ? V4_PREFIX_LEN : 0;

	return memcmp(a->octet + prefix_len, any.octet, sizeof(a->octet) - prefix_len) == 0;
}

static bool v4_is_host(const uint8_t *v4)
{
	return v4[0] != 0 && v4[0] != 127 && v4[0] < 224; /* from 224 on: multicast, class E */
}

static bool v6_is_host(const struct addr *a)
{
	static const struct addr loopback = {.octet = {[15] = 1}};

	return !addr_is_any(a) && !addr_equal(a, &loopback) && a->octet[0] != 0xff;
}

bool addr_is_host(const struct addr *a)
{
	return addr_is_v4(a) ? v4_is_host(addr_v4(a)) : v6_is_host(a);
}

struct addr addr_mask(const struct addr *a, unsigned len)
{
	struct addr masked = {{0}};
	unsigned whole = len / 8;

	memcpy(masked.octet, a->octet, whole);
	if (len % 8 != 0)
		masked.octet[whole] = a->octet[whole] & (uint8_t)(0xff00u >> len % 8);
	return masked;
}

bool addr_is_in(const struct addr *a, const struct addr *prefix, unsigned len)
{
	struct addr start = addr_mask(a, len);

	return addr_equal(&start, prefix);
}

int addr_parse(const char *text, struct addr *out)
{
	uint8_t octet[16];

	if (inet_pton(AF_INET, text, octet) == 1)
		*out = addr_from_v4(octet);
	else if (inet_pton(AF_INET6, text, octet) == 1)
		*out = addr_from_v6(octet);
	else
		return -EINVAL;
	return 0;
}

const char *addr_format(const struct addr *a, char out[ADDR_TEXT_MAX])
{
	/* ADDR_TEXT_MAX has room for either family, so this cannot fail. */
	if (addr_is_v4(a))
		inet_ntop(AF_INET, addr_v4(a), out, ADDR_TEXT_MAX);
	else
		inet_ntop(AF_INET6, a->octet, out, ADDR_TEXT_MAX);
	return out;
}
