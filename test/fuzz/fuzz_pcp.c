/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests and responses: an input is a datagram, as it stands. */
#include "include/pcp.h"
#include "test/fuzz/fuzz.h"

#include <string.h>

#define EPOCH_S      0x01020304
#define ALL_FEATURES UINT32_MAX
#define CLIENT_AT    8

/* The source that the request claims, so that mutations get past the address check. */
static struct addr claimed_source(const uint8_t *data, size_t size)
{
	static const struct addr any;

	return size < PCP_HEADER_LEN ? any : addr_from_v6(data + CLIENT_AT);
}

/*
 * An accepted request is accepted again when its fields are written anew, and that is
 * stable: nothing was lost or made up.
 */
static void check_accepted(
	const struct pcp_request *rq, size_t size, const struct addr *source, uint32_t features)
{
	uint8_t once[PCP_MAX_LEN], twice[PCP_MAX_LEN];
	size_t len = pcp_encode_request(once, sizeof(once), rq);
	struct pcp_request again;

	FUZZ_ASSERT(len >= PCP_HEADER_LEN && len <= size);
	FUZZ_ASSERT(pcp_decode(once, len, source, features, &again) == PCP_ACCEPT);
	FUZZ_ASSERT(again.options.present == rq->options.present);
	FUZZ_ASSERT(again.options.filters_len == rq->options.filters_len);
	FUZZ_ASSERT(pcp_encode_request(twice, sizeof(twice), &again) == len);
	FUZZ_ASSERT(memcmp(once, twice, len) == 0);
}

static void check_rejected(const uint8_t *data, size_t size, const struct pcp_request *rq)
{
	uint8_t reply[PCP_MAX_LEN];
	uint32_t lifetime_s = pcp_error_lifetime_s(rq->result);
	size_t len = pcp_encode_error(
		reply, sizeof(reply), data, size, rq->result, lifetime_s, EPOCH_S, rq->parsed);
	size_t copied = size < len ? size : len;
	struct pcp_response rs;

	FUZZ_ASSERT(rq->result != PCP_SUCCESS && lifetime_s > 0);
	FUZZ_ASSERT(len >= PCP_HEADER_LEN && len % 4 == 0 && len < copied + PCP_HEADER_LEN);
	FUZZ_ASSERT(pcp_decode_response(reply, len, &rs) == 0);
	FUZZ_ASSERT(rs.result == rq->result && (rs.opcode | 0x80) == (data[1] | 0x80));
	if (copied > PCP_HEADER_LEN)
		FUZZ_ASSERT(memcmp(reply + PCP_HEADER_LEN, data + PCP_HEADER_LEN,
				    copied - PCP_HEADER_LEN) == 0);
}

static void check_request(
	const uint8_t *data, size_t size, const struct addr *source, uint32_t features)
{
	struct pcp_request rq;

	switch (pcp_decode(data, size, source, features, &rq)) {
	case PCP_DROP:
		break;
	case PCP_ACCEPT:
		check_accepted(&rq, size, source, features);
		break;
	case PCP_REJECT:
		check_rejected(data, size, &rq);
		break;
	}
}

static void check_response(const uint8_t *data, size_t size)
{
	uint8_t once[PCP_MAX_LEN], twice[PCP_MAX_LEN];
	struct pcp_response rs, again;
	size_t len;

	if (pcp_decode_response(data, size, &rs) < 0 || rs.result != PCP_SUCCESS)
		return;
	len = pcp_encode_response(once, sizeof(once), &rs);
	FUZZ_ASSERT(len >= PCP_HEADER_LEN && len <= size);
	FUZZ_ASSERT(pcp_decode_response(once, len, &again) == 0);
	FUZZ_ASSERT(pcp_encode_response(twice, sizeof(twice), &again) == len);
	FUZZ_ASSERT(memcmp(once, twice, len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct addr stranger = {.octet = {[10] = 0xff, [11] = 0xff, 10, 9, 1, 2}};
	struct addr source = claimed_source(data, size);

	check_request(data, size, &source, ALL_FEATURES);
	check_request(data, size, &source, 0);
	check_request(data, size, &stranger, PCP_FEATURE_FILTER | PCP_FEATURE_PEER);
	check_response(data, size);
	return 0;
}
