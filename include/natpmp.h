/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * NAT-PMP on the wire (RFC 6886).  Pure functions: no state, no allocation, no clock.
 * Encoders return the octets written, or 0 when @size is too small.
 */
#ifndef TUNMAP_NATPMP_H
#define TUNMAP_NATPMP_H

#include "include/addr.h"

#include <stddef.h>
#include <stdint.h>

#define NATPMP_VERSION      0
#define NATPMP_ADDRESS_LEN  12 /* octets of an external address response */
#define NATPMP_MAPPING_LEN  16 /* octets of a mapping response */
#define NATPMP_MISMATCH_LEN 8  /* octets of a version mismatch response */

enum natpmp_opcode {
	NATPMP_OP_ADDRESS = 0,
	NATPMP_OP_MAP_UDP = 1,
	NATPMP_OP_MAP_TCP = 2
};

/* RFC 6886 3.5. */
enum natpmp_result {
	NATPMP_SUCCESS = 0,
	NATPMP_UNSUPP_VERSION = 1,
	NATPMP_NOT_AUTHORIZED = 2,
	NATPMP_NETWORK_FAILURE = 3,
	NATPMP_OUT_OF_RESOURCES = 4,
	NATPMP_UNSUPP_OPCODE = 5,
};

enum natpmp_verdict {
	NATPMP_DROP,   /* say nothing: a response, or too short to hold its fields */
	NATPMP_ACCEPT, /* the request is decoded */
	NATPMP_REJECT, /* answer with natpmp_encode_unsupp_opcode() */
};

struct natpmp_request {
	enum natpmp_opcode opcode;
	/* Of mapping requests only; 0 otherwise. */
	uint16_t internal_port;
	uint16_t suggested_port;
	uint32_t lifetime_s;
};

struct natpmp_response {
	enum natpmp_opcode opcode; /* without the response bit */
	enum natpmp_result result;
	uint32_t epoch_s;
	struct addr external; /* of an address response */
	uint16_t internal_port;
	uint16_t external_port;
	uint32_t lifetime_s;
};

/*
 * Decode a datagram whose first octet is NATPMP_VERSION (RFC 6886 3.2, 3.3).  Octets past
 * the format are ignored, as some clients pad; the reserved field is ignored.  @out is
 * meaningful after NATPMP_ACCEPT only.
 */
enum natpmp_verdict natpmp_decode(const uint8_t *buf, size_t len, struct natpmp_request *out);

/* The client's side: a request as it goes on the wire. */
size_t natpmp_encode_request(uint8_t *buf, size_t size, const struct natpmp_request *rq);

/*
 * The client's side: read a response of 8, 12 or 16 octets.  Returns 0, or -EINVAL when it
 * is no NAT-PMP response or has not the length of its opcode.  A failure may be 8 octets
 * long whatever its opcode; the fields that were not there are zero.
 */
int natpmp_decode_response(const uint8_t *buf, size_t len, struct natpmp_response *out);

/*
 * An external address response.  @external, an IPv4 address, is left out (0.0.0.0) and may
 * be NULL unless @result is success.
 */
size_t natpmp_encode_address(uint8_t *buf, size_t size, enum natpmp_result result, uint32_t epoch_s,
	const struct addr *external);

/*
 * A mapping response.  In failures external port and lifetime go out as zero whatever is
 * passed (RFC 6886 3.5); the internal port is the requested one.
 */
size_t natpmp_encode_mapping(uint8_t *buf, size_t size, const struct natpmp_request *rq,
	enum natpmp_result result, uint32_t epoch_s, uint16_t external_port, uint32_t lifetime_s);

/*
 * The answer to an unknown opcode: the request with its top opcode bit and the result set,
 * at least 8 octets.  Octets 4 to 7 stay as they came; where the request had fewer than 8,
 * they carry the epoch (RFC 6886 3.5; conformance note Q-03).  @buf and @request must not
 * overlap.
 */
size_t natpmp_encode_unsupp_opcode(
	uint8_t *buf, size_t size, const uint8_t *request, size_t request_len, uint32_t epoch_s);

/*
 * The 8 octets that a server without PCP answers to any other version (RFC 6886 3.5 with
 * erratum 3618: opcode 128), so that PCP clients fall back at once.
 */
size_t natpmp_encode_unsupp_version(uint8_t *buf, size_t size, uint32_t epoch_s);

#endif
