/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "include/compiler.h"
#include "proto/utf8.h"
#include "test/support/packet.h"

#include <stdlib.h>

#include <check.h>

static bool is_valid(const char *hex)
{
	struct packet p = packet_from_hex(hex);
	bool valid = utf8_is_valid(p.octet, p.len);

	packet_free(&p);
	return valid;
}

/* The first and last characters of every length and beside every gap (RFC 3629 4). */
static const char *const valid[] = {"", "00", "7f", "c280", "dfbf", "e0a080", "ecbfbf", "ed9fbf",
	"ee8080", "efbfbf", "f0908080", "f3bfbfbf", "f48fbfbf", "43616d657261",
	"4b c3bc 63 68 65 e282ac f09f8f8a"};

START_TEST(accepts_every_legal_form)
{
	ck_assert(is_valid(valid[_i]));
}
END_TEST

static const char *const invalid[] = {"80", "bf", "c0af", "c1bf", "c328", "c3", "e09fbf", "e282",
	"e28228", "eda080", "edbfbf", "f08fbfbf", "f0908f", "f09f8f28", "f4908080", "f5808080",
	"ff", "4142c3", "e2c3bc"};

START_TEST(refuses_overlong_surrogate_and_cut_forms)
{
	ck_assert(!is_valid(invalid[_i]));
}
END_TEST

START_TEST(prefix_never_splits_a_character)
{
	/* One to four octets: the boundaries are 0, 1, 3, 6 and 10. */
	static const size_t want[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10};
	struct packet p = packet_from_hex("41 c3bc e282ac f09f8f8a");

	for (size_t max = 0; max < ARRAY_LEN(want); max++)
		ck_assert_uint_eq(utf8_prefix_len(p.octet, p.len, max), want[max]);
	packet_free(&p);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("utf8");
	TCase *tc = tcase_create("utf8");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tc, accepts_every_legal_form, 0, (int)ARRAY_LEN(valid));
	tcase_add_loop_test(
		tc, refuses_overlong_surrogate_and_cut_forms, 0, (int)ARRAY_LEN(invalid));
	tcase_add_test(tc, prefix_never_splits_a_character);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
