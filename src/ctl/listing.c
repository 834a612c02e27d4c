/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/ctl/listing.h"

#include "src/ctl/json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct page {
	struct listing *listing;
	FILE *out;
	bool nomem;
};

/* Takes @json. */
static void write_line(struct page *page, json_t *json)
{
	if (page->listing->any)
		(void)fputs(",\n", page->out);
	page->listing->any = true;
	if (!json || json_dumpf(json, page->out, JSON_STYLE) < 0)
		page->nomem = true;
	json_decref(json);
}

static void write_mapping(void *arg, const struct admin_mapping *mapping)
{
	write_line(arg, json_mapping(mapping));
}

static void write_user(void *arg, const struct admin_user *user)
{
	write_line(arg, json_user(user));
}

/* Returns false when there are no more. */
static bool write_places(struct page *page, const struct engine *e, uint32_t max, int64_t now_ms)
{
	struct listing *l = page->listing;

	switch (l->kind) {
	case LISTING_MAPPINGS:
		return admin_next_mappings(
			e, &l->which, &l->cursor, max, now_ms, write_mapping, page);
	case LISTING_USERS:
		return admin_next_users(e, &l->cursor, max, now_ms, write_user, page);
	}
	return false;
}

int listing_next(struct listing *l, const struct engine *e, uint32_t max, int64_t now_ms,
	struct listing_piece *out)
{
	static const char *const first_line[] = {
		[LISTING_MAPPINGS] = "{\"mappings\":[\n",
		[LISTING_USERS] = "{\"users\":[\n",
	};
	struct page page = {.listing = l};

	*out = (struct listing_piece){0};
	page.out = open_memstream(&out->text, &out->len);
	if (!page.out)
		return -ENOMEM;
	if (!l->begun)
		(void)fputs(first_line[l->kind], page.out);
	l->begun = true;
	out->more = write_places(&page, e, max, now_ms);
	if (!out->more)
		(void)fputs(l->any ? "\n]}\n" : "]}\n", page.out);
	if (fclose(page.out) == 0 && !page.nomem)
		return 0;
	free(out->text);
	out->text = NULL;
	return -ENOMEM;
}
