/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/conf/policy.h"

#include "include/compiler.h"
#include "include/gateway.h"
#include "src/conf/classes.h"
#include "src/conf/schema.h"
#include "src/conf/users.h"
#include "src/conf/values.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#define TUNNELS_MAX     256 /* lines of the policy; a glob stands for any number of interfaces */
#define LISTEN_MAX      64
#define THIRD_PARTY_MAX 256

static const struct config defaults = {
	.pool = {10240, 32767},
	.masquerade = CONFIG_MASQUERADE_MANAGED,
	.hairpin = true,
	.port_fail_guard = true,
	.nat_pmp = true,
	.pcp = true,
	.zero_port = CONFIG_ZERO_REFUSE,
	.nonce = CONFIG_NONCE_RELAXED,
	.announce = CONFIG_ANNOUNCE_AUTO,
	.log_level = LOG_LEVEL_INFO,
	.identity = CONFIG_IDENTITY_NONE,
	.ipv6 = CONFIG_IPV6_PINHOLE,
	.control_socket = "/run/tunmap/control.sock",
};

/* tunnels */

static const struct list listen_list = {
	.entry = {.read = read_address},
	.size = sizeof(struct addr),
	.len_offset = offsetof(struct config_tunnel, listen_len),
	.min = 1,
	.max = LISTEN_MAX,
	.distinct = true,
};

static const struct key tunnel_keys[] = {
	KEY_REQUIRED("interface", read_interface_glob,
		MEMBER(struct config_tunnel, interface, char *), NULL),
	KEY_LIST("listen", struct config_tunnel, listen, struct addr, &listen_list),
};

static const struct table tunnel_table = {tunnel_keys, ARRAY_LEN(tunnel_keys), NULL};

static const struct list tunnel_list = {
	.entry = {.read = read_table, .how = &tunnel_table},
	.size = sizeof(struct config_tunnel),
	.len_offset = offsetof(struct config, tunnels_len),
	.min = 1,
	.max = TUNNELS_MAX,
};

/* external */

/* Entries are compared across interfaces, see check_addresses(). */
static const struct list address_list = {
	.entry = {.read = read_address},
	.size = sizeof(struct addr),
	.len_offset = offsetof(struct config_external, addresses_len),
	.min = 1,
	.max = GATEWAY_EXTERNALS_MAX,
};

static void read_advertise(struct reader *r, struct node *node, const struct key *key, void *target)
{
	struct config_external *external = target;

	read_address(r, node, key, &external->advertise);
	external->has_advertise = true;
}

static const struct key external_keys[] = {
	{"interface", read_interface, MEMBER(struct config_external, interface, char *), NULL,
		false},
	KEY_LIST("addresses", struct config_external, addresses, struct addr, &address_list),
	KEY_OTHER("advertise", read_advertise),
};

/* Told in place of two addresses, one address would stand for two mappings at once. */
static void check_advertise(struct reader *r, struct node *node, void *target)
{
	const struct config_external *external = target;
	struct node *advertise = node_child(node, "advertise");
	size_t fitting = 0;

	if (!external->has_advertise || !node_is_sound(advertise) || external->addresses_len == 0)
		return;
	for (size_t i = 0; i < external->addresses_len; i++)
		fitting += addr_is_v4(&external->addresses[i]) == addr_is_v4(&external->advertise);
	if (fitting == 0)
		node_refuse(r->report, advertise, "is of another family than the addresses");
	else if (fitting > 1)
		node_refuse(r->report, advertise,
			"stands for one address, not %zu; give each an entry of its own", fitting);
}

static const struct table external_table = {
	external_keys, ARRAY_LEN(external_keys), check_advertise};

static const struct list external_list = {
	.entry = {.read = read_table, .how = &external_table},
	.size = sizeof(struct config_external),
	.len_offset = offsetof(struct config, externals_len),
	.min = 1,
	.max = GATEWAY_EXTERNALS_MAX,
};

/* nat */

static const struct word masquerade_words[] = {
	{"managed", CONFIG_MASQUERADE_MANAGED},
	{"off", CONFIG_MASQUERADE_OFF},
	{NULL, 0},
};

static void read_masquerade_ports(
	struct reader *r, struct node *node, const struct key *key, void *target)
{
	static const struct key range = KEY_RANGE(NULL, struct config, masquerade_ports);
	struct config *config = target;

	(void)key;
	config->has_masquerade_ports = strcmp(node->text, "auto") != 0;
	if (config->has_masquerade_ports)
		read_range(r, node, &range, config);
}

