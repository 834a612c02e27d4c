/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a policy means for the mappings that stand: those that it does not allow, or that are no
 * longer the same client's, end; the rest is not touched.
 */
#include "include/log.h"
#include "src/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

uint32_t engine_class_named(const struct config *config, const char *name)
{
	size_t first = 1; /* that is "default"; the others are sorted */
	size_t len = config->classes_len - 1;

	if (strcmp(name, config->classes[0].name) == 0)
		return 0;
	while (len > 0) {
		size_t half = len / 2;
		int order = strcmp(name, config->classes[first + half].name);

		if (order == 0)
			return (uint32_t)(first + half);
		if (order > 0)
			first += half + 1;
		len = order > 0 ? len - half - 1 : half;
	}
	return (uint32_t)config->classes_len;
}

void engine_settle_class(struct engine *e, uint32_t user)
{
	struct user *who = &e->users.user[user];
	const struct config_user *u = config_user(e->config, who->name);
	uint32_t at = who->first_binding;

	who->class = u ? u->class : e->config->unknown_class;
	for (; at != BINDING_NONE; at = e->bindings.binding[at].next_of_user) {
		const struct binding *b = &e->bindings.binding[at];
		uint32_t class = b->class[0] ? engine_class_named(e->config, b->class)
					     : (uint32_t)e->config->classes_len;

		if (class == e->config->classes_len)
			continue;
		who->class = class;
		return;
	}
}

static void settle_classes(struct engine *e)
{
	for (uint32_t n = 0; n < e->users.used; n++)
		if (e->users.user[n].known && e->users.user[n].name[0])
			engine_settle_class(e, n);
}

/* Static ports are their users' even while those are not there. */
static void note_static_ports(struct engine *e)
{
	memset(&e->static_ports, 0, sizeof(e->static_ports));
	for (size_t u = 0; u < e->config->users_len; u++)
		for (size_t i = 0; i < e->config->users[u].statics_len; i++)
			port_set_add(&e->static_ports, e->config->users[u].statics[i].port);
}

/* Users whom the old policy had and the new one has not keep their entry until it is empty. */
static void enter_users(struct engine *e, const struct config *config, int64_t now_ms)
{
	for (uint32_t n = 0; n < e->users.used; n++)
		e->users.user[n].in_policy = false;
	for (size_t i = 0; i < config->users_len; i++) {
		uint32_t n = users_take_name(&e->users, config->users[i].name, now_ms);

		if (n == USER_NONE)
			return;
		e->users.user[n].in_policy = true;
	}
}

static void enter_bindings(struct engine *e, const struct config *config)
{
	bool full = false;

	for (uint32_t n = 0; n < e->bindings.used; n++)
		if (e->bindings.binding[n].used && e->bindings.binding[n].source == BINDING_POLICY)
			bindings_remove(&e->bindings, n);
	for (size_t i = 0; i < config->users_len; i++) {
		const struct config_user *u = &config->users[i];
		uint32_t user = users_find_name(&e->users, u->name);

		for (size_t k = 0; user != USER_NONE && k < u->addresses_len; k++)
			if (bindings_add(&e->bindings, &u->addresses[k], BINDING_POLICY, user) ==
				BINDING_NONE)
				full = true;
	}
	if (full)
		log_error("the policy has more addresses than can be kept apart; the last of them "
			  "are unknown users");
}

/* What becomes of a mapping under a policy. */
enum fate {
	FATE_KEPT,
	FATE_GIVEN, /* to the user that the policy names for an address nobody had */
	FATE_ENDED,
};

static bool is_wanted_by(const struct engine *by, const char *name, const struct lease *l)
{
	uint32_t user = users_find_name(&by->users, name);
	struct addr home;

	return user != USER_NONE && bindings_home(&by->bindings, user, &home) &&
	       engine_is_static_of(config_user(by->config, name), &home, l);
}

/* Is the port one that the policy gives to this user, so that its other half may be his too? */
static bool is_static_port(const struct engine *by, const char *name, const struct lease *l)
{
	const struct config_user *u = config_user(by->config, name);

	for (size_t i = 0; u && i < u->statics_len; i++)
		if (u->statics[i].port == l->external_port)
			return true;
	return false;
}

/*
 * @l is a lease of @e.  Who owns its address is @by's word: @e itself, or what @e would be
 * under another policy.
 */
