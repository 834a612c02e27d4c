/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proto/pcp_options.h"

#include "proto/utf8.h"

#include <errno.h>
#include <string.h>

#define OPTIONAL_BIT        0x80 /* of an option's code: the server may skip it */
#define DESCRIPTION_MAX_LEN 1016 /* RFC 7220 2 */
#define PARITY_BIT          0x01
#define V4_PREFIX_MIN       96 /* an IPv4 prefix length counts the ::ffff:0:0/96 as well */
#define PREFIX_MAX          128

#define IN_MAP  (1u << PCP_OP_MAP)
#define IN_PEER (1u << PCP_OP_PEER)

struct option {
	uint8_t code;
	struct wire_reader data;
};

/* What is known about one option. */
struct kind {
	enum pcp_option_code code;
	uint32_t feature;
	unsigned int opcodes; /* where it makes sense: IN_ bits */
	bool repeats;
	/* Copy the data out and set the bit in @o->present, or find it malformed. */
	enum pcp_result (*read)(struct wire_reader *data, struct pcp_options *o);
	/* Whether the option just read fits the request around it; NULL: always. */
	enum pcp_result (*suits)(const struct pcp_request *rq);
};

static size_t padding(size_t len)
{
	return -len % 4;
}

/* Step over one option.  False at the end, and at one that overruns: then @r has failed. */
static bool next_option(struct wire_reader *r, struct option *out)
{
	size_t len;

	if (r->left == 0)
		return false;
	out->code = wire_get_u8(r);
	(void)wire_get_u8(r); /* reserved: ignored on receipt */
	len = wire_get_u16(r);
	out->data = wire_reader(r->at, len);
	wire_skip(r, len + padding(len));
	return !r->failed;
}

/* An option of fixed length has been read: it must have had exactly that length. */
static enum pcp_result read_all_of(const struct wire_reader *data)
{
	return data->failed || data->left > 0 ? PCP_MALFORMED_OPTION : PCP_SUCCESS;
}

static enum pcp_result read_third_party(struct wire_reader *data, struct pcp_options *o)
{
	o->third_party = wire_get_addr(data);
	o->present |= PCP_FEATURE_THIRD_PARTY;
	return read_all_of(data);
}

static enum pcp_result third_party_suits(const struct pcp_request *rq)
{
	return addr_equal(&rq->options.third_party, &rq->client) ? PCP_MALFORMED_REQUEST
								 : PCP_SUCCESS;
}

static enum pcp_result read_prefer_failure(struct wire_reader *data, struct pcp_options *o)
{
	o->present |= PCP_FEATURE_PREFER_FAILURE;
	return read_all_of(data);
}

static enum pcp_result prefer_failure_suits(const struct pcp_request *rq)
{
	/* An all-zeros address is fine: this port, wherever (conformance note Q-10). */
	return rq->lifetime_s == 0 || rq->map.external_port == 0 ? PCP_MALFORMED_OPTION
								 : PCP_SUCCESS;
}

static bool filter_prefix_is_valid(const struct pcp_filter *f)
{
	/* 0 stands for "remove the filters"; the address beside it means nothing. */
	if (f->prefix_len == 0)
		return true;
	if (f->prefix_len > PREFIX_MAX)
		return false;
	/* 96, any IPv4 source, is valid by the text (conformance note Q-16). */
	return !addr_is_v4(&f->remote) || f->prefix_len >= V4_PREFIX_MIN;
}

static enum pcp_result read_filter(struct wire_reader *data, struct pcp_options *o)
{
	struct pcp_filter *f;

	if (o->filters_len == PCP_FILTERS_MAX)
		return PCP_MALFORMED_OPTION;
	f = &o->filters[o->filters_len++];
	(void)wire_get_u8(data); /* reserved: ignored on receipt */
	f->prefix_len = wire_get_u8(data);
	f->remote_port = wire_get_u16(data);
	f->remote = wire_get_addr(data);
	o->present |= PCP_FEATURE_FILTER;
	return filter_prefix_is_valid(f) ? read_all_of(data) : PCP_MALFORMED_OPTION;
}

