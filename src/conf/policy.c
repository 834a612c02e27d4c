/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/conf/policy.h"

#include "include/gateway.h"
#include "include/pcp.h"
#include "src/conf/schema.h"
#include "src/conf/values.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#define TUNNELS_MAX     256 /* lines of the policy; a glob stands for any number of interfaces */
#define LISTEN_MAX      64
#define THIRD_PARTY_MAX 256
#define PORTS                                                                                      \
	{                                                                                          \
		10240, 32767                                                                       \
	}
#define PCP_LIFETIME_S 120 /* shortest unless the policy says otherwise (RFC 6887 15) */
#define DAY_S          86400

static const struct config_class class_defaults = {
	.name = "default",
	.ports = PORTS,
	.internal_ports = {1, 65535},
	.protocols = CONFIG_UDP | CONFIG_TCP,
	.mappings = 16,
	.lifetime_min_s = 60,
	.pcp_lifetime_min_s = PCP_LIFETIME_S,
	.lifetime_default_s = 3600,
	.lifetime_max_s = DAY_S,
	.rate = 20,
	.port_choice = CONFIG_PORT_RANDOM,
	.quarantine_s = 120,
	.options = PCP_FEATURE_FILTER | PCP_FEATURE_PREFER_FAILURE | PCP_FEATURE_DESCRIPTION |
		   PCP_FEATURE_PORT_SET,
};

