/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "include/pcp.h"

#include "include/wire.h"
#include "proto/pcp_options.h"

#include <errno.h>

#define RESPONSE_BIT     0x80
#define CLIENT_TAIL_AT   12 /* where the last 96 bits of the client's address stand */
#define SHORT_LIFETIME_S 30
#define LONG_LIFETIME_S  1800

/*
 * Octets that a request must have.  PEER's are asked for where PEER is off, too: the size
 * comes before the opcode in RFC 6887 8.2, and a packet must not change its error with a
 * switch that it does not concern.
 */
static size_t shortest_len(uint8_t opcode)
{
	switch (opcode) {
	case PCP_OP_MAP:
		return PCP_MAP_LEN;
	case PCP_OP_PEER:
		return PCP_PEER_LEN;
	default:
		return PCP_HEADER_LEN;
	}
}

static bool opcode_is_served(uint8_t opcode, uint32_t features)
{
	if (opcode == PCP_OP_PEER)
		return features & PCP_FEATURE_PEER;
	return opcode == PCP_OP_ANNOUNCE || opcode == PCP_OP_MAP;
}

/* The opcode data of MAP and PEER, requests and responses alike. */
static void get_map(struct wire_reader *r, enum pcp_opcode opcode, struct pcp_map *out)
{
	if (opcode != PCP_OP_MAP && opcode != PCP_OP_PEER)
		return;
	wire_get_bytes(r, out->nonce.octet, PCP_NONCE_LEN);
	out->protocol = wire_get_u8(r);
	wire_skip(r, 3);
	out->internal_port = wire_get_u16(r);
	out->external_port = wire_get_u16(r);
	out->external = wire_get_addr(r);
	if (opcode == PCP_OP_PEER) {
		out->remote_port = wire_get_u16(r);
		wire_skip(r, 2);
		out->remote = wire_get_addr(r);
	}
}

static void put_map(struct wire_writer *w, enum pcp_opcode opcode, const struct pcp_map *m)
{
	if (opcode != PCP_OP_MAP && opcode != PCP_OP_PEER)
		return;
	wire_put_bytes(w, m->nonce.octet, PCP_NONCE_LEN);
	wire_put_u8(w, m->protocol);
	wire_put_zeros(w, 3);
	wire_put_u16(w, m->internal_port);
	wire_put_u16(w, m->external_port);
	wire_put_addr(w, &m->external);
	if (opcode == PCP_OP_PEER) {
		wire_put_u16(w, m->remote_port);
		wire_put_zeros(w, 2);
		wire_put_addr(w, &m->remote);
	}
}

static bool map_is_possible(const struct pcp_map *m)
{
	return m->protocol != 0 || m->internal_port == 0;
}

static bool peer_is_possible(const struct pcp_request *rq)
{
	return rq->map.protocol != 0 && rq->map.internal_port != 0 && rq->map.remote_port != 0 &&
	       addr_is_host(&rq->map.remote) &&
	       addr_is_v4(&rq->map.remote) == addr_is_v4(pcp_internal_addr(rq));
}

static bool request_is_possible(const struct pcp_request *rq)
{
	switch (rq->opcode) {
	case PCP_OP_MAP:
		return map_is_possible(&rq->map);
	case PCP_OP_PEER:
		return peer_is_possible(rq);
	case PCP_OP_ANNOUNCE:
	default:
		return true;
	}
}

static enum pcp_verdict reject(struct pcp_request *out, enum pcp_result result, bool parsed)
{
	out->result = result;
	out->parsed = parsed;
	return PCP_REJECT;
}

/* What stands behind the header of an opcode that is served. */
static enum pcp_verdict decode_body(
	struct wire_reader *r, uint32_t features, struct pcp_request *out)
{
	enum pcp_result result;

	get_map(r, out->opcode, &out->map);
	/* Before any option is judged: one that overruns makes all of them doubtful. */
	if (!pcp_options_can_be_walked(*r))
		return reject(out, PCP_MALFORMED_OPTION, false);
	result = pcp_options_decode(*r, features, out);
	if (result != PCP_SUCCESS)
		return reject(out, result, result != PCP_MALFORMED_OPTION);
	if (!request_is_possible(out))
		return reject(out, PCP_MALFORMED_REQUEST, true);
	return PCP_ACCEPT;
}

enum pcp_verdict pcp_decode(const uint8_t *buf, size_t len, const struct addr *source,
	uint32_t features, struct pcp_request *out)
{
	struct wire_reader r = wire_reader(buf, len);
	uint8_t version = wire_get_u8(&r);
	uint8_t opcode = wire_get_u8(&r);

	*out = (struct pcp_request){.opcode = opcode};
	if (r.failed || opcode & RESPONSE_BIT)
		return PCP_DROP;
	if (version != PCP_VERSION)
		return reject(out, PCP_UNSUPP_VERSION, false);
	if (len < PCP_HEADER_LEN)
		return PCP_DROP;
	if (len > PCP_MAX_LEN || len % 4 != 0 || len < shortest_len(opcode))
		return reject(out, PCP_MALFORMED_REQUEST, false);
	wire_skip(&r, 2); /* reserved: ignored on receipt */
	out->lifetime_s = wire_get_u32(&r);
	out->client = wire_get_addr(&r);
	if (!addr_equal(&out->client, source))
		return reject(out, PCP_ADDRESS_MISMATCH, true);
	if (!opcode_is_served(opcode, features))
		return reject(out, PCP_UNSUPP_OPCODE, false);
	return decode_body(&r, features, out);
}

