/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What only the daemon reads of a mapping, kept in the kernel beside the mapping's element: a
 * type-length-value of a type that nft passes over.
 */
#ifndef TUNMAP_NFT_RECORD_H
#define TUNMAP_NFT_RECORD_H

#include "include/compiler.h"
#include "include/mapping.h"

#include <stddef.h>
#include <stdint.h>

#define RECORD_TYPE    0x54 /* far from those that nft counts up */
#define RECORD_VERSION 1
#define RECORD_LEN     21 /* octets of an encoded record; 255 are refused by the kernel */

/* Write the record of @m: origin, opcode, nonce, lifetime. */
void record_encode(const struct mapping *m, uint8_t out[RECORD_LEN]);

/*
 * Read the record among the @len octets of an element's user data into the same fields of
 * @m.  Returns 0, or -EINVAL when there is none, it is cut short, or its version or a field
 * is none of ours; @m is written on success only.
 */
int record_decode(const uint8_t *data, size_t len, struct mapping *m) MUST_CHECK;

/*
 * The value of type @type among the type-length-values at @data, its length in @value_len;
 * NULL when there is none.
 */
const uint8_t *record_find(const uint8_t *data, size_t len, uint8_t type, size_t *value_len);

#endif
