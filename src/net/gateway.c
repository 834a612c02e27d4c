/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "include/gateway.h"

#include "include/net.h"
#include "src/net/loopback.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

/* The first entry of the policy that matches, or NULL when the interface is no tunnel. */
static const struct config_tunnel *tunnel_entry(
	const struct config *config, const struct net_interface *interface)
{
	if (interface->loopback)
		return NULL;
	for (size_t i = 0; i < config->tunnels_len; i++) {
		const struct config_tunnel *entry = &config->tunnels[i];

		/* A name may hold characters that mean something in a glob. */
		if (strcmp(entry->interface, interface->name) == 0 ||
			fnmatch(entry->interface, interface->name, 0) == 0)
			return entry;
	}
	return NULL;
}

static bool addr_among(const struct addr *addr, const struct addr *list, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (addr_equal(addr, &list[i]))
			return true;
	}
	return false;
}

/* True for what sockets and mappings can use today. */
static bool addr_is_usable(const struct addr *addr)
{
	return addr_is_v4(addr) && !addr_is_any(addr) && !addr_is_loopback(addr);
}

static void add_listens(struct gateway *g, const struct config_tunnel *entry,
	const struct net_interface *interface, const struct net_picture *picture)
{
	for (size_t i = 0; i < picture->addresses_len; i++) {
		const struct net_address *a = &picture->addresses[i];
		struct gateway_listen *listen = &g->listens[g->listens_len];

		if (a->ifindex != interface->ifindex || !addr_is_usable(&a->addr))
			continue;
		if (entry->listen_len > 0 &&
			!addr_among(&a->addr, entry->listen, entry->listen_len))
			continue;
		memcpy(listen->interface, interface->name, sizeof(listen->interface));
		listen->ifindex = interface->ifindex;
		listen->addr = a->addr;
		g->listens_len++;
	}
}

static int compare_interfaces(const void *left, const void *right)
{
	const struct gateway_interface *a = left;
	const struct gateway_interface *b = right;

	return strcmp(a->name, b->name);
}

static int compare_listens(const void *left, const void *right)
{
	const struct gateway_listen *a = left;
	const struct gateway_listen *b = right;
	int order = strcmp(a->interface, b->interface);

	return order ? order : memcmp(a->addr.octet, b->addr.octet, sizeof(a->addr.octet));
}

/* Sort @len items of @size octets and keep one of each; returns how many are left. */
static size_t sort_unique(
	void *items, size_t len, size_t size, int (*compare)(const void *, const void *))
{
	char *item = items;
	size_t kept = len > 0 ? 1 : 0;

	qsort(items, len, size, compare);
	for (size_t i = 1; i < len; i++) {
		if (compare(item + (kept - 1) * size, item + i * size) == 0)
			continue;
		memmove(item + kept * size, item + i * size, size);
		kept++;
	}
	return kept;
}

static void resolve_tunnels(
	struct gateway *g, const struct config *config, const struct net_picture *picture)
{
	for (size_t i = 0; i < picture->interfaces_len; i++) {
		const struct net_interface *interface = &picture->interfaces[i];
		const struct config_tunnel *entry = tunnel_entry(config, interface);

		if (!entry)
			continue;
		memcpy(g->tunnels[g->tunnels_len++].name, interface->name, sizeof(interface->name));
		add_listens(g, entry, interface, picture);
	}
	g->tunnels_len =
		sort_unique(g->tunnels, g->tunnels_len, sizeof(*g->tunnels), compare_interfaces);
	/* An interface holds an address twice when the prefixes differ. */
	g->listens_len =
		sort_unique(g->listens, g->listens_len, sizeof(*g->listens), compare_listens);
}

/* The interface that an entry means, or NULL when it is not there or cannot be external. */
static const struct net_interface *external_interface(const struct config *config,
	const struct net_picture *picture, const struct config_external *entry)
{
	for (size_t i = 0; i < picture->interfaces_len; i++) {
		const struct net_interface *interface = &picture->interfaces[i];
		bool meant = entry->interface[0] == '\0'
				     ? interface->ifindex == picture->default4_ifindex
				     : strcmp(interface->name, entry->interface) == 0;

		if (meant && !interface->loopback && !tunnel_entry(config, interface))
			return interface;
	}
	return NULL;
}

static bool external_known(const struct gateway *g, const struct addr *addr)
{
	for (size_t i = 0; i < g->addresses_len; i++) {
		if (addr_equal(addr, &g->addresses[i].addr))
			return true;
	}
	return false;
}

/* How far an entry may fill the table of addresses. */
static size_t external_limit(const struct gateway *g, const struct config_external *entry)
{
	if (entry->has_advertise && g->addresses_len < GATEWAY_EXTERNALS_MAX)
		return g->addresses_len + 1;
	return GATEWAY_EXTERNALS_MAX;
}

