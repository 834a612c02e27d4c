/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packets for tests: each ends with its own heap block, so that the address sanitizer sees a
 * read of one octet too far, and begins at an odd address, so that it sees a misaligned one.
 */
#ifndef TUNMAP_TEST_PACKET_H
#define TUNMAP_TEST_PACKET_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct packet {
	uint8_t *octet;
	size_t len;
	uint8_t *block;
};

/* A copy of @len octets; packet_free() it.  Without memory a test cannot go on. */
static inline struct packet packet_copy(const uint8_t *octets, size_t len)
{
	/* One more, because a block of none may be NULL. */
	struct packet p = {.len = len, .block = malloc(len + 1)};

	if (!p.block)
		abort();
	p.octet = p.block + 1;
	memcpy(p.octet, octets, len);
	return p;
}

/* The value of a hexadecimal digit, or -1 for anything else. */
static inline int packet_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* The packet that @hex writes in pairs of lower-case digits, with white space anywhere. */
static inline struct packet packet_from_hex(const char *hex)
{
	uint8_t octet[2048] = {0};
	size_t digits = 0;

	for (; *hex && digits < 2 * sizeof(octet); hex++) {
		int value = packet_digit(*hex);

		if (value < 0)
			continue;
		octet[digits / 2] |= (uint8_t)(digits % 2 == 0 ? value << 4 : value);
		digits++;
	}
	return packet_copy(octet, digits / 2);
}

static inline void packet_free(struct packet *p)
{
	free(p->block);
	p->block = NULL;
	p->octet = NULL;
	p->len = 0;
}

#endif
