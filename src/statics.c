/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Static ports: mappings that the policy gives, for as long as their user has an address. */
#include "src/state.h"

#include <netinet/in.h>

struct hold {
	uint32_t user;
	const struct config_static *port;
	struct addr home;
	uint8_t protocol;
};

static struct request hold_request(const struct hold *h)
{
	return (struct request){
		.kind = REQUEST_MAP,
		.origin = MAPPING_STATIC,
		.internal = h->home,
		.protocol = h->protocol,
		.internal_port = h->port->internal_port,
		.suggested_port = h->port->port,
	};
}

/* The client asked for just this before the policy said so: it stays as it is. */
static bool is_alike(const struct engine *e, const struct hold *h, uint32_t lease)
{
	const struct lease *l = lease == LEASE_NONE ? NULL : lease_at(&e->leases, lease);

	return l && l->external_port == h->port->port && l->user == h->user &&
	       e->leases.external_present[l->external];
}

static bool is_held(const struct engine *e, const struct hold *h, uint32_t lease)
{
	return is_alike(e, h, lease) && lease_at(&e->leases, lease)->origin == MAPPING_STATIC;
}

/*
 * End whoever stands where the static mapping must: its own client's other mapping, or a
 * stranger on its port.  Returns false when the kernel would not.
 */
static bool clear_way(struct engine *e, const struct hold *h, uint32_t lease, int64_t now_ms)
{
	uint32_t external = lease_external_for(&e->leases, h->user, &h->home);
	uint64_t refused;
	uint32_t next;

	engine_begin(e);
	if (lease != LEASE_NONE)
		engine_plan_end(e, lease, ADMIN_REASON_POLICY, now_ms);
	for (uint32_t at = lease_first_of_port(&e->leases, external, h->port->port);
		at != LEASE_NONE; at = next) {
		const struct lease *l = lease_at(&e->leases, at);

		next = lease_next_of_port(&e->leases, at);
		if (l->state == LEASE_LIVE && at != lease &&
			(l->protocol == h->protocol || l->user != h->user))
			engine_plan_end(e, at, ADMIN_REASON_POLICY, now_ms);
	}
	refused = e->counters.kernel_refused;
	engine_finish(e, now_ms);
	return e->counters.kernel_refused == refused;
}

static void hold(struct engine *e, const struct hold *h, int64_t now_ms)
{
	struct request rq = hold_request(h);
	uint32_t lease = lease_find(&e->leases, &rq.internal, rq.protocol, rq.internal_port);

	if (is_held(e, h, lease) || lease_external_for(&e->leases, h->user, &h->home) == LEASE_NONE)
		return;
	if (!is_alike(e, h, lease) && !clear_way(e, h, lease, now_ms))
		return;
	engine_begin(e);
	engine_plan_static(e, h->user, &rq, now_ms);
	engine_finish(e, now_ms);
}

bool engine_is_static_of(
	const struct config_user *u, const struct addr *home, const struct lease *l)
{
	uint32_t bit = l->protocol == IPPROTO_TCP ? CONFIG_TCP : CONFIG_UDP;

	for (size_t i = 0; home && u && i < u->statics_len; i++)
		if (u->statics[i].port == l->external_port &&
			u->statics[i].internal_port == l->internal_port &&
			u->statics[i].protocols & bit && addr_equal(&l->internal, home))
			return true;
	return false;
}

/* Static mappings that the policy does not name, or not at this address. */
static void end_unwanted(struct engine *e, uint32_t user, const struct config_user *u,
	const struct addr *home, int64_t now_ms)
{
	uint32_t next;

	engine_begin(e);
	for (uint32_t at = e->users.user[user].first_lease; at != LEASE_NONE; at = next) {
		const struct lease *l = lease_at(&e->leases, at);

		next = e->leases.node[at].next_of_user;
		if (l->state == LEASE_LIVE && l->origin == MAPPING_STATIC &&
			!engine_is_static_of(u, home, l))
			engine_plan_end(e, at, ADMIN_REASON_POLICY, now_ms);
	}
	engine_finish(e, now_ms);
}

void engine_hold_statics_of(struct engine *e, uint32_t user, int64_t now_ms)
{
	static const uint8_t protocols[] = {IPPROTO_UDP, IPPROTO_TCP};
	static const uint32_t bits[] = {CONFIG_UDP, CONFIG_TCP};
	const struct user *who = &e->users.user[user];
	const struct config_user *u = who->in_policy ? config_user(e->config, who->name) : NULL;
	struct hold h = {.user = user};
	bool at_home = bindings_home(&e->bindings, user, &h.home);

	end_unwanted(e, user, u, at_home ? &h.home : NULL, now_ms);
	if (!at_home || !u || user_is_banned(who, now_ms) ||
		engine_address_is_banned(e, &h.home, now_ms))
		return;
	for (size_t i = 0; i < u->statics_len; i++) {
		h.port = &u->statics[i];
		for (size_t k = 0; k < ARRAY_LEN(protocols); k++) {
			h.protocol = protocols[k];
			if (h.port->protocols & bits[k])
				hold(e, &h, now_ms);
		}
	}
}

void engine_hold_statics(struct engine *e, int64_t now_ms)
{
	for (size_t i = 0; i < e->config->users_len; i++) {
		const struct config_user *u = &e->config->users[i];
		uint32_t user = u->statics_len ? users_find_name(&e->users, u->name) : USER_NONE;

		if (user != USER_NONE)
			engine_hold_statics_of(e, user, now_ms);
	}
}
