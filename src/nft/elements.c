/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/nft/elements.h"

#include "src/nft/attributes.h"
#include "src/nft/compat.h"
#include "src/nft/record.h"

#include <errno.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <string.h>

#include <libmnl/libmnl.h>

#define KEYS_PER_MESSAGE 1024 /* a list of elements may not pass 64 KB */

/* Each field of a concatenation takes a multiple of four octets. */
static void put_field(uint8_t *out, size_t *len, const void *field, size_t field_len)
{
	memcpy(out + *len, field, field_len);
	*len += (field_len + 3) & ~(size_t)3;
}

static void put_port(uint8_t *out, size_t *len, uint16_t port)
{
	uint16_t wire = htons(port);

	put_field(out, len, &wire, sizeof(wire));
}

static struct element direction(const char *map, const struct family *f, uint8_t protocol,
	const struct addr *from, uint16_t from_port, const struct addr *to, uint16_t to_port)
{
	struct element e = {.map = map};

	put_field(e.key, &e.key_len, family_octets(f, from), f->addr_len);
	put_field(e.key, &e.key_len, &protocol, sizeof(protocol));
	put_port(e.key, &e.key_len, from_port);
	put_field(e.data, &e.data_len, family_octets(f, to), f->addr_len);
	put_port(e.data, &e.data_len, to_port);
	return e;
}

struct element element_inbound(const struct family *f, const struct mapping *m)
{
	return direction(f->inbound, f, m->protocol, &m->external, m->external_port, &m->internal,
		m->internal_port);
}

struct element element_outbound(const struct family *f, const struct mapping *m)
{
	return direction(f->outbound, f, m->protocol, &m->internal, m->internal_port, &m->external,
		m->external_port);
}

int element_check_edit(const struct edit *edit)
{
	const struct mapping *m = &edit->mapping;

	if ((unsigned)edit->kind > EDIT_UNMAP)
		return -EINVAL;
	if ((edit->kind == EDIT_UNMAP) != (edit->timeout_s == 0))
		return -EINVAL;
	if (m->protocol != IPPROTO_UDP && m->protocol != IPPROTO_TCP)
		return -EINVAL;
	if (!m->internal_port || !m->external_port)
		return -EINVAL;
	if (!family_of(&m->internal) || family_of(&m->internal) != family_of(&m->external))
		return -EAFNOSUPPORT;
	return 0;
}

static void put_value(struct batch *b, uint16_t type, const void *value, size_t len)
{
	struct nlattr *nest = batch_nest(b, type);

	batch_put(b, NFTA_DATA_VALUE, value, len);
	batch_nest_end(b, nest);
}

static void open_elements(struct batch *b, uint16_t type, uint16_t flags, const char *set,
	uint32_t owner, bool optional)
{
	batch_open(b, type, flags, owner, optional);
	batch_put_str(b, NFTA_SET_ELEM_LIST_TABLE, TABLE_NAME);
	batch_put_str(b, NFTA_SET_ELEM_LIST_SET, set);
}

static void put_add(struct batch *b, const struct element *e, uint16_t flags, uint32_t timeout_s,
	const struct mapping *record, uint32_t owner)
{
	struct nlattr *list, *nest;

	open_elements(b, NFT_MSG_NEWSETELEM, NLM_F_CREATE | flags, e->map, owner, false);
	list = batch_nest(b, NFTA_SET_ELEM_LIST_ELEMENTS);
	nest = batch_nest(b, NFTA_LIST_ELEM);
	put_value(b, NFTA_SET_ELEM_KEY, e->key, e->key_len);
	put_value(b, NFTA_SET_ELEM_DATA, e->data, e->data_len);
	batch_put_u64(b, NFTA_SET_ELEM_TIMEOUT, (uint64_t)timeout_s * 1000);
	/* An equal timeout does not move an old element's end: that needs this. */
	if (!(flags & NLM_F_EXCL))
		batch_put_u64(b, NFTA_SET_ELEM_EXPIRATION, (uint64_t)timeout_s * 1000);
	if (record) {
		uint8_t octets[RECORD_LEN];

		record_encode(record, octets);
		batch_put(b, NFTA_SET_ELEM_USERDATA, octets, sizeof(octets));
	}
	batch_nest_end(b, nest);
	batch_nest_end(b, list);
	batch_close(b);
}

static void put_remove(struct batch *b, const struct element_support *support,
	const struct element *e, uint32_t owner)
{
	uint16_t type = support->destroy ? COMPAT_MSG_DESTROYSETELEM : NFT_MSG_DELSETELEM;
	struct nlattr *list, *nest;

	open_elements(b, type, 0, e->map, owner, true);
	list = batch_nest(b, NFTA_SET_ELEM_LIST_ELEMENTS);
	nest = batch_nest(b, NFTA_LIST_ELEM);
	put_value(b, NFTA_SET_ELEM_KEY, e->key, e->key_len);
	batch_nest_end(b, nest);
	batch_nest_end(b, list);
	batch_close(b);
}

/* Only a refresh finds the old element there, and it keeps the old record. */
static void put_again(struct batch *b, const struct element_support *support,
	const struct element *e, bool refresh, const struct edit *edit,
	const struct mapping *record, uint32_t owner)
{
	if (!refresh)
		put_remove(b, support, e, owner);
	put_add(b, e, refresh ? 0 : NLM_F_EXCL, edit->timeout_s, record, owner);
}