/* No message may be longer than PCP_MAX_LEN, however large the buffer. */
static struct wire_writer message_writer(uint8_t *buf, size_t size)
{
	return wire_writer(buf, size < PCP_MAX_LEN ? size : PCP_MAX_LEN);
}

static void put_response_head(struct wire_writer *w, unsigned int opcode, enum pcp_result result,
	uint32_t lifetime_s, uint32_t epoch_s)
{
	wire_put_u8(w, PCP_VERSION);
	wire_put_u8(w, (uint8_t)(RESPONSE_BIT | opcode));
	wire_put_u8(w, 0);
	wire_put_u8(w, (uint8_t)result);
	wire_put_u32(w, lifetime_s);
	wire_put_u32(w, epoch_s);
}

/* The octets of a request from @from up to @to, with zeros where it has none. */
static void put_copy(
	struct wire_writer *w, const uint8_t *request, size_t request_len, size_t from, size_t to)
{
	size_t end = request_len < to ? request_len : to;
	size_t copied = end > from ? end - from : 0;

	if (copied > 0)
		wire_put_bytes(w, request + from, copied);
	wire_put_zeros(w, to - from - copied);
}

/* Octets of the error response to a request of @request_len. */
static size_t error_len(size_t request_len)
{
	if (request_len < PCP_HEADER_LEN)
		return PCP_HEADER_LEN;
	if (request_len > PCP_MAX_LEN)
		return PCP_MAX_LEN;
	return (request_len + 3) / 4 * 4;
}

size_t pcp_encode_error(uint8_t *buf, size_t size, const uint8_t *request, size_t request_len,
	enum pcp_result result, uint32_t lifetime_s, uint32_t epoch_s, bool parsed)
{
	struct wire_writer w = message_writer(buf, size);

	put_response_head(&w, request_len > 1 ? request[1] : 0, result, lifetime_s, epoch_s);
	if (parsed)
		wire_put_zeros(&w, PCP_HEADER_LEN - CLIENT_TAIL_AT);
	else
		put_copy(&w, request, request_len, CLIENT_TAIL_AT, PCP_HEADER_LEN);
	put_copy(&w, request, request_len, PCP_HEADER_LEN, error_len(request_len));
	return wire_finish(&w);
}

size_t pcp_encode_response(uint8_t *buf, size_t size, const struct pcp_response *rs)
{
	struct wire_writer w = message_writer(buf, size);

	put_response_head(&w, rs->opcode, rs->result, rs->lifetime_s, rs->epoch_s);
	wire_put_zeros(&w, PCP_HEADER_LEN - CLIENT_TAIL_AT);
	put_map(&w, rs->opcode, &rs->map);
	pcp_options_encode(&w, &rs->options);
	return wire_finish(&w);
}

size_t pcp_encode_request(uint8_t *buf, size_t size, const struct pcp_request *rq)
{
	struct wire_writer w = message_writer(buf, size);

	wire_put_u8(&w, PCP_VERSION);
	wire_put_u8(&w, (uint8_t)rq->opcode);
	wire_put_u16(&w, 0);
	wire_put_u32(&w, rq->lifetime_s);
	wire_put_addr(&w, &rq->client);
	put_map(&w, rq->opcode, &rq->map);
	pcp_options_encode(&w, &rq->options);
	return wire_finish(&w);
}

/* Behind a success stands what was granted, and all of it has to be there. */
static int decode_success(struct wire_reader *r, struct pcp_response *out)
{
	if (!opcode_is_served((uint8_t)out->opcode, PCP_FEATURE_PEER))
		return -EINVAL;
	get_map(r, out->opcode, &out->map);
	return pcp_options_decode_response(*r, out);
}

int pcp_decode_response(const uint8_t *buf, size_t len, struct pcp_response *out)
{
	struct wire_reader r = wire_reader(buf, len);
	uint8_t version = wire_get_u8(&r);
	uint8_t opcode = wire_get_u8(&r);

	*out = (struct pcp_response){.opcode = opcode & (RESPONSE_BIT - 1)};
	wire_skip(&r, 1);
	out->result = wire_get_u8(&r);
	out->lifetime_s = wire_get_u32(&r);
	out->epoch_s = wire_get_u32(&r);
	wire_skip(&r, PCP_HEADER_LEN - CLIENT_TAIL_AT);
	if (r.failed || len > PCP_MAX_LEN || len % 4 != 0)
		return -EINVAL;
	if (version != PCP_VERSION || !(opcode & RESPONSE_BIT))
		return -EINVAL;
	if (out->result == PCP_SUCCESS)
		return decode_success(&r, out);
	/* An error carries back what it was sent, which need not be a whole request. */
	if (len >= shortest_len((uint8_t)out->opcode))
		get_map(&r, out->opcode, &out->map);
	return 0;
}

uint32_t pcp_error_lifetime_s(enum pcp_result result)
{
	bool passes = result == PCP_NETWORK_FAILURE || result == PCP_NO_RESOURCES ||
		      result == PCP_USER_EX_QUOTA;

	return passes ? SHORT_LIFETIME_S : LONG_LIFETIME_S;
}
