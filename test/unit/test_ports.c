/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "include/compiler.h"
#include "include/ports.h"
#include "test/support/random.h"

#include <check.h>

static const struct port_range everything = {1, 65535};
static const struct port_set nothing_reserved;

static struct port_pool pool_of(uint16_t first, uint16_t last)
{
	struct port_pool pool = {0};

	port_pool_open(&pool, (struct port_range){first, last}, &nothing_reserved);
	return pool;
}

START_TEST(an_open_pool_holds_its_range_and_nothing_else)
{
	struct port_pool pool = pool_of(1000, 1999);

	ck_assert(!port_pool_is_open(&pool, 999));
	ck_assert(port_pool_is_open(&pool, 1000));
	ck_assert(port_pool_is_open(&pool, 1999));
	ck_assert(!port_pool_is_open(&pool, 2000));
	ck_assert_uint_eq(port_pool_count_free(&pool, everything), 1000);
}
END_TEST

START_TEST(the_protocols_own_ports_are_never_open)
{
	struct port_pool pool = pool_of(5000, 6000);

	ck_assert(!port_pool_is_open(&pool, 5350));
	ck_assert(!port_pool_is_open(&pool, 5351));
	ck_assert_uint_eq(port_pool_count_free(&pool, everything), 999);
}
END_TEST

START_TEST(reserved_ports_are_closed_and_open_again_when_given_back)
{
	static struct port_set reserved;
	struct port_pool pool = {0};

	port_set_add(&reserved, 20000);
	port_pool_open(&pool, (struct port_range){20000, 20001}, &reserved);
	ck_assert(!port_pool_is_open(&pool, 20000));
	ck_assert_uint_eq(port_pool_pick(&pool, everything, 0), 20001);
	port_pool_open(&pool, (struct port_range){20000, 20001}, &nothing_reserved);
	ck_assert(port_pool_is_open(&pool, 20000));
}
END_TEST

START_TEST(a_pool_reopened_remembers_what_is_taken)
{
	struct port_pool pool = pool_of(30000, 30001);

	port_pool_take(&pool, 30000);
	port_pool_open(&pool, (struct port_range){30000, 30001}, &nothing_reserved);
	ck_assert_uint_eq(port_pool_count_free(&pool, everything), 1);
	ck_assert_uint_eq(port_pool_pick(&pool, everything, 7), 30001);
}
END_TEST

START_TEST(picking_reaches_every_free_port_once_a_round)
{
	struct port_pool pool = pool_of(10240, 32767);
	static bool seen[65536];
	uint32_t n = port_pool_count_free(&pool, everything);

	memset(seen, 0, sizeof(seen));
	for (uint32_t i = 0; i < n; i++) {
		uint16_t port = port_pool_pick(&pool, everything, i);

		ck_assert(!seen[port]);
		seen[port] = true;
	}
	ck_assert_uint_eq(n, 32767 - 10240 + 1);
}
END_TEST

START_TEST(picking_keeps_to_the_range_asked_for)
{
	struct port_pool pool = pool_of(10240, 32767);
	struct random r = random_start();

	for (int i = 0; i < 10000; i++) {
		uint16_t first = (uint16_t)(10000 + random_below(&r, 20000));
		uint16_t last = (uint16_t)(first + random_below(&r, 5000));
		uint16_t port =
			port_pool_pick(&pool, (struct port_range){first, last}, random_next(&r));

		if (port == 0)
			ck_assert_msg(last < 10240, "seed %llu", r.seed);
		else
			ck_assert_msg(port >= first && port <= last && port >= 10240, "seed %llu",
				r.seed);
	}
}
END_TEST

START_TEST(counts_agree_with_a_plain_model_after_random_changes)
{
	struct port_pool pool = pool_of(1, 65535);
	static bool taken[65536];
	struct random r = random_start();

	memset(taken, 0, sizeof(taken));
	taken[0] = taken[5350] = taken[5351] = true;
	for (int i = 0; i < 20000; i++) {
		uint16_t port = (uint16_t)(1 + random_below(&r, 65535));

		if (!port_pool_is_open(&pool, port))
			continue;
		if (taken[port])
			port_pool_release(&pool, port);
		else
			port_pool_take(&pool, port);
		taken[port] = !taken[port];
	}
	for (int i = 0; i < 200; i++) {
		uint16_t first = (uint16_t)(1 + random_below(&r, 65535));
		uint16_t last = (uint16_t)(first + random_below(&r, 65536u - first));
		uint32_t n = 0;

		for (uint32_t p = first; p <= last; p++)
			n += !taken[p];
		ck_assert_msg(port_pool_count_free(&pool, (struct port_range){first, last}) == n,
			"seed %llu", r.seed);
	}
}
END_TEST

START_TEST(the_last_free_port_of_a_full_pool_is_found)
{
	struct port_pool pool = pool_of(10240, 32767);

	for (uint32_t port = 10240; port <= 32767; port++)
		if (port != 31999)
			port_pool_take(&pool, (uint16_t)port);
	ck_assert_uint_eq(port_pool_pick(&pool, everything, 123456789), 31999);
	port_pool_take(&pool, 31999);
	ck_assert_uint_eq(port_pool_pick(&pool, everything, 123456789), 0);
}
END_TEST

START_TEST(the_longest_run_lies_outside_the_pool_between_listeners)
{
	static struct port_set in_use;
	struct port_range run;

	port_set_add(&in_use, 51820);
	run = ports_longest_run(PORTS_UNPRIVILEGED, (struct port_range){10240, 32767}, &in_use);
	ck_assert_uint_eq(run.first, 32768);
	ck_assert_uint_eq(run.last, 51819);
}
END_TEST

START_TEST(a_pool_of_everything_leaves_no_run)
{
	struct port_range run = ports_longest_run(
		PORTS_UNPRIVILEGED, (struct port_range){1, 65535}, &nothing_reserved);

	ck_assert_uint_eq(run.first, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ports");
	TCase *tcase = tcase_create("ports");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, an_open_pool_holds_its_range_and_nothing_else);
	tcase_add_test(tcase, the_protocols_own_ports_are_never_open);
	tcase_add_test(tcase, reserved_ports_are_closed_and_open_again_when_given_back);
	tcase_add_test(tcase, a_pool_reopened_remembers_what_is_taken);
	tcase_add_test(tcase, picking_reaches_every_free_port_once_a_round);
	tcase_add_test(tcase, picking_keeps_to_the_range_asked_for);
	tcase_add_test(tcase, counts_agree_with_a_plain_model_after_random_changes);
	tcase_add_test(tcase, the_last_free_port_of_a_full_pool_is_found);
	tcase_add_test(tcase, the_longest_run_lies_outside_the_pool_between_listeners);
	tcase_add_test(tcase, a_pool_of_everything_leaves_no_run);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
