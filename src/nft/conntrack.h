/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two netlink sockets to conntrack: one reads its entries, the other has some of them deleted. */
#ifndef TUNMAP_NFT_CONNTRACK_H
#define TUNMAP_NFT_CONNTRACK_H

#include "include/compiler.h"
#include "src/nft/flow.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct mnl_socket;

struct conntrack {
	struct mnl_socket *reading;
	struct mnl_socket *deleting;
	uint32_t seq;
	uint32_t dump_seq; /* of the messages that are wanted; 0: none */

	uint8_t *answer;  /* what was read last */
	uint8_t *request; /* deletions to be sent */
	size_t request_len;
};

/*
 * Returns 0 or -errno: -EPROTONOSUPPORT or -EOPNOTSUPP where the kernel has no conntrack to talk
 * to.  conntrack_close() is due in any case.
 */
int conntrack_open(struct conntrack *c) MUST_CHECK;
void conntrack_close(struct conntrack *c);

/* Readable while a dump goes on. */
int conntrack_fd(const struct conntrack *c);

/* Ask for all entries.  A dump that is not read to its end keeps the next from beginning. */
int conntrack_start_dump(struct conntrack *c) MUST_CHECK;
/* Throw away what waits to be read. */
void conntrack_discard(struct conntrack *c);
/* The next piece, in @c->answer; its length or -errno, -EAGAIN when there is none yet. */
ssize_t conntrack_receive(struct conntrack *c) MUST_CHECK;

/* Have the entry deleted, at the latest by conntrack_send_deletions().  Failures are logged. */
void conntrack_delete(struct conntrack *c, const struct flow *flow);
void conntrack_send_deletions(struct conntrack *c);

#endif
