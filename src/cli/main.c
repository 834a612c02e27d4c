/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/cli/client.h"
#include "src/cli/command.h"
#include "src/cli/render.h"
#include "src/cli/table.h"
#include "src/cli/text.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#define ANSWER_S  60                  /* to wait for the daemon */
#define FILE_MAX  (64L * 1024 * 1024) /* the most that the daemon takes */
#define ROOM_MAX  100000
#define STATUS_OK 200

enum exit_status {
	EXIT_DONE = 0,
	EXIT_REFUSED = 1,
	EXIT_USAGE = 2
};

/* Columns of the terminal, or 0 when what is printed goes elsewhere. */
static size_t terminal_room(void)
{
	const char *text = getenv("COLUMNS");
	unsigned long columns = text ? strtoul(text, NULL, 10) : 0;
	struct winsize size;

	if (columns > 0 && columns < ROOM_MAX)
		return columns;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
		return size.ws_col;
	return 0;
}

static void explain_permission(const char *path)
{
	struct stat st;
	const struct group *group = NULL;

	if (stat(path, &st) == 0 && st.st_gid != 0 && (st.st_mode & S_IWGRP))
		group = getgrgid(st.st_gid);
	if (group)
		(void)fprintf(stderr,
			"tunmapctl: %s is for root and the group %s; run as root or join it\n",
			path, group->gr_name);
	else
		(void)fprintf(stderr,
			"tunmapctl: %s is for root; run as root, or set control.group in the "
			"policy\n",
			path);
}

static void explain_no_daemon(int err, const char *path)
{
	switch (err) {
	case -ENOENT:
	case -ECONNREFUSED:
		(void)fprintf(stderr,
			"tunmapctl: tunmapd is not running, or its control socket is not %s; see "
			"--socket\n",
			path);
		break;
	case -EACCES:
	case -EPERM:
		explain_permission(path);
		break;
	default:
		(void)fprintf(stderr, "tunmapctl: %s: %s\n", path, strerror(-err));
	}
}

static void explain_silence(int err)
{
	if (err == -ETIMEDOUT)
		(void)fprintf(stderr, "tunmapctl: no answer from tunmapd within %d s\n", ANSWER_S);
	else if (err == -EPROTO)
		(void)fputs("tunmapctl: the answer is no HTTP; is it tunmapd's control socket?\n",
			stderr);
	else
		(void)fprintf(stderr, "tunmapctl: the answer was cut short: %s\n", strerror(-err));
}

/* What is left in @in, to be freed. */
static int read_stream(FILE *in, char **out, size_t *len)
{
	char part[8192];
	size_t got;
	int err = 0;
	FILE *memory = open_memstream(out, len);

	if (!memory)
		return -ENOMEM;
	for (long total = 0; !err && (got = fread(part, 1, sizeof(part), in)) > 0;) {
		total += (long)got;
		if (total > FILE_MAX)
			err = -EFBIG;
		(void)fwrite(part, 1, got, memory);
	}
	if (!err && ferror(in))
		err = errno ? -errno : -EIO;
	if (fclose(memory) != 0 && !err)
		err = -ENOMEM;
	if (err)
		free(*out);
	return err;
}

/* The content of @path, or of standard input, to be freed. */
static int read_file(const char *path, char **out, size_t *len)
{
	FILE *in;
	int err;

	if (strcmp(path, "-") == 0)
		return read_stream(stdin, out, len);
	in = fopen(path, "re");
	if (!in)
		return -errno;
	err = read_stream(in, out, len);
	(void)fclose(in);
	return err;
}

/* As it comes: events must not wait for one another. */
static int copy_json(struct client *c, FILE *out)
{
	char part[8192];
	ssize_t got;

	while ((got = client_read(c, part, sizeof(part))) > 0) {
		text_make_ascii(part, (size_t)got);
		if (fwrite(part, 1, (size_t)got, out) != (size_t)got || fflush(out) != 0)
			return -errno;
	}
	return (int)got;
}

/* The daemon writes a mapping or a user a line, so that a long list need not be kept whole. */
struct list {
	const char *first_line;
	void (*begin)(struct table *t, FILE *out, size_t room);
	void (*row)(struct table *t, const json_t *of);
};

static const struct list mappings = {"{\"mappings\":[", render_mappings_begin, render_mapping};
static const struct list users = {"{\"users\":[", render_users_begin, render_user};

struct list_reader {
	const struct list *list;
	struct table table;
	bool begun, ended;
};

static bool line_is(const char *line, size_t len, const char *text)
{
	return len == strlen(text) && memcmp(line, text, len) == 0;
}

static int take_line(struct list_reader *r, const char *line, size_t len)
{
	json_t *json;

	if (!r->begun) {
		r->begun = line_is(line, len, r->list->first_line);
		return r->begun ? 0 : -EBADMSG;
	}
	if (line_is(line, len, "]}")) {
		r->ended = true;
		return 0;
	}
	json = json_loadb(line, len, JSON_DISABLE_EOF_CHECK, NULL);
	if (!json)
		return -EBADMSG;
	r->list->row(&r->table, json);
	json_decref(json);
	return 0;
}

