/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading a tree into structs by tables: a key of the policy is a line in a table that names
 * the key, the way its value reads, the member it goes to, and what that way needs to know.
 *
 * Members hold their defaults before.  A key that is absent, or whose value has a fault,
 * leaves its member alone; a fault goes to the report and marks the node.
 */
#ifndef TUNMAP_CONF_SCHEMA_H
#define TUNMAP_CONF_SCHEMA_H

#include "include/config.h"
#include "src/conf/files.h"
#include "src/conf/report.h"
#include "src/conf/tree.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reader {
	struct report *report;
	const struct files *files;
	struct config *config; /* as far as it is read, for checks across sections */
	bool pool_is_sound;    /* of the sections after nat: ports can be measured against it */
};

struct key;

/* Read @node into the member of @target that @key names, or report why that cannot be. */
typedef void (*key_read)(struct reader *r, struct node *node, const struct key *key, void *target);

struct key {
	const char *name;
	key_read read;
	size_t offset;   /* of the member: MEMBER() */
	const void *how; /* what @read needs; NULL: nothing */
	bool required;
};

/* The offset of a member; does not compile unless it has the type that its reader writes. */
#define MEMBER(struct_type, member, type)                                                          \
	_Generic(((struct_type *)0)->member, type : offsetof(struct_type, member))

/* A mapping.  Keys are read in the order of the table, whatever their order in the file. */
struct table {
	const struct key *key;
	size_t len;
	/* What no single key can show; runs last.  NULL: nothing. */
	void (*check)(struct reader *r, struct node *node, void *target);
};

/* A list that becomes an array, with its length in another member. */
struct list {
	struct key entry; /* how one entry reads; the target is the entry itself */
	size_t size;      /* octets of an entry */
	size_t len_offset;
	size_t min;
	size_t max;
	bool distinct; /* equal entries are a fault; they must have no padding, and @max be small */
};

/* A word of a closed vocabulary, in an array that a NULL name ends. */
struct word {
	const char *name;
	unsigned value;
};

/* A list of words that becomes the bits of their values. */
struct word_set {
	const struct word *word;
	bool may_be_empty;
};

struct bounds {
	uint32_t min;
	uint32_t max;
};

/* Lines of a table, one macro for each way of reading; @how is a pointer to the named struct. */
#define KEY_BOOL(name, type, member)                                                               \
	{                                                                                          \
		name, read_bool, MEMBER(type, member, bool), NULL, false                           \
	}
#define KEY_NUMBER(name, type, member, bounds)                                                     \
	{                                                                                          \
		name, read_number, MEMBER(type, member, uint32_t), bounds, false                   \
	}
#define KEY_PORT(name, type, member)                                                               \
	{                                                                                          \
		name, read_port, MEMBER(type, member, uint16_t), NULL, false                       \
	}
#define KEY_RANGE(name, type, member)                                                              \
	{                                                                                          \
		name, read_range, MEMBER(type, member, struct port_range), NULL, false             \
	}
#define KEY_WORD(name, type, member, words) /* any enum without negative values is unsigned */     \
	{                                                                                          \
		name, read_word, MEMBER(type, member, unsigned), words, false                      \
	}
#define KEY_WORDS(name, type, member, word_set)                                                    \
	{                                                                                          \
		name, read_words, MEMBER(type, member, uint32_t), word_set, false                  \
	}
#define KEY_TABLE(name, table) /* of members of the same struct */                                 \
	{                                                                                          \
		name, read_table, 0, table, false                                                  \
	}
#define KEY_LIST(name, type, member, entry_type, list)                                             \
	{                                                                                          \
		name, read_list, MEMBER(type, member, entry_type *), list, false                   \
	}
/* A line with a reader of its own, which knows the struct. */
#define KEY_OTHER(name, read)                                                                      \
	{                                                                                          \
		name, read, 0, NULL, false                                                         \
	}
/* Any of these lines, for a key that must be there. */
#define KEY_REQUIRED(name, read, offset, how)                                                      \
	{                                                                                          \
		name, read, offset, how, true                                                      \
	}

void read_bool(struct reader *r, struct node *node, const struct key *key, void *target);
void read_number(struct reader *r, struct node *node, const struct key *key, void *target);
void read_port(struct reader *r, struct node *node, const struct key *key, void *target);
void read_range(struct reader *r, struct node *node, const struct key *key, void *target);
void read_word(struct reader *r, struct node *node, const struct key *key, void *target);
void read_words(struct reader *r, struct node *node, const struct key *key, void *target);
void read_table(struct reader *r, struct node *node, const struct key *key, void *target);
void read_list(struct reader *r, struct node *node, const struct key *key, void *target);
/* struct addr, of a host that others can reach. */
void read_address(struct reader *r, struct node *node, const struct key *key, void *target);
/* struct config_prefix. */
void read_prefix(struct reader *r, struct node *node, const struct key *key, void *target);
/* char[CONFIG_INTERFACE_MAX]; the second takes a glob as well. */
void read_interface(struct reader *r, struct node *node, const struct key *key, void *target);
void read_interface_glob(struct reader *r, struct node *node, const struct key *key, void *target);

/*
 * For readers of one's own: true when @node is of this kind and no fault stands in the way of
 * its value; reports a wrong kind.
 */
bool node_expect(struct reader *r, struct node *node, enum node_kind kind);

#endif
