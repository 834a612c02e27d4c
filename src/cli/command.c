/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/cli/command.h"

#include "include/addr.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#define PORT_MAX      65535
#define OPERANDS_MAX  2
#define ADDRESS_WRONG "is no IPv4 or IPv6 address, such as 10.9.0.2"

enum flag {
	FLAG_USER,
	FLAG_ADDRESS,
	FLAG_PORT,
	FLAG_PROTOCOL,
	FLAG_EXTERNAL,
	FLAG_INTERNAL_PORT,
	FLAG_EXTERNAL_PORT,
	FLAG_LIFETIME,
	FLAG_ORIGIN,
	FLAG_FOR,
	FLAG_CLASS,
	FLAG_ID,
	FLAG_YES,
	FLAGS
};

#define BIT(flag) (1u << (flag))

enum value_kind {
	VALUE_TEXT,
	VALUE_ADDRESS,
	VALUE_PORT,
	VALUE_PORT_OR_ZERO,
	VALUE_PROTOCOL,
	VALUE_ORIGIN,
	VALUE_SECONDS,
	VALUE_NONE,
};

struct flag_spec {
	const char *name;
	enum value_kind kind;
};

static const struct flag_spec flags[FLAGS] = {
	[FLAG_USER] = {"user", VALUE_TEXT},
	[FLAG_ADDRESS] = {"address", VALUE_ADDRESS},
	[FLAG_PORT] = {"port", VALUE_PORT},
	[FLAG_PROTOCOL] = {"protocol", VALUE_PROTOCOL},
	[FLAG_EXTERNAL] = {"external", VALUE_ADDRESS},
	[FLAG_INTERNAL_PORT] = {"internal-port", VALUE_PORT_OR_ZERO},
	[FLAG_EXTERNAL_PORT] = {"external-port", VALUE_PORT},
	[FLAG_LIFETIME] = {"lifetime", VALUE_SECONDS},
	[FLAG_ORIGIN] = {"origin", VALUE_ORIGIN},
	[FLAG_FOR] = {"for", VALUE_SECONDS},
	[FLAG_CLASS] = {"class", VALUE_TEXT},
	[FLAG_ID] = {"id", VALUE_TEXT},
	[FLAG_YES] = {"yes", VALUE_NONE},
};

/* What the command line says, before anybody asks what it means. */
struct words {
	const char *value[FLAGS]; /* NULL: not given */
	const char *operand[OPERANDS_MAX + 1];
	size_t operands;
};

struct spec {
	const char *name;
	const char *second;  /* a word that belongs to the name, or NULL */
	const char *operand; /* what one more word stands for, or NULL */
	unsigned allowed;    /* BIT() of each flag */
	unsigned needed;     /* all of them */
	unsigned one_of;     /* exactly one of them; 0: no such choice */
	enum view view;
	const char *method;
	const char *path;
	const char *synopsis;
	const char *help;
};

#define BY_WHOM (BIT(FLAG_ADDRESS) | BIT(FLAG_USER))
#define ASKED   (BIT(FLAG_ADDRESS) | BIT(FLAG_PROTOCOL) | BIT(FLAG_INTERNAL_PORT))

