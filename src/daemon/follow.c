/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "include/admin.h"
#include "include/log.h"
#include "include/net.h"
#include "include/ports.h"
#include "src/daemon/state.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#define REFRESH_MS       30000
#define REFRESH_SOON_MS  50
#define REFRESH_RETRY_MS 1000 /* after a change of the network that could not be followed */
#define PEERS_MS         2000 /* WireGuard does not tell when a peer comes or goes */
#define FLOOD_MARGIN     4    /* the kernel drops what is so many times beyond a user's rate */
#define FLOOD_RATE_MIN   100

static uint32_t flood_rate(const struct config *config)
{
	uint32_t rate = FLOOD_RATE_MIN;

	for (size_t i = 0; i < config->classes_len; i++)
		if (config->classes[i].rate * FLOOD_MARGIN > rate)
			rate = config->classes[i].rate * FLOOD_MARGIN;
	return rate;
}

int follow_can_masquerade(const struct nft_rules *rules)
{
	if (!rules->masquerade || rules->masquerade_ports.first)
		return 0;
	log_error("no port is left outside the pool for everybody else's flows; make nat.ports "
		  "smaller or set nat.masquerade-ports");
	return -ENOSPC;
}

struct nft_rules follow_rules(const struct daemon *d, const struct config *config)
{
	struct port_range within =
		config->has_masquerade_ports ? config->masquerade_ports : PORTS_UNPRIVILEGED;

	return (struct nft_rules){
		.pool = config->pool,
		.masquerade = config->masquerade == CONFIG_MASQUERADE_MANAGED,
		/* A listener's port would let a client's flow take the listener's packets. */
		.masquerade_ports = ports_longest_run(within, config->pool, &d->ports_in_use),
		.hairpin = config->hairpin,
		.port_fail_guard = config->port_fail_guard,
		.flood_rate = flood_rate(config),
		.reserved = &d->ports_in_use,
	};
}

int follow_read(struct daemon *d, const struct config *config, struct gateway *out)
{
	struct net_picture picture;
	int err = net_ports_in_use(&d->ports_in_use);

	if (err)
		return err;
	err = net_picture_read(&picture);
	if (err)
		return err;
	err = gateway_resolve(config, &picture, out);
	net_picture_fini(&picture);
	return err;
}

static bool is_matched(const struct config_tunnel *t, const struct gateway *g)
{
	for (size_t i = 0; i < g->tunnels_len; i++)
		if (fnmatch(t->interface, g->tunnels[i].name, 0) == 0)
			return true;
	return false;
}

static void report_waiting(const struct daemon *d, const struct gateway *g)
{
	for (size_t i = 0; i < d->config->tunnels_len; i++)
		if (!is_matched(&d->config->tunnels[i], g))
			log_info("waiting for the tunnel interface %s",
				d->config->tunnels[i].interface);
}

static void report_external(const struct daemon *d, const struct gateway *g)
{
	char text[ADDR_TEXT_MAX];

	for (size_t i = 0; i < g->addresses_len; i++)
		log_info("external address %s", addr_format(&g->addresses[i].addr, text));
	if (g->addresses_len > 0)
		return;
	if (g->externals_len == 0 && d->config->externals[0].interface[0])
		log_warning("the external interface %s is not there; requests are answered with a "
			    "network failure until it is",
			d->config->externals[0].interface);
	else
		log_warning("no external address; requests are answered with a network failure "
			    "until there is one");
}

static bool same_addresses(const struct gateway *a, const struct gateway *b)
{
	return a->addresses_len == b->addresses_len &&
	       memcmp(a->addresses, b->addresses, a->addresses_len * sizeof(*a->addresses)) == 0;
}

/* A service of the gateway in the pool keeps its port; the admin may have meant otherwise. */
static void report_services(const struct daemon *d)
{
	struct port_range pool = d->config->pool;
	unsigned count = 0, first = 0;

	for (uint32_t port = pool.last; port >= pool.first; port--) {
		if (!port_set_has(&d->ports_in_use, (uint16_t)port))
			continue;
		count++;
		first = port;
	}
	if (count > 0)
		log_info(
			"ports of the pool that the gateway itself uses, which no client gets: %u, "
			"the first is %u",
			count, first);
}

