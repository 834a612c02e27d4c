/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A transaction of nf_tables as bytes: messages one behind the other in a buffer that is
 * allocated once, between a begin and an end message.  Pure: nothing is sent here.
 *
 * Every message has its own sequence number, so that an error names its message, and a mark
 * that says which of the caller's things it belongs to.  The first failure of any function
 * sticks, makes the following ones do nothing, and is told by batch_finish().
 */
#ifndef TUNMAP_NFT_BATCH_H
#define TUNMAP_NFT_BATCH_H

#include "include/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nlattr;
struct nlmsghdr;

struct batch_mark {
	uint32_t owner;
	bool optional; /* deletes: when there was nothing, go on without the message */
	bool dropped;  /* batch_compact() shall take it out */
};

struct batch {
	uint8_t *buf;
	size_t size;
	size_t len;
	struct batch_mark *mark; /* of each message between begin and end */
	size_t marks_max;
	size_t count; /* messages between begin and end */
	size_t last;  /* where the last of them begins in @buf */
	uint32_t seq; /* of the begin message; the n-th message behind it has @seq + 1 + n */
	struct nlmsghdr *open;
	int err;
};

/* Reserve @size octets and @messages_max messages.  Returns 0 or -ENOMEM. */
int batch_init(struct batch *b, size_t size, size_t messages_max) MUST_CHECK;
void batch_fini(struct batch *b);

/* Start afresh with @seq as the begin message's sequence number. */
void batch_begin(struct batch *b, uint32_t seq);

/*
 * Open a message of nf_tables' type @type (NFT_MSG_...) for the table's family.  @owner
 * and @optional go into its mark.  Write the attributes, then batch_close().
 */
void batch_open(struct batch *b, uint16_t type, uint16_t flags, uint32_t owner, bool optional);
void batch_close(struct batch *b);

void batch_put(struct batch *b, uint16_t type, const void *data, size_t len);
void batch_put_str(struct batch *b, uint16_t type, const char *text);
void batch_put_u32(struct batch *b, uint16_t type, uint32_t value); /* host byte order */
void batch_put_u64(struct batch *b, uint16_t type, uint64_t value);
/* NULL after a failure, which batch_nest_end() accepts. */
struct nlattr *batch_nest(struct batch *b, uint16_t type);
void batch_nest_end(struct batch *b, struct nlattr *nest);

/*
 * For builders of libnftnl, which know no bounds: the open message when @room octets
 * are certain to be free behind its header, else NULL.
 */
struct nlmsghdr *batch_room(struct batch *b, size_t room);

/* Let the whole batch fail with @err, unless it failed before. */
void batch_fail(struct batch *b, int err);

/*
 * Ask for one acknowledgement, of the last message, and write the end message.  Returns 0,
 * -EMSGSIZE when the buffer was too small, -ENOMEM, or what batch_fail() said.
 */
int batch_finish(struct batch *b) MUST_CHECK;

/*
 * Take the messages that are marked as dropped out of a finished batch and finish it anew,
 * with @seq as the first sequence number.
 */
void batch_compact(struct batch *b, uint32_t seq);

#endif
