/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sorting brings together what must differ, so that a hundred thousand users stay cheap. */
#include "src/conf/claims.h"

#include "include/compiler.h"
#include "src/conf/values.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct claim {
	struct node *node; /* what is to blame */
	uint32_t user;     /* index; users are in reading order */
	uint32_t protocols;
	union {
		struct config_prefix prefix;
		struct config_wireguard_key key;
		uint64_t port;
	} of;
};

struct claims {
	struct claim *claim;
	size_t len;
};

/* One of the lists of a user. */
struct kind {
	const char *key;
	size_t (*count)(const struct config_user *user);
	/* Claim entry @i; @claim->node is the entry's. */
	void (*fill)(struct claim *claim, const struct config_user *user, size_t i);
	int (*compare)(const void *a, const void *b);
	/* Report what clashes in sorted @claims, of which there are any. */
	void (*check)(struct reader *r, const struct claims *claims);
};

static const char *name_of(const struct reader *r, const struct claim *claim)
{
	return r->config->users[claim->user].name;
}

/* The user @index's, of those entries and values that have no fault. */
static void add_claims(struct claims *claims, const struct kind *kind,
	const struct config_user *user, uint32_t index, const struct node *node)
{
	size_t len = kind->count(user);
	struct node *entry = len > 0 ? node_child(node, kind->key)->child : NULL;

	for (size_t i = 0; i < len && entry; i++, entry = entry->next) {
		struct claim *claim = &claims->claim[claims->len];

		*claim = (struct claim){.node = entry, .user = index};
		if (!node_is_sound(entry))
			continue;
		kind->fill(claim, user, i);
		if (node_is_sound(claim->node))
			claims->len++;
	}
}

static int check_kind(struct reader *r, const struct named *named, const struct kind *kind)
{
	const struct config *config = r->config;
	struct claims claims = {0};
	size_t len = 0;

	for (size_t i = 0; i < config->users_len; i++)
		len += kind->count(&config->users[i]);
	if (len == 0)
		return 0;
	claims.claim = calloc(len, sizeof(*claims.claim));
	if (!claims.claim)
		return -ENOMEM;
	for (size_t i = 0; i < config->users_len; i++)
		add_claims(&claims, kind, &config->users[i], (uint32_t)i, named->node[i]);
	if (claims.len > 0) {
		qsort(claims.claim, claims.len, sizeof(*claims.claim), kind->compare);
		kind->check(r, &claims);
	}
	free(claims.claim);
	return 0;
}

static int compare_places(const struct claim *a, const struct claim *b)
{
	return node_is_before(a->node, b->node) ? -1 : node_is_before(b->node, a->node);
}

/* addresses */

static size_t count_addresses(const struct config_user *user)
{
	return user->addresses_len;
}

static void fill_address(struct claim *claim, const struct config_user *user, size_t i)
{
	claim->of.prefix = user->addresses[i];
}

/* A prefix stands before all that it contains. */
static int compare_addresses(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;
	int order = memcmp(&x->of.prefix.addr, &y->of.prefix.addr, sizeof(x->of.prefix.addr));

	if (order != 0)
		return order;
	if (x->of.prefix.len != y->of.prefix.len)
		return x->of.prefix.len < y->of.prefix.len ? -1 : 1;
	return compare_places(x, y);
}

/* The later one in reading order is to blame, once. */
static void report_overlap(struct reader *r, const struct claim *a, const struct claim *b)
{
	const struct claim *first = compare_places(a, b) < 0 ? a : b, *second = first == a ? b : a;
	char where[FILES_WHERE_MAX];

	if (!node_is_sound(second->node))
		return;
	files_where(r->files, first->node, second->node, where);
	if (first->of.prefix.len == second->of.prefix.len)
		node_refuse(r->report, second->node, "is an address of %s already, in %s",
			name_of(r, first), where);
	else
		node_refuse(r->report, second->node, "overlaps %s of %s, in %s", first->node->text,
			name_of(r, first), where);
}

static bool is_repeat(const struct claim *a, const struct claim *b)
{
	return a->of.prefix.len == b->of.prefix.len &&
	       addr_equal(&a->of.prefix.addr, &b->of.prefix.addr);
}

/* A user's own prefixes may contain each other: that changes nothing. */
static void check_addresses(struct reader *r, const struct claims *claims)
{
	const struct claim *outer = claims->claim;

	for (size_t i = 1; i < claims->len; i++) {
		const struct claim *c = &claims->claim[i], *other = outer;

		if (is_repeat(c - 1, c))
			other = c - 1;
		if (!prefix_contains(&other->of.prefix, &c->of.prefix))
			outer = c;
		else if (other->user != c->user)
			report_overlap(r, other, c);
		else if (is_repeat(other, c))
			node_refuse(r->report, c->node, "is listed twice");
	}
}

