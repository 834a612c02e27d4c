/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/nft/sweep.h"

#include "include/compiler.h"

#include <string.h>

static bool is_at(const struct sweep *s, const struct addr *addr)
{
	for (size_t i = 0; i < s->at_len; i++)
		if (addr_equal(&s->at[i], addr))
			return true;
	return s->everywhere;
}

static void add_at(struct sweep *s, const struct addr *addr)
{
	if (is_at(s, addr))
		return;
	if (s->at_len == ARRAY_LEN(s->at))
		s->everywhere = true;
	else
		s->at[s->at_len++] = *addr;
}

void sweep_add_ports(struct sweep *s, struct port_range ports, const struct addr *at)
{
	if (!s->ports_wanted || ports.first < s->ports.first)
		s->ports.first = ports.first;
	if (!s->ports_wanted || ports.last > s->ports.last)
		s->ports.last = ports.last;
	s->ports_wanted = true;
	add_at(s, at);
}

static int compare(const struct addr *a, const struct addr *b)
{
	return memcmp(a->octet, b->octet, sizeof(a->octet));
}

void sweep_add_addr(struct sweep *s, const struct addr *internal)
{
	if (!s->addrs_wanted || compare(internal, &s->first) < 0)
		s->first = *internal;
	if (!s->addrs_wanted || compare(internal, &s->last) > 0)
		s->last = *internal;
	s->addrs_wanted = true;
}

bool sweep_has_end(const struct sweep *s, const struct flow_end *end)
{
	return s->ports_wanted && end->port >= s->ports.first && end->port <= s->ports.last &&
	       is_at(s, &end->addr);
}

bool sweep_has_addr(const struct sweep *s, const struct addr *addr)
{
	return s->addrs_wanted && compare(addr, &s->first) >= 0 && compare(addr, &s->last) <= 0;
}