static const struct key nat_keys[] = {
	/* 5350 and 5351 may lie within: clients cannot have them anyway (RFC 6886 3.6). */
	KEY_RANGE("ports", struct config, pool),
	KEY_WORD("masquerade", struct config, masquerade, masquerade_words),
	KEY_OTHER("masquerade-ports", read_masquerade_ports),
	KEY_BOOL("hairpin", struct config, hairpin),
	KEY_BOOL("port-fail-guard", struct config, port_fail_guard),
};

/* With every port in the pool, none is left for the flows that no client asked a port for. */
static bool leaves_no_port(const struct config *config)
{
	return config->masquerade == CONFIG_MASQUERADE_MANAGED && config->pool.first == 1 &&
	       config->pool.last == UINT16_MAX;
}

static void check_nat(struct reader *r, struct node *node, void *target)
{
	const struct config *config = target;
	struct node *ports = node_child(node, "ports");
	struct node *masquerade = node_child(node, "masquerade-ports");

	if (!node_is_sound(ports))
		return;
	if (ports && leaves_no_port(config))
		node_refuse(
			r->report, ports, "leaves no port to masquerade from; keep some outside");
	else if (config->has_masquerade_ports && node_is_sound(masquerade) &&
		 range_overlaps(&config->masquerade_ports, &config->pool))
		node_refuse(r->report, masquerade, "overlaps nat.ports, which are %u-%u",
			config->pool.first, config->pool.last);
}

static const struct table nat_table = {nat_keys, ARRAY_LEN(nat_keys), check_nat};

/* protocols */

static const struct word zero_port_words[] = {
	{"refuse", CONFIG_ZERO_REFUSE},
	{"assign", CONFIG_ZERO_ASSIGN},
	{NULL, 0},
};

static const struct word nonce_words[] = {
	{"relaxed", CONFIG_NONCE_RELAXED},
	{"strict", CONFIG_NONCE_STRICT},
	{NULL, 0},
};

static const struct word announce_words[] = {
	{"auto", CONFIG_ANNOUNCE_AUTO},
	{"off", CONFIG_ANNOUNCE_OFF},
	{NULL, 0},
};

static const struct list third_party_list = {
	.entry = {.read = read_prefix},
	.size = sizeof(struct config_prefix),
	.len_offset = offsetof(struct config, third_party_len),
	.max = THIRD_PARTY_MAX,
	.distinct = true,
};

static const struct key protocols_keys[] = {
	KEY_BOOL("nat-pmp", struct config, nat_pmp),
	KEY_BOOL("pcp", struct config, pcp),
	KEY_BOOL("anycast", struct config, anycast),
	KEY_WORD("internal-port-zero", struct config, zero_port, zero_port_words),
	KEY_WORD("pcp-nonce", struct config, nonce, nonce_words),
	KEY_LIST(
		"third-party", struct config, third_party, struct config_prefix, &third_party_list),
	KEY_WORD("announce", struct config, announce, announce_words),
};

static const struct table protocols_table = {protocols_keys, ARRAY_LEN(protocols_keys), NULL};

/* log */

static const struct word level_words[] = {
	{"error", LOG_LEVEL_ERROR},
	{"warning", LOG_LEVEL_WARNING},
	{"info", LOG_LEVEL_INFO},
	{"debug", LOG_LEVEL_DEBUG},
	{NULL, 0},
};

static const struct word identity_words[] = {
	{"none", CONFIG_IDENTITY_NONE},
	{"pseudonym", CONFIG_IDENTITY_PSEUDONYM},
	{"full", CONFIG_IDENTITY_FULL},
	{NULL, 0},
};

static const struct key log_keys[] = {
	KEY_WORD("level", struct config, log_level, level_words),
	KEY_WORD("identity", struct config, identity, identity_words),
};

static const struct table log_table = {log_keys, ARRAY_LEN(log_keys), NULL};

/* ipv6 */

static const struct word ipv6_words[] = {
	{"pinhole", CONFIG_IPV6_PINHOLE},
	{"nat66", CONFIG_IPV6_NAT66},
	{"off", CONFIG_IPV6_OFF},
	{NULL, 0},
};

static const struct key ipv6_keys[] = {
	KEY_WORD("mode", struct config, ipv6, ipv6_words),
};

static const struct table ipv6_table = {ipv6_keys, ARRAY_LEN(ipv6_keys), NULL};

/* control */

static void read_socket(struct reader *r, struct node *node, const struct key *key, void *target)
{
	struct config *config = target;

	(void)key;
	if (!node_expect(r, node, NODE_SCALAR))
		return;
	if (path_is_valid(node->text, sizeof(config->control_socket)))
		memcpy(config->control_socket, node->text, strlen(node->text) + 1);
	else
		node_refuse(r->report, node, "is not an absolute path of at most %d octets",
			CONFIG_SOCKET_MAX - 1);
}

