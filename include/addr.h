/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An IP address of either family in sixteen octets, as PCP carries it (RFC 6887 5):
 * IPv6 as it is, IPv4 as ::ffff:a.b.c.d.  Octets stand in network order.
 */
#ifndef TUNMAP_ADDR_H
#define TUNMAP_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct addr {
	uint8_t octet[16];
};

/* Room for the longest textual address with its terminating NUL. */
#define ADDR_TEXT_MAX 46

/* The IPv4 address in the four octets at @v4, in network order. */
struct addr addr_from_v4(const uint8_t v4[4]);

/* The IPv6 address in the sixteen octets at @v6, in network order. */
struct addr addr_from_v6(const uint8_t v6[16]);

/* True when all of the first 96 bits are those of an IPv4-mapped address, 0.0.0.0 included. */
bool addr_is_v4(const struct addr *a);

/* True for either way to say "no preference": :: and ::ffff:0.0.0.0 (RFC 6887 5). */
bool addr_is_any(const struct addr *a);

/*
 * True for a unicast address that a host can have.  Neither unspecified (nor any of 0.0.0.0/8),
 * loopback, multicast, broadcast nor reserved for ever (class E).
 */
bool addr_is_host(const struct addr *a);

/* @a with all bits behind the first @len <= 128 clear; of IPv4 the 96 leading bits count. */
struct addr addr_mask(const struct addr *a, unsigned len);

/* True when @a begins with the first @len <= 128 bits of @prefix; behind them @prefix is 0. */
bool addr_is_in(const struct addr *a, const struct addr *prefix, unsigned len);

/* The four octets of an IPv4 address; only for addresses of which addr_is_v4() holds. */
static inline const uint8_t *addr_v4(const struct addr *a)
{
	return a->octet + 12;
}

static inline bool addr_equal(const struct addr *a, const struct addr *b)
{
	return memcmp(a->octet, b->octet, sizeof(a->octet)) == 0;
}

/*
 * Read a textual IPv4 or IPv6 address.  Returns 0, or -EINVAL when @text is neither;
 * @out is written on success only.
 */
int addr_parse(const char *text, struct addr *out);

/* Write @a as text, IPv4 in dotted form, to @out and return @out. */
const char *addr_format(const struct addr *a, char out[ADDR_TEXT_MAX]);

#endif
