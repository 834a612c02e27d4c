/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "test/support/fake_backend.h"

#include <errno.h>
#include <stdlib.h>

static struct mapping *find_same(struct fake_backend *f, const struct mapping *m)
{
	for (size_t i = 0; i < f->len; i++)
		if (f->mapping[i].external_port == m->external_port &&
			f->mapping[i].protocol == m->protocol &&
			addr_equal(&f->mapping[i].external, &m->external))
			return &f->mapping[i];
	return NULL;
}

const struct mapping *fake_backend_find(
	const struct fake_backend *f, uint8_t protocol, uint16_t external_port)
{
	for (size_t i = 0; i < f->len; i++)
		if (f->mapping[i].external_port == external_port &&
			f->mapping[i].protocol == protocol)
			return &f->mapping[i];
	return NULL;
}

static void add(struct fake_backend *f, const struct mapping *m)
{
	struct mapping *grown;

	if (f->len == f->size) {
		f->size = f->size ? 2 * f->size : 64;
		grown = realloc(f->mapping, f->size * sizeof(*f->mapping));
		if (!grown)
			abort();
		f->mapping = grown;
	}
	f->mapping[f->len++] = *m;
}

static bool same_internal(const struct mapping *a, const struct mapping *b)
{
	return a->internal_port == b->internal_port && addr_equal(&a->internal, &b->internal);
}

static void make_true(struct fake_backend *f, const struct edit *e)
{
	struct mapping *stands = find_same(f, &e->mapping);

	if (e->kind == EDIT_MAP) {
		f->lied |= stands != NULL;
		if (!stands)
			add(f, &e->mapping);
		return;
	}
	if (!stands || !same_internal(stands, &e->mapping)) {
		f->lied = true;
		return;
	}
	if (e->kind == EDIT_UNMAP)
		*stands = f->mapping[--f->len];
	else
		*stands = e->mapping;
}

static int fake_apply(void *self, const struct edit *edit, size_t len, size_t *culprit)
{
	struct fake_backend *f = self;

	f->transactions++;
	if (f->refuse_all)
		return f->refuse_all;
	for (size_t i = 0; i < len; i++) {
		if (f->refuse_port && edit[i].mapping.external_port == f->refuse_port) {
			if (f->name_culprit)
				*culprit = i;
			return -ENOMEM;
		}
	}
	for (size_t i = 0; i < len; i++)
		make_true(f, &edit[i]);
	return 0;
}

static void fake_end_flows(void *self, const struct mapping *mapping)
{
	struct fake_backend *f = self;

	(void)mapping;
	f->flows_ended++;
}

static void fake_adopt_flows(void *self, const struct mapping *mapping)
{
	struct fake_backend *f = self;

	(void)mapping;
	f->flows_adopted++;
}

static void fake_end_flows_of(void *self, const struct addr *internal)
{
	struct fake_backend *f = self;

	(void)internal;
	f->addresses_cleared++;
}

struct backend fake_backend_init(struct fake_backend *f)
{
	static const struct backend_ops ops = {.apply = fake_apply,
		.end_flows = fake_end_flows,
		.adopt_flows = fake_adopt_flows,
		.end_flows_of = fake_end_flows_of};

	*f = (struct fake_backend){.name_culprit = true};
	return (struct backend){.ops = &ops, .self = f};
}

void fake_backend_fini(struct fake_backend *f)
{
	free(f->mapping);
}