static const struct config defaults = {
	.pool = PORTS,
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
	struct config *config = target;
	struct node *ports = node_child(node, "ports");
	struct node *masquerade = node_child(node, "masquerade-ports");

	if (!node_is_sound(ports))
		return;
	config->classes[0].ports = config->pool;
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

/* classes */

static const struct bounds lifetime_bounds = {1, 365 * DAY_S};
static const struct bounds mappings_bounds = {1, 65536};
static const struct bounds rate_bounds = {1, 100000};
static const struct bounds quarantine_bounds = {0, DAY_S};

static const struct key lifetime_keys[] = {
	KEY_NUMBER("min", struct config_class, lifetime_min_s, &lifetime_bounds),
	KEY_NUMBER("default", struct config_class, lifetime_default_s, &lifetime_bounds),
	KEY_NUMBER("max", struct config_class, lifetime_max_s, &lifetime_bounds),
};

/* A lifetime of the file, or its default: then @node is NULL. */
struct lifetime {
	const char *name;
	struct node *node;
	uint32_t s;
};

static struct lifetime lifetime_of(struct node *node, const char *name, uint32_t s)
{
	return (struct lifetime){.name = name, .node = node_child(node, name), .s = s};
}

/* The blame is on what the file gives, and names the other, which may be a default. */
static void check_order(struct reader *r, const struct lifetime *low, const struct lifetime *high)
{
	if (!node_is_sound(low->node) || !node_is_sound(high->node) || low->s <= high->s)
		return;
	if (low->node)
		node_refuse(r->report, low->node, "is above %s, which is %u", high->name,
			(unsigned)high->s);
	else
		node_refuse(r->report, high->node, "is below %s, which is %u", low->name,
			(unsigned)low->s);
}

static void check_lifetime(struct reader *r, struct node *node, void *target)
{
	struct config_class *class = target;
	struct lifetime min = lifetime_of(node, "min", class->lifetime_min_s);
	struct lifetime usual = lifetime_of(node, "default", class->lifetime_default_s);
	struct lifetime max = lifetime_of(node, "max", class->lifetime_max_s);

	check_order(r, &min, &usual);
	check_order(r, &usual, &max);
	if (min.node)
		class->pcp_lifetime_min_s = min.s;
	else
		class->pcp_lifetime_min_s = max.s < PCP_LIFETIME_S ? max.s : PCP_LIFETIME_S;
}

static const struct table lifetime_table = {
	lifetime_keys, ARRAY_LEN(lifetime_keys), check_lifetime};

static const struct word protocol_words[] = {
	{"udp", CONFIG_UDP},
	{"tcp", CONFIG_TCP},
	{NULL, 0},
};

static const struct word option_words[] = {
	{"filter", PCP_FEATURE_FILTER},
	{"prefer-failure", PCP_FEATURE_PREFER_FAILURE},
	{"description", PCP_FEATURE_DESCRIPTION},
	{"port-set", PCP_FEATURE_PORT_SET},
	{NULL, 0},
};

static const struct word port_choice_words[] = {
	{"random", CONFIG_PORT_RANDOM},
	{"sticky", CONFIG_PORT_STICKY},
	{NULL, 0},
};

static const struct word_set protocol_set = {protocol_words, false};
static const struct word_set option_set = {option_words, true};

static const struct key class_keys[] = {
	KEY_RANGE("ports", struct config_class, ports),
	KEY_RANGE("internal-ports", struct config_class, internal_ports),
	KEY_WORDS("protocols", struct config_class, protocols, &protocol_set),
	KEY_NUMBER("mappings", struct config_class, mappings, &mappings_bounds),
	KEY_TABLE("lifetime", &lifetime_table),
	KEY_NUMBER("rate", struct config_class, rate, &rate_bounds),
	KEY_WORD("port-choice", struct config_class, port_choice, port_choice_words),
	KEY_NUMBER("quarantine", struct config_class, quarantine_s, &quarantine_bounds),
	KEY_WORDS("options", struct config_class, options, &option_set),
};

static bool pool_is_sound(const struct reader *r)
{
	const struct node *nat = node_child(r->root, "nat");

	return node_is_sound(nat) && node_is_sound(node_child(nat, "ports"));
}

static void check_class(struct reader *r, struct node *node, void *target)
{
	const struct config_class *class = target;
	const struct port_range *pool = &r->config->pool;
	struct node *ports = node_child(node, "ports");

	if (!ports || !node_is_sound(ports) || !pool_is_sound(r))
		return;
	if (!range_contains(pool, &class->ports))
		node_refuse(r->report, ports, "is not within nat.ports, which are %u-%u",
			pool->first, pool->last);
}

static const struct table class_table = {class_keys, ARRAY_LEN(class_keys), check_class};

static void read_default_class(
	struct reader *r, struct node *node, const struct key *key, void *target)
{
	static const struct key class = KEY_TABLE(NULL, &class_table);
	struct config *config = target;

	(void)key;
	read_table(r, node, &class, &config->classes[0]);
}

static const struct key classes_keys[] = {
	KEY_OTHER("default", read_default_class),
};

static const struct table classes_table = {classes_keys, ARRAY_LEN(classes_keys), NULL};

/* The whole */

/* nat stands before classes, whose ports are the pool unless they say otherwise. */
static const struct key policy_keys[] = {
	KEY_REQUIRED("tunnels", read_list, MEMBER(struct config, tunnels, struct config_tunnel *),
		&tunnel_list),
	KEY_LIST("external", struct config, externals, struct config_external, &external_list),
	KEY_TABLE("nat", &nat_table),
	KEY_TABLE("protocols", &protocols_table),
	KEY_TABLE("log", &log_table),
	KEY_TABLE("classes", &classes_table),
};

static const struct table policy_table = {policy_keys, ARRAY_LEN(policy_keys), NULL};

/* The first entry of a list that was read, and so is short enough to be compared in pairs. */
static struct node *first_entry(const struct reader *r, const char *key)
{
	struct node *list = node_child(r->root, key);

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

	if (!config)
		return NULL;
	*config = defaults;
	config->classes = malloc(sizeof(*config->classes));
	if (!config->classes) {
		free(config);
		return NULL;
	}
	config->classes[0] = class_defaults;
	config->classes_len = 1;
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

void policy_read(struct config *config, struct node *root, struct report *report)
{
	static const struct key whole = KEY_TABLE(NULL, &policy_table);
	struct reader r = {.report = report, .config = config, .root = root};

	if (!root || node_is_nothing(root)) {
		report_add(report, 1, 1, "the policy is empty; it needs at least tunnels");
		return;
	}
	read_table(&r, root, &whole, config);
	if (report->nomem)
		return; /* arrays may be missing that the checks expect */
	check_tunnels(&r);
	check_externals(&r);
	check_disjoint(&r);
	check_addresses(&r);
	default_external(config, report);
}
