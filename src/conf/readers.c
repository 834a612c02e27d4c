/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Single values, and lists of words. */
#include "src/conf/schema.h"
#include "src/conf/values.h"
#include "src/conf/words.h"

#include <errno.h>
#include <string.h>

static void *member_of(void *target, const struct key *key)
{
	return (char *)target + key->offset;
}

void read_bool(struct reader *r, struct node *node, const struct key *key, void *target)
{
	bool *out = member_of(target, key);

	if (!node_expect(r, node, NODE_SCALAR))
		return;
	if (strcmp(node->text, "true") == 0)
		*out = true;
	else if (strcmp(node->text, "false") == 0)
		*out = false;
	else
		node_refuse(r->report, node, "is neither true nor false");
}

void read_number(struct reader *r, struct node *node, const struct key *key, void *target)
{
	const struct bounds *bounds = key->how;

	if (!node_expect(r, node, NODE_SCALAR))
		return;
	if (value_integer(node->text, bounds->min, bounds->max, member_of(target, key)) < 0)
		node_refuse(r->report, node, "is not a whole number from %u to %u",
			(unsigned)bounds->min, (unsigned)bounds->max);
}

void read_port(struct reader *r, struct node *node, const struct key *key, void *target)
{
	uint16_t *out = member_of(target, key);
	uint32_t port;

	if (!node_expect(r, node, NODE_SCALAR))
		return;
	if (value_integer(node->text, 1, UINT16_MAX, &port) == 0)
		*out = (uint16_t)port;
	else
		node_refuse(r->report, node, "is not a port from 1 to 65535");
}

void read_range(struct reader *r, struct node *node, const struct key *key, void *target)
{
	struct port_range range, *out = member_of(target, key);

	if (!node_expect(r, node, NODE_SCALAR))
		return;
	switch (value_range(node->text, &range)) {
	case 0:
		*out = range;
		break;
	case -ERANGE:
		node_refuse(r->report, node, "is reversed; write %u-%u", range.first, range.last);
		break;
	default:
		node_refuse(r->report, node,
			"is not a range of ports; write FIRST-LAST, both from 1 to 65535");
	}
}

static const struct word *find_word(const struct word *words, const char *text)
{
	for (; words->name; words++)
		if (strcmp(words->name, text) == 0)
			return words;
	return NULL;
}

/* The word that @node holds, or NULL with a fault. */
static const struct word *expect_word(struct reader *r, struct node *node, const struct word *words)
{
	struct word_line line = {0};
	const struct word *found;

	if (!node_expect(r, node, NODE_SCALAR))
		return NULL;
	found = find_word(words, node->text);
	if (found)
		return found;
	for (; words->name; words++)
		words_add(&line, words[1].name ? ", " : " or ", words->name);
	node_refuse(r->report, node, "is unknown; write %s", line.text);
	return NULL;
}

void read_word(struct reader *r, struct node *node, const struct key *key, void *target)
{
	const struct word *word = expect_word(r, node, key->how);
	unsigned *out = member_of(target, key);

	if (word)
		*out = word->value;
}

static uint32_t add_word(
	struct reader *r, struct node *node, const struct word *words, uint32_t bits)
{
	const struct word *word = expect_word(r, node, words);

	if (!word)
		return bits;
	if (bits & word->value)
		node_refuse(r->report, node, "is listed twice");
	return bits | word->value;
}

void read_words(struct reader *r, struct node *node, const struct key *key, void *target)
{
	const struct word_set *set = key->how;
	uint32_t bits = 0, *out = member_of(target, key);

	if (!node_expect(r, node, NODE_LIST))
		return;
	for (struct node *c = node->child; c; c = c->next)
		bits = add_word(r, c, set->word, bits);
	if (node->children == 0 && !set->may_be_empty)
		node_fault(
			r->report, node, "the list is empty; name an entry or leave out the key");
	*out = bits;
}

void read_address(struct reader *r, struct node *node, const struct key *key, void *target)
{
	struct addr addr, *out = member_of(target, key);

	if (!node_expect(r, node, NODE_SCALAR))
		return;
	if (addr_parse(node->text, &addr) < 0)
		node_refuse(r->report, node, "is not an IPv4 or IPv6 address");
	else if (!addr_is_host(&addr))
		node_refuse(r->report, node, "is unspecified, loopback, multicast or reserved");
	else
		*out = addr;
}

void read_prefix(struct reader *r, struct node *node, const struct key *key, void *target)
{
	struct config_prefix prefix, *out = member_of(target, key);
	char text[ADDR_TEXT_MAX];

	if (!node_expect(r, node, NODE_SCALAR))
		return;
	switch (value_prefix(node->text, &prefix)) {
	case 0:
		*out = prefix;
		break;
	case -ERANGE:
		node_refuse(r->report, node, "has bits behind its length; write %s/%u",
			addr_format(&prefix.addr, text), prefix_written_len(&prefix));
		break;
	default:
		node_refuse(r->report, node,
			"is not a prefix; write ADDRESS/LENGTH, such as 10.9.0.0/24");
	}
}

static bool expect_interface(struct reader *r, struct node *node)
{
	if (!node_expect(r, node, NODE_SCALAR))
		return false;
	if (interface_is_valid(node->text))
		return true;
	node_refuse(r->report, node,
		"is not the name of an interface: 1 to %d characters, no space, slash or colon",
		CONFIG_INTERFACE_MAX - 1);
	return false;
}

void read_interface_glob(struct reader *r, struct node *node, const struct key *key, void *target)
{
	if (expect_interface(r, node))
		memcpy(member_of(target, key), node->text, strlen(node->text) + 1);
}

void read_interface(struct reader *r, struct node *node, const struct key *key, void *target)
{
	if (expect_interface(r, node) && interface_is_glob(node->text))
		node_refuse(r->report, node, "is a glob, which only tunnels take; write one name");
	if (node_is_sound(node))
		read_interface_glob(r, node, key, target);
}
