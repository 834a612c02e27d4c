/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "include/wire.h"
#include "test/support/packet.h"

#include <stdlib.h>

#include <check.h>

#define NUMBERS "01 0203 04050607 00112233445566778899aabbccddeeff 08090a"

START_TEST(numbers_are_big_endian)
{
	struct packet p = packet_from_hex(NUMBERS);
	struct wire_reader r = wire_reader(p.octet, p.len);
	struct addr a;
	uint8_t tail[3];

	ck_assert_uint_eq(wire_get_u8(&r), 0x01);
	ck_assert_uint_eq(wire_get_u16(&r), 0x0203);
	ck_assert_uint_eq(wire_get_u32(&r), 0x04050607);
	a = wire_get_addr(&r);
	ck_assert_mem_eq(a.octet, p.octet + 7, 16);
	wire_get_bytes(&r, tail, sizeof(tail));
	ck_assert_mem_eq(tail, p.octet + 23, 3);
	ck_assert_uint_eq(r.left, 0);
	ck_assert(!r.failed);
	packet_free(&p);
}
END_TEST

START_TEST(writer_lays_out_what_the_reader_reads)
{
	struct packet p = packet_from_hex(NUMBERS "0000");
	uint8_t buf[28];
	struct wire_writer w = wire_writer(buf, sizeof(buf));
	struct addr a;

	memcpy(a.octet, p.octet + 7, 16);
	wire_put_u8(&w, 0x01);
	wire_put_u16(&w, 0x0203);
	wire_put_u32(&w, 0x04050607);
	wire_put_addr(&w, &a);
	wire_put_bytes(&w, "\x08\x09\x0a", 3);
	wire_put_zeros(&w, 2);
	ck_assert_uint_eq(wire_finish(&w), p.len);
	ck_assert_mem_eq(buf, p.octet, p.len);
	packet_free(&p);
}
END_TEST

/* One read of each kind, of which the reader holds one octet too few. */
START_TEST(short_reads_give_zeros_and_fail)
{
	static const size_t wanted[] = {1, 2, 4, 16, 5, 7};
	size_t len = wanted[_i] - 1;
	struct packet p = packet_from_hex("ffffffffffffffffffffffffffffffff");
	struct packet cut = packet_copy(p.octet, len);
	struct wire_reader r = wire_reader(cut.octet, cut.len);
	uint8_t out[5] = {1, 1, 1, 1, 1};
	static const uint8_t zeros[16];
	struct addr a;

	switch (_i) {
	case 0:
		ck_assert_uint_eq(wire_get_u8(&r), 0);
		break;
	case 1:
		ck_assert_uint_eq(wire_get_u16(&r), 0);
		break;
	case 2:
		ck_assert_uint_eq(wire_get_u32(&r), 0);
		break;
	case 3:
		a = wire_get_addr(&r);
		ck_assert_mem_eq(a.octet, zeros, sizeof(zeros));
		break;
	case 4:
		wire_get_bytes(&r, out, sizeof(out));
		ck_assert_mem_eq(out, zeros, sizeof(out));
		break;
	default:
		wire_skip(&r, 7);
		break;
	}
	ck_assert(r.failed);
	packet_free(&cut);
	packet_free(&p);
}
END_TEST

START_TEST(a_failed_reader_stays_failed)
{
	struct packet p = packet_from_hex("ffffff");
	struct wire_reader r = wire_reader(p.octet, p.len);

	ck_assert_uint_eq(wire_get_u32(&r), 0);
	ck_assert_uint_eq(wire_get_u8(&r), 0);
	ck_assert_uint_eq(wire_get_u16(&r), 0);
	ck_assert(r.failed);
	packet_free(&p);
}
END_TEST

START_TEST(an_absurd_length_does_not_wrap_around)
{
	struct packet p = packet_from_hex("ffffff");
	struct wire_reader r = wire_reader(p.octet, p.len);
	struct wire_writer w = wire_writer(p.octet, p.len);

	wire_put_u8(&w, 0);
	wire_put_zeros(&w, SIZE_MAX);
	ck_assert_uint_eq(wire_finish(&w), 0);
	wire_skip(&r, 1);
	wire_skip(&r, SIZE_MAX);
	ck_assert(r.failed);
	packet_free(&p);
}
END_TEST

START_TEST(an_empty_reader_may_have_no_buffer)
{
	struct wire_reader r = wire_reader(NULL, 0);
	uint8_t out = 7;

	wire_get_bytes(&r, &out, 0);
	wire_skip(&r, 0);
	ck_assert(!r.failed);
	ck_assert_uint_eq(out, 7);
	ck_assert_uint_eq(wire_get_u8(&r), 0);
	ck_assert(r.failed);
}
END_TEST

START_TEST(a_full_writer_touches_nothing_and_finishes_with_zero)
{
	struct packet p = packet_from_hex("aaaaaa");
	struct wire_writer w = wire_writer(p.octet, p.len);

	wire_put_u32(&w, 0);
	ck_assert_mem_eq(p.octet, "\xaa\xaa\xaa", 3);
	wire_put_u8(&w, 0); /* would fit, but comes after something that did not */
	ck_assert_mem_eq(p.octet, "\xaa\xaa\xaa", 3);
	ck_assert_uint_eq(wire_finish(&w), 0);
	packet_free(&p);
}
END_TEST

START_TEST(a_writer_fills_its_buffer_to_the_last_octet)
{
	struct packet p = packet_from_hex("aaaaaa");
	struct wire_writer w = wire_writer(p.octet, p.len);

	wire_put_u16(&w, 0x0102);
	wire_put_u8(&w, 3);
	wire_put_bytes(&w, NULL, 0);
	wire_put_zeros(&w, 0);
	ck_assert_uint_eq(wire_finish(&w), 3);
	ck_assert_mem_eq(p.octet, "\x01\x02\x03", 3);
	packet_free(&p);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("wire");
	TCase *tc = tcase_create("wire");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tc, numbers_are_big_endian);
	tcase_add_test(tc, writer_lays_out_what_the_reader_reads);
	tcase_add_loop_test(tc, short_reads_give_zeros_and_fail, 0, 6);
	tcase_add_test(tc, a_failed_reader_stays_failed);
	tcase_add_test(tc, an_absurd_length_does_not_wrap_around);
	tcase_add_test(tc, an_empty_reader_may_have_no_buffer);
	tcase_add_test(tc, a_full_writer_touches_nothing_and_finishes_with_zero);
	tcase_add_test(tc, a_writer_fills_its_buffer_to_the_last_octet);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
