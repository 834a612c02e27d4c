/* SPDX-License-Identifier: GPL-2.0-or-later */
/* WireGuard's peers: whose addresses they are, by the policy's keys. */
#include "src/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ADDR_BITS   128
#define PREFIX_WIDE 116 /* an IPv4 /20: the widest prefix whose addresses are gone through */

static int compare_keys(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct config_wireguard_key));
}

/* Users of the policy by their keys, to be found by bsearch. */
struct key_owner {
	struct config_wireguard_key key;
	const struct config_user *user;
};

struct key_owners {
	struct key_owner *owner;
	size_t len;
};

static int list_key_owners(const struct config *config, struct key_owners *out)
{
	size_t len = 0;

	*out = (struct key_owners){0};
	for (size_t u = 0; u < config->users_len; u++)
		len += config->users[u].wireguard_len;
	out->owner = calloc(len + 1, sizeof(*out->owner));
	if (!out->owner)
		return -ENOMEM;
	for (size_t u = 0; u < config->users_len; u++)
		for (size_t i = 0; i < config->users[u].wireguard_len; i++)
			out->owner[out->len++] = (struct key_owner){
				config->users[u].wireguard[i], &config->users[u]};
	qsort(out->owner, out->len, sizeof(*out->owner), compare_keys);
	return 0;
}

static bool peer_has(const struct wireguard_peer *peer, const struct config_prefix *prefix)
{
	for (size_t i = 0; i < peer->allowed_len; i++)
		if (peer->allowed[i].len == prefix->len &&
			addr_equal(&peer->allowed[i].addr, &prefix->addr))
			return true;
	return false;
}

/* Does the peer of this key have the prefix, on any interface? */
static bool peers_have(const struct wireguard_peers *peers, const struct config_wireguard_key *key,
	const struct config_prefix *prefix)
{
	const struct wireguard_peer *p;

	if (peers->len == 0)
		return false;
	p = bsearch(key, peers->peer, peers->len, sizeof(*p), compare_keys);
	while (p && p > peers->peer && compare_keys(&p[-1].key, key) == 0)
		p--;
	for (; p && p < peers->peer + peers->len && compare_keys(&p->key, key) == 0; p++)
		if (peer_has(p, prefix))
			return true;
	return false;
}

/* All flows of a prefix; of one too wide to go through only those of clients with mappings. */
static void end_flows_of_prefix(struct engine *e, const struct config_prefix *prefix)
{
	uint32_t hosts = prefix->len >= PREFIX_WIDE ? 1u << (ADDR_BITS - prefix->len) : 0;
	struct addr addr = prefix->addr;

	for (uint32_t i = 0; i < hosts; i++) {
		addr.octet[15] = (uint8_t)(prefix->addr.octet[15] | (i & 0xff));
		addr.octet[14] = (uint8_t)(prefix->addr.octet[14] | i >> 8);
		backend_end_flows_of(&e->backend, &addr);
	}
}

/* The end of all clients of a prefix. */
static void end_prefix(struct engine *e, const struct config_prefix *prefix, int64_t now_ms)
{
	if (prefix->len == ADDR_BITS) {
		engine_end_client(e, &prefix->addr, now_ms);
		return;
	}
	end_flows_of_prefix(e, prefix);
	engine_begin(e);
	for (uint32_t n = 0; n < e->leases.used; n++) {
		const struct lease *l = lease_at(&e->leases, n);

		if (l->state != LEASE_LIVE || !prefix_has(prefix, &l->internal))
			continue;
		backend_end_flows_of(&e->backend, &l->internal);
		engine_plan_end(e, n, ADMIN_REASON_SESSION, now_ms);
	}
	engine_finish(e, now_ms);
}

/* The user of a prefix, if it is one address. */
static uint32_t owner_of(const struct engine *e, const struct config_prefix *prefix)
{
	return prefix->len == ADDR_BITS ? engine_user_of(e, &prefix->addr) : USER_NONE;
}

static void drop_peer_prefix(struct engine *e, const struct config_prefix *prefix, int64_t now_ms)
{
	uint32_t binding = bindings_find(&e->bindings, prefix, BINDING_WIREGUARD);
	uint32_t user = binding == BINDING_NONE ? USER_NONE : e->bindings.binding[binding].user;
	uint32_t after;

	end_prefix(e, prefix, now_ms);
	if (binding == BINDING_NONE)
		return;
	bindings_remove(&e->bindings, binding);
	engine_hold_statics_of(e, user, now_ms);
	after = owner_of(e, prefix);
	if (after != USER_NONE && after != user)
		engine_hold_statics_of(e, after, now_ms);
}

/* Clients of a prefix that were nobody's so far keep what their new user may have. */
static void judge_prefix(struct engine *e, const struct config_prefix *prefix, int64_t now_ms)
{
	uint32_t unnamed = users_find_address(&e->users, &prefix->addr);

	if (prefix->len < ADDR_BITS)
		engine_judge_all(e, now_ms);
	else if (unnamed != USER_NONE)
		engine_judge_user(e, unnamed, now_ms);
}

/* A peer has this prefix: whose is it now?  USER_NONE: nobody's whom the policy names. */
static void bind_peer_prefix(
	struct engine *e, const struct config_prefix *prefix, uint32_t user, int64_t now_ms)
{
	uint32_t old = bindings_find(&e->bindings, prefix, BINDING_WIREGUARD);
	uint32_t before = owner_of(e, prefix);

	if (old == BINDING_NONE ? user == USER_NONE : e->bindings.binding[old].user == user)
		return;
	if (user == USER_NONE) {
		drop_peer_prefix(e, prefix, now_ms);
		return;
	}
	if (old != BINDING_NONE ||
		(before != USER_NONE && before != user && e->users.user[before].name[0]))
		end_prefix(e, prefix, now_ms);
	if (old != BINDING_NONE)
		bindings_remove(&e->bindings, old);
	(void)bindings_add(&e->bindings, prefix, BINDING_WIREGUARD, user);
	judge_prefix(e, prefix, now_ms);
	engine_judge_user(e, user, now_ms);
	if (before != USER_NONE)
		engine_hold_statics_of(e, before, now_ms);
	engine_hold_statics_of(e, user, now_ms);
}

/* What was a peer's and is not any more: a peer that went, or an address that it lost. */
static void drop_lost(struct engine *e, const struct wireguard_peers *before,
	const struct wireguard_peers *now, int64_t now_ms)
{
	for (size_t p = 0; p < before->len; p++) {
		const struct wireguard_peer *peer = &before->peer[p];

		for (size_t i = 0; i < peer->allowed_len; i++)
			if (!peers_have(now, &peer->key, &peer->allowed[i]))
				drop_peer_prefix(e, &peer->allowed[i], now_ms);
	}
}

int admin_set_peers(struct engine *e, const struct wireguard_peers *before,
	const struct wireguard_peers *now, int64_t now_ms)
{
	struct key_owners owners;
	int err = list_key_owners(e->config, &owners);

	if (err)
		return err;
	drop_lost(e, before, now, now_ms);
	for (size_t p = 0; p < now->len; p++) {
		const struct key_owner *owner = bsearch(&now->peer[p].key, owners.owner, owners.len,
			sizeof(*owners.owner), compare_keys);
		uint32_t user = owner ? users_find_name(&e->users, owner->user->name) : USER_NONE;

		for (size_t i = 0; i < now->peer[p].allowed_len; i++)
			bind_peer_prefix(e, &now->peer[p].allowed[i], user, now_ms);
	}
	free(owners.owner);
	return 0;
}
