/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/nft/table.h"

#include "src/nft/record.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

#define MARK_TYPE    RECORD_TYPE
#define REQUEST_LEN  512
#define DUMPS_MAX    8 /* attempts to read a map that others are writing */
#define COMMENT_TYPE 0 /* NFTNL_UDATA_TABLE_COMMENT: what nft shows beside the table's name */

static const char comment[] = "port mappings of tunmapd";
static const char mark[] = "tunmapd 1";

void table_put(struct batch *b, const char *name, uint32_t flags, uint16_t nlm_flags)
{
	uint8_t data[2 + sizeof(comment) + 2 + sizeof(mark)];
	size_t at = 0;

	data[at++] = COMMENT_TYPE;
	data[at++] = sizeof(comment);
	memcpy(data + at, comment, sizeof(comment));
	at += sizeof(comment);
	data[at++] = MARK_TYPE;
	data[at++] = sizeof(mark);
	memcpy(data + at, mark, sizeof(mark));

	batch_open(b, NFT_MSG_NEWTABLE, NLM_F_CREATE | nlm_flags, 0, false);
	batch_put_str(b, NFTA_TABLE_NAME, name);
	batch_put_u32(b, NFTA_TABLE_FLAGS, flags);
	batch_put(b, NFTA_TABLE_USERDATA, data, sizeof(data));
	batch_close(b);
}

void table_put_delete(struct batch *b, const char *name)
{
	batch_open(b, NFT_MSG_DELTABLE, 0, 0, false);
	batch_put_str(b, NFTA_TABLE_NAME, name);
	batch_close(b);
}

struct request {
	_Alignas(struct nlmsghdr) uint8_t octets[REQUEST_LEN];
};

static struct nlmsghdr *ask(struct request *r, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(r->octets);
	struct nfgenmsg *nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));

	nlh->nlmsg_type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type);
	nlh->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	nfg->nfgen_family = NFPROTO_INET;
	nfg->version = NFNETLINK_V0;
	return nlh;
}

struct search {
	uint16_t type;
	const struct nlattr *attr;
};

static int take_searched(const struct nlattr *attr, void *data)
{
	struct search *s = data;

	if (mnl_attr_get_type(attr) != s->type)
		return MNL_CB_OK;
	s->attr = attr;
	return MNL_CB_STOP;
}

static const struct nlattr *find_attribute(const struct nlmsghdr *nlh, uint16_t type)
{
	struct search s = {.type = type};

	(void)mnl_attr_parse(nlh, sizeof(struct nfgenmsg), take_searched, &s);
	return s.attr;
}

static const struct nlattr *find_nested(const struct nlattr *nest, uint16_t type)
{
	struct search s = {.type = type};

	if (nest)
		(void)mnl_attr_parse_nested(nest, take_searched, &s);
	return s.attr;
}

static int read_owner(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *data = find_attribute(nlh, NFTA_TABLE_USERDATA);
	enum table_owner *owner = arg;
	const uint8_t *value = NULL;
	size_t len;

	if (data)
		value = record_find(mnl_attr_get_payload(data), mnl_attr_get_payload_len(data),
			MARK_TYPE, &len);
	*owner = value && len == sizeof(mark) && memcmp(value, mark, len) == 0 ? TABLE_OURS
									       : TABLE_FOREIGN;
	return 0;
}

int table_find(struct channel *c, const char *name, enum table_owner *owner)
{
	struct request r = {0};
	struct nlmsghdr *nlh = ask(&r, NFT_MSG_GETTABLE, NLM_F_ACK);
	int err;

	if (!mnl_attr_put_strz_check(nlh, sizeof(r), NFTA_TABLE_NAME, name))
		return -EMSGSIZE;
	*owner = TABLE_ABSENT;
	err = channel_ask(c, nlh, read_owner, owner);
	return err == -ENOENT ? 0 : err;
}

static bool put_set(struct nlmsghdr *nlh, const char *table, const char *set)
{
	return mnl_attr_put_strz_check(nlh, REQUEST_LEN, NFTA_SET_ELEM_LIST_TABLE, table) &&
	       mnl_attr_put_strz_check(nlh, REQUEST_LEN, NFTA_SET_ELEM_LIST_SET, set);
}

struct dump {
	const struct family *family;
	int (*take)(const struct mapping *m, void *arg);
	void *arg;
	int err;
	bool begun;
	uint16_t generation;
};

/* Parts of a dump may be of different generations, and the kernel does not say so. */
static int check_generation(struct dump *d, const struct nlmsghdr *nlh)
{
	const struct nfgenmsg *nfg = mnl_nlmsg_get_payload(nlh);

	if (d->begun && d->generation != nfg->res_id)
		return -EINTR;
	d->begun = true;
	d->generation = nfg->res_id;
	return 0;
}

static int take_mapping(const struct nlattr *attr, void *data)
{
	struct element_found found;
	struct dump *d = data;

	if (element_decode_inbound(d->family, attr, &found) == 0)
		d->err = d->take(&found.mapping, d->arg);
	return d->err < 0 ? MNL_CB_STOP : MNL_CB_OK;
}

