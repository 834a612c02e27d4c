/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PCP on the wire (RFC 6887, with the options of RFC 7220 and RFC 7753).  Pure functions: no
 * state, no allocation, no clock.  Encoders return the octets written, or 0 when they do not fit.
 */
#ifndef TUNMAP_PCP_H
#define TUNMAP_PCP_H

#include "include/addr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PCP_VERSION          2
#define PCP_HEADER_LEN       24
#define PCP_MAP_LEN          60   /* header and MAP data, without options */
#define PCP_PEER_LEN         80   /* header and PEER data, without options */
#define PCP_MAX_LEN          1100 /* octets of UDP payload, both ways (RFC 6887 7) */
#define PCP_NONCE_LEN        12
#define PCP_FILTERS_MAX      43  /* FILTER options that fit behind a MAP */
#define PCP_DESCRIPTION_KEPT 128 /* octets of a description that are kept; see pcp_description */

enum pcp_opcode {
	PCP_OP_ANNOUNCE = 0,
	PCP_OP_MAP = 1,
	PCP_OP_PEER = 2
};

/* RFC 6887 7.4. */
enum pcp_result {
	PCP_SUCCESS = 0,
	PCP_UNSUPP_VERSION = 1,
	PCP_NOT_AUTHORIZED = 2,
	PCP_MALFORMED_REQUEST = 3,
	PCP_UNSUPP_OPCODE = 4,
	PCP_UNSUPP_OPTION = 5,
	PCP_MALFORMED_OPTION = 6,
	PCP_NETWORK_FAILURE = 7,
	PCP_NO_RESOURCES = 8,
	PCP_UNSUPP_PROTOCOL = 9,
	PCP_USER_EX_QUOTA = 10,
	PCP_CANNOT_PROVIDE_EXTERNAL = 11,
	PCP_ADDRESS_MISMATCH = 12,
	PCP_EXCESSIVE_REMOTE_PEERS = 13,
};

/* RFC 6887 13, RFC 7220 2, RFC 7753 4.  Codes of 128 and above are optional to process. */
enum pcp_option_code {
	PCP_OPT_THIRD_PARTY = 1,
	PCP_OPT_PREFER_FAILURE = 2,
	PCP_OPT_FILTER = 3,
	PCP_OPT_DESCRIPTION = 128,
	PCP_OPT_PORT_SET = 130,
};

/* Sets of options and opcodes, one bit each. */
enum pcp_feature {
	PCP_FEATURE_PEER = 1u << 0,
	PCP_FEATURE_THIRD_PARTY = 1u << 1,
	PCP_FEATURE_PREFER_FAILURE = 1u << 2,
	PCP_FEATURE_FILTER = 1u << 3,
	PCP_FEATURE_DESCRIPTION = 1u << 4,
	PCP_FEATURE_PORT_SET = 1u << 5,
};

enum pcp_verdict {
	PCP_DROP,   /* say nothing: a response, or too short for a header */
	PCP_ACCEPT, /* the request is decoded */
	PCP_REJECT, /* answer with pcp_encode_error() and the result code of the request */
};

struct pcp_nonce {
	uint8_t octet[PCP_NONCE_LEN];
};

/* RFC 6887 13.3.  An IPv4 prefix counts its 96 leading bits: 120 stands for a /24. */
struct pcp_filter {
	uint8_t prefix_len;   /* 0: remove the filters before this one */
	uint16_t remote_port; /* 0: any */
	struct addr remote;
};

/* RFC 7753 4. */
struct pcp_port_set {
	uint16_t size;
	uint16_t first_internal_port;
	bool parity; /* keep the parity of the first internal port */
};

/*
 * RFC 7220 2.  The text as given, cut at PCP_DESCRIPTION_KEPT octets at a character's
 * boundary; not NUL-terminated.
 */
struct pcp_description {
	uint8_t len;
	char text[PCP_DESCRIPTION_KEPT];
};

/*
 * The options of a request or a response.  Filters keep the order they came in, those that
 * remove included, because it is what they mean and how they are echoed.
 */
struct pcp_options {
	uint32_t present; /* enum pcp_feature bits; the others' fields are zero */
	struct addr third_party;
	struct pcp_description description;
	struct pcp_port_set port_set;
	size_t filters_len;
	struct pcp_filter filters[PCP_FILTERS_MAX];
};