/* Whether there is such a group shows when the socket is made. */
static void read_group(struct reader *r, struct node *node, const struct key *key, void *target)
{
	struct config *config = target;

	(void)key;
	if (!node_expect(r, node, NODE_SCALAR))
		return;
	if (node->text[0] == '\0' || name_is_valid(node->text, sizeof(config->control_group)))
		memcpy(config->control_group, node->text, strlen(node->text) + 1);
	else
		node_refuse(r->report, node, "is not the name of a group");
}

static const struct key control_keys[] = {
	KEY_OTHER("socket", read_socket),
	KEY_OTHER("group", read_group),
};

static const struct table control_table = {control_keys, ARRAY_LEN(control_keys), NULL};

/* metrics */

static void read_metrics(struct reader *r, struct node *node, const struct key *key, void *target)
{
	struct config *config = target;

	(void)key;
	if (!node_expect(r, node, NODE_SCALAR))
		return;
	config->metrics = node->text[0] != '\0';
	if (config->metrics &&
		value_endpoint(node->text, &config->metrics_addr, &config->metrics_port) < 0)
		node_refuse(r->report, node,
			"is not ADDRESS:PORT, such as 127.0.0.1:9551 or [::1]:9551");
}

static const struct key metrics_keys[] = {
	KEY_OTHER("listen", read_metrics),
};

static const struct table metrics_table = {metrics_keys, ARRAY_LEN(metrics_keys), NULL};

/* The whole */

/* Of sections that other files may add to, and of what needs those. */
static void read_later(struct reader *r, struct node *node, const struct key *key, void *target)
{
	(void)r;
	(void)node;
	(void)key;
	(void)target;
}

static const struct key policy_keys[] = {
	KEY_REQUIRED("tunnels", read_list, MEMBER(struct config, tunnels, struct config_tunnel *),
		&tunnel_list),
	KEY_LIST("external", struct config, externals, struct config_external, &external_list),
	KEY_TABLE("nat", &nat_table),
	KEY_TABLE("ipv6", &ipv6_table),
	KEY_TABLE("protocols", &protocols_table),
	KEY_TABLE("control", &control_table),
	KEY_TABLE("metrics", &metrics_table),
	KEY_TABLE("log", &log_table),
	/* Read in a second round, over all files; include was long ago. */
	KEY_OTHER("classes", read_later),
	KEY_OTHER("users", read_later),
	KEY_OTHER("unknown-users", read_later),
	KEY_OTHER("include", read_later),
};

static const struct table policy_table = {policy_keys, ARRAY_LEN(policy_keys), NULL};

static const struct key included_keys[] = {
	KEY_OTHER("classes", read_later),
	KEY_OTHER("users", read_later),
};

static const struct table included_table = {included_keys, ARRAY_LEN(included_keys), NULL};

static struct node *main_root(const struct reader *r)
{
	return r->files->root[0];
}

/* The first entry of a list that was read, and so is short enough to be compared in pairs. */
static struct node *first_entry(const struct reader *r, const char *key)
{
	struct node *list = node_child(main_root(r), key);

	return list && node_is_sound(list) ? list->child : NULL;
}

/* The name in an entry, or NULL when there is none to go by. */
static struct node *interface_of(const struct node *entry)
{
	struct node *name = node_child(entry, "interface");

	return name && node_is_sound(name) ? name : NULL;
}

static void check_tunnels(struct reader *r)
{
	struct node *first = first_entry(r, "tunnels");

	for (const struct node *a = first; a; a = a->next) {
		for (const struct node *b = first; b != a; b = b->next) {
			struct node *name = interface_of(a);
			const struct node *other = interface_of(b);

			if (name && other && strcmp(name->text, other->text) == 0)
				node_refuse(r->report, name, "is a tunnel already in line %u",
					(unsigned)other->line);
		}
	}
}

/* Two entries of one interface are fine, for 1:1 NAT, as long as each names its addresses. */
static bool is_ambiguous(const struct node *a, const struct node *b)
{
	const struct node *x = node_child(a, "interface"), *y = node_child(b, "interface");

	if (node_child(a, "addresses") && node_child(b, "addresses"))
		return false;
	return strcmp(x ? x->text : "", y ? y->text : "") == 0;
}

static void check_externals(struct reader *r)
{
	struct node *first = first_entry(r, "external");

	for (struct node *a = first; a; a = a->next)
		for (const struct node *b = first; b != a; b = b->next)
			if (node_is_sound(a) && is_ambiguous(a, b))
				node_fault(r->report, a,
					"the interface of line %u again; both must list addresses",
					(unsigned)b->line);
}