static const struct spec specs[] = {
	{"status", NULL, NULL, 0, 0, 0, VIEW_STATUS, "GET", "/v1/status", "status",
		"one screen about the daemon"},
	{"list", NULL, NULL, BY_WHOM | BIT(FLAG_PORT) | BIT(FLAG_PROTOCOL), 0, 0, VIEW_MAPPINGS,
		"GET", "/v1/mappings",
		"list [--user U] [--address A] [--port P] [--protocol udp|tcp]",
		"mappings, one a line"},
	{"users", NULL, NULL, 0, 0, 0, VIEW_USERS, "GET", "/v1/users", "users",
		"users with addresses, class, mappings held and allowed"},
	{"show", NULL, "PORT", BIT(FLAG_PROTOCOL) | BIT(FLAG_EXTERNAL), 0, 0, VIEW_MAPPINGS, "GET",
		"/v1/mappings", "show PORT [--protocol P] [--external A]",
		"who holds this external port now"},
	{"explain", NULL, NULL,
		ASKED | BIT(FLAG_EXTERNAL_PORT) | BIT(FLAG_LIFETIME) | BIT(FLAG_ORIGIN), ASKED, 0,
		VIEW_EXPLANATION, "GET", "/v1/explain",
		"explain --address A --protocol P --internal-port N [--external-port N]\n"
		"          [--lifetime S] [--origin nat-pmp|pcp]",
		"what the policy would answer and which rule decides"},
	{"revoke", NULL, NULL, BY_WHOM | BIT(FLAG_PORT) | BIT(FLAG_PROTOCOL), 0,
		BY_WHOM | BIT(FLAG_PORT), VIEW_REVOKED, "DELETE", "/v1/mappings",
		"revoke (--port P [--protocol X] | --address A | --user U)",
		"remove mappings and end their flows, now"},
	{"ban", NULL, NULL, BY_WHOM | BIT(FLAG_FOR), 0, BY_WHOM, VIEW_BANNED, "PUT", "/v1/bans",
		"ban (--address A | --user U) [--for S]",
		"revoke, and refuse for S seconds or until lifted"},
	{"unban", NULL, NULL, BY_WHOM, 0, BY_WHOM, VIEW_UNBANNED, "DELETE", "/v1/bans",
		"unban (--address A | --user U)", "lift a ban"},
	{"session", "up", NULL, BY_WHOM | BIT(FLAG_CLASS) | BIT(FLAG_ID), BY_WHOM, 0,
		VIEW_SESSION_UP, "PUT", "/v1/sessions/",
		"session up --address A --user U [--class C] [--id ID]",
		"a tunnel session began: the address is the user's"},
	{"session", "down", NULL, BIT(FLAG_ADDRESS) | BIT(FLAG_ID), BIT(FLAG_ADDRESS), 0,
		VIEW_SESSION_DOWN, "DELETE", "/v1/sessions/", "session down --address A [--id ID]",
		"it ended: its mappings and flows go"},
	{"reload", NULL, NULL, 0, 0, 0, VIEW_RELOADED, "POST", "/v1/reload", "reload",
		"read the policy again; tell what changed, or why not"},
	{"check", NULL, "FILE", 0, 0, 0, VIEW_CHECKED, "POST", "/v1/check", "check FILE",
		"what adopting FILE (-: standard input) would change"},
	{"watch", NULL, NULL, 0, 0, 0, VIEW_EVENTS, "GET", "/v1/events", "watch",
		"events as they happen, one JSON object a line"},
	{"flush", NULL, NULL, BIT(FLAG_YES), BIT(FLAG_YES), 0, VIEW_REVOKED, "DELETE",
		"/v1/mappings?all=true", "flush --yes", "remove every mapping"},
};

static int fail(char why[COMMAND_WHY_MAX], const char *format, ...) PRINTF_LIKE(2, 3);

static int fail(char why[COMMAND_WHY_MAX], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(why, COMMAND_WHY_MAX, format, args);
	va_end(args);
	return -EINVAL;
}

static bool is_number(const char *text, uint32_t min, uint32_t max)
{
	uint64_t number = 0;
	size_t len = 0;

	for (; text[len] >= '0' && text[len] <= '9' && number <= max; len++)
		number = number * 10 + (uint64_t)(text[len] - '0');
	return len > 0 && text[len] == '\0' && number >= min && number <= max &&
	       (text[0] != '0' || len == 1);
}

