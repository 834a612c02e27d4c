/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A netlink socket to nf_tables: transactions go out, and their answers are understood. */
#ifndef TUNMAP_NFT_CHANNEL_H
#define TUNMAP_NFT_CHANNEL_H

#include "include/compiler.h"
#include "src/nft/batch.h"

#include <stddef.h>
#include <stdint.h>

#include <libmnl/libmnl.h>

#define CHANNEL_RECEIVE_LEN 65536

struct channel {
	struct mnl_socket *nl;
	uint32_t portid;
	uint32_t seq;    /* the next free sequence number */
	uint8_t *answer; /* CHANNEL_RECEIVE_LEN octets */
};

#define CHANNEL_NOBODY UINT32_MAX /* no owner of a message was named */

/* Open a socket with the largest buffers we can have, up to @buffer octets. */
int channel_open(struct channel *c, size_t buffer) MUST_CHECK;
void channel_close(struct channel *c);

/* Begin a transaction in @b that channel_commit() will send. */
void channel_begin(struct channel *c, struct batch *b);

/*
 * Finish @b, send it, and read what the kernel says.  Optional messages that failed because
 * there was nothing are taken out and the rest is sent again.
 *
 * Returns 0 when all is done, and -errno when nothing is, with @owner the owner of a message
 * that was refused, or CHANNEL_NOBODY.  -ENOBUFS: the answer was lost, and the transaction may
 * or may not be done.  -EMSGSIZE: too large for the buffers; nothing is done.
 */
int channel_commit(struct channel *c, struct batch *b, uint32_t *owner) MUST_CHECK;

/*
 * Send the request in @nlh, which asks for a dump or an acknowledgement, and give every
 * message of the answer to @read.  Sets the sequence number.  Returns 0, -errno from the
 * kernel, or what @read stopped with: its negative results are errors of its own, -errno.
 */
int channel_ask(struct channel *c, struct nlmsghdr *nlh,
	int (*read)(const struct nlmsghdr *nlh, void *arg), void *arg) MUST_CHECK;

#endif