static void check_disjoint(struct reader *r)
{
	for (const struct node *e = first_entry(r, "external"); e; e = e->next) {
		for (const struct node *t = first_entry(r, "tunnels"); t; t = t->next) {
			struct node *name = interface_of(e);
			const struct node *tunnel = interface_of(t);

			if (name && tunnel && fnmatch(tunnel->text, name->text, 0) == 0)
				node_refuse(r->report, name, "is a tunnel as well, in line %u",
					(unsigned)tunnel->line);
		}
	}
}

/* The addresses that were taken, of every external entry. */
struct taken {
	struct addr addr[GATEWAY_EXTERNALS_MAX];
	uint32_t line[GATEWAY_EXTERNALS_MAX];
	size_t len;
};

static void take_address(
	struct reader *r, struct taken *taken, struct node *node, const struct addr *addr)
{
	for (size_t i = 0; i < taken->len; i++) {
		if (!addr_equal(&taken->addr[i], addr))
			continue;
		node_refuse(
			r->report, node, "is listed already in line %u", (unsigned)taken->line[i]);
		return;
	}
	if (taken->len == GATEWAY_EXTERNALS_MAX) {
		node_refuse(r->report, node, "is one too many; the limit is %d external addresses",
			GATEWAY_EXTERNALS_MAX);
		return;
	}
	taken->line[taken->len] = node->line;
	taken->addr[taken->len++] = *addr;
}

static void check_addresses(struct reader *r)
{
	struct taken taken = {.len = 0};
	const struct config_external *external = r->config->externals;

	for (const struct node *e = first_entry(r, "external"); e; e = e->next, external++) {
		const struct node *list = node_child(e, "addresses");
		const struct addr *addr = external->addresses;

		if (!addr)
			continue; /* none, or their list has a fault */
		for (struct node *c = list->child; c; c = c->next, addr++)
			if (node_is_sound(c))
				take_address(r, &taken, c, addr);
	}
}

struct config *policy_defaults(void)
{
	struct config *config = malloc(sizeof(*config));

	if (config)
		*config = defaults;
	return config;
}

/* No external interface in the file: one without a name, the default route's. */
static void default_external(struct config *config, struct report *report)
{
	if (config->externals)
		return;
	config->externals = calloc(1, sizeof(*config->externals));
	if (config->externals)
		config->externals_len = 1;
	else
		report->nomem = true;
}

static bool pool_is_sound(const struct reader *r)
{
	const struct node *nat = node_child(main_root(r), "nat");

	return node_is_sound(nat) && node_is_sound(node_child(nat, "ports"));
}

static void read_unknown_users(struct reader *r)
{
	static const struct key class = {
		.offset = offsetof(struct config, unknown_class), .how = "refuse"};
	struct node *node = node_child(main_root(r), "unknown-users");
	struct config *config = r->config;

	if (!node)
		return;
	config->unknown_mark = node_mark(node->key);
	if (strcmp(node->text, class.how) == 0)
		config->unknown_refused = true;
	else
		read_class(r, node, &class, config);
}

/* The gateway's own sections, which only the first file has. */
static void read_gateway(struct reader *r)
{
	static const struct key whole = KEY_TABLE(NULL, &policy_table);

	read_table(r, main_root(r), &whole, r->config);
	r->pool_is_sound = pool_is_sound(r);
	if (r->report->nomem)
		return; /* arrays may be missing that the checks expect */
	check_tunnels(r);
	check_externals(r);
	check_disjoint(r);
	check_addresses(r);
	default_external(r->config, r->report);
}

/* What may stand in the other files, and what refers to it. */
static void read_people(struct reader *r)
{
	static const struct key whole = KEY_TABLE(NULL, &included_table);

	for (size_t i = 1; i < r->files->len; i++)
		if (r->files->root[i] && !node_is_nothing(r->files->root[i]))
			read_table(r, r->files->root[i], &whole, r->config);
	classes_read(r);
	if (r->report->nomem)
		return;
	read_unknown_users(r);
	users_read(r);
}

void policy_read(struct config *config, const struct files *files, struct report *report)
{
	static const struct report_place first = {.line = 1, .column = 1};
	struct reader r = {.report = report, .files = files, .config = config};

	if (!main_root(&r) || node_is_nothing(main_root(&r))) {
		report_add(report, &first, "the policy is empty; it needs at least tunnels");
		return;
	}
	read_gateway(&r);
	if (!report->nomem)
		read_people(&r);
}
