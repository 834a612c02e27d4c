/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/conf/include.h"

#include "src/conf/content.h"
#include "src/conf/schema.h"
#include "src/conf/words.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define INCLUDES_MAX 256 /* each costs a look into a directory */
#define SHOWN_MAX    128 /* octets of a file's name that a message shows */

struct including {
	struct reader reader;
	struct files *files;
	struct tree *tree;
	char *folder; /* of the first file, with its slash; "": the working directory */
	bool confined;
	struct node **origin; /* the entry that names each of the files; not of the first */
	size_t origin_size;
};

/* Which file a name leads to. */
struct identity {
	dev_t dev;
	ino_t ino;
	uint32_t index;
};

static void out_of_memory(struct including *in)
{
	in->reader.report->nomem = true;
}

/* The folder of @name with the slash; of a name without one, nothing. */
static char *folder_of(const char *name)
{
	const char *slash = strrchr(name, '/');

	return strndup(name, slash ? (size_t)(slash - name) + 1 : 0);
}

/* Room for @origin beside every file. */
static int grow_origin(struct including *in)
{
	struct node **origin;

	if (in->origin_size >= in->files->size)
		return 0;
	origin = reallocarray(in->origin, in->files->size, sizeof(struct node *));
	if (!origin)
		return -ENOMEM;
	in->origin = origin;
	in->origin_size = in->files->size;
	return 0;
}

static void add_file(struct including *in, struct node *entry, const char *path)
{
	if (files_add(in->files, path) < 0 || grow_origin(in) < 0)
		out_of_memory(in);
	else
		in->origin[in->files->len - 1] = entry;
}

/* What glob(3) would take for more than itself. */
static bool is_glob(const char *text)
{
	return strpbrk(text, "*?[") != NULL;
}

/* The folder as a pattern that matches nothing else, and @pattern relative to it. */
static char *whole_pattern(const char *folder, const char *pattern)
{
	char *whole = malloc(2 * strlen(folder) + strlen(pattern) + 1), *p = whole;

	if (!whole)
		return NULL;
	for (; *folder; folder++) {
		if (strchr("*?[\\", *folder))
			*p++ = '\\';
		*p++ = *folder;
	}
	memcpy(p, pattern, strlen(pattern) + 1);
	return whole;
}

static char *whole_name(const char *folder, const char *name)
{
	char *whole;

	return asprintf(&whole, "%s%s", folder, name) < 0 ? NULL : whole;
}

/* A folder that is not there holds no match; one that cannot be read may. */
static int stop_unless_absent(const char *path, int err)
{
	(void)path;
	return err != ENOENT && err != ENOTDIR;
}

static bool has_suffix(const char *name, const char *suffix)
{
	size_t len = strlen(name), suffix_len = strlen(suffix);

	return len >= suffix_len && strcmp(name + len - suffix_len, suffix) == 0;
}

/* What is read shows in faults, and beside a policy stand keys, too. */
static bool may_include(const struct including *in, const char *name)
{
	return !in->confined || has_suffix(name, ".yaml") || has_suffix(name, ".yml");
}

static void add_matches(struct including *in, struct node *entry, const char *pattern)
{
	glob_t found;
	int status = glob(pattern, 0, stop_unless_absent, &found);

	if (status == GLOB_NOSPACE)
		out_of_memory(in);
	else if (status != 0 && status != GLOB_NOMATCH)
		node_refuse(
			in->reader.report, entry, "cannot be followed: a directory cannot be read");
	for (size_t i = 0; status == 0 && i < found.gl_pathc; i++)
		if (may_include(in, found.gl_pathv[i]))
			add_file(in, entry, found.gl_pathv[i]);
	globfree(&found);
}

/* True when a component of @path is "..". */
static bool leads_upwards(const char *path)
{
	for (const char *p = path; (p = strstr(p, "..")); p++)
		if ((p == path || p[-1] == '/') && (p[2] == '/' || p[2] == '\0'))
			return true;
	return false;
}

static bool is_below(const char *path, const char *folder)
{
	if (leads_upwards(path))
		return false;
	return path[0] != '/' || (folder[0] == '/' && strncmp(path, folder, strlen(folder)) == 0);
}

