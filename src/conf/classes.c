/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/conf/classes.h"

#include "include/compiler.h"
#include "include/pcp.h"
#include "src/conf/named.h"
#include "src/conf/values.h"
#include "src/conf/words.h"

#include <stdlib.h>
#include <string.h>

#define PCP_LIFETIME_S 120 /* shortest unless the policy says otherwise (RFC 6887 15) */
#define DAY_S          86400
#define ADVISED_MAX    64 /* classes that advice looks at */
#define LISTED_MAX     12 /* classes that it lists */

static const char default_name[] = "default";

/* The ports are those of the pool. */
static const struct config_class class_defaults = {
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

const struct word_set protocol_set = {protocol_words, false};
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

static void check_class(struct reader *r, struct node *node, void *target)
{
	const struct config_class *class = target;
	const struct port_range *pool = &r->config->pool;
	struct node *ports = node_child(node, "ports");

	if (!ports || !node_is_sound(ports) || !r->pool_is_sound)
		return;
	if (!range_contains(pool, &class->ports))
		node_refuse(r->report, ports, "is not within nat.ports, which are %u-%u",
			pool->first, pool->last);
}

static const struct table class_table = {class_keys, ARRAY_LEN(class_keys), check_class};

/* Marks are indexed by the key's place in the table. */
_Static_assert(ARRAY_LEN(class_keys) == CONFIG_CLASS_KEYS, "every key has its mark");

static void mark_keys(const struct node *node, struct config_class *class)
{
	class->mark = node_mark(node->key);
	for (size_t i = 0; i < ARRAY_LEN(class_keys); i++) {
		const struct node *child = node_child(node, class_keys[i].name);

		if (child)
			class->key_mark[i] = node_mark(child->key);
	}
}

static void init_class(const struct reader *r, struct config_class *class, const char *name)
{
	*class = class_defaults;
	class->ports = r->config->pool;
	memcpy(class->name, name, strlen(name) + 1);
}

/* unknown-users has a word of that spelling. */
static void refuse_reserved(struct reader *r, struct node *key)
{
	if (strcmp(key->text, "refuse") == 0)
		node_refuse(r->report, key,
			"cannot be the name of a class: unknown-users takes it for a word");
}

static void read_one(struct reader *r, struct node *node, struct config_class *class)
{
	static const struct key whole = KEY_TABLE(NULL, &class_table);

	refuse_reserved(r, node->key);
	mark_keys(node, class);
	read_table(r, node, &whole, class);
}

static int compare_classes(const void *a, const void *b)
{
	const struct config_class *x = a, *y = b;

	return strcmp(x->name, y->name);
}

/* Into an array with room for all and one more: the default class, which need not be named. */
static void read_all(struct reader *r, const struct named *named)
{
	struct config *config = r->config;

	init_class(r, &config->classes[0], default_name);
	config->classes_len = 1;
	for (size_t i = 0; i < named->len; i++) {
		const char *name = named->node[i]->key->text;
		struct config_class *class = config->classes;

		if (strcmp(name, default_name) != 0) {
			class = &config->classes[config->classes_len++];
			init_class(r, class, name);
		}
		read_one(r, named->node[i], class);
	}
	qsort(config->classes + 1, config->classes_len - 1, sizeof(*config->classes),
		compare_classes);
}

void classes_read(struct reader *r)
{
	struct named named;
	int err = named_collect(r, "classes", CONFIG_CLASS_MAX, &named);

	if (err == 0)
		r->config->classes = calloc(named.len + 1, sizeof(*r->config->classes));
	if (r->config->classes)
		read_all(r, &named);
	else
		r->report->nomem = true;
	named_fini(&named);
}

static int compare_name(const void *name, const void *class)
{
	return strcmp(name, ((const struct config_class *)class)->name);
}

static const struct config_class *find_class(const struct config *config, const char *name)
{
	if (strcmp(name, default_name) == 0)
		return config->classes;
	return bsearch(name, config->classes + 1, config->classes_len - 1, sizeof(*config->classes),
		compare_name);
}

static const char *nearest_class(const struct config *config, const char *name, const char *word)
{
	if (word && words_are_near(name, word))
		return word;
	for (size_t i = 0; i < config->classes_len && i < ADVISED_MAX; i++)
		if (words_are_near(name, config->classes[i].name))
			return config->classes[i].name;
	return NULL;
}

static void refuse_class(struct reader *r, struct node *node, const char *word)
{
	const struct config *config = r->config;
	const char *nearest = nearest_class(config, node->text, word);
	struct word_line line = {0};

	for (size_t i = 0; i < config->classes_len && i < LISTED_MAX; i++)
		words_add(&line, ", ", config->classes[i].name);
	if (config->classes_len > LISTED_MAX)
		words_add(&line, ", ", "...");
	if (nearest)
		node_refuse(r->report, node, "is not a class; did you mean %s?", nearest);
	else
		node_refuse(r->report, node, "is not a class; there are: %s%s%s", line.text,
			word ? "; or write " : "", word ? word : "");
}

void read_class(struct reader *r, struct node *node, const struct key *key, void *target)
{
	const struct config_class *class;
	const struct report_place place = node_place(node);
	uint32_t index;

	if (!node_expect(r, node, NODE_SCALAR))
		return;
	class = find_class(r->config, node->text);
	if (class) {
		index = (uint32_t)(class - r->config->classes);
		memcpy((char *)target + key->offset, &index, sizeof(index));
		return;
	}
	if (!r->files->incomplete && report_admits(r->report, &place))
		refuse_class(r, node, key->how);
	else if (!r->files->incomplete)
		report_omit(r->report);
	node->faulty = true; /* a file that cannot be read may define it: then nobody is to blame */
}