static enum pcp_result filter_suits(const struct pcp_request *rq)
{
	return rq->lifetime_s == 0 ? PCP_MALFORMED_OPTION : PCP_SUCCESS;
}

/*
 * A description that is too long or no UTF-8 is left out and fails nothing: RFC 7220 3
 * wants it ignored (conformance note Q-23).
 */
static enum pcp_result read_description(struct wire_reader *data, struct pcp_options *o)
{
	struct pcp_description *d = &o->description;

	if (data->left > DESCRIPTION_MAX_LEN || !utf8_is_valid(data->at, data->left))
		return PCP_SUCCESS;
	d->len = (uint8_t)utf8_prefix_len(data->at, data->left, PCP_DESCRIPTION_KEPT);
	wire_get_bytes(data, d->text, d->len);
	o->present |= PCP_FEATURE_DESCRIPTION;
	return PCP_SUCCESS;
}

static enum pcp_result read_port_set(struct wire_reader *data, struct pcp_options *o)
{
	o->port_set.size = wire_get_u16(data);
	o->port_set.first_internal_port = wire_get_u16(data);
	o->port_set.parity = wire_get_u8(data) & PARITY_BIT;
	o->present |= PCP_FEATURE_PORT_SET;
	return read_all_of(data);
}

static enum pcp_result port_set_suits(const struct pcp_request *rq)
{
	bool deletes = rq->lifetime_s == 0;

	return rq->options.port_set.size == 0 && !deletes ? PCP_MALFORMED_OPTION : PCP_SUCCESS;
}

static const struct kind *find_kind(uint8_t code)
{
	static const struct kind kinds[] = {
		{PCP_OPT_THIRD_PARTY, PCP_FEATURE_THIRD_PARTY, IN_MAP | IN_PEER, false,
			read_third_party, third_party_suits},
		{PCP_OPT_PREFER_FAILURE, PCP_FEATURE_PREFER_FAILURE, IN_MAP, false,
			read_prefer_failure, prefer_failure_suits},
		{PCP_OPT_FILTER, PCP_FEATURE_FILTER, IN_MAP, true, read_filter, filter_suits},
		{PCP_OPT_DESCRIPTION, PCP_FEATURE_DESCRIPTION, IN_MAP | IN_PEER, false,
			read_description, NULL},
		{PCP_OPT_PORT_SET, PCP_FEATURE_PORT_SET, IN_MAP, false, read_port_set,
			port_set_suits},
	};

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (kinds[i].code == code)
			return &kinds[i];
	}
	return NULL;
}

static bool belongs_in(const struct kind *kind, enum pcp_opcode opcode)
{
	return kind->opcodes & 1u << opcode;
}

bool pcp_options_can_be_walked(struct wire_reader r)
{
	struct option opt;

	while (next_option(&r, &opt))
		continue;
	return !r.failed;
}

/* @seen collects the options met, because an ignored one is not present yet still counts. */
static enum pcp_result decode_option(
	struct option *opt, uint32_t features, uint32_t *seen, struct pcp_request *rq)
{
	const struct kind *kind = find_kind(opt->code);
	enum pcp_result result;

	/* RFC 6887 12.1 names its own code for this one, whether the option is served or not. */
	if (opt->code == PCP_OPT_PREFER_FAILURE && rq->opcode == PCP_OP_PEER)
		return PCP_MALFORMED_REQUEST;
	/* A misplaced option counts as one not understood (conformance note Q-18). */
	if (!kind || !(features & kind->feature) || !belongs_in(kind, rq->opcode))
		return opt->code & OPTIONAL_BIT ? PCP_SUCCESS : PCP_UNSUPP_OPTION;
	if (*seen & kind->feature && !kind->repeats)
		return PCP_MALFORMED_OPTION;
	*seen |= kind->feature;
	result = kind->read(&opt->data, &rq->options);
	if (result == PCP_SUCCESS && kind->suits)
		result = kind->suits(rq);
	return result;
}

