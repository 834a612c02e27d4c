/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/nft/outer.h"

#include "src/nft/elements.h"
#include "src/nft/family.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct addr));
}

/* Room for @len addresses; one more keeps an empty list from looking like a failure. */
static int reserve(struct outer *o, size_t len)
{
	o->len = 0;
	o->addr = calloc(len + 1, sizeof(*o->addr));
	return o->addr ? 0 : -ENOMEM;
}

int outer_init(struct outer *o, const struct addr *addr, size_t len)
{
	size_t sorted = 0;
	int err = reserve(o, len);

	if (err)
		return err;
	for (size_t i = 0; i < len; i++)
		if (family_of(&addr[i]))
			o->addr[sorted++] = addr[i];
	qsort(o->addr, sorted, sizeof(*o->addr), compare);
	for (size_t i = 0; i < sorted; i++)
		if (!o->len || !addr_equal(&o->addr[o->len - 1], &o->addr[i]))
			o->addr[o->len++] = o->addr[i];
	return 0;
}

void outer_fini(struct outer *o)
{
	free(o->addr);
	*o = (struct outer){0};
}

/* What is in @a and not in @b. */
static int subtract(struct outer *out, const struct outer *a, const struct outer *b)
{
	size_t k = 0;
	int err = reserve(out, a->len);

	if (err)
		return err;
	for (size_t i = 0; i < a->len; i++) {
		while (k < b->len && compare(&b->addr[k], &a->addr[i]) < 0)
			k++;
		if (k == b->len || !addr_equal(&b->addr[k], &a->addr[i]))
			out->addr[out->len++] = a->addr[i];
	}
	return 0;
}

typedef void put_keys(
	struct batch *b, const char *set, const uint8_t *keys, size_t count, size_t key_len);

static void put_family(
	struct batch *b, const struct outer *o, const struct family *f, put_keys *put)
{
	uint8_t *keys = calloc(o->len + 1, f->addr_len);
	size_t count = 0;

	if (!keys) {
		batch_fail(b, -ENOMEM);
		return;
	}
	for (size_t i = 0; i < o->len; i++)
		if (family_of(&o->addr[i]) == f)
			memcpy(keys + f->addr_len * count++, family_octets(f, &o->addr[i]),
				f->addr_len);
	put(b, f->outer, keys, count, f->addr_len);
	free(keys);
}

void outer_put_flush(struct batch *b)
{
	for (size_t i = 0; i < FAMILIES; i++)
		element_put_flush(b, families[i].outer);
}

void outer_put(struct batch *b, const struct outer *o)
{
	for (size_t i = 0; i < FAMILIES; i++)
		put_family(b, o, &families[i], element_put_keys);
}

static void put_difference(
	struct batch *b, const struct outer *a, const struct outer *minus, put_keys *put)
{
	struct outer o;

	if (subtract(&o, a, minus) < 0) {
		batch_fail(b, -ENOMEM);
		return;
	}
	for (size_t i = 0; i < FAMILIES; i++)
		put_family(b, &o, &families[i], put);
	outer_fini(&o);
}

void outer_put_change(struct batch *b, const struct outer *from, const struct outer *to)
{
	put_difference(b, from, to, element_put_keys_removal);
	put_difference(b, to, from, element_put_keys);
}
