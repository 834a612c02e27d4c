/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/conf/report.h"

#include "src/conf/fault.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void report_init(struct report *r, const char *file)
{
	memset(r, 0, sizeof(*r));
	r->file = file;
}

static bool is_before(unsigned long line, unsigned long column, const struct config_fault *other)
{
	return line != other->line ? line < other->line : column < other->column;
}

bool report_admits(const struct report *r, unsigned long line, unsigned long column)
{
	return r->len < REPORT_MAX || is_before(line, column, &r->fault[REPORT_MAX - 1]);
}

void report_omit(struct report *r)
{
	r->omitted++;
}

/* The place behind every fault of an earlier or the same position. */
static struct config_fault *place_of(struct report *r, unsigned long line, unsigned long column)
{
	struct config_fault *place = r->fault + r->len;

	while (place > r->fault && is_before(line, column, place - 1))
		place--;
	return place;
}

static void drop_last(struct report *r)
{
	fault_fini(&r->fault[--r->len]);
	report_omit(r);
}

static void insert(struct report *r, const struct config_fault *fault)
{
	struct config_fault *place;

	if (r->len == REPORT_MAX)
		drop_last(r);
	place = place_of(r, fault->line, fault->column);
	memmove(place + 1, place, (size_t)(r->fault + r->len - place) * sizeof(*place));
	*place = *fault;
	r->len++;
}

void report_add(struct report *r, unsigned long line, unsigned long column, const char *message)
{
	struct config_fault fault;

	if (!report_admits(r, line, column))
		report_omit(r);
	else if (fault_init(&fault, r->file, line, column, message) < 0)
		r->nomem = true;
	else
		insert(r, &fault);
}

void report_clear(struct report *r)
{
	while (r->len > 0)
		fault_fini(&r->fault[--r->len]);
	r->omitted = 0;
	r->nomem = false;
}

bool report_is_clean(const struct report *r)
{
	return r->len == 0 && r->omitted == 0 && !r->nomem;
}

/* Lack of memory as the only fault: what it left of the others is no guide. */
static void replace_by_nomem(struct report *r)
{
	report_clear(r);
	report_add(r, 1, 1, "out of memory");
}

static void add_omitted(const struct report *r, struct config_faults *out)
{
	const struct config_fault *last = &r->fault[r->len - 1];
	char message[64];

	(void)snprintf(message, sizeof(message), "and %zu more", r->omitted);
	if (fault_init(&out->fault[out->len], r->file, last->line, last->column, message) == 0)
		out->len++;
}

void report_finish(struct report *r, struct config_faults *out)
{
	out->len = 0;
	out->fault = NULL;
	if (r->nomem)
		replace_by_nomem(r);
	if (r->len > 0)
		out->fault = malloc((r->len + 1) * sizeof(*out->fault));
	if (out->fault) {
		memcpy(out->fault, r->fault, r->len * sizeof(*out->fault));
		out->len = r->len;
		if (r->omitted > 0)
			add_omitted(r, out);
		r->len = 0; /* the texts are the caller's now */
	}
	report_clear(r);
}
