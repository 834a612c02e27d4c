/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "test/support/fake_admin.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fake_event(struct engine *e, const struct admin_event *event)
{
	if (e->fn)
		e->fn(e->arg, event);
}

struct admin_mapping fake_mapping(uint32_t i)
{
	const uint8_t internal[4] = {10, 9, 0, (uint8_t)(2 + i % 200)};
	const uint8_t external[4] = {203, 0, 113, 1};

	return (struct admin_mapping){
		.protocol = i % 4 == 0 ? IPPROTO_UDP : IPPROTO_TCP,
		.internal = addr_from_v4(internal),
		.internal_port = 6881,
		.external = addr_from_v4(external),
		.external_port = (uint16_t)(FAKE_FIRST_PORT + i),
		.lifetime_s = 3600,
		.remaining_s = 3541,
		.user = i % 2 == 0 ? "alice" : "bob",
		.class = "default",
		.origin = i % 3 == 0   ? MAPPING_NATPMP
			  : i % 3 == 1 ? MAPPING_PCP
				       : MAPPING_STATIC,
		.opcode = PCP_OP_MAP,
	};
}

static bool is_selected(const struct admin_selector *which, const struct admin_mapping *m)
{
	return (!which->user[0] || strcmp(which->user, m->user) == 0) &&
	       (!which->has_address || addr_equal(&which->address, &m->internal)) &&
	       (!which->port || which->port == m->external_port) &&
	       (!which->protocol || which->protocol == m->protocol) &&
	       (!which->has_external || addr_equal(&which->external, &m->external));
}

bool admin_next_mappings(const struct engine *e, const struct admin_selector *which,
	uint32_t *cursor, uint32_t max, int64_t now_ms, admin_mapping_fn fn, void *arg)
{
	(void)now_ms;
	for (uint32_t end = *cursor + max; *cursor < e->mappings && *cursor < end; ++*cursor) {
		struct admin_mapping m = fake_mapping(*cursor);

		if (is_selected(which, &m))
			fn(arg, &m);
	}
	return *cursor < e->mappings;
}

static void tell_user(uint32_t i, admin_user_fn fn, void *arg)
{
	const uint8_t single[4] = {10, 9, 0, 2}, many[4] = {10, 9, 1, 0};
	const struct config_prefix addresses[] = {
		{addr_from_v4(single), 128}, {addr_from_v4(many), 120}};
	char name[ADMIN_NAME_MAX];
	struct admin_user user = {.name = name, .class = "default", .allowed = 16};

	if (i == 0) {
		user.held = 2;
		user.connected = true;
		user.addresses = addresses;
		user.addresses_len = 2;
		(void)snprintf(name, sizeof(name), "alice");
	} else if (i == 1) {
		user.banned = true;
		(void)snprintf(name, sizeof(name), "10.9.0.77");
	} else {
		(void)snprintf(name, sizeof(name), "user%u", i);
	}
	fn(arg, &user);
}

bool admin_next_users(const struct engine *e, uint32_t *cursor, uint32_t max, int64_t now_ms,
	admin_user_fn fn, void *arg)
{
	(void)now_ms;
	for (uint32_t end = *cursor + max; *cursor < e->users && *cursor < end; ++*cursor)
		tell_user(*cursor, fn, arg);
	return *cursor < e->users;
}

static void tell_selector(struct engine *e, const char *verb, const struct admin_selector *which)
{
	char address[ADDR_TEXT_MAX] = "-", external[ADDR_TEXT_MAX] = "-";

	if (which->has_address)
		addr_format(&which->address, address);
	if (which->has_external)
		addr_format(&which->external, external);
	(void)snprintf(e->told, sizeof(e->told),
		"%s user=%s address=%s port=%u protocol=%u "
		"external=%s",
		verb, which->user, address, which->port, which->protocol, external);
}

size_t admin_revoke(struct engine *e, const struct admin_selector *which, int64_t now_ms)
{
	tell_selector(e, "revoke", which);
	e->told_ms = now_ms;
	return 3;
}

int admin_ban(struct engine *e, const struct admin_selector *who, uint32_t for_s, int64_t now_ms)
{
	char verb[32];

	(void)snprintf(verb, sizeof(verb), "ban for=%u", for_s);
	tell_selector(e, verb, who);
	e->told_ms = now_ms;
	return e->result;
}

int admin_unban(struct engine *e, const struct admin_selector *who, int64_t now_ms)
{
	tell_selector(e, "unban", who);
	e->told_ms = now_ms;
	return e->result;
}

int admin_session_up(struct engine *e, const struct admin_session *s, int64_t now_ms)
{
	char address[ADDR_TEXT_MAX];

	(void)snprintf(e->told, sizeof(e->told), "up %s user=%s class=%s id=%s",
		addr_format(&s->address, address), s->user, s->class, s->id);
	e->told_ms = now_ms;
	return e->result;
}

int admin_session_down(struct engine *e, const struct addr *address, const char *id, int64_t now_ms)
{
	char text[ADDR_TEXT_MAX];

	(void)snprintf(e->told, sizeof(e->told), "down %s id=%s", addr_format(address, text), id);
	e->told_ms = now_ms;
	return e->result;
}

void admin_explain(const struct engine *e, const struct admin_query *q, int64_t now_ms,
	struct admin_explanation *out)
{
	(void)now_ms;
	*out = e->explanation;
	/* The query is part of what a test looks at; the engine itself stays as it is. */
	if (q->external_port)
		out->external_port = q->external_port;
	if (q->lifetime_s)
		out->lifetime_s = q->lifetime_s;
}

void admin_listen(struct engine *e, admin_event_fn fn, void *arg)
{
	e->fn = fn;
	e->arg = arg;
}

uint32_t engine_mappings(const struct engine *e)
{
	return e->mappings;
}

void engine_pool_use(const struct engine *e, uint32_t *taken, uint32_t *free)
{
	*taken = e->mappings;
	*free = FAKE_FREE_PORTS;
}

const struct engine_counters *engine_counters(const struct engine *e)
{
	return &e->counters;
}