static enum fate fate_of(const struct engine *e, const struct engine *by, const struct lease *l)
{
	uint32_t owner = engine_user_of(by, &l->internal);
	const char *name = owner == USER_NONE ? "" : by->users.user[owner].name;
	const char *old_name = e->users.user[l->user].name;
	bool same = strcmp(name, old_name) == 0;

	if (l->origin == MAPPING_STATIC)
		return is_wanted_by(by, old_name, l) ? FATE_KEPT : FATE_ENDED;
	if (port_set_has(&by->static_ports, l->external_port) && !is_static_port(by, name, l))
		return FATE_ENDED;
	if ((!same && old_name[0]) || (!name[0] && by->config->unknown_refused) ||
		!policy_keeps(by->config, engine_class_of(by, owner), l))
		return FATE_ENDED;
	return same ? FATE_KEPT : FATE_GIVEN;
}

/* All of the user's mappings on one port number. */
static void plan_end_of_port(struct engine *e, const struct lease *first, int64_t now_ms)
{
	uint32_t user = first->user;
	uint32_t at = lease_first_of_port(&e->leases, first->external, first->external_port);
	uint32_t next;

	for (; at != LEASE_NONE; at = next) {
		const struct lease *l = lease_at(&e->leases, at);

		next = lease_next_of_port(&e->leases, at);
		if (l->state == LEASE_LIVE && l->user == user)
			engine_plan_end(e, at, ADMIN_REASON_POLICY, now_ms);
	}
}

/* Ports beyond a quota that has become smaller, whole pairs; static ones are not its matter. */
static void end_beyond_quota(struct engine *e, uint32_t user, int64_t now_ms)
{
	const struct user *who = &e->users.user[user];
	uint32_t allowed = engine_class_of(e, user)->mappings;
	uint32_t at = who->first_lease;
	uint32_t next;

	engine_begin(e);
	for (; at != LEASE_NONE && who->ports > allowed; at = next) {
		const struct lease *l = lease_at(&e->leases, at);

		next = e->leases.node[at].next_of_user;
		if (l->state == LEASE_LIVE && l->origin != MAPPING_STATIC)
			plan_end_of_port(e, l, now_ms);
	}
	engine_finish(e, now_ms);
}

static void judge_lease(struct engine *e, uint32_t n, int64_t now_ms)
{
	const struct lease *l = lease_at(&e->leases, n);
	enum fate fate;

	if (l->state == LEASE_FREE)
		return;
	fate = fate_of(e, e, l);
	if (fate == FATE_GIVEN)
		lease_give_to(&e->leases, n, engine_user_of(e, &l->internal));
	else if (fate == FATE_ENDED && l->state == LEASE_LIVE)
		engine_plan_end(e, n, ADMIN_REASON_POLICY, now_ms);
}

void engine_judge_user(struct engine *e, uint32_t user, int64_t now_ms)
{
	uint32_t at = e->users.user[user].first_lease;
	uint32_t next;

	engine_begin(e);
	for (; at != LEASE_NONE; at = next) {
		next = e->leases.node[at].next_of_user;
		judge_lease(e, at, now_ms);
	}
	engine_finish(e, now_ms);
	end_beyond_quota(e, user, now_ms);
}

void engine_judge_all(struct engine *e, int64_t now_ms)
{
	engine_begin(e);
	for (uint32_t n = 0; n < e->leases.used; n++)
		judge_lease(e, n, now_ms);
	engine_finish(e, now_ms);
	for (uint32_t n = 0; n < e->users.used; n++)
		if (e->users.user[n].known && e->users.user[n].ports > 0)
			end_beyond_quota(e, n, now_ms);
}

static size_t count_missing_users(const struct config *from, const struct config *in)
{
	size_t count = 0;

	for (size_t i = 0; from && i < from->users_len; i++)
		count += !config_user(in, from->users[i].name);
	return count;
}

static size_t count_missing_classes(const struct config *from, const struct config *in)
{
	size_t count = 0;

	for (size_t i = 0; from && i < from->classes_len; i++)
		count += engine_class_named(in, from->classes[i].name) == in->classes_len;
	return count;
}

static struct admin_changes compare_names(const struct config *old, const struct config *config)
{
	return (struct admin_changes){
		.users_added = count_missing_users(config, old),
		.users_removed = count_missing_users(old, config),
		.classes_added = count_missing_classes(config, old),
		.classes_removed = count_missing_classes(old, config),
	};
}

