/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The options behind a PCP header and opcode data (RFC 6887 7.3, 13).  The readers are
 * passed by value: they stand on the first option and end with the datagram.
 */
#ifndef TUNMAP_PCP_OPTIONS_H
#define TUNMAP_PCP_OPTIONS_H

#include "include/compiler.h"
#include "include/pcp.h"
#include "include/wire.h"

#include <stdbool.h>
#include <stdint.h>

/* Whether every option ends within the datagram, known or not. */
bool pcp_options_can_be_walked(struct wire_reader r);

/*
 * Decode the options of a request whose other fields are decoded already, each judged in
 * the order in which it stands, then those that depend on each other.  Returns PCP_SUCCESS
 * or the code to answer; @rq->options holds what was understood and is to be processed.
 */
enum pcp_result pcp_options_decode(struct wire_reader r, uint32_t features, struct pcp_request *rq);

/*
 * Decode the options of a successful response, skipping unknown ones of either range as
 * RFC 6887 7.3 wants of clients.  Returns 0, or -EINVAL when one is malformed.
 */
MUST_CHECK int pcp_options_decode_response(struct wire_reader r, struct pcp_response *rs);

/* Write the options that are present: mandatory ones first, filters in their own order. */
void pcp_options_encode(struct wire_writer *w, const struct pcp_options *o);

#endif