void element_put_edit(struct batch *b, const struct element_support *support,
	const struct edit *edit, uint32_t owner)
{
	const struct mapping *m = &edit->mapping;
	const struct family *f = family_of(&m->internal);
	struct element in = element_inbound(f, m);
	struct element out = element_outbound(f, m);

	switch (edit->kind) {
	case EDIT_MAP:
		put_add(b, &in, NLM_F_EXCL, edit->timeout_s, m, owner);
		put_add(b, &out, NLM_F_EXCL, edit->timeout_s, NULL, owner);
		break;
	case EDIT_RENEW:
		put_again(b, support, &in, support->refresh, edit, m, owner);
		put_again(b, support, &out, support->refresh, edit, NULL, owner);
		break;
	case EDIT_REWRITE:
		put_again(b, support, &in, false, edit, m, owner);
		put_again(b, support, &out, support->refresh, edit, NULL, owner);
		break;
	case EDIT_UNMAP:
		put_remove(b, support, &in, owner);
		put_remove(b, support, &out, owner);
		break;
	}
}

static void put_list(struct batch *b, const uint8_t *keys, size_t count, size_t key_len)
{
	struct nlattr *list;

	list = batch_nest(b, NFTA_SET_ELEM_LIST_ELEMENTS);
	for (size_t i = 0; i < count; i++) {
		struct nlattr *nest = batch_nest(b, NFTA_LIST_ELEM);

		put_value(b, NFTA_SET_ELEM_KEY, keys + i * key_len, key_len);
		batch_nest_end(b, nest);
	}
	batch_nest_end(b, list);
}

static void put_keys(struct batch *b, uint16_t type, uint16_t flags, const char *set,
	const uint8_t *keys, size_t count, size_t key_len)
{
	while (count) {
		size_t some = count < KEYS_PER_MESSAGE ? count : KEYS_PER_MESSAGE;

		open_elements(b, type, flags, set, 0, false);
		put_list(b, keys, some, key_len);
		batch_close(b);
		keys += some * key_len;
		count -= some;
	}
}

void element_put_keys(
	struct batch *b, const char *set, const uint8_t *keys, size_t count, size_t key_len)
{
	put_keys(b, NFT_MSG_NEWSETELEM, NLM_F_CREATE, set, keys, count, key_len);
}

void element_put_keys_removal(
	struct batch *b, const char *set, const uint8_t *keys, size_t count, size_t key_len)
{
	put_keys(b, NFT_MSG_DELSETELEM, 0, set, keys, count, key_len);
}

void element_put_anonymous(struct batch *b, const char *set, uint32_t set_id, const uint8_t *keys,
	size_t count, size_t key_len)
{
	open_elements(b, NFT_MSG_NEWSETELEM, NLM_F_CREATE, set, 0, false);
	batch_put_u32(b, NFTA_SET_ELEM_LIST_SET_ID, set_id);
	put_list(b, keys, count, key_len);
	batch_close(b);
}

void element_put_flush(struct batch *b, const char *set)
{
	open_elements(b, NFT_MSG_DELSETELEM, 0, set, 0, false);
	batch_close(b);
}

/* The octets of a key or of data, when there are exactly @len. */
static const uint8_t *value_of(const struct nlattr *nest, size_t len)
{
	const struct nlattr *value;

	if (!nest)
		return NULL;
	value = mnl_attr_get_payload(nest);
	if (!mnl_attr_ok(value, mnl_attr_get_payload_len(nest)))
		return NULL;
	if (mnl_attr_get_type(value) != NFTA_DATA_VALUE || mnl_attr_get_payload_len(value) != len)
		return NULL;
	return mnl_attr_get_payload(value);
}

static uint16_t read_port(const uint8_t *wire)
{
	return (uint16_t)(wire[0] << 8 | wire[1]);
}

uint64_t element_read_u64(const struct nlattr *attr)
{
	const uint8_t *wire;
	uint64_t value = 0;

	if (!attr || mnl_attr_get_payload_len(attr) < sizeof(value))
		return 0;
	wire = mnl_attr_get_payload(attr);
	for (size_t i = 0; i < sizeof(value); i++)
		value = value << 8 | wire[i];
	return value;
}

int element_decode_inbound(
	const struct family *f, const struct nlattr *attr, struct element_found *out)
{
	const struct nlattr *part[NFTA_SET_ELEM_USERDATA + 1] = {0};
	const size_t addr_len = f->addr_len;
	const uint8_t *key, *data;
	const struct nlattr *record;

	if (!attributes_read_nested(attr, part, NFTA_SET_ELEM_USERDATA))
		return -EINVAL;
	key = value_of(part[NFTA_SET_ELEM_KEY], addr_len + 8);
	data = value_of(part[NFTA_SET_ELEM_DATA], addr_len + 4);
	if (!key || !data)
		return -EINVAL;
	memset(out, 0, sizeof(*out));
	out->mapping.external = family_addr(f, key);
	out->mapping.protocol = key[addr_len];
	out->mapping.external_port = read_port(key + addr_len + 4);
	out->mapping.internal = family_addr(f, data);
	out->mapping.internal_port = read_port(data + addr_len);
	out->left_ms = element_read_u64(part[NFTA_SET_ELEM_EXPIRATION]);
	record = part[NFTA_SET_ELEM_USERDATA];
	out->has_record = record && record_decode(mnl_attr_get_payload(record),
					    mnl_attr_get_payload_len(record), &out->mapping) == 0;
	return 0;
}