static int check_value(const struct flag_spec *f, const char *text, char why[COMMAND_WHY_MAX])
{
	struct addr addr;

	switch (f->kind) {
	case VALUE_ADDRESS:
		return addr_parse(text, &addr) == 0
			       ? 0
			       : fail(why, "--%s \"%s\" " ADDRESS_WRONG, f->name, text);
	case VALUE_PORT:
	case VALUE_PORT_OR_ZERO:
		return is_number(text, f->kind == VALUE_PORT, PORT_MAX)
			       ? 0
			       : fail(why, "--%s \"%s\" is no port from %d to %d", f->name, text,
					 f->kind == VALUE_PORT, PORT_MAX);
	case VALUE_PROTOCOL:
		return strcmp(text, "udp") == 0 || strcmp(text, "tcp") == 0
			       ? 0
			       : fail(why, "--protocol \"%s\" is neither udp nor tcp", text);
	case VALUE_ORIGIN:
		return strcmp(text, "nat-pmp") == 0 || strcmp(text, "pcp") == 0
			       ? 0
			       : fail(why, "--origin \"%s\" is neither nat-pmp nor pcp", text);
	case VALUE_SECONDS:
		return is_number(text, 1, UINT32_MAX)
			       ? 0
			       : fail(why, "--%s \"%s\" is no number of seconds, 1 or more",
					 f->name, text);
	case VALUE_TEXT:
		return text[0] ? 0 : fail(why, "--%s is empty", f->name);
	case VALUE_NONE:
		break;
	}
	return 0;
}

static int find_flag(const char *name, size_t len)
{
	for (int i = 0; i < FLAGS; i++)
		if (strlen(flags[i].name) == len && strncmp(flags[i].name, name, len) == 0)
			return i;
	return -1;
}

/* The value of an option, which stands behind '=' or is the next word. */
static const char *take_value(const char *word, int argc, char *const *argv, int *i)
{
	const char *equals = strchr(word, '=');

	if (equals)
		return equals + 1;
	return *i + 1 < argc ? argv[++*i] : NULL;
}

static int read_flag(
	int argc, char *const *argv, int *i, struct words *w, char why[COMMAND_WHY_MAX])
{
	const char *name = argv[*i] + 2, *value;
	size_t len = strcspn(name, "=");
	int flag = find_flag(name, len);

	if (flag < 0)
		return fail(why, "unknown option --%.*s", (int)len, name);
	if (w->value[flag])
		return fail(why, "--%s is given twice", flags[flag].name);
	if (flags[flag].kind == VALUE_NONE) {
		w->value[flag] = "";
		return name[len] ? fail(why, "--%s takes no value", flags[flag].name) : 0;
	}
	value = take_value(name, argc, argv, i);
	if (!value)
		return fail(why, "--%s wants a value", flags[flag].name);
	w->value[flag] = value;
	return check_value(&flags[flag], value, why);
}

static bool is_option(const char *word, const char *name)
{
	size_t len = strlen(name);

	return strncmp(word, name, len) == 0 && (word[len] == '\0' || word[len] == '=');
}

/* Returns 1 when @argv[*i] is an option of the program itself, 0 when not, or -EINVAL. */
static int read_own_option(
	int argc, char *const *argv, int *i, struct command *out, char why[COMMAND_WHY_MAX])
{
	const char *word = argv[*i];

	if (strcmp(word, "--json") == 0) {
		out->json = true;
	} else if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
		out->help = true;
	} else if (strcmp(word, "--version") == 0) {
		out->version = true;
	} else if (strcmp(word, "-s") == 0 || is_option(word, "--socket")) {
		out->socket = take_value(word, argc, argv, i);
		if (!out->socket || !out->socket[0])
			return fail(why, "--socket wants a path");
	} else {
		return 0;
	}
	return 1;
}

