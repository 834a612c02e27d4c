/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One request and its one reply, from a socket to the engine and back. */
#ifndef TUNMAP_EXCHANGE_H
#define TUNMAP_EXCHANGE_H

#include "include/addr.h"
#include "include/pcp.h"

#include <stddef.h>
#include <stdint.h>

#define EXCHANGE_BATCH_MAX 256 /* exchanges of one wake-up, and so of one kernel transaction */

struct exchange {
	struct addr source; /* of the datagram: the client */
	uint16_t source_port;
	/* Larger than any legal request, so that one too long shows (RFC 6887 8.2). */
	size_t request_len;
	uint8_t request[PCP_MAX_LEN + 4];
	size_t reply_len; /* 0: no reply */
	uint8_t reply[PCP_MAX_LEN];
};

#endif