static int read_mappings(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *list = find_attribute(nlh, NFTA_SET_ELEM_LIST_ELEMENTS);
	struct dump *d = arg;

	d->err = check_generation(d, nlh);
	if (!d->err && list)
		(void)mnl_attr_parse_nested(list, take_mapping, d);
	return d->err;
}

static int dump_family(struct channel *c, struct dump *d)
{
	struct request r = {0};
	struct nlmsghdr *nlh = ask(&r, NFT_MSG_GETSETELEM, NLM_F_DUMP);

	if (!put_set(nlh, TABLE_NAME, d->family->inbound))
		return -EMSGSIZE;
	return channel_ask(c, nlh, read_mappings, d);
}

static int dump_families(
	struct channel *c, int (*take)(const struct mapping *m, void *arg), void *arg)
{
	for (size_t i = 0; i < FAMILIES; i++) {
		struct dump d = {.family = &families[i], .take = take, .arg = arg};
		int err = dump_family(c, &d);

		/* An earlier version's table need not have our maps. */
		if (err && err != -ENOENT)
			return err;
	}
	return 0;
}

int table_each_mapping(struct channel *c, int (*take)(const struct mapping *m, void *arg),
	void (*restart)(void *arg), void *arg)
{
	int err = -EINTR;

	for (int i = 0; i < DUMPS_MAX && err == -EINTR; i++) {
		restart(arg);
		err = dump_families(c, take, arg);
	}
	return err;
}

/* Ask for the one element with @key. */
static int get_element(struct channel *c, const char *table, const char *set, const uint8_t *key,
	size_t key_len, int (*read)(const struct nlmsghdr *nlh, void *arg), void *arg)
{
	struct request r = {0};
	struct nlmsghdr *nlh = ask(&r, NFT_MSG_GETSETELEM, NLM_F_ACK);
	struct nlattr *list, *nest, *value;

	if (!put_set(nlh, table, set))
		return -EMSGSIZE;
	/* One short key behind two short names always fits, once its value does. */
	list = mnl_attr_nest_start(nlh, NFTA_SET_ELEM_LIST_ELEMENTS);
	nest = mnl_attr_nest_start(nlh, NFTA_LIST_ELEM);
	value = mnl_attr_nest_start(nlh, NFTA_SET_ELEM_KEY);
	if (!mnl_attr_put_check(nlh, sizeof(r), NFTA_DATA_VALUE, key_len, key))
		return -EMSGSIZE;
	mnl_attr_nest_end(nlh, value);
	mnl_attr_nest_end(nlh, nest);
	mnl_attr_nest_end(nlh, list);
	return channel_ask(c, nlh, read, arg);
}

static const struct nlattr *first_element(const struct nlmsghdr *nlh)
{
	return find_nested(find_attribute(nlh, NFTA_SET_ELEM_LIST_ELEMENTS), NFTA_LIST_ELEM);
}

struct lookup {
	const struct family *family;
	struct element_found found;
};

static int read_mapping(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *attr = first_element(nlh);
	struct lookup *l = arg;

	return attr ? element_decode_inbound(l->family, attr, &l->found) : -ENOENT;
}

static bool same_place(const struct mapping *a, const struct mapping *b)
{
	return addr_equal(&a->internal, &b->internal) && a->internal_port == b->internal_port;
}

static bool same_record(const struct mapping *a, const struct mapping *b)
{
	return a->origin == b->origin && a->opcode == b->opcode && a->lifetime_s == b->lifetime_s &&
	       memcmp(&a->nonce, &b->nonce, sizeof(a->nonce)) == 0;
}

static bool is_outcome(
	const struct edit *edit, const struct element_found *found, uint64_t slack_ms)
{
	if (found->left_ms + slack_ms < (uint64_t)edit->timeout_s * 1000)
		return false;
	if (!same_place(&edit->mapping, &found->mapping))
		return false;
	/* A refreshed element keeps the record that it had. */
	return edit->kind == EDIT_RENEW || same_record(&edit->mapping, &found->mapping);
}

int table_holds(struct channel *c, const struct edit *edit, uint64_t slack_ms)
{
	struct lookup l = {.family = family_of(&edit->mapping.external)};
	struct element e = element_inbound(l.family, &edit->mapping);
	int err = get_element(c, TABLE_NAME, e.map, e.key, e.key_len, read_mapping, &l);

	if (err == -ENOENT)
		return edit->kind == EDIT_UNMAP;
	if (err)
		return err;
	return edit->kind != EDIT_UNMAP && is_outcome(edit, &l.found, slack_ms);
}

static int read_left(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *element = first_element(nlh);
	uint64_t *left_ms = arg;

	if (!element)
		return -ENOENT;
	*left_ms = element_read_u64(find_nested(element, NFTA_SET_ELEM_EXPIRATION));
	return 0;
}

int table_element_left(struct channel *c, const char *table, const char *set, const uint8_t *key,
	size_t key_len, uint64_t *left_ms)
{
	*left_ms = 0;
	return get_element(c, table, set, key, key_len, read_left, left_ms);
}