/* Only what has changed: a server may have an interface for each client. */
void follow_report(const struct daemon *d, const struct gateway *before)
{
	if (!before)
		report_services(d);
	if (!before || before->tunnels_len > d->gateway.tunnels_len || before->tunnels_len == 0)
		report_waiting(d, &d->gateway);
	if (!before || !same_addresses(before, &d->gateway))
		report_external(d, &d->gateway);
}

/* Adopt @now as the gateway, and take it. */
static int adopt_gateway(struct daemon *d, struct gateway *now, int64_t now_ms)
{
	struct nft_rules rules = follow_rules(d, d->config);
	struct gateway before = d->gateway;
	int err = follow_can_masquerade(&rules);

	if (!err)
		err = nft_update(d->nft, &rules, now);
	if (err) {
		gateway_fini(now);
		return err;
	}
	d->masquerade_ports = rules.masquerade_ports;
	d->gateway = *now;
	follow_report(d, &before);
	gateway_fini(&before);
	engine_reserve_ports(d->engine, &d->ports_in_use);
	engine_set_externals(d->engine, now->addresses, now->addresses_len, now_ms);
	return 0;
}

static bool pool_ports_equal(
	struct port_range pool, const struct port_set *a, const struct port_set *b)
{
	for (uint32_t port = pool.first; port <= pool.last; port++)
		if (port_set_has(a, (uint16_t)port) != port_set_has(b, (uint16_t)port))
			return false;
	return true;
}

/* Does a service of the gateway, new or gone, ask for other rules? */
static bool services_matter(const struct daemon *d, const struct port_set *known)
{
	return !pool_ports_equal(d->config->pool, known, &d->ports_in_use) ||
	       ports_have_any(d->masquerade_ports, &d->ports_in_use);
}

static int follow_changes(struct daemon *d, int64_t now_ms)
{
	struct port_set known = d->ports_in_use;
	struct gateway now;
	int err = follow_read(d, d->config, &now);

	if (!err && gateway_equal(&now, &d->gateway) && !services_matter(d, &known))
		gateway_fini(&now);
	else if (!err)
		err = adopt_gateway(d, &now, now_ms);
	if (err)
		d->ports_in_use = known;
	return err;
}

/*
 * A service that the gateway starts makes no sound, so look now and then even if nothing was
 * heard; and soon again when something could not be followed.
 */
void follow_network(struct daemon *d, int64_t now_ms)
{
	int err = follow_changes(d, now_ms);

	d->refresh_ms = now_ms + (err ? REFRESH_RETRY_MS : REFRESH_MS);
	if (err)
		log_warning("cannot follow a change of the network yet: %s", strerror(-err));
	if (listeners_follow(&d->listeners, &d->gateway) < 0)
		d->refresh_ms = now_ms + REFRESH_RETRY_MS;
}

/* Changes come in swarms; a moment later they are one. */
void follow_network_soon(struct daemon *d, int64_t now_ms)
{
	if (d->refresh_ms > now_ms + REFRESH_SOON_MS)
		d->refresh_ms = now_ms + REFRESH_SOON_MS;
}

/* Where the peers are on the Internet, for the guard against Port Fail. */
static int set_outer(struct daemon *d, const struct wireguard_peers *peers)
{
	struct addr *outer = calloc(peers->len + 1, sizeof(*outer));
	size_t len = 0;
	int err;

	if (!outer)
		return -ENOMEM;
	for (size_t i = 0; i < peers->len; i++)
		if (peers->peer[i].has_endpoint)
			outer[len++] = peers->peer[i].endpoint;
	err = nft_set_outer(d->nft, outer, len);
	free(outer);
	return err;
}

void follow_peers(struct daemon *d, int64_t now_ms)
{
	struct wireguard_peers now;
	int err = wireguard_peers_read(&d->gateway, &now);

	d->peers_ms = now_ms + PEERS_MS;
	d->peers_unread = err != 0;
	/* Who cannot be asked for the moment has not gone. */
	if (err) {
		log_debug("cannot read the WireGuard peers: %s", strerror(-err));
		return;
	}
	if (wireguard_peers_equal(&now, &d->peers)) {
		wireguard_peers_fini(&now);
		return;
	}
	err = set_outer(d, &now);
	if (!err)
		err = admin_set_peers(d->engine, &d->peers, &now, now_ms);
	if (err) {
		log_warning("cannot follow the WireGuard peers yet: %s", strerror(-err));
		wireguard_peers_fini(&now);
		return;
	}
	wireguard_peers_fini(&d->peers);
	d->peers = now;
}
