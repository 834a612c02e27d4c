/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bounded cursors over a datagram.  A read or write past the end touches nothing, yields
 * zeros and sets @failed, which stays set: callers check once, at the end.  Numbers are
 * big-endian on the wire and in host order outside.
 */
#ifndef TUNMAP_WIRE_H
#define TUNMAP_WIRE_H

#include "include/addr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wire_reader {
	const uint8_t *at;
	size_t left; /* octets not yet read */
	bool failed;
};

struct wire_writer {
	uint8_t *start;
	size_t len;  /* octets written */
	size_t size; /* octets that fit */
	bool failed;
};

/* Borrow the @len octets at @buf; @buf may be NULL when @len is 0. */
struct wire_reader wire_reader(const void *buf, size_t len);
uint8_t wire_get_u8(struct wire_reader *r);
uint16_t wire_get_u16(struct wire_reader *r);
uint32_t wire_get_u32(struct wire_reader *r);
struct addr wire_get_addr(struct wire_reader *r);
/* Copy the next @len octets to @out, or zeros when they are not there. */
void wire_get_bytes(struct wire_reader *r, void *out, size_t len);
void wire_skip(struct wire_reader *r, size_t len);

/* Borrow the @size octets at @buf to write to. */
struct wire_writer wire_writer(void *buf, size_t size);
void wire_put_u8(struct wire_writer *w, uint8_t value);
void wire_put_u16(struct wire_writer *w, uint16_t value);
void wire_put_u32(struct wire_writer *w, uint32_t value);
void wire_put_addr(struct wire_writer *w, const struct addr *a);
void wire_put_bytes(struct wire_writer *w, const void *data, size_t len);
void wire_put_zeros(struct wire_writer *w, size_t len);
/* Octets written, or 0 when something did not fit. */
size_t wire_finish(const struct wire_writer *w);

#endif