static int read_words(int argc, char *const *argv, struct command *out, struct words *w,
	char why[COMMAND_WHY_MAX])
{
	bool only_operands = false;

	for (int i = 1; i < argc; i++) {
		const char *word = argv[i];
		int err = only_operands ? 0 : read_own_option(argc, argv, &i, out, why);

		if (err < 0)
			return err;
		if (err == 1)
			continue;
		if (!only_operands && strcmp(word, "--") == 0) {
			only_operands = true;
			continue;
		}
		if (!only_operands && word[0] == '-' && word[1] == '-') {
			err = read_flag(argc, argv, &i, w, why);
			if (err)
				return err;
			continue;
		}
		if (!only_operands && word[0] == '-' && word[1])
			return fail(why, "unknown option %s", word);
		if (w->operands > OPERANDS_MAX)
			return fail(why, "unexpected argument \"%s\"", word);
		w->operand[w->operands++] = word;
	}
	return 0;
}

static const struct spec *find_spec(const struct words *w, char why[COMMAND_WHY_MAX])
{
	const char *name = w->operand[0];
	bool half = false;

	if (w->operands == 0) {
		(void)fail(why, "which command?");
		return NULL;
	}
	for (size_t i = 0; i < ARRAY_LEN(specs); i++) {
		const struct spec *s = &specs[i];

		if (strcmp(s->name, name) != 0)
			continue;
		half = true;
		if (!s->second || (w->operands > 1 && strcmp(s->second, w->operand[1]) == 0))
			return s;
	}
	(void)(half ? fail(why, "session wants up or down")
		    : fail(why, "unknown command \"%s\"", name));
	return NULL;
}

/* "--address or --user" */
static void list_flags(unsigned set, char out[COMMAND_WHY_MAX])
{
	size_t used = 0;

	out[0] = '\0';
	for (int i = 0; i < FLAGS && used < COMMAND_WHY_MAX; i++)
		if (set & BIT(i))
			used += (size_t)snprintf(out + used, COMMAND_WHY_MAX - used, "%s--%s",
				used ? " or " : "", flags[i].name);
}

static int check_flags(const struct spec *s, const struct words *w, char why[COMMAND_WHY_MAX])
{
	char choice[COMMAND_WHY_MAX];
	int chosen = 0;

	for (int i = 0; i < FLAGS; i++) {
		if (w->value[i] && !(s->allowed & BIT(i)))
			return fail(why, "%s knows no --%s", s->name, flags[i].name);
		if (!w->value[i] && s->needed & BIT(i))
			return s->needed == BIT(FLAG_YES)
				       ? fail(why, "flush removes every mapping of everybody; if "
						   "that is meant, say --yes")
				       : fail(why, "%s wants --%s", s->name, flags[i].name);
		chosen += w->value[i] && s->one_of & BIT(i);
	}
	if (s->one_of == 0 || chosen == 1)
		return 0;
	list_flags(s->one_of, choice);
	return fail(why, "%s wants one of %.200s", s->name, choice);
}

static int check_operands(const struct spec *s, const struct words *w, char why[COMMAND_WHY_MAX])
{
	size_t of_name = s->second ? 2 : 1, most = of_name + (s->operand ? 1 : 0);
	static const struct flag_spec port = {"PORT", VALUE_PORT};

	if (w->operands > most)
		return fail(why, "unexpected argument \"%s\"", w->operand[most]);
	if (w->operands < most)
		return fail(why, "%s wants a %s", s->name, s->operand);
	if (s->operand && strcmp(s->operand, port.name) == 0 &&
		!is_number(w->operand[of_name], 1, PORT_MAX))
		return fail(why, "\"%s\" is no port from 1 to %d", w->operand[of_name], PORT_MAX);
	return 0;
}

static bool is_unreserved(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("-._~", c));
}

/* Returns false when it does not fit. */
static bool append_encoded(char target[COMMAND_TARGET_MAX], const char *text)
{
	size_t used = strlen(target);

	for (; *text; text++) {
		if (used + 4 > COMMAND_TARGET_MAX)
			return false;
		used += (size_t)snprintf(target + used, COMMAND_TARGET_MAX - used,
			is_unreserved(*text) ? "%c" : "%%%02X", (unsigned char)*text);
	}
	return true;
}