/* wireguard */

static size_t count_keys(const struct config_user *user)
{
	return user->wireguard_len;
}

static void fill_key(struct claim *claim, const struct config_user *user, size_t i)
{
	claim->of.key = user->wireguard[i];
}

static int compare_keys(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;
	int order = memcmp(&x->of.key, &y->of.key, sizeof(x->of.key));

	return order != 0 ? order : compare_places(x, y);
}

static void check_keys(struct reader *r, const struct claims *claims)
{
	const struct claim *first = claims->claim;
	char where[FILES_WHERE_MAX];

	for (size_t i = 1; i < claims->len; i++) {
		const struct claim *c = &claims->claim[i];

		if (memcmp(&first->of.key, &c->of.key, sizeof(c->of.key)) != 0)
			first = c;
		else if (first->user == c->user)
			node_refuse(r->report, c->node, "is listed twice");
		else
			node_refuse(r->report, c->node, "is a key of %s already, in %s",
				name_of(r, first),
				files_where(r->files, first->node, c->node, where));
	}
}

/* static */

/* Who has a port so far: each protocol's first claim, and the first of all. */
struct holders {
	const struct claim *any;
	const struct claim *udp;
	const struct claim *tcp;
};

static size_t count_statics(const struct config_user *user)
{
	return user->statics_len;
}

static void fill_port(struct claim *claim, const struct config_user *user, size_t i)
{
	claim->node = node_child(claim->node, "port");
	claim->protocols = user->statics[i].protocols;
	claim->of.port = user->statics[i].port;
}

/* An internal port is another one for each user. */
static void fill_internal_port(struct claim *claim, const struct config_user *user, size_t i)
{
	struct node *internal = node_child(claim->node, "internal-port");

	claim->node = node_child(claim->node, "port");
	if (node_is_sound(claim->node) && internal)
		claim->node = internal;
	claim->protocols = user->statics[i].protocols;
	claim->of.port = (uint64_t)claim->user << 16 | user->statics[i].internal_port;
}

static int compare_ports(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;

	if (x->of.port != y->of.port)
		return x->of.port < y->of.port ? -1 : 1;
	return compare_places(x, y);
}

/* The claim on a protocol that @c wants as well; NULL: @c has joined the holders. */
static const struct claim *join(struct holders *h, const struct claim *c)
{
	if (h->udp && (c->protocols & CONFIG_UDP))
		return h->udp;
	if (h->tcp && (c->protocols & CONFIG_TCP))
		return h->tcp;
	if (c->protocols & CONFIG_UDP)
		h->udp = c;
	if (c->protocols & CONFIG_TCP)
		h->tcp = c;
	return NULL;
}

static void check_port(struct reader *r, struct holders *h, const struct claim *c, const char *said)
{
	const struct claim *other = h->any;
	char where[FILES_WHERE_MAX];

	/* A number is one user's altogether, so that a TCP/UDP pair can share it. */
	if (other->user != c->user) {
		node_refuse(r->report, c->node, "is a static port of %s already, in %s",
			name_of(r, other), files_where(r->files, other->node, c->node, where));
		return;
	}
	other = join(h, c);
	if (!other)
		return;
	files_where(r->files, other->node, c->node, where);
	node_refuse(r->report, c->node, "%s %s already, in %s", said,
		other == h->udp && (c->protocols & CONFIG_UDP) ? "udp" : "tcp", where);
}

static void check_ports(struct reader *r, const struct claims *claims, const char *said)
{
	struct holders h = {0};

	for (size_t i = 0; i < claims->len; i++) {
		const struct claim *c = &claims->claim[i];

		if (i == 0 || c->of.port != c[-1].of.port)
			h = (struct holders){.any = c};
		check_port(r, &h, c, said);
	}
}

static void check_external_ports(struct reader *r, const struct claims *claims)
{
	check_ports(r, claims, "is a static port for");
}

static void check_internal_ports(struct reader *r, const struct claims *claims)
{
	check_ports(r, claims, "is an internal port with a static port for");
}

int claims_check(struct reader *r, const struct named *users)
{
	static const struct kind kind[] = {
		{"addresses", count_addresses, fill_address, compare_addresses, check_addresses},
		{"wireguard", count_keys, fill_key, compare_keys, check_keys},
		{"static", count_statics, fill_port, compare_ports, check_external_ports},
		{"static", count_statics, fill_internal_port, compare_ports, check_internal_ports},
	};
	int err = 0;

	for (size_t i = 0; err == 0 && i < ARRAY_LEN(kind); i++)
		err = check_kind(r, users, &kind[i]);
	return err;
}
