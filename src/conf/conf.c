/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "include/compiler.h"
#include "include/config.h"
#include "src/conf/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX ((size_t)64 << 20)

/* Read the tree over the defaults; NULL when anything in it is at fault. */
static struct config *build(struct node *root, struct report *report)
{
	struct config *config = policy_defaults();

	if (!config) {
		report->nomem = true;
		return NULL;
	}
	policy_read(config, root, report);
	if (report_is_clean(report))
		return config;
	config_free(config);
	return NULL;
}

struct config *config_parse(
	const char *name, const char *text, size_t len, struct config_faults *faults)
{
	struct config *config = NULL;
	struct report report;
	struct tree tree;

	report_init(&report, name);
	if (tree_parse(&tree, text, len, &report) == 0)
		config = build(tree.root, &report);
	tree_fini(&tree);
	report_finish(&report, faults);
	return config;
}

/* A file's octets; fed by read_file(). */
struct content {
	char *text;
	size_t len;
	size_t size;
};

static int content_grow(struct content *c, size_t size)
{
	char *text = realloc(c->text, size);

	if (!text)
		return -ENOMEM;
	c->text = text;
	c->size = size;
	return 0;
}

/* To its end, wherever that is by now: somebody may be writing it. */
static int read_all(int fd, struct content *c)
{
	for (;;) {
		ssize_t n;

		if (c->len == c->size && content_grow(c, c->size * 2) < 0)
			return -ENOMEM;
		n = read(fd, c->text + c->len, c->size - c->len);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			return 0;
		if (n > 0)
			c->len += (size_t)n;
		if (c->len > FILE_MAX)
			return -EFBIG;
	}
}

static int read_regular(int fd, struct content *c)
{
	struct stat st;
	int err;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if ((uintmax_t)st.st_size > FILE_MAX)
		return -EFBIG;
	/* One more, so that the end shows without another round; some files say 0 for a size. */
	err = content_grow(c, (size_t)st.st_size + 4096);
	return err < 0 ? err : read_all(fd, c);
}

/* O_NONBLOCK: opening a FIFO must not wait for a writer. */
static int read_file(const char *path, struct content *c)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int err;

	if (fd < 0)
		return -errno;
	err = read_regular(fd, c);
	(void)close(fd);
	return err;
}

static void report_unreadable(const char *path, int err, struct config_faults *faults)
{
	struct report report;
	char message[128];

	report_init(&report, path);
	if (err == -EINVAL)
		(void)snprintf(message, sizeof(message), "cannot be read: not a regular file");
	else if (err == -EFBIG)
		(void)snprintf(message, sizeof(message), "cannot be read: larger than %zu octets",
			FILE_MAX);
	else
		(void)snprintf(message, sizeof(message), "cannot be read: %s", strerror(-err));
	report_add(&report, 1, 1, message);
	report_finish(&report, faults);
}

struct config *config_load(const char *path, struct config_faults *faults)
{
	struct content content = {0};
	struct config *config = NULL;
	int err = read_file(path, &content);

	if (err < 0)
		report_unreadable(path, err, faults);
	else
		config = config_parse(path, content.text, content.len, faults);
	free(content.text);
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

void config_free(struct config *config)
{
	if (!config)
		return;
	tunnels_free(config->tunnels, config->tunnels_len);
	externals_free(config->externals, config->externals_len);
	free(config->third_party);
	free(config->classes);
	free(config);
}
