/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/nft/record.h"

#include <errno.h>
#include <string.h>

/* Offsets into a record's value. */
enum {
	AT_VERSION = 0,
	AT_ORIGIN = 1,
	AT_OPCODE = 2,
	AT_NONCE = 3,
	AT_LIFETIME = AT_NONCE + PCP_NONCE_LEN,
	VALUE_LEN = AT_LIFETIME + 4,
};

_Static_assert(VALUE_LEN + 2 == RECORD_LEN, "a record is its value behind type and length");

void record_encode(const struct mapping *m, uint8_t out[RECORD_LEN])
{
	uint8_t *value = out + 2;

	out[0] = RECORD_TYPE;
	out[1] = VALUE_LEN;
	value[AT_VERSION] = RECORD_VERSION;
	value[AT_ORIGIN] = m->origin;
	value[AT_OPCODE] = m->opcode;
	memcpy(value + AT_NONCE, m->nonce.octet, PCP_NONCE_LEN);
	for (size_t i = 0; i < 4; i++)
		value[AT_LIFETIME + i] = (uint8_t)(m->lifetime_s >> (24 - 8 * i));
}

const uint8_t *record_find(const uint8_t *data, size_t len, uint8_t type, size_t *value_len)
{
	size_t at = 0;

	while (len - at >= 2 && len - at - 2 >= data[at + 1]) {
		if (data[at] == type) {
			*value_len = data[at + 1];
			return data + at + 2;
		}
		at += 2 + (size_t)data[at + 1];
	}
	return NULL;
}

int record_decode(const uint8_t *data, size_t len, struct mapping *m)
{
	size_t value_len;
	const uint8_t *value = record_find(data, len, RECORD_TYPE, &value_len);

	if (!value || value_len != VALUE_LEN || value[AT_VERSION] != RECORD_VERSION)
		return -EINVAL;
	if (value[AT_ORIGIN] != MAPPING_NATPMP && value[AT_ORIGIN] != MAPPING_PCP)
		return -EINVAL;
	if (value[AT_OPCODE] != PCP_OP_MAP && value[AT_OPCODE] != PCP_OP_PEER)
		return -EINVAL;
	m->origin = value[AT_ORIGIN];
	m->opcode = value[AT_OPCODE];
	memcpy(m->nonce.octet, value + AT_NONCE, PCP_NONCE_LEN);
	m->lifetime_s = 0;
	for (size_t i = 0; i < 4; i++)
		m->lifetime_s = m->lifetime_s << 8 | value[AT_LIFETIME + i];
	return 0;
}
