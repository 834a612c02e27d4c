/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "include/wire.h"

#include <string.h>

struct wire_reader wire_reader(const void *buf, size_t len)
{
	return (struct wire_reader){.at = buf, .left = len};
}

/* The next @len octets, or NULL from the first time that they are not there. */
static const uint8_t *take(struct wire_reader *r, size_t len)
{
	const uint8_t *at = r->at;

	if (r->failed || len > r->left) {
		r->failed = true;
		return NULL;
	}
	r->at += len;
	r->left -= len;
	return at;
}

uint8_t wire_get_u8(struct wire_reader *r)
{
	const uint8_t *at = take(r, 1);

	return at ? at[0] : 0;
}

uint16_t wire_get_u16(struct wire_reader *r)
{
	const uint8_t *at = take(r, 2);

	return at ? (uint16_t)((unsigned int)at[0] << 8 | at[1]) : 0;
}

uint32_t wire_get_u32(struct wire_reader *r)
{
	const uint8_t *at = take(r, 4);

	if (!at)
		return 0;
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

struct addr wire_get_addr(struct wire_reader *r)
{
	struct addr a;

	wire_get_bytes(r, a.octet, sizeof(a.octet));
	return a;
}

void wire_get_bytes(struct wire_reader *r, void *out, size_t len)
{
	const uint8_t *at;

	/* An empty reader may stand on NULL, which memcpy() must not see. */
	if (len == 0)
		return;
	at = take(r, len);
	if (at)
		memcpy(out, at, len);
	else
		memset(out, 0, len);
}

void wire_skip(struct wire_reader *r, size_t len)
{
	if (len > 0)
		(void)take(r, len);
}

struct wire_writer wire_writer(void *buf, size_t size)
{
	return (struct wire_writer){.start = buf, .size = size};
}

/* Where to write the next @len octets, or NULL from the first time that they do not fit. */
static uint8_t *claim(struct wire_writer *w, size_t len)
{
	uint8_t *at;

	if (w->failed || len > w->size - w->len) {
		w->failed = true;
		return NULL;
	}
	at = w->start + w->len;
	w->len += len;
	return at;
}

void wire_put_u8(struct wire_writer *w, uint8_t value)
{
	wire_put_bytes(w, &value, 1);
}

void wire_put_u16(struct wire_writer *w, uint16_t value)
{
	const uint8_t octet[] = {(uint8_t)(value >> 8), (uint8_t)value};

	wire_put_bytes(w, octet, sizeof(octet));
}

void wire_put_u32(struct wire_writer *w, uint32_t value)
{
	const uint8_t octet[] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16),
		(uint8_t)(value >> 8), (uint8_t)value};

	wire_put_bytes(w, octet, sizeof(octet));
}

void wire_put_addr(struct wire_writer *w, const struct addr *a)
{
	wire_put_bytes(w, a->octet, sizeof(a->octet));
}

void wire_put_bytes(struct wire_writer *w, const void *data, size_t len)
{
	uint8_t *at;

	if (len == 0)
		return;
	at = claim(w, len);
	if (at)
		memcpy(at, data, len);
}

void wire_put_zeros(struct wire_writer *w, size_t len)
{
	uint8_t *at;

	if (len == 0)
		return;
	at = claim(w, len);
	if (at)
		memset(at, 0, len);
}

size_t wire_finish(const struct wire_writer *w)
{
	return w->failed ? 0 : w->len;
}