static void add_entry(struct including *in, struct node *entry)
{
	const char *folder = entry->text[0] == '/' ? "" : in->folder;
	char *path;

	if (!node_expect(&in->reader, entry, NODE_SCALAR))
		return;
	if (in->confined && !is_below(entry->text, in->folder)) {
		node_refuse(in->reader.report, entry,
			"is outside the policy's directory, which only the daemon's own file may "
			"leave");
		return;
	}
	if (!is_glob(entry->text) && !may_include(in, entry->text)) {
		node_refuse(in->reader.report, entry,
			"ends neither in .yaml nor in .yml, as only in the daemon's own file it "
			"may");
		return;
	}
	path = is_glob(entry->text) ? whole_pattern(folder, entry->text)
				    : whole_name(folder, entry->text);
	if (!path)
		out_of_memory(in);
	else if (is_glob(entry->text))
		add_matches(in, entry, path);
	else
		add_file(in, entry, path);
	free(path);
}

static int compare_identities(const void *a, const void *b)
{
	const struct identity *x = a, *y = b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	if (x->ino != y->ino)
		return x->ino < y->ino ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

/* Read once more, it would only repeat every name.  Without an origin, nobody reads it. */
static void refuse_again(struct including *in, uint32_t index)
{
	char shown[SHOWN_MAX];

	(void)words_escape(shown, sizeof(shown), in->files->name[index]);
	node_refuse(
		in->reader.report, in->origin[index], "takes in %s, which is read already", shown);
	in->origin[index] = NULL;
}

static size_t identify(const struct including *in, struct identity *identity)
{
	size_t len = 0;

	for (size_t i = 0; i < in->files->len; i++) {
		struct stat st;

		if (stat(in->files->name[i], &st) == 0)
			identity[len++] = (struct identity){
				.dev = st.st_dev, .ino = st.st_ino, .index = (uint32_t)i};
	}
	return len;
}

static void check_distinct(struct including *in)
{
	struct identity *identity = calloc(in->files->len, sizeof(*identity));
	size_t len;

	if (!identity) {
		out_of_memory(in);
		return;
	}
	len = identify(in, identity);
	qsort(identity, len, sizeof(*identity), compare_identities);
	for (size_t i = 1; i < len; i++)
		if (identity[i].dev == identity[i - 1].dev &&
			identity[i].ino == identity[i - 1].ino)
			refuse_again(in, identity[i].index);
	free(identity);
}

static void refuse_unreadable(struct including *in, size_t index, int err)
{
	struct node *entry = in->origin[index];
	char shown[SHOWN_MAX];

	in->files->incomplete = true;
	(void)words_escape(shown, sizeof(shown), in->files->name[index]);
	if (is_glob(entry->text))
		node_refuse(in->reader.report, entry, "takes in %s, which cannot be read: %s",
			shown, content_error(err));
	else
		node_refuse(in->reader.report, entry, "cannot be read: %s", content_error(err));
}

static void parse_file(struct including *in, size_t index)
{
	struct content content;
	int err = content_read(in->files->name[index], &content);

	if (err == -ENOMEM)
		out_of_memory(in);
	else if (err < 0)
		refuse_unreadable(in, index, err);
	else if (files_parse(in->files, index, in->tree, content.text, content.len,
			 in->reader.report) < 0)
		in->files->root[index] = NULL; /* reported; the others are read all the same */
	content_fini(&content);
}

static void include_list(struct including *in, struct node *list)
{
	if (!node_expect(&in->reader, list, NODE_LIST))
		return;
	if (list->children > INCLUDES_MAX) {
		node_fault(in->reader.report, list, "%u entries are too many; the limit is %d",
			(unsigned)list->children, INCLUDES_MAX);
		return;
	}
	for (struct node *entry = list->child; entry; entry = entry->next)
		add_entry(in, entry);
	if (in->reader.report->nomem)
		return;
	check_distinct(in);
	for (size_t i = 1; i < in->files->len; i++)
		if (in->origin[i])
			parse_file(in, i);
}

void include_files(struct files *files, struct tree *tree, struct report *report, bool confined)
{
	struct including in = {
		.reader = {.report = report},
		.files = files,
		.tree = tree,
		.folder = folder_of(files->name[0]),
		.confined = confined,
	};
	struct node *list = node_child(files->root[0], "include");

	if (!in.folder)
		out_of_memory(&in);
	else if (list)
		include_list(&in, list);
	free(in.folder);
	free(in.origin);
}
