/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "include/addr.h"
#include "include/compiler.h"

#include <errno.h>
#include <stdlib.h>

#include <check.h>

static struct addr parsed(const char *text)
{
	struct addr a;

	ck_assert_int_eq(addr_parse(text, &a), 0);
	return a;
}

START_TEST(v4_stands_mapped_in_sixteen_octets)
{
	static const uint8_t v4[4] = {10, 9, 1, 2};
	static const uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff, 10, 9, 1, 2};
	struct addr a = addr_from_v4(v4);

	ck_assert_mem_eq(a.octet, mapped, sizeof(mapped));
	ck_assert(addr_is_v4(&a));
	ck_assert_mem_eq(addr_v4(&a), v4, sizeof(v4));
}
END_TEST

START_TEST(v6_keeps_its_octets)
{
	static const uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
	struct addr a = addr_from_v6(v6);

	ck_assert_mem_eq(a.octet, v6, sizeof(v6));
	ck_assert(!addr_is_v4(&a));
}
END_TEST

/* RFC 6887 5 wants all 96 bits compared, not just the two octets of ones. */
START_TEST(v4_needs_every_one_of_the_first_96_bits)
{
	for (unsigned int bit = 0; bit < 96; bit++) {
		struct addr a = parsed("10.9.1.2");

		a.octet[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
		ck_assert_msg(!addr_is_v4(&a), "bit %u does not count", bit);
	}
}
END_TEST

START_TEST(zero_of_either_family_is_any)
{
	struct addr any4 = parsed("0.0.0.0"), any6 = parsed("::");

	ck_assert(addr_is_any(&any4));
	ck_assert(addr_is_v4(&any4));
	ck_assert(addr_is_any(&any6));
	ck_assert(!addr_is_v4(&any6));
	ck_assert(!addr_equal(&any4, &any6));
}
END_TEST

START_TEST(any_ends_with_the_first_bit_set)
{
	for (unsigned int bit = 0; bit < 128; bit++) {
		struct addr a = parsed("::");

		a.octet[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
		ck_assert_msg(!addr_is_any(&a), "bit %u does not count", bit);
	}
	for (unsigned int bit = 96; bit < 128; bit++) {
		struct addr a = parsed("0.0.0.0");

		a.octet[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
		ck_assert_msg(!addr_is_any(&a), "bit %u does not count", bit);
	}
}
END_TEST

static const char *const texts[] = {
	"0.0.0.0",
	"10.9.1.2",
	"255.255.255.255",
	"::",
	"::1",
	"2001:db8::2",
	"fe80::1:2:3:4",
	"2001:db8:1111:2222:3333:4444:5555:6666",
};

START_TEST(format_gives_back_what_was_parsed)
{
	struct addr a = parsed(texts[_i]);
	char text[ADDR_TEXT_MAX];

	ck_assert_ptr_eq(addr_format(&a, text), text);
	ck_assert_str_eq(text, texts[_i]);
}
END_TEST

START_TEST(mapped_text_is_the_v4_address)
{
	struct addr mapped = parsed("::ffff:10.9.1.2"), plain = parsed("10.9.1.2");
	char text[ADDR_TEXT_MAX];

	ck_assert(addr_equal(&mapped, &plain));
	ck_assert_str_eq(addr_format(&mapped, text), "10.9.1.2");
}
END_TEST

static const char *const no_addresses[] = {
	"",
	" ",
	"10.9.1",
	"10.9.1.256",
	"10.9.1.2 ",
	"10.9.1.2/24",
	"::g",
	"1:2:3",
	"fe80::1%eth0",
	"gateway",
	"0x0a.9.1.2",
};

START_TEST(parse_refuses_what_is_no_address)
{
	struct addr before = parsed("192.0.2.1"), a = before;

	ck_assert_int_eq(addr_parse(no_addresses[_i], &a), -EINVAL);
	ck_assert(addr_equal(&a, &before));
}
END_TEST

static const struct {
	const char *text;
	bool host;
} hosts[] = {
	{"0.0.0.0", false},
	{"0.255.255.255", false},
	{"1.0.0.0", true},
	{"10.9.1.2", true},
	{"126.255.255.255", true},
	{"127.0.0.1", false},
	{"127.255.255.255", false},
	{"128.0.0.0", true},
	{"169.254.1.1", true},
	{"223.255.255.255", true},
	{"224.0.0.1", false},
	{"239.255.255.255", false},
	{"240.0.0.0", false},
	{"255.255.255.254", false},
	{"255.255.255.255", false},
	{"::", false},
	{"::1", false},
	{"::2", true},
	{"2001:db8::", true},
	{"fe80::1", true},
	{"feff::1", true},
	{"ff00::", false},
	{"ff02::1", false},
};

START_TEST(a_host_has_a_unicast_address)
{
	struct addr a = parsed(hosts[_i].text);

	ck_assert_msg(addr_is_host(&a) == hosts[_i].host, "%s", hosts[_i].text);
}
END_TEST

START_TEST(a_mask_keeps_the_first_bits_and_no_other)
{
	struct addr ones;

	memset(ones.octet, 0xff, sizeof(ones.octet));
	for (unsigned len = 0; len <= 128; len++) {
		struct addr masked = addr_mask(&ones, len);

		for (unsigned bit = 0; bit < 128; bit++)
			ck_assert_msg(!(masked.octet[bit / 8] & 0x80 >> bit % 8) == (bit >= len),
				"bit %u of %u", bit, len);
	}
}
END_TEST

START_TEST(a_prefix_has_what_begins_with_its_bits)
{
	struct addr prefix = parsed("10.9.16.0"), first = parsed("10.9.16.0");
	struct addr last = parsed("10.9.31.255"), behind = parsed("10.9.32.0");
	struct addr other = parsed("10.9.15.255"), all = parsed("::");

	ck_assert(addr_is_in(&first, &prefix, 96 + 20));
	ck_assert(addr_is_in(&last, &prefix, 96 + 20));
	ck_assert(!addr_is_in(&behind, &prefix, 96 + 20));
	ck_assert(!addr_is_in(&other, &prefix, 96 + 20));
	ck_assert(addr_is_in(&prefix, &prefix, 128));
	ck_assert(!addr_is_in(&last, &prefix, 128));
	ck_assert(addr_is_in(&last, &all, 0));
	ck_assert(!addr_is_in(&last, &all, 96));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("addr");
	TCase *tc = tcase_create("addr");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tc, v4_stands_mapped_in_sixteen_octets);
	tcase_add_test(tc, v6_keeps_its_octets);
	tcase_add_test(tc, v4_needs_every_one_of_the_first_96_bits);
	tcase_add_test(tc, zero_of_either_family_is_any);
	tcase_add_test(tc, any_ends_with_the_first_bit_set);
	tcase_add_loop_test(tc, format_gives_back_what_was_parsed, 0, (int)ARRAY_LEN(texts));
	tcase_add_test(tc, mapped_text_is_the_v4_address);
	tcase_add_loop_test(tc, a_host_has_a_unicast_address, 0, (int)ARRAY_LEN(hosts));
	tcase_add_test(tc, a_mask_keeps_the_first_bits_and_no_other);
	tcase_add_test(tc, a_prefix_has_what_begins_with_its_bits);
	tcase_add_loop_test(tc, parse_refuses_what_is_no_address, 0, (int)ARRAY_LEN(no_addresses));
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