static void add_external(struct gateway *g, const struct config_external *entry, size_t limit,
	const struct addr *addr)
{
	struct gateway_external *external = &g->addresses[g->addresses_len];

	if (g->addresses_len >= limit || !addr_is_usable(addr) || external_known(g, addr))
		return;
	external->addr = *addr;
	external->advertise = *addr;
	if (entry->has_advertise && addr_is_v4(&entry->advertise) == addr_is_v4(addr))
		external->advertise = entry->advertise;
	g->addresses_len++;
}

static bool picture_holds(const struct net_picture *picture, const struct addr *addr)
{
	for (size_t i = 0; i < picture->addresses_len; i++) {
		if (addr_equal(addr, &picture->addresses[i].addr))
			return true;
	}
	return false;
}

static void add_given_addresses(
	struct gateway *g, const struct config_external *entry, const struct net_picture *picture)
{
	size_t limit = external_limit(g, entry);

	for (size_t i = 0; i < entry->addresses_len; i++) {
		if (picture_holds(picture, &entry->addresses[i]))
			add_external(g, entry, limit, &entry->addresses[i]);
	}
}

static void add_global_addresses(struct gateway *g, const struct config_external *entry,
	const struct net_picture *picture, const struct net_interface *interface)
{
	size_t limit = external_limit(g, entry);

	for (int primary = 1; primary >= 0; primary--) {
		for (size_t i = 0; i < picture->addresses_len; i++) {
			const struct net_address *a = &picture->addresses[i];

			if (a->ifindex == interface->ifindex && a->global &&
				a->primary == (primary == 1))
				add_external(g, entry, limit, &a->addr);
		}
	}
}

static void resolve_externals(
	struct gateway *g, const struct config *config, const struct net_picture *picture)
{
	for (size_t i = 0; i < config->externals_len; i++) {
		const struct config_external *entry = &config->externals[i];
		const struct net_interface *interface = external_interface(config, picture, entry);

		if (!interface)
			continue;
		memcpy(g->externals[g->externals_len++].name, interface->name,
			sizeof(interface->name));
		if (entry->addresses_len > 0)
			add_given_addresses(g, entry, picture);
		else
			add_global_addresses(g, entry, picture, interface);
	}
	g->externals_len = sort_unique(
		g->externals, g->externals_len, sizeof(*g->externals), compare_interfaces);
}

int gateway_resolve(
	const struct config *config, const struct net_picture *picture, struct gateway *out)
{
	struct gateway g = {0};

	/* One more than can be needed: an empty list is not an empty allocation. */
	g.tunnels = calloc(picture->interfaces_len + 1, sizeof(*g.tunnels));
	g.listens = calloc(picture->addresses_len + 1, sizeof(*g.listens));
	g.externals = calloc(config->externals_len + 1, sizeof(*g.externals));
	if (!g.tunnels || !g.listens || !g.externals) {
		gateway_fini(&g);
		return -ENOMEM;
	}
	resolve_tunnels(&g, config, picture);
	resolve_externals(&g, config, picture);
	*out = g;
	return 0;
}

void gateway_fini(struct gateway *gateway)
{
	free(gateway->tunnels);
	free(gateway->listens);
	free(gateway->externals);
	*gateway = (struct gateway){0};
}

static bool interfaces_equal(const struct gateway_interface *a, size_t a_len,
	const struct gateway_interface *b, size_t b_len)
{
	if (a_len != b_len)
		return false;
	for (size_t i = 0; i < a_len; i++) {
		if (strcmp(a[i].name, b[i].name) != 0)
			return false;
	}
	return true;
}

static bool listens_equal(const struct gateway *a, const struct gateway *b)
{
	if (a->listens_len != b->listens_len)
		return false;
	for (size_t i = 0; i < a->listens_len; i++) {
		/* An interface made again under its old name needs a new socket: see the index. */
		if (compare_listens(&a->listens[i], &b->listens[i]) != 0 ||
			a->listens[i].ifindex != b->listens[i].ifindex)
			return false;
	}
	return true;
}

static bool addresses_equal(const struct gateway *a, const struct gateway *b)
{
	if (a->addresses_len != b->addresses_len)
		return false;
	for (size_t i = 0; i < a->addresses_len; i++) {
		if (!addr_equal(&a->addresses[i].addr, &b->addresses[i].addr) ||
			!addr_equal(&a->addresses[i].advertise, &b->addresses[i].advertise))
			return false;
	}
	return true;
}

bool gateway_equal(const struct gateway *a, const struct gateway *b)
{
	return interfaces_equal(a->tunnels, a->tunnels_len, b->tunnels, b->tunnels_len) &&
	       interfaces_equal(a->externals, a->externals_len, b->externals, b->externals_len) &&
	       listens_equal(a, b) && addresses_equal(a, b);
}
