/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sessions: who is behind an address from a tunnel's beginning to its end. */
#include "src/state.h"

#include <errno.h>
#include <string.h>

_Static_assert(ADMIN_NAME_MAX == CONFIG_USER_MAX, "a session's names are a user's");

void engine_end_client(struct engine *e, const struct addr *addr, int64_t now_ms)
{
	uint32_t user = engine_user_of(e, addr);
	uint32_t next;

	if (user != USER_NONE) {
		engine_begin(e);
		for (uint32_t at = e->users.user[user].first_lease; at != LEASE_NONE; at = next) {
			const struct lease *l = lease_at(&e->leases, at);

			next = e->leases.node[at].next_of_user;
			if (l->state == LEASE_LIVE && addr_equal(&l->internal, addr))
				engine_plan_end(e, at, ADMIN_REASON_SESSION, now_ms);
		}
		engine_finish(e, now_ms);
	}
	backend_end_flows_of(&e->backend, addr);
}

/* A name that reads as an address would be taken for the user that the address is. */
static bool is_acceptable(const struct engine *e, const struct admin_session *s)
{
	struct addr as_address;

	if (!addr_is_host(&s->address) || addr_parse(s->user, &as_address) == 0)
		return false;
	for (size_t i = 0; i < GATEWAY_EXTERNALS_MAX; i++)
		if (addr_equal(&e->leases.external[i].addr, &s->address))
			return false;
	return true;
}

/* Bind the address anew.  Returns the binding, or BINDING_NONE when the table is full. */
static uint32_t begin_session(struct engine *e, const struct admin_session *s, uint32_t user,
	uint32_t old, int64_t now_ms)
{
	struct config_prefix host = prefix_of_host(&s->address);
	uint32_t binding;

	/* A user whose address the policy gives too just says that he is there. */
	if (old != BINDING_NONE || engine_user_of(e, &s->address) != user)
		engine_end_client(e, &s->address, now_ms);
	if (old != BINDING_NONE)
		bindings_remove(&e->bindings, old);
	binding = bindings_add(&e->bindings, &host, BINDING_SESSION, user);
	if (binding != BINDING_NONE)
		memcpy(e->bindings.binding[binding].id, s->id, sizeof(s->id));
	return binding;
}

static void tell(
	struct engine *e, enum admin_event_kind kind, uint32_t user, const struct addr *address)
{
	engine_tell(e, (struct admin_event){
			       .kind = kind,
			       .user = e->users.user[user].name,
			       .address = address,
		       });
}

/* The address has changed hands: both have their static ports where they are now. */
static void hold_again(struct engine *e, uint32_t before, uint32_t after, int64_t now_ms)
{
	if (before != USER_NONE)
		engine_hold_statics_of(e, before, now_ms);
	if (after != USER_NONE && after != before)
		engine_hold_statics_of(e, after, now_ms);
}

int admin_session_up(struct engine *e, const struct admin_session *s, int64_t now_ms)
{
	struct config_prefix host = prefix_of_host(&s->address);
	uint32_t binding = bindings_find(&e->bindings, &host, BINDING_SESSION);
	uint32_t before = engine_user_of(e, &s->address);
	uint32_t user;
	bool same;

	if (!is_acceptable(e, s))
		return -EINVAL;
	if (s->class[0] && engine_class_named(e->config, s->class) == e->config->classes_len)
		return -ENOENT;
	user = users_take_name(&e->users, s->user, now_ms);
	if (user == USER_NONE)
		return -ENOSPC;
	same = binding != BINDING_NONE && e->bindings.binding[binding].user == user &&
	       strcmp(e->bindings.binding[binding].id, s->id) == 0;
	if (!same)
		binding = begin_session(e, s, user, binding, now_ms);
	if (binding == BINDING_NONE)
		return -ENOSPC;
	memcpy(e->bindings.binding[binding].class, s->class, CONFIG_CLASS_MAX);
	engine_settle_class(e, user);
	engine_judge_user(e, user, now_ms);
	if (same)
		return 0;
	tell(e, ADMIN_EVENT_SESSION_UP, user, &s->address);
	hold_again(e, before, user, now_ms);
	return 0;
}

int admin_session_down(struct engine *e, const struct addr *address, const char *id, int64_t now_ms)
{
	struct config_prefix host = prefix_of_host(address);
	uint32_t binding = bindings_find(&e->bindings, &host, BINDING_SESSION);
	uint32_t user;

	if (binding == BINDING_NONE)
		return -ENOENT;
	if (id[0] && strcmp(e->bindings.binding[binding].id, id) != 0)
		return -ESTALE;
	user = e->bindings.binding[binding].user;
	engine_end_client(e, address, now_ms);
	bindings_remove(&e->bindings, binding);
	engine_settle_class(e, user);
	engine_judge_user(e, user, now_ms);
	tell(e, ADMIN_EVENT_SESSION_DOWN, user, address);
	hold_again(e, user, engine_user_of(e, address), now_ms);
	return 0;
}
