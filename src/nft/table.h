/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What stands in the kernel: whose a table is, and the mappings in it. */
#ifndef TUNMAP_NFT_TABLE_H
#define TUNMAP_NFT_TABLE_H

#include "include/compiler.h"
#include "src/nft/channel.h"
#include "src/nft/elements.h"

#include <stdint.h>

enum table_owner {
	TABLE_ABSENT,
	TABLE_OURS,
	TABLE_FOREIGN
};

/* Put the creation of the table @name with our mark; @flags are NFT_TABLE_F_... */
void table_put(struct batch *b, const char *name, uint32_t flags, uint16_t nlm_flags);

/* Put the removal of the table @name with everything in it. */
void table_put_delete(struct batch *b, const char *name);

int table_find(struct channel *c, const char *name, enum table_owner *owner) MUST_CHECK;

/*
 * Give every mapping in the table to @take; it stops at the first negative result, which is
 * returned.  @restart is called when the elements moved meanwhile and everything begins anew.
 */
int table_each_mapping(struct channel *c, int (*take)(const struct mapping *m, void *arg),
	void (*restart)(void *arg), void *arg) MUST_CHECK;

/*
 * Does the kernel hold @edit's outcome, so far as it can be seen?  Returns 1 or 0, or -errno.
 * What lasts must last as long as the edit asked, with @slack_ms off for the time since.
 */
int table_holds(struct channel *c, const struct edit *edit, uint64_t slack_ms) MUST_CHECK;

/* The milliseconds left to the element with @key in @set of @table; -ENOENT when there is none. */
int table_element_left(struct channel *c, const char *table, const char *set, const uint8_t *key,
	size_t key_len, uint64_t *left_ms) MUST_CHECK;

#endif