/* MAP data (RFC 6887 11.1); PEER shares it and adds the remote peer (12.1). */
struct pcp_map {
	struct pcp_nonce nonce;
	uint8_t protocol; /* IANA protocol number */
	uint16_t internal_port;
	uint16_t external_port; /* suggested or assigned */
	struct addr external;   /* suggested or assigned */
	uint16_t remote_port;   /* PEER only */
	struct addr remote;     /* PEER only */
};

struct pcp_request {
	enum pcp_opcode opcode;
	uint32_t lifetime_s;
	struct addr client;
	struct pcp_map map; /* of MAP and PEER */
	struct pcp_options options;
	/* After PCP_REJECT: the code to answer, and whether the request counts as parsed
	 * (RFC 6887 7.2: octets 12 to 23 of the reply; conformance note Q-07). */
	enum pcp_result result;
	bool parsed;
};

struct pcp_response {
	enum pcp_opcode opcode; /* without the response bit */
	enum pcp_result result;
	uint32_t lifetime_s;
	uint32_t epoch_s;
	struct pcp_map map;
	struct pcp_options options;
};

/* Whose mapping is asked for: the third party's where one is named, else the client's. */
static inline const struct addr *pcp_internal_addr(const struct pcp_request *rq)
{
	bool third_party = rq->options.present & PCP_FEATURE_THIRD_PARTY;

	return third_party ? &rq->options.third_party : &rq->client;
}

/*
 * Decode a datagram with the checks of RFC 6887 8.2, in their order: response bit, version,
 * header, size, client address against @source (the packet's own), opcode, options.  Version
 * 0 is unsupported like any other: give NAT-PMP's own to natpmp_decode() where it is served.
 * @features are the enum pcp_feature bits that this client may use: a mandatory option
 * outside them is PCP_UNSUPP_OPTION, an optional one is skipped.
 * Combinations that no server can grant (PREFER_FAILURE on a deletion, protocol 0 with a
 * port...) are rejected here as well.
 *
 * Where the RFC leaves room: a PEER has to be PCP_PEER_LEN long even when PEER is off; a
 * mandatory option of another opcode is PCP_UNSUPP_OPTION (conformance note Q-18), but
 * PREFER_FAILURE in PEER is PCP_MALFORMED_REQUEST whether it is served or not (12.1); what
 * two options say about each other is judged after each of them.  A port set of one port,
 * or of none in a deletion, is present.
 *
 * Of a datagram longer than PCP_MAX_LEN only the two first octets are read, so that @len
 * may be larger than what was received.  @out->result and @out->parsed are meaningful after
 * PCP_REJECT, the rest after PCP_ACCEPT.
 */
enum pcp_verdict pcp_decode(const uint8_t *buf, size_t len, const struct addr *source,
	uint32_t features, struct pcp_request *out);

/*
 * An error response: a copy of the first PCP_MAX_LEN octets of the request, padded to a
 * multiple of 4 and to a header, with version, response bit, result, lifetime and epoch set
 * (RFC 6887 7.2, 8.2).  Octets 12 to 23 are zero when the request @parsed.  @buf and
 * @request must not overlap.
 */
size_t pcp_encode_error(uint8_t *buf, size_t size, const uint8_t *request, size_t request_len,
	enum pcp_result result, uint32_t lifetime_s, uint32_t epoch_s, bool parsed);

/*
 * A successful response; @rs->options holds exactly the options that were processed.  They
 * go out with the mandatory ones first, whatever order the request had.
 */
size_t pcp_encode_response(uint8_t *buf, size_t size, const struct pcp_response *rs);

/* The client's side: a request as it goes on the wire. */
size_t pcp_encode_request(uint8_t *buf, size_t size, const struct pcp_request *rq);

/*
 * The client's side: read a response.  Returns 0, or -EINVAL when it is none, is cut short,
 * or is a success with an unknown opcode or malformed options.  Unknown options are skipped.
 * Of an error @out->map is read if the copy is long enough for it, @out->options are not.
 */
int pcp_decode_response(const uint8_t *buf, size_t len, struct pcp_response *out);

/* Seconds a client should take an error for lasting: 30 or 1800 (RFC 6887 7.4). */
uint32_t pcp_error_lifetime_s(enum pcp_result result);

#endif
