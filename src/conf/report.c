/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/conf/report.h"

#include "src/conf/fault.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void report_init(struct report *r)
{
	memset(r, 0, sizeof(*r));
}

static bool is_before(const struct report_place *a, const struct report_place *b)
{
	if (a->file != b->file)
		return a->file < b->file;
	return a->line != b->line ? a->line < b->line : a->column < b->column;
}

bool report_admits(const struct report *r, const struct report_place *place)
{
	return r->len < REPORT_MAX || is_before(place, &r->entry[REPORT_MAX - 1].place);
}

void report_omit(struct report *r)
{
	r->omitted++;
}

static void drop_last(struct report *r)
{
	free(r->entry[--r->len].message);
}

/* Behind every fault of an earlier or the same place. */
static struct report_entry *slot_for(struct report *r, const struct report_place *place)
{
	struct report_entry *slot = r->entry + r->len;

	while (slot > r->entry && is_before(place, &slot[-1].place))
		slot--;
	return slot;
}

static void insert(struct report *r, const struct report_entry *entry)
{
	struct report_entry *slot;

	if (r->len == REPORT_MAX) {
		drop_last(r);
		report_omit(r);
	}
	slot = slot_for(r, &entry->place);
	memmove(slot + 1, slot, (size_t)(r->entry + r->len - slot) * sizeof(*slot));
	*slot = *entry;
	r->len++;
}

void report_add(struct report *r, const struct report_place *place, const char *message)
{
	struct report_entry entry = {.place = *place};

	if (!report_admits(r, place)) {
		report_omit(r);
		return;
	}
	entry.message = strdup(message);
	if (entry.message)
		insert(r, &entry);
	else
		r->nomem = true;
}

void report_forget_file(struct report *r, uint32_t index, size_t omitted_before)
{
	while (r->len > 0 && r->entry[r->len - 1].place.file >= index)
		drop_last(r);
	r->omitted = omitted_before;
}

static void clear(struct report *r)
{
	while (r->len > 0)
		drop_last(r);
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
	static const struct report_place first = {.line = 1, .column = 1};

	clear(r);
	report_add(r, &first, "out of memory");
}

static void hand_over(const struct report_place *place, const char *message, char *const *name,
	struct config_faults *out)
{
	if (fault_init(&out->fault[out->len], name[place->file], place->line, place->column,
		    message) == 0)
		out->len++;
}

static void hand_over_all(const struct report *r, char *const *name, struct config_faults *out)
{
	char message[64];

	for (size_t i = 0; i < r->len; i++)
		hand_over(&r->entry[i].place, r->entry[i].message, name, out);
	if (r->omitted == 0)
		return;
	(void)snprintf(message, sizeof(message), "and %zu more", r->omitted);
	hand_over(&r->entry[r->len - 1].place, message, name, out);
}

void report_finish(struct report *r, char *const *name, struct config_faults *out)
{
	out->len = 0;
	out->fault = NULL;
	if (r->nomem)
		replace_by_nomem(r);
	if (r->len > 0)
		out->fault = malloc((r->len + 1) * sizeof(*out->fault));
	if (out->fault)
		hand_over_all(r, name, out);
	clear(r);
}