/* The users and addresses of @e as they would be under @config; freed with engine_free(). */
static struct engine *new_shadow(
	const struct engine *e, const struct config *config, int64_t now_ms)
{
	struct engine *shadow = calloc(1, sizeof(*shadow));
	uint32_t users = (uint32_t)config->users_len + e->bindings.used + 1;
	uint32_t bindings = e->bindings.used + 1;

	if (!shadow)
		return NULL;
	for (size_t i = 0; i < config->users_len; i++)
		bindings += (uint32_t)config->users[i].addresses_len;
	shadow->config = config;
	shadow->user_memory = calloc(1, users_memory(users));
	shadow->binding_memory = calloc(1, bindings_memory(bindings));
	if (!shadow->user_memory || !shadow->binding_memory) {
		engine_free(shadow);
		return NULL;
	}
	users_init(&shadow->users, shadow->user_memory, users, &e->users.hash_key);
	bindings_init(&shadow->bindings, shadow->binding_memory, bindings, &e->users.hash_key,
		&shadow->users);
	enter_users(shadow, config, now_ms);
	enter_bindings(shadow, config);
	note_static_ports(shadow);
	return shadow;
}

/* Sessions go on under any policy; so do the addresses of keys whose user is still there. */
static void copy_bindings(struct engine *shadow, const struct engine *e, int64_t now_ms)
{
	for (uint32_t n = 0; n < e->bindings.used; n++) {
		const struct binding *b = &e->bindings.binding[n];
		const char *name = e->users.user[b->user].name;
		uint32_t user, binding;

		if (!b->used || b->source == BINDING_POLICY ||
			(b->source == BINDING_WIREGUARD && !config_user(shadow->config, name)))
			continue;
		user = users_take_name(&shadow->users, name, now_ms);
		if (user == USER_NONE)
			return;
		binding = bindings_add(
			&shadow->bindings, &b->prefix, (enum binding_source)b->source, user);
		if (binding != BINDING_NONE)
			memcpy(shadow->bindings.binding[binding].class, b->class, sizeof(b->class));
	}
}

/* Users who hold more ports than they would be allowed. */
static void count_beyond_quota(
	const struct engine *e, const struct engine *shadow, struct admin_changes *out)
{
	for (uint32_t n = 0; n < e->users.used; n++) {
		const struct user *user = &e->users.user[n];
		uint32_t then = user->name[0] ? users_find_name(&shadow->users, user->name)
					      : engine_user_of(shadow, &user->addr);
		uint32_t allowed = engine_class_of(shadow, then)->mappings;
		size_t beyond = user->known && user->ports > allowed ? user->ports - allowed : 0;

		beyond = beyond < out->kept ? beyond : out->kept;
		out->revoked += beyond;
		out->kept -= beyond;
	}
}

int admin_compare(const struct engine *e, const struct config *config, int64_t now_ms,
	struct admin_changes *out)
{
	struct engine *shadow = new_shadow(e, config, now_ms);

	if (!shadow)
		return -ENOMEM;
	copy_bindings(shadow, e, now_ms);
	settle_classes(shadow);
	*out = compare_names(e->config, config);
	for (uint32_t n = 0; n < e->leases.used; n++) {
		const struct lease *l = lease_at(&e->leases, n);

		if (l->state == LEASE_LIVE && fate_of(e, shadow, l) == FATE_ENDED)
			out->revoked++;
		else if (l->state == LEASE_LIVE)
			out->kept++;
	}
	count_beyond_quota(e, shadow, out);
	engine_free(shadow);
	return 0;
}

struct admin_changes admin_reload(struct engine *e, const struct config *config, int64_t now_ms)
{
	struct admin_changes changes = compare_names(e->config, config);
	uint64_t ended = e->counters.ended;

	e->config = config;
	enter_users(e, config, now_ms);
	enter_bindings(e, config);
	settle_classes(e);
	note_static_ports(e);
	engine_reserve_ports(e, &e->gateway_ports);
	engine_judge_all(e, now_ms);
	engine_hold_statics(e, now_ms);
	users_forget_idle(&e->users, now_ms);
	changes.revoked = (size_t)(e->counters.ended - ended);
	changes.kept = e->leases.live;
	engine_tell(e, (struct admin_event){.kind = ADMIN_EVENT_RELOADED});
	return changes;
}
