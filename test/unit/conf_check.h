/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of the policy file have in common. */
#ifndef TUNMAP_TEST_CONF_CHECK_H
#define TUNMAP_TEST_CONF_CHECK_H

#include "include/compiler.h"
#include "include/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#define TUNNEL "tunnels: [{interface: wg0}]\n"

/* Parse a heap copy without a NUL behind it, where a sanitizer sees an overread. */
static inline struct config *parse(const char *text, size_t len, struct config_faults *faults)
{
	char *copy = malloc(len > 0 ? len : 1);
	struct config *config;

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, text, len);
	config = config_parse("policy.yaml", copy, len, faults);
	free(copy);
	return config;
}

/* The configuration of a text without faults. */
static inline struct config *good(const char *text)
{
	struct config_faults faults;
	struct config *config = parse(text, strlen(text), &faults);

	for (size_t i = 0; i < faults.len; i++)
		(void)fprintf(stderr, "%s\n", faults.fault[i].message);
	ck_assert_ptr_nonnull(config);
	ck_assert_uint_eq(faults.len, 0);
	config_faults_free(&faults);
	return config;
}

/* "LINE:COL: MESSAGE\n" of every fault, to be freed. */
static inline char *faults_text(const struct config_faults *faults)
{
	size_t size = 0;
	char *text = NULL;
	FILE *out = open_memstream(&text, &size);

	ck_assert_ptr_nonnull(out);
	for (size_t i = 0; i < faults->len; i++) {
		const struct config_fault *f = &faults->fault[i];

		(void)fprintf(out, "%lu:%lu: %s\n", f->line, f->column, f->message);
	}
	(void)fclose(out);
	return text;
}

static inline void assert_faults(const char *text, size_t len, const char *want)
{
	struct config_faults faults;
	struct config *config = parse(text, len, &faults);
	char *got = faults_text(&faults);

	ck_assert_str_eq(got, want);
	ck_assert_ptr_null(config);
	free(got);
	config_faults_free(&faults);
}

static inline struct addr address(const char *text)
{
	struct addr a;

	ck_assert_int_eq(addr_parse(text, &a), 0);
	return a;
}

static inline void assert_addr(const struct addr *a, const char *want)
{
	char text[ADDR_TEXT_MAX];

	ck_assert_str_eq(addr_format(a, text), want);
}

static inline void assert_range(const struct port_range *range, unsigned first, unsigned last)
{
	ck_assert_uint_eq(range->first, first);
	ck_assert_uint_eq(range->last, last);
}

static inline void assert_mark(const struct config_mark *mark, uint32_t file, uint32_t line)
{
	ck_assert_uint_eq(mark->file, file);
	ck_assert_uint_eq(mark->line, line);
}

struct faulty {
	const char *text;
	const char *want;
};

/* @count times @line, behind a sound start. */
static inline char *repeated(const char *start, const char *line, size_t count, size_t *len)
{
	size_t size = 0;
	char *text = NULL;
	FILE *out = open_memstream(&text, &size);

	ck_assert_ptr_nonnull(out);
	(void)fputs(start, out);
	for (size_t i = 0; i < count; i++)
		(void)fputs(line, out);
	(void)fclose(out);
	*len = size;
	return text;
}

static inline void assert_faulty(const struct faulty *f)
{
	assert_faults(f->text, strlen(f->text), f->want);
}

#define FAULT_TEST(table)                                                                          \
	START_TEST(table##_faults_are_told_with_their_place)                                       \
	{                                                                                          \
		assert_faulty(&(table)[_i]);                                                       \
	}                                                                                          \
	END_TEST

#define ADD_FAULTS(tc, table)                                                                      \
	tcase_add_loop_test(tc, table##_faults_are_told_with_their_place, 0, (int)ARRAY_LEN(table))

#endif