static bool append_param(char target[COMMAND_TARGET_MAX], const char *name, const char *value)
{
	size_t used = strlen(target);
	int len = snprintf(target + used, COMMAND_TARGET_MAX - used,
		"%c%s=", strchr(target, '?') ? '&' : '?', name);

	return len > 0 && used + (size_t)len < COMMAND_TARGET_MAX && append_encoded(target, value);
}

/* Flags go to the query, but for an address that is part of the path. */
static bool build_target(const struct spec *s, const struct words *w, struct command *out)
{
	bool in_path = s->view == VIEW_SESSION_UP || s->view == VIEW_SESSION_DOWN;
	bool in_body = strcmp(s->method, "PUT") == 0;
	const char *address = w->value[FLAG_ADDRESS];
	const char *port = s->operand && s->view == VIEW_MAPPINGS ? w->operand[1] : NULL;

	(void)snprintf(out->target, sizeof(out->target), "%s", s->path);
	if (in_path && address && !append_encoded(out->target, address))
		return false;
	if (port && !append_param(out->target, "port", port))
		return false;
	for (int i = 0; i < FLAGS && !in_body; i++) {
		if (!w->value[i] || i == FLAG_YES || (in_path && i == FLAG_ADDRESS))
			continue;
		if (!append_param(out->target, flags[i].name, w->value[i]))
			return false;
	}
	return true;
}

static int build_body(const struct spec *s, const struct words *w, struct command *out)
{
	json_t *body = json_object();
	bool in_path = s->view == VIEW_SESSION_UP;
	int err = 0;

	for (int i = 0; i < FLAGS; i++) {
		json_t *value;

		if (!w->value[i] || (in_path && i == FLAG_ADDRESS))
			continue;
		value = flags[i].kind == VALUE_SECONDS
				? json_integer((json_int_t)strtoull(w->value[i], NULL, 10))
				: json_string(w->value[i]);
		err |= json_object_set_new(body, flags[i].name, value);
	}
	out->body = err ? NULL : json_dumps(body, JSON_COMPACT);
	json_decref(body);
	return out->body ? 0 : -EINVAL;
}

static int build(
	const struct spec *s, const struct words *w, struct command *out, char why[COMMAND_WHY_MAX])
{
	out->view = s->view;
	out->method = s->method;
	if (s->view == VIEW_CHECKED)
		out->file = w->operand[1];
	if (!build_target(s, w, out))
		return fail(why, "the values are too long");
	if (strcmp(s->method, "PUT") == 0 && build_body(s, w, out) < 0)
		return fail(why, "a value is not UTF-8");
	return 0;
}

int command_parse(int argc, char *const *argv, struct command *out, char why[COMMAND_WHY_MAX])
{
	struct words w = {0};
	const struct spec *s;
	int err;

	*out = (struct command){.socket = COMMAND_SOCKET};
	err = read_words(argc, argv, out, &w, why);
	if (err || out->help || out->version)
		return err;
	s = find_spec(&w, why);
	if (!s)
		return -EINVAL;
	err = check_operands(s, &w, why);
	if (!err)
		err = check_flags(s, &w, why);
	return err ? err : build(s, &w, out, why);
}

void command_fini(struct command *command)
{
	free(command->body);
	command->body = NULL;
}

void command_print_help(FILE *out)
{
	(void)fputs("Usage: tunmapctl [-s PATH] [--json] COMMAND [OPTIONS]\n"
		    "\n"
		    "Looks at and steers a running tunmapd.\n"
		    "\n"
		    "  -s, --socket PATH  control socket (default " COMMAND_SOCKET ")\n"
		    "      --json         print the daemon's JSON instead of a table\n"
		    "      --version      print the version and exit\n"
		    "      --help         print this text and exit\n"
		    "\n"
		    "Commands:\n",
		out);
	for (size_t i = 0; i < ARRAY_LEN(specs); i++)
		(void)fprintf(out, "  %s\n      %s\n", specs[i].synopsis, specs[i].help);
}