/* A filter names peers of the family of the host that they would reach (RFC 6887 10). */
static bool filters_fit_family(const struct pcp_request *rq)
{
	const struct pcp_options *o = &rq->options;
	bool is_v4 = addr_is_v4(pcp_internal_addr(rq));

	for (size_t i = 0; i < o->filters_len; i++) {
		const struct pcp_filter *f = &o->filters[i];

		if (f->prefix_len > 0 && addr_is_v4(&f->remote) != is_v4)
			return false;
	}
	return true;
}

/* RFC 7753 4.2: whoever asks for a set takes what there is. */
static bool port_set_prefers_failure(const struct pcp_options *o)
{
	const uint32_t both = PCP_FEATURE_PREFER_FAILURE | PCP_FEATURE_PORT_SET;

	return (o->present & both) == both;
}

enum pcp_result pcp_options_decode(struct wire_reader r, uint32_t features, struct pcp_request *rq)
{
	struct option opt;
	uint32_t seen = 0;

	while (next_option(&r, &opt)) {
		enum pcp_result result = decode_option(&opt, features, &seen, rq);

		if (result != PCP_SUCCESS)
			return result;
	}
	if (r.failed || !filters_fit_family(rq) || port_set_prefers_failure(&rq->options))
		return PCP_MALFORMED_OPTION;
	return PCP_SUCCESS;
}

int pcp_options_decode_response(struct wire_reader r, struct pcp_response *rs)
{
	struct option opt;
	uint32_t seen = 0;

	while (next_option(&r, &opt)) {
		const struct kind *kind = find_kind(opt.code);

		if (!kind || !belongs_in(kind, rs->opcode))
			continue;
		if (seen & kind->feature && !kind->repeats)
			return -EINVAL;
		seen |= kind->feature;
		if (kind->read(&opt.data, &rs->options) != PCP_SUCCESS)
			return -EINVAL;
	}
	return r.failed ? -EINVAL : 0;
}

static void put_header(struct wire_writer *w, enum pcp_option_code code, uint16_t len)
{
	wire_put_u8(w, (uint8_t)code);
	wire_put_u8(w, 0);
	wire_put_u16(w, len);
}

static void put_filter(struct wire_writer *w, const struct pcp_filter *f)
{
	put_header(w, PCP_OPT_FILTER, 20);
	wire_put_u8(w, 0);
	wire_put_u8(w, f->prefix_len);
	wire_put_u16(w, f->remote_port);
	wire_put_addr(w, &f->remote);
}

static void put_description(struct wire_writer *w, const struct pcp_description *d)
{
	put_header(w, PCP_OPT_DESCRIPTION, d->len);
	wire_put_bytes(w, d->text, d->len);
	wire_put_zeros(w, padding(d->len));
}

static void put_port_set(struct wire_writer *w, const struct pcp_port_set *s)
{
	put_header(w, PCP_OPT_PORT_SET, 5);
	wire_put_u16(w, s->size);
	wire_put_u16(w, s->first_internal_port);
	wire_put_u8(w, s->parity ? PARITY_BIT : 0);
	wire_put_zeros(w, padding(5));
}

void pcp_options_encode(struct wire_writer *w, const struct pcp_options *o)
{
	if (o->present & PCP_FEATURE_THIRD_PARTY) {
		put_header(w, PCP_OPT_THIRD_PARTY, 16);
		wire_put_addr(w, &o->third_party);
	}
	if (o->present & PCP_FEATURE_PREFER_FAILURE)
		put_header(w, PCP_OPT_PREFER_FAILURE, 0);
	if (o->present & PCP_FEATURE_FILTER) {
		for (size_t i = 0; i < o->filters_len; i++)
			put_filter(w, &o->filters[i]);
	}
	if (o->present & PCP_FEATURE_DESCRIPTION)
		put_description(w, &o->description);
	if (o->present & PCP_FEATURE_PORT_SET)
		put_port_set(w, &o->port_set);
}