/* Hands the complete lines at @text over and returns the octets that they had, or -errno. */
static ssize_t take_lines(struct list_reader *r, const char *text, size_t len)
{
	size_t used = 0;
	const char *end;

	while ((end = memchr(text + used, '\n', len - used))) {
		size_t line_len = (size_t)(end - text) - used;
		int err = take_line(r, text + used, line_len);

		if (err)
			return err;
		used += line_len + 1;
	}
	return (ssize_t)used;
}

static int print_list(const struct list *list, struct client *c, FILE *out)
{
	struct list_reader r = {.list = list};
	char text[16384];
	size_t held = 0;
	ssize_t got;
	int err = 0, missing;

	list->begin(&r.table, out, terminal_room());
	while (!err && (got = client_read(c, text + held, sizeof(text) - held)) != 0) {
		ssize_t used = got < 0 ? got : take_lines(&r, text, held + (size_t)got);

		if (used < 0) {
			err = (int)used;
			break;
		}
		held += (size_t)got - (size_t)used;
		memmove(text, text + used, held);
		if (held == sizeof(text))
			err = -EBADMSG;
	}
	missing = table_finish(&r.table);
	if (!err && !r.ended)
		err = -EPIPE;
	return err ? err : missing;
}

static int print_answer(const struct command *cmd, struct client *c)
{
	json_t *answer;
	char *text = NULL;
	size_t len = 0;
	int err = client_read_all(c, &text, &len);

	if (err)
		return err;
	answer = json_loadb(text, len, 0, NULL);
	free(text);
	if (!answer)
		return -EBADMSG;
	render(stdout, cmd->view, answer);
	json_decref(answer);
	return 0;
}

static int print_error(const struct command *cmd, struct client *c)
{
	char *text = NULL;
	size_t len = 0;
	json_t *answer;
	int err = client_read_all(c, &text, &len);

	if (err) {
		explain_silence(err);
		return EXIT_REFUSED;
	}
	answer = json_loadb(text, len, 0, NULL);
	if (cmd->json && answer) {
		text_make_ascii(text, len);
		(void)fputs(text, stdout);
	} else if (answer) {
		render_error(stderr, answer, cmd->file);
	} else {
		(void)fprintf(
			stderr, "tunmapctl: the daemon answered with HTTP status %d\n", c->status);
	}
	json_decref(answer);
	free(text);
	return EXIT_REFUSED;
}

static int print_success(const struct command *cmd, struct client *c)
{
	int err;

	if (cmd->json || cmd->view == VIEW_EVENTS)
		err = copy_json(c, stdout);
	else if (cmd->view == VIEW_MAPPINGS)
		err = print_list(&mappings, c, stdout);
	else if (cmd->view == VIEW_USERS)
		err = print_list(&users, c, stdout);
	else
		err = print_answer(cmd, c);
	if (err) {
		explain_silence(err);
		return EXIT_REFUSED;
	}
	/* Events end when the daemon does. */
	if (cmd->view == VIEW_EVENTS) {
		(void)fputs("tunmapctl: tunmapd closed the connection\n", stderr);
		return EXIT_REFUSED;
	}
	return fflush(stdout) == 0 ? EXIT_DONE : EXIT_REFUSED;
}

static int run(const struct command *cmd, const char *body, size_t len)
{
	struct client *c = malloc(sizeof(*c));
	int err, status = EXIT_REFUSED;

	if (!c)
		return status;
	err = client_open(c, cmd->socket);
	if (err) {
		explain_no_daemon(err, cmd->socket);
		goto done;
	}
	err = client_set_timeout(c, ANSWER_S);
	if (!err)
		err = client_request(c, cmd->method, cmd->target, body, len);
	if (!err && cmd->view == VIEW_EVENTS)
		err = client_set_timeout(c, 0);
	if (err)
		explain_silence(err);
	else
		status = c->status == STATUS_OK ? print_success(cmd, c) : print_error(cmd, c);
	client_close(c);
done:
	free(c);
	return status;
}

static int run_with_file(const struct command *cmd)
{
	char *body = NULL;
	size_t len = 0;
	int err = read_file(cmd->file, &body, &len), status;

	if (err) {
		(void)fprintf(stderr, "tunmapctl: %s: %s\n", cmd->file, strerror(-err));
		return EXIT_REFUSED;
	}
	status = run(cmd, body, len);
	free(body);
	return status;
}

int main(int argc, char **argv)
{
	struct command cmd;
	char why[COMMAND_WHY_MAX];
	int status;

	if (command_parse(argc, argv, &cmd, why) < 0) {
		(void)fprintf(stderr, "tunmapctl: %s\nTry 'tunmapctl --help'.\n", why);
		return EXIT_USAGE;
	}
	if (cmd.help) {
		command_print_help(stdout);
		return EXIT_DONE;
	}
	if (cmd.version) {
		(void)puts("tunmapctl " TUNMAP_VERSION);
		return EXIT_DONE;
	}
	if (cmd.file)
		status = run_with_file(&cmd);
	else
		status = run(&cmd, cmd.body ? cmd.body : "", cmd.body ? strlen(cmd.body) : 0);
	command_fini(&cmd);
	return status;
}
