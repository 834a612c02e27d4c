/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/conf/users.h"

#include "include/compiler.h"
#include "src/conf/claims.h"
#include "src/conf/classes.h"
#include "src/conf/named.h"
#include "src/conf/values.h"

#include <stdlib.h>
#include <string.h>

#define NO_LIMIT UINT32_MAX /* of entries: equal ones are found by sorting, see claims.c */

/* NAT-PMP's and PCP's own ports: no client may have them (RFC 6886 3.6, RFC 6887 11.3). */
#define RESERVED_FIRST 5350
#define RESERVED_LAST  5351

/* An IPv6 prefix this short would take in every IPv4 address as well. */
static bool contains_v4(const struct config_prefix *prefix)
{
	static const struct config_prefix v4 = {
		.addr = {.octet = {[10] = 0xff, [11] = 0xff}}, .len = 96};

	return prefix->len < v4.len && prefix_contains(prefix, &v4);
}

static void read_user_prefix(
	struct reader *r, struct node *node, const struct key *key, void *target)
{
	const struct config_prefix *prefix = target;

	read_prefix(r, node, key, target);
	if (!node_is_sound(node))
		return;
	if (contains_v4(prefix))
		node_refuse(r->report, node,
			"contains every IPv4 address; write IPv4 prefixes as 10.9.0.0/24");
	else if (!addr_is_host(&prefix->addr))
		node_refuse(r->report, node, "is unspecified, loopback, multicast or reserved");
}

static const struct list address_list = {
	.entry = {.read = read_user_prefix},
	.size = sizeof(struct config_prefix),
	.len_offset = offsetof(struct config_user, addresses_len),
	.max = NO_LIMIT,
};

static void read_wireguard_key(
	struct reader *r, struct node *node, const struct key *key, void *target)
{
	(void)key;
	if (!node_expect(r, node, NODE_SCALAR))
		return;
	if (value_wireguard_key(node->text, target) < 0)
		node_refuse(r->report, node,
			"is not a WireGuard key: 44 characters of base64, as wg prints them");
}

static const struct list wireguard_list = {
	.entry = {.read = read_wireguard_key},
	.size = sizeof(struct config_wireguard_key),
	.len_offset = offsetof(struct config_user, wireguard_len),
	.max = NO_LIMIT,
};

static const struct key static_keys[] = {
	KEY_REQUIRED("port", read_port, MEMBER(struct config_static, port, uint16_t), NULL),
	KEY_WORDS("protocols", struct config_static, protocols, &protocol_set),
	KEY_PORT("internal-port", struct config_static, internal_port),
};

static void complete_static(struct reader *r, struct node *node, void *target)
{
	struct config_static *s = target;

	(void)r;
	s->mark = node_mark(node);
	if (!node_child(node, "internal-port"))
		s->internal_port = s->port;
}

static const struct table static_table = {static_keys, ARRAY_LEN(static_keys), complete_static};

static const struct list static_list = {
	.entry = {.read = read_table, .how = &static_table},
	.size = sizeof(struct config_static),
	.len_offset = offsetof(struct config_user, statics_len),
	.max = NO_LIMIT,
};

static void check_port(
	struct reader *r, struct node *node, uint16_t port, const struct config_class *class)
{
	const struct port_range *pool = &r->config->pool;

	if (!node || !node_is_sound(node))
		return;
	if (port >= RESERVED_FIRST && port <= RESERVED_LAST)
		node_refuse(r->report, node, "is a port of NAT-PMP and PCP, which nobody can have");
	else if (r->pool_is_sound && !port_range_has(*pool, port))
		node_refuse(r->report, node, "is outside nat.ports, which are %u-%u", pool->first,
			pool->last);
	else if (r->pool_is_sound && class && !port_range_has(class->ports, port))
		node_refuse(r->report, node, "is outside the ports of class %s, which are %u-%u",
			class->name, class->ports.first, class->ports.last);
}

/* @node: what is to blame, the port where it stands for both. */
static void check_internal_port(
	struct reader *r, struct node *node, uint16_t port, const struct config_class *class)
{
	const struct port_range *range = &class->internal_ports;

