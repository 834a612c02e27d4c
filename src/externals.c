/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The gateway's external addresses and their ports, as they come and go. */
#include "src/state.h"

void engine_reserve_ports(struct engine *e, const struct port_set *reserved)
{
	struct port_set closed = *reserved;

	e->gateway_ports = *reserved;
	for (size_t i = 0; i < ARRAY_LEN(closed.word); i++)
		closed.word[i] |= e->static_ports.word[i];
	lease_table_open_ports(&e->leases, e->config->pool, &closed);
}

void engine_pool_use(const struct engine *e, uint32_t *taken, uint32_t *free)
{
	*taken = 0;
	*free = 0;
	for (size_t i = 0; i < GATEWAY_EXTERNALS_MAX; i++) {
		if (!e->leases.external_present[i])
			continue;
		*taken += port_pool_count_taken(&e->leases.pool[i]);
		*free += port_pool_count_free(&e->leases.pool[i], e->config->pool);
	}
}

static bool is_listed(const struct gateway_external *list, size_t len, const struct addr *addr)
{
	for (size_t i = 0; i < len; i++)
		if (addr_equal(&list[i].addr, addr))
			return true;
	return false;
}

static uint32_t count_on_external(const struct engine *e, uint32_t external)
{
	uint32_t count = 0;

	for (uint32_t n = 0; n < e->leases.used; n++)
		count += lease_at(&e->leases, n)->state == LEASE_LIVE &&
			 lease_at(&e->leases, n)->external == external;
	return count;
}

/*
 * End every lease on an address.  Their port numbers rest, so that their clients get the same
 * ones on the address that follows.  Returns how many the kernel would not end.
 */
static uint32_t end_external(struct engine *e, uint32_t external, int64_t now_ms)
{
	engine_begin(e);
	for (uint32_t n = 0; n < e->leases.used; n++)
		if (lease_at(&e->leases, n)->state == LEASE_LIVE &&
			lease_at(&e->leases, n)->external == external)
			engine_plan_end(e, n, ADMIN_REASON_NETWORK, now_ms);
	engine_finish(e, now_ms);
	return count_on_external(e, external);
}

/* The place of an address that is known already, else a free one, else GATEWAY_EXTERNALS_MAX. */
static size_t place_for(const struct lease_table *t, const struct addr *addr)
{
	size_t free = GATEWAY_EXTERNALS_MAX;

	for (size_t i = GATEWAY_EXTERNALS_MAX; i-- > 0;) {
		if (addr_equal(&t->external[i].addr, addr))
			return i;
		if (addr_is_any(&t->external[i].addr))
			free = i;
	}
	return free;
}

/* Are these the addresses that are there already, told by the same names? */
static bool same_externals(
	const struct lease_table *t, const struct gateway_external *external, size_t len)
{
	size_t present = 0;

	for (size_t i = 0; i < GATEWAY_EXTERNALS_MAX; i++)
		present += t->external_present[i];
	for (size_t i = 0; i < len; i++) {
		size_t place = place_for(t, &external[i].addr);

		if (place == GATEWAY_EXTERNALS_MAX || !t->external_present[place] ||
			!addr_equal(&t->external[place].advertise, &external[i].advertise))
			return false;
	}
	return present == len;
}

void engine_set_externals(
	struct engine *e, const struct gateway_external *external, size_t len, int64_t now_ms)
{
	struct lease_table *t = &e->leases;
	bool same = same_externals(t, external, len);
	bool replaced = false;

	for (uint32_t i = 0; i < GATEWAY_EXTERNALS_MAX; i++) {
		t->external_present[i] = false;
		if (len == 0 || addr_is_any(&t->external[i].addr) ||
			is_listed(external, len, &t->external[i].addr))
			continue;
		replaced = true;
		/* A lease that would not end keeps its address's place until it does. */
		if (end_external(e, i, now_ms) == 0)
			t->external[i] = (struct gateway_external){0};
	}
	for (size_t i = 0; i < len; i++) {
		size_t place = place_for(t, &external[i].addr);

		if (place == GATEWAY_EXTERNALS_MAX)
			continue;
		t->external[place] = external[i];
		t->external_present[place] = true;
	}
	if (replaced)
		e->epoch_start_ms = now_ms;
	if (same)
		return;
	engine_hold_statics(e, now_ms);
	engine_tell(e, (struct admin_event){.kind = ADMIN_EVENT_EXTERNAL});
}
