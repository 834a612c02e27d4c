/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/cli/render.h"

#include "include/compiler.h"
#include "src/cli/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ENDPOINT_MAX 128
#define NUMBER_MAX   24
#define INDENT       12 /* of values behind their names */

static const char *text_at(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static uint64_t number_at(const json_t *object, const char *key)
{
	json_int_t number = json_integer_value(json_object_get(object, key));

	return number > 0 ? (uint64_t)number : 0;
}

static void put_escaped(FILE *out, const char *text)
{
	char *escaped = text_escape(text);

	(void)fputs(escaped ? escaped : "?", out);
	free(escaped);
}

static void put_text(FILE *out, const json_t *object, const char *key)
{
	put_escaped(out, text_at(object, key));
}

static const char *plural(uint64_t count)
{
	return count == 1 ? "" : "s";
}

static void put_name(FILE *out, const char *name)
{
	(void)fprintf(out, "%-*s", INDENT, name);
}

static void put_duration(FILE *out, uint64_t seconds)
{
	char text[TEXT_DURATION_MAX];

	(void)fputs(text_duration(seconds, text), out);
}

/* With the address that clients are told, where it is another one. */
static void put_externals(FILE *out, const json_t *externals)
{
	size_t i;
	const json_t *external;

	put_name(out, "External");
	if (json_array_size(externals) == 0)
		(void)fputs("none; requests are answered with a network failure", out);
	json_array_foreach(externals, i, external)
	{
		const char *address = text_at(external, "address");
		const char *advertised = text_at(external, "advertised");

		(void)fputs(i > 0 ? ", " : "", out);
		put_escaped(out, address);
		if (strcmp(address, advertised) != 0) {
			(void)fputs(" (told as ", out);
			put_escaped(out, advertised);
			(void)fputs(")", out);
		}
	}
	(void)fputc('\n', out);
}

static void put_tunnels(FILE *out, const json_t *tunnels)
{
	size_t i;
	const json_t *tunnel;

	put_name(out, "Tunnels");
	if (json_array_size(tunnels) == 0)
		(void)fputs("none yet", out);
	json_array_foreach(tunnels, i, tunnel)
	{
		if (i > 0)
			(void)fprintf(out, "\n%*s", INDENT, "");
		put_text(out, tunnel, "address");
		(void)fputs(" on ", out);
		put_text(out, tunnel, "interface");
	}
	(void)fputc('\n', out);
}

static void put_pool(FILE *out, const json_t *status)
{
	const json_t *pool = json_object_get(status, "pool");
	const json_t *masquerade = json_object_get(status, "masquerade_ports");
	uint64_t mappings = number_at(status, "mappings");

	put_name(out, "Pool");
	(void)fprintf(out, "%" PRIu64 "-%" PRIu64 ", %" PRIu64 " ports", number_at(pool, "first"),
		number_at(pool, "last"), number_at(pool, "ports"));
	(void)fprintf(out, "; %" PRIu64 " taken, %" PRIu64 " free; %" PRIu64 " mapping%s\n",
		number_at(pool, "taken"), number_at(pool, "free"), mappings, plural(mappings));
	if (!json_is_object(masquerade))
		return;
	put_name(out, "Masquerade");
	(void)fprintf(out, "from ports %" PRIu64 "-%" PRIu64 "\n", number_at(masquerade, "first"),
		number_at(masquerade, "last"));
}

/* Those that are not 0, successes aside: "3 not-authorized, 1 no-resources". */
static void put_nonzero(FILE *out, const char *name, const json_t *counts)
{
	const char *key;
	const json_t *count;
	bool any = false;

	/* The library has no loop over an object that is const. */
	for (void *i = json_object_iter((json_t *)(uintptr_t)counts); i;
		i = json_object_iter_next((json_t *)(uintptr_t)counts, i)) {
		key = json_object_iter_key(i);
		count = json_object_iter_value(i);
		if (json_integer_value(count) <= 0 || strcmp(key, "success") == 0)
			continue;
		if (!any)
			put_name(out, name);
		(void)fprintf(out, "%s%" JSON_INTEGER_FORMAT " ", any ? ", " : "",
			json_integer_value(count));
		put_escaped(out, key);
		any = true;
	}
	if (any)
		(void)fputc('\n', out);
}

static void put_counters(FILE *out, const json_t *counters)
{
	put_name(out, "Requests");
	(void)fprintf(out,
		"%" PRIu64 "; %" PRIu64 " granted, %" PRIu64 " renewed, %" PRIu64 " ended\n",
		number_at(counters, "requests"), number_at(counters, "granted"),
		number_at(counters, "renewed"), number_at(counters, "ended"));
	put_nonzero(out, "Refused", json_object_get(counters, "results"));
	put_nonzero(out, "Dropped", json_object_get(counters, "dropped"));
	if (number_at(counters, "kernel_refused") > 0) {
		put_name(out, "Kernel");
		(void)fprintf(
			out, "refused %" PRIu64 " edits\n", number_at(counters, "kernel_refused"));
	}
}

static void put_policy(FILE *out, const json_t *status)
{
	const json_t *reload = json_object_get(status, "reload");

	put_name(out, "Policy");
	put_text(out, status, "policy");
	(void)fputc('\n', out);
	if (!json_is_object(reload))
		return;
	put_name(out, "Reload");
	(void)fputs(json_is_true(json_object_get(reload, "ok")) ? "done " : "refused ", out);
	put_duration(out, number_at(reload, "ago"));
	(void)fputs(json_is_true(json_object_get(reload, "ok"))
			    ? " ago\n"
			    : " ago, the old policy is in force; try tunmapctl reload\n",
		out);
}

static void render_status(FILE *out, const json_t *status)
{
	const json_t *warnings = json_object_get(status, "warnings"), *warning;
	size_t i;

	put_name(out, "tunmapd");
	put_text(out, status, "version");
	(void)fputs(", up ", out);
	put_duration(out, number_at(status, "uptime"));
	(void)fprintf(out, ", epoch %" PRIu64 "\n", number_at(status, "epoch"));
	put_policy(out, status);
	if (json_is_string(json_object_get(status, "kernel"))) {
		put_name(out, "Kernel");
		put_text(out, status, "kernel");
		(void)fputc('\n', out);
	}
	put_tunnels(out, json_object_get(status, "tunnels"));
	put_externals(out, json_object_get(status, "external"));
	put_pool(out, status);
	put_counters(out, json_object_get(status, "counters"));
	json_array_foreach(warnings, i, warning)
	{
		put_name(out, "Warning");
		put_escaped(out, json_string_value(warning) ? json_string_value(warning) : "");
		(void)fputc('\n', out);
	}
}

static const char *join_addresses(const json_t *addresses, char *out, size_t size)
{
	size_t i, used = 0;
	const json_t *address;

	(void)snprintf(out, size, "-");
	json_array_foreach(addresses, i, address)
	{
		const char *text = json_string_value(address);
		int len = snprintf(
			out + used, size - used, "%s%s", i > 0 ? " " : "", text ? text : "?");

		used += len > 0 ? (size_t)len : 0;
		if (used >= size)
			break;
	}
	return out;
}

void render_users_begin(struct table *t, FILE *out, size_t room)
{
	static const struct table_column columns[] = {
		{"USER", false, 0},
		{"CLASS", false, 1},
		{"HELD", true, 0},
		{"ALLOWED", true, 0},
		{"STATE", false, 0},
		{"ADDRESSES", false, 0},
	};

	table_init(t, out, columns, ARRAY_LEN(columns), room);
}

void render_user(struct table *t, const json_t *user)
{
	char held[NUMBER_MAX], allowed[NUMBER_MAX], addresses[1024];
	bool banned = json_is_true(json_object_get(user, "banned"));
	bool connected = json_is_true(json_object_get(user, "connected"));
	const char *cells[] = {
		text_at(user, "name"),
		text_at(user, "class"),
		held,
		allowed,
		banned      ? "banned"
		: connected ? "known"
			    : "away",
		join_addresses(json_object_get(user, "addresses"), addresses, sizeof(addresses)),
	};

	(void)snprintf(held, sizeof(held), "%" PRIu64, number_at(user, "held"));
	(void)snprintf(allowed, sizeof(allowed), "%" PRIu64, number_at(user, "allowed"));
	table_add(t, cells);
}

/* "203.0.113.1:40000", "[2001:db8::1]:40000" */
static const char *endpoint(
	const json_t *mapping, const char *address, const char *port, char out[ENDPOINT_MAX])
{
	const char *text = text_at(mapping, address);

	(void)snprintf(out, ENDPOINT_MAX, strchr(text, ':') ? "[%s]:%" PRIu64 : "%s:%" PRIu64, text,
		number_at(mapping, port));
	return out;
}

void render_mappings_begin(struct table *t, FILE *out, size_t room)
{
	static const struct table_column columns[] = {
		{"PROTO", false, 0},
		{"EXTERNAL", false, 0},
		{"INTERNAL", false, 0},
		{"LEFT", true, 0},
		{"USER", false, 0},
		{"CLASS", false, 3},
		{"VIA", false, 2},
		{"DESCRIPTION", false, 1},
	};

	table_init(t, out, columns, ARRAY_LEN(columns), room);
}

void render_mapping(struct table *t, const json_t *mapping)
{
	char external[ENDPOINT_MAX], internal[ENDPOINT_MAX], left[TEXT_DURATION_MAX];
	const char *origin = text_at(mapping, "origin");
	const char *cells[] = {
		text_at(mapping, "protocol"),
		endpoint(mapping, "external_address", "external_port", external),
		endpoint(mapping, "internal_address", "internal_port", internal),
		text_duration(number_at(mapping, "remaining"), left),
		text_at(mapping, "user"),
		text_at(mapping, "class"),
		origin,
		text_at(mapping, "description"),
	};

	if (strcmp(origin, "static") == 0)
		cells[3] = "always";
	table_add(t, cells);
}

static void render_explanation(FILE *out, const json_t *answer)
{
	const json_t *source = json_object_get(answer, "source");
	bool granted = number_at(answer, "code") == 0;

	put_name(out, "Answer");
	put_text(out, answer, "result");
	if (granted && number_at(answer, "external_port") > 0)
		(void)fprintf(out, ", external port %" PRIu64, number_at(answer, "external_port"));
	else if (granted)
		(void)fputs(", a free external port", out);
	(void)fputs(granted ? ", for " : ", to be believed for ", out);
	put_duration(out, number_at(answer, "lifetime"));
	(void)fputc('\n', out);
	put_name(out, "User");
	put_escaped(out, text_at(answer, "user")[0] ? text_at(answer, "user") : "unknown");
	if (text_at(answer, "class")[0]) {
		(void)fputs(", class ", out);
		put_text(out, answer, "class");
	}
	(void)fputc('\n', out);
	put_name(out, "Rule");
	put_text(out, answer, "rule");
	(void)fputs(": ", out);
	put_text(out, answer, "reason");
	(void)fputc('\n', out);
	if (!json_is_object(source))
		return;
	put_name(out, "Policy");
	put_text(out, source, "file");
	(void)fprintf(out, ":%" PRIu64 "\n", number_at(source, "line"));
}

static void render_revoked(FILE *out, const json_t *answer)
{
	uint64_t revoked = number_at(answer, "revoked");

	(void)fprintf(out, "%" PRIu64 " mapping%s removed\n", revoked, plural(revoked));
}

/* "users: 1 added, 0 removed" */
static void put_change(FILE *out, const char *name, uint64_t added, uint64_t removed)
{
	put_name(out, name);
	if (added + removed == 0)
		(void)fputs("unchanged in number\n", out);
	else
		(void)fprintf(out, "%" PRIu64 " added, %" PRIu64 " removed\n", added, removed);
}

static void render_changes(FILE *out, const json_t *answer, const char *head)
{
	const json_t *c = json_object_get(answer, "changes");

	(void)fprintf(out, "%s\n", head);
	put_change(out, "Users", number_at(c, "users_added"), number_at(c, "users_removed"));
	put_change(out, "Classes", number_at(c, "classes_added"), number_at(c, "classes_removed"));
	put_name(out, "Mappings");
	(void)fprintf(out, "%" PRIu64 " revoked, %" PRIu64 " kept\n", number_at(c, "revoked"),
		number_at(c, "kept"));
}

static void render_session(FILE *out, const json_t *answer, bool up)
{
	put_text(out, answer, "address");
	(void)fputs(up ? " is now " : ": session ended", out);
	put_text(out, answer, "user");
	(void)fputs(up ? "'s\n" : "\n", out);
}

void render(FILE *out, enum view view, const json_t *answer)
{
	switch (view) {
	case VIEW_STATUS:
		render_status(out, answer);
		break;
	case VIEW_EXPLANATION:
		render_explanation(out, answer);
		break;
	case VIEW_REVOKED:
		render_revoked(out, answer);
		break;
	case VIEW_BANNED:
		(void)fputs("banned; ", out);
		render_revoked(out, answer);
		break;
	case VIEW_UNBANNED:
		(void)fputs("ban lifted\n", out);
		break;
	case VIEW_SESSION_UP:
	case VIEW_SESSION_DOWN:
		render_session(out, answer, view == VIEW_SESSION_UP);
		break;
	case VIEW_RELOADED:
		render_changes(out, answer, "The policy was reloaded.");
		break;
	case VIEW_CHECKED:
		render_changes(out, answer, "The file has no fault.  Adopting it would mean:");
		break;
	case VIEW_MAPPINGS:
	case VIEW_USERS:
	case VIEW_EVENTS:
		break;
	}
}

static void put_fault(FILE *out, const json_t *fault, const char *own, const char *file)
{
	const char *name = text_at(fault, "file");

	put_escaped(out, file && strcmp(name, own) == 0 ? file : name);
	(void)fprintf(out, ":%" PRIu64 ":%" PRIu64 ": ", number_at(fault, "line"),
		number_at(fault, "column"));
	put_text(out, fault, "message");
	(void)fputc('\n', out);
}

void render_error(FILE *out, const json_t *answer, const char *file)
{
	const json_t *faults = json_object_get(answer, "faults"), *fault;
	size_t i;

	json_array_foreach(faults, i, fault) put_fault(out, fault, text_at(answer, "file"), file);
	(void)fputs("tunmapctl: ", out);
	put_escaped(out, text_at(answer, "error")[0] ? text_at(answer, "error")
						     : "the daemon refused without a word");
	(void)fputc('\n', out);
}
