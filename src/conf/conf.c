/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "include/compiler.h"
#include "include/config.h"
#include "src/conf/content.h"
#include "src/conf/files.h"
#include "src/conf/include.h"
#include "src/conf/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A policy while it is read. */
struct loading {
	struct report report;
	struct files files;
	struct tree tree;
};

/* The names of the files outlive the rest. */
static void take_names(struct config *config, struct files *files)
{
	config->files = files->name;
	config->files_len = files->len;
	files->name = NULL;
	files->len = 0;
}

/* Read the trees over the defaults; NULL when anything in them is at fault. */
static struct config *build(struct loading *l)
{
	struct config *config = policy_defaults();

	if (!config) {
		l->report.nomem = true;
		return NULL;
	}
	policy_read(config, &l->files, &l->report);
	if (report_is_clean(&l->report)) {
		take_names(config, &l->files);
		return config;
	}
	config_free(config);
	return NULL;
}

/* Returns 0, to be followed by end(), or -ENOMEM with empty @faults. */
static int begin(struct loading *l, const char *name, struct config_faults *faults)
{
	int err;

	*faults = (struct config_faults){0};
	l->files = (struct files){0};
	l->tree = (struct tree){0};
	report_init(&l->report);
	err = files_add(&l->files, name);
	if (err < 0)
		files_fini(&l->files);
	return err;
}

static void end(struct loading *l, struct config_faults *faults)
{
	tree_fini(&l->tree);
	report_finish(&l->report, l->files.name, faults);
	files_fini(&l->files);
}

/* @confined: see include_files(). */
static struct config *load(struct loading *l, const char *text, size_t len, bool confined)
{
	if (files_parse(&l->files, 0, &l->tree, text, len, &l->report) < 0)
		return NULL;
	include_files(&l->files, &l->tree, &l->report, confined);
	return build(l);
}

struct config *config_parse(
	const char *name, const char *text, size_t len, struct config_faults *faults)
{
	struct config *config;
	struct loading l;

	if (begin(&l, name, faults) < 0)
		return NULL;
	/* The text may be of somebody who must not learn, from faults, what stands elsewhere. */
	config = load(&l, text, len, true);
	end(&l, faults);
	return config;
}

static void report_unreadable(struct report *report, int err)
{
	static const struct report_place first = {.line = 1, .column = 1};
	char message[128];

	(void)snprintf(message, sizeof(message), "cannot be read: %s", content_error(err));
	report_add(report, &first, message);
}

struct config *config_load(const char *path, struct config_faults *faults)
{
	struct config *config = NULL;
	struct content content;
	struct loading l;
	int err;

	if (begin(&l, path, faults) < 0)
		return NULL;
	err = content_read(path, &content);
	if (err < 0)
		report_unreadable(&l.report, err);
	else
		config = load(&l, content.text, content.len, false);
	content_fini(&content);
	end(&l, faults);
	return config;
}

static void tunnels_free(struct config_tunnel *tunnels, size_t len)
{
	for (size_t i = 0; i < len; i++)
		free(tunnels[i].listen);
	free(tunnels);
}

static void externals_free(struct config_external *externals, size_t len)
{
	for (size_t i = 0; i < len; i++)
		free(externals[i].addresses);
	free(externals);
}

static void users_free(struct config_user *users, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		free(users[i].name);
		free(users[i].addresses);
		free(users[i].wireguard);
		free(users[i].statics);
	}
	free(users);
}

static void names_free(char **names, size_t len)
{
	for (size_t i = 0; i < len; i++)
		free(names[i]);
	free(names);
}

void config_free(struct config *config)
{
	if (!config)
		return;
	tunnels_free(config->tunnels, config->tunnels_len);
	externals_free(config->externals, config->externals_len);
	free(config->third_party);
	free(config->classes);
	users_free(config->users, config->users_len);
	names_free(config->files, config->files_len);
	free(config);
}
