/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "include/natpmp.h"

#include "include/wire.h"

#include <errno.h>

#define RESPONSE_BIT 0x80
#define HEADER_LEN   8 /* version, opcode, result and epoch: where every response begins */

static enum natpmp_verdict decode_map(struct wire_reader *r, struct natpmp_request *out)
{
	(void)wire_get_u16(r); /* reserved: ignored on receipt */
	out->internal_port = wire_get_u16(r);
	out->suggested_port = wire_get_u16(r);
	out->lifetime_s = wire_get_u32(r);
	return r->failed ? NATPMP_DROP : NATPMP_ACCEPT;
}

enum natpmp_verdict natpmp_decode(const uint8_t *buf, size_t len, struct natpmp_request *out)
{
	struct wire_reader r = wire_reader(buf, len);
	uint8_t version = wire_get_u8(&r);
	uint8_t opcode = wire_get_u8(&r);

	*out = (struct natpmp_request){0};
	if (r.failed || version != NATPMP_VERSION || opcode & RESPONSE_BIT)
		return NATPMP_DROP;
	if (opcode > NATPMP_OP_MAP_TCP)
		return NATPMP_REJECT;
	out->opcode = opcode;
	return opcode == NATPMP_OP_ADDRESS ? NATPMP_ACCEPT : decode_map(&r, out);
}

size_t natpmp_encode_request(uint8_t *buf, size_t size, const struct natpmp_request *rq)
{
	struct wire_writer w = wire_writer(buf, size);

	wire_put_u8(&w, NATPMP_VERSION);
	wire_put_u8(&w, (uint8_t)rq->opcode);
	if (rq->opcode != NATPMP_OP_ADDRESS) {
		wire_put_u16(&w, 0);
		wire_put_u16(&w, rq->internal_port);
		wire_put_u16(&w, rq->suggested_port);
		wire_put_u32(&w, rq->lifetime_s);
	}
	return wire_finish(&w);
}

static int decode_address_body(struct wire_reader *r, struct natpmp_response *out)
{
	uint8_t v4[4];

	wire_get_bytes(r, v4, sizeof(v4));
	out->external = addr_from_v4(v4);
	return r->failed || r->left > 0 ? -EINVAL : 0;
}

static int decode_mapping_body(struct wire_reader *r, struct natpmp_response *out)
{
	out->internal_port = wire_get_u16(r);
	out->external_port = wire_get_u16(r);
	out->lifetime_s = wire_get_u32(r);
	return r->failed || r->left > 0 ? -EINVAL : 0;
}

/* A refused version has no body, and behind a refused opcode stands whatever the client sent. */
static bool body_is_free(const struct natpmp_response *rs, size_t body_len)
{
	if (rs->result == NATPMP_SUCCESS)
		return false;
	return body_len == 0 || rs->result == NATPMP_UNSUPP_OPCODE;
}

static bool is_response_len(size_t len)
{
	return len == NATPMP_MISMATCH_LEN || len == NATPMP_ADDRESS_LEN || len == NATPMP_MAPPING_LEN;
}

int natpmp_decode_response(const uint8_t *buf, size_t len, struct natpmp_response *out)
{
	struct wire_reader r = wire_reader(buf, len);
	uint8_t version = wire_get_u8(&r);
	uint8_t opcode = wire_get_u8(&r);

	*out = (struct natpmp_response){.opcode = opcode & (RESPONSE_BIT - 1)};
	out->result = wire_get_u16(&r);
	out->epoch_s = wire_get_u32(&r);
	if (!is_response_len(len) || version != NATPMP_VERSION || !(opcode & RESPONSE_BIT))
		return -EINVAL;
	if (body_is_free(out, r.left))
		return 0;
	switch (out->opcode) {
	case NATPMP_OP_ADDRESS:
		return decode_address_body(&r, out);
	case NATPMP_OP_MAP_UDP:
	case NATPMP_OP_MAP_TCP:
		return decode_mapping_body(&r, out);
	default:
		return -EINVAL;
	}
}

static struct wire_writer begin_response(
	uint8_t *buf, size_t size, unsigned int opcode, enum natpmp_result result, uint32_t epoch_s)
{
	struct wire_writer w = wire_writer(buf, size);

	wire_put_u8(&w, NATPMP_VERSION);
	wire_put_u8(&w, (uint8_t)(RESPONSE_BIT | opcode));
	wire_put_u16(&w, (uint16_t)result);
	wire_put_u32(&w, epoch_s);
	return w;
}

size_t natpmp_encode_address(uint8_t *buf, size_t size, enum natpmp_result result, uint32_t epoch_s,
	const struct addr *external)
{
	struct wire_writer w = begin_response(buf, size, NATPMP_OP_ADDRESS, result, epoch_s);

	if (result == NATPMP_SUCCESS)
		wire_put_bytes(&w, addr_v4(external), 4);
	else
		wire_put_zeros(&w, 4);
	return wire_finish(&w);
}

size_t natpmp_encode_mapping(uint8_t *buf, size_t size, const struct natpmp_request *rq,
	enum natpmp_result result, uint32_t epoch_s, uint16_t external_port, uint32_t lifetime_s)
{
	struct wire_writer w = begin_response(buf, size, rq->opcode, result, epoch_s);
	bool granted = result == NATPMP_SUCCESS;

	wire_put_u16(&w, rq->internal_port);
	wire_put_u16(&w, granted ? external_port : 0);
	wire_put_u32(&w, granted ? lifetime_s : 0);
	return wire_finish(&w);
}

size_t natpmp_encode_unsupp_opcode(
	uint8_t *buf, size_t size, const uint8_t *request, size_t request_len, uint32_t epoch_s)
{
	struct wire_reader r = wire_reader(request, request_len);
	struct wire_writer w;
	uint8_t opcode;

	wire_skip(&r, 1);
	opcode = wire_get_u8(&r);
	wire_skip(&r, 2);
	if (request_len >= HEADER_LEN)
		epoch_s = wire_get_u32(&r);
	w = begin_response(buf, size, opcode, NATPMP_UNSUPP_OPCODE, epoch_s);
	if (request_len > HEADER_LEN)
		wire_put_bytes(&w, request + HEADER_LEN, request_len - HEADER_LEN);
	return wire_finish(&w);
}

size_t natpmp_encode_unsupp_version(uint8_t *buf, size_t size, uint32_t epoch_s)
{
	struct wire_writer w =
		begin_response(buf, size, NATPMP_OP_ADDRESS, NATPMP_UNSUPP_VERSION, epoch_s);

	return wire_finish(&w);
}
