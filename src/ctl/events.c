/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/ctl/events.h"

#include "src/ctl/json.h"
#include "src/ctl/words.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define MS_PER_S      1000
#define PSEUDONYM_MAX 20 /* octets of a letter, a dash and sixteen digits with a NUL */

/* Apart, so that a user who is called like an address has another pseudonym. */
enum pseudonym_kind {
	PSEUDONYM_USER = 'u',
	PSEUDONYM_ADDRESS = 'a'
};

struct view {
	enum config_identity identity;
	const struct hash_key *key;
};

static json_t *json_time(int64_t time_ms)
{
	time_t s = (time_t)(time_ms / MS_PER_S);
	char text[40], day[32];
	struct tm tm;

	if (!gmtime_r(&s, &tm) || strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
		return json_null();
	(void)snprintf(text, sizeof(text), "%s.%03dZ", day, (int)(time_ms % MS_PER_S));
	return json_string(text);
}

static json_t *pseudonym(
	const struct hash_key *key, enum pseudonym_kind kind, const void *octets, size_t len)
{
	uint64_t word[1 + (ADMIN_NAME_MAX + 7) / 8] = {(uint64_t)kind << 32 | len};
	char text[PSEUDONYM_MAX];

	if (len > ADMIN_NAME_MAX)
		len = ADMIN_NAME_MAX;
	memcpy(&word[1], octets, len);
	(void)snprintf(text, sizeof(text), "%c-%016" PRIx64, (int)kind,
		hash_words(key, word, 1 + (len + 7) / 8));
	return json_string(text);
}

static json_t *view_user(const struct view *v, const char *user)
{
	return v->identity == CONFIG_IDENTITY_FULL
		       ? json_text(user)
		       : pseudonym(v->key, PSEUDONYM_USER, user, strlen(user));
}

static json_t *view_addr(const struct view *v, const struct addr *addr)
{
	return v->identity == CONFIG_IDENTITY_FULL
		       ? json_addr(addr)
		       : pseudonym(v->key, PSEUDONYM_ADDRESS, addr->octet, sizeof(addr->octet));
}

/* A port names its holder to whoever sees the port's traffic, and a class may have one member. */
static void put_identity(json_t *out, const struct view *v, const struct admin_mapping *m)
{
	object_set(out, "user", view_user(v, m->user));
	object_set(out, "class", json_text(m->class));
	object_set(out, "internal_address", view_addr(v, &m->internal));
	object_set(out, "internal_port", json_integer(m->internal_port));
	object_set(out, "external_address", json_addr(&m->external));
	object_set(out, "external_port", json_integer(m->external_port));
}

static void put_mapping(json_t *out, const struct view *v, const struct admin_mapping *m)
{
	object_set(out, "protocol", json_string(word_of_protocol(m->protocol)));
	object_set(out, "origin", json_string(word_of_origin(m->origin)));
	object_set(out, "opcode", json_string(word_of_opcode(m->opcode)));
	object_set(out, "lifetime", json_integer(m->lifetime_s));
	if (v->identity != CONFIG_IDENTITY_NONE)
		put_identity(out, v, m);
}

static void put_details(json_t *out, const struct view *v, const struct admin_event *event)
{
	bool named = v->identity != CONFIG_IDENTITY_NONE;
	const char *result = word_of_result(event->result);

	if (event->kind == ADMIN_EVENT_ENDED)
		object_set(out, "reason", json_string(word_of_reason(event->reason)));
	if (event->kind == ADMIN_EVENT_REFUSED)
		object_set(out, "result", json_string(result ? result : "other"));
	if (event->mapping)
		put_mapping(out, v, event->mapping);
	if (event->user && named)
		object_set(out, "user", view_user(v, event->user));
	if (event->address && named)
		object_set(out, "address", view_addr(v, event->address));
}

static char *line_of(json_t *object)
{
	char *text = json_dumps(object, JSON_STYLE);
	size_t len = text ? strlen(text) : 0;
	char *line = text ? realloc(text, len + 2) : NULL;

	json_decref(object);
	if (!line) {
		free(text);
		return NULL;
	}
	memcpy(line + len, "\n", 2);
	return line;
}

char *event_line(const struct admin_event *event, enum config_identity identity,
	const struct hash_key *key, int64_t time_ms)
{
	struct view v = {.identity = identity, .key = key};
	json_t *out = json_object();

	object_set(out, "event", json_string(word_of_event(event->kind)));
	object_set(out, "time", json_time(time_ms));
	put_details(out, &v, event);
	return line_of(out);
}

char *event_lost_line(uint64_t count, int64_t time_ms)
{
	json_t *out = json_object();

	object_set(out, "event", json_string("lost"));
	object_set(out, "time", json_time(time_ms));
	object_set(out, "count", json_number(count));
	return line_of(out);
}
