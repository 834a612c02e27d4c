/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "include/natpmp.h"
#include "test/fuzz/fuzz.h"

#include <string.h>

#define EPOCH_S 0x01020304

/* What was understood and is written again must be the octets that were read. */
static void check_request(const uint8_t *data, const struct natpmp_request *rq)
{
	uint8_t again[12];
	size_t len = natpmp_encode_request(again, sizeof(again), rq);

	FUZZ_ASSERT(len == 2 || len == 12);
	FUZZ_ASSERT(memcmp(again, data, 2) == 0);
	if (len > 4)
		FUZZ_ASSERT(memcmp(again + 4, data + 4, len - 4) == 0);
}

static void check_refusal(const uint8_t *data, size_t size)
{
	static uint8_t reply[1200];
	size_t len = natpmp_encode_unsupp_opcode(reply, sizeof(reply), data, size, EPOCH_S);
	struct natpmp_response rs;

	if (size > sizeof(reply)) {
		FUZZ_ASSERT(len == 0);
		return;
	}
	FUZZ_ASSERT(len == (size < 8 ? 8 : size));
	FUZZ_ASSERT(reply[1] == (data[1] | 0x80));
	if (len == 8 || len == 12 || len == 16)
		FUZZ_ASSERT(natpmp_decode_response(reply, len, &rs) == 0);
}

static void check_response(const uint8_t *data, const struct natpmp_response *rs)
{
	struct natpmp_request rq = {.opcode = rs->opcode, .internal_port = rs->internal_port};
	uint8_t again[16];
	size_t len;

	if (rs->result != NATPMP_SUCCESS)
		return;
	if (rs->opcode == NATPMP_OP_ADDRESS)
		len = natpmp_encode_address(
			again, sizeof(again), rs->result, rs->epoch_s, &rs->external);
	else
		len = natpmp_encode_mapping(again, sizeof(again), &rq, rs->result, rs->epoch_s,
			rs->external_port, rs->lifetime_s);
	FUZZ_ASSERT(memcmp(again, data, len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct natpmp_request rq;
	struct natpmp_response rs;

	switch (natpmp_decode(data, size, &rq)) {
	case NATPMP_DROP:
		break;
	case NATPMP_ACCEPT:
		check_request(data, &rq);
		break;
	case NATPMP_REJECT:
		check_refusal(data, size);
		break;
	}
	if (natpmp_decode_response(data, size, &rs) == 0)
		check_response(data, &rs);
	return 0;
}