	if (node && node_is_sound(node) && !port_range_has(*range, port))
		node_refuse(r->report, node,
			"is outside the internal-ports of class %s, which are %u-%u", class->name,
			range->first, range->last);
}

static const char *other_protocol(uint32_t protocols)
{
	return protocols & CONFIG_UDP ? "udp" : "tcp";
}

/* A class without one of the two has the other. */
static void check_protocols(
	struct reader *r, const struct node *list, const struct config_class *class)
{
	if (!list || class->protocols == (CONFIG_UDP | CONFIG_TCP))
		return;
	for (struct node *c = list->child; c; c = c->next)
		if (node_is_sound(c) && strcmp(c->text, other_protocol(class->protocols)) != 0)
			node_refuse(r->report, c, "is not for class %s, whose protocol is %s",
				class->name, other_protocol(class->protocols));
}

/* @class: NULL when it is not known. */
static void check_static(struct reader *r, const struct node *node, struct config_static *s,
	const struct config_class *class)
{
	struct node *port = node_child(node, "port");
	struct node *internal = node_child(node, "internal-port");
	const struct node *protocols = node_child(node, "protocols");

	check_port(r, port, s->port, class);
	if (!protocols)
		s->protocols = class ? class->protocols : CONFIG_UDP | CONFIG_TCP;
	if (!class)
		return;
	check_protocols(r, protocols, class);
	check_internal_port(r, internal ? internal : port, s->internal_port, class);
}

static void check_user(struct reader *r, struct node *node, void *target)
{
	const struct config_user *user = target;
	const struct config_class *class = NULL;
	const struct node *list = node_child(node, "static");
	struct config_static *s = user->statics;

	if (!s)
		return; /* none, or their list has a fault */
	if (node_is_sound(node_child(node, "class")))
		class = &r->config->classes[user->class];
	for (const struct node *entry = list->child; entry; entry = entry->next, s++)
		if (node_is_sound(entry))
			check_static(r, entry, s, class);
}

static const struct key user_keys[] = {
	{"class", read_class, MEMBER(struct config_user, class, uint32_t), NULL, false},
	KEY_LIST("addresses", struct config_user, addresses, struct config_prefix, &address_list),
	KEY_LIST("wireguard", struct config_user, wireguard, struct config_wireguard_key,
		&wireguard_list),
	KEY_LIST("static", struct config_user, statics, struct config_static, &static_list),
};

static const struct table user_table = {user_keys, ARRAY_LEN(user_keys), check_user};

static void read_user(struct reader *r, struct node *node, struct config_user *user)
{
	static const struct key whole = KEY_TABLE(NULL, &user_table);

	struct addr addr;

	if (addr_parse(node->key->text, &addr) == 0)
		node_refuse(r->report, node->key,
			"is an IP address, by which a client goes that no user claims");
	user->mark = node_mark(node->key);
	user->name = strdup(node->key->text);
	if (user->name)
		read_table(r, node, &whole, user);
	else
		r->report->nomem = true;
}

static int compare_users(const void *a, const void *b)
{
	const struct config_user *x = a, *y = b;

	return strcmp(x->name, y->name);
}

/* In reading order, as long as checks go by the nodes. */
static void read_all(struct reader *r, const struct named *named)
{
	struct config *config = r->config;

	config->users_len = named->len;
	for (size_t i = 0; i < named->len && !r->report->nomem; i++)
		read_user(r, named->node[i], &config->users[i]);
	if (r->report->nomem)
		return;
	if (claims_check(r, named) < 0)
		r->report->nomem = true;
	qsort(config->users, config->users_len, sizeof(*config->users), compare_users);
}

void users_read(struct reader *r)
{
	struct named named;
	int err = named_collect(r, "users", CONFIG_USER_MAX, &named);

	if (err == 0 && named.len > 0)
		r->config->users = calloc(named.len, sizeof(*r->config->users));
	if (err < 0 || (named.len > 0 && !r->config->users))
		r->report->nomem = true;
	else if (named.len > 0)
		read_all(r, &named);
	named_fini(&named);
}
