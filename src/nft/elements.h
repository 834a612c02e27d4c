/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Elements of the table's sets and maps, as messages of a transaction.  A mapping is two
 * elements: one leads from outside in, with its record beside it, the other from inside out.
 */
#ifndef TUNMAP_NFT_ELEMENTS_H
#define TUNMAP_NFT_ELEMENTS_H

#include "include/compiler.h"
#include "include/mapping.h"
#include "src/nft/batch.h"
#include "src/nft/family.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TABLE_NAME "tunmap"

struct nlattr;

/* What a kernel can do with elements; see probe.h. */
struct element_support {
	bool refresh; /* adding an element again moves its end */
	bool destroy; /* there is a deletion that does not mind when there is nothing */
};

/* Messages that one edit becomes, at most. */
#define ELEMENT_MESSAGES_MAX 4

/* The first octets of an element's key, or its data: an address, [protocol,] port. */
#define ELEMENT_KEY_MAX  (16 + 4 + 4)
#define ELEMENT_DATA_MAX (16 + 4)

/* One direction of a mapping: the key it is found by, and where it leads. */
struct element {
	const char *map;
	uint8_t key[ELEMENT_KEY_MAX];
	size_t key_len;
	uint8_t data[ELEMENT_DATA_MAX];
	size_t data_len;
};

struct element element_inbound(const struct family *f, const struct mapping *m);
struct element element_outbound(const struct family *f, const struct mapping *m);

/* 0, -EINVAL when a field of @edit is out of range, -EAFNOSUPPORT for a family we have not. */
int element_check_edit(const struct edit *edit) MUST_CHECK;

/* Put what makes @edit true; element_check_edit() has passed it.  @owner marks the messages. */
void element_put_edit(struct batch *b, const struct element_support *support,
	const struct edit *edit, uint32_t owner);

/* Put @count keys of @key_len octets each, one behind the other, into the set @set. */
void element_put_keys(
	struct batch *b, const char *set, const uint8_t *keys, size_t count, size_t key_len);

/* Put the removal of such keys, all of which must be there. */
void element_put_keys_removal(
	struct batch *b, const char *set, const uint8_t *keys, size_t count, size_t key_len);

/* As element_put_keys() for a set of the same batch that has no name of its own, by its number. */
void element_put_anonymous(struct batch *b, const char *set, uint32_t set_id, const uint8_t *keys,
	size_t count, size_t key_len);

/* Put the removal of all elements of the set @set. */
void element_put_flush(struct batch *b, const char *set);

/* An element as the kernel tells it. */
struct element_found {
	struct mapping mapping; /* without its record unless @has_record */
	bool has_record;
	uint64_t left_ms; /* until the kernel ends it */
};

/*
 * Read an element of @f's inbound map out of the kernel's @attr.  Returns 0, or -EINVAL when it
 * is no mapping.
 */
int element_decode_inbound(
	const struct family *f, const struct nlattr *attr, struct element_found *out) MUST_CHECK;

/* A 64-bit number as nf_tables writes it; 0 without @attr. */
uint64_t element_read_u64(const struct nlattr *attr);

#endif
