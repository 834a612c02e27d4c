/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/nft/ended.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_MIN 64

static size_t hash(uint16_t protocol, const struct flow_end *internal)
{
	uint64_t half[2];
	uint64_t h;

	memcpy(half, internal->addr.octet, sizeof(half));
	h = half[0] ^ half[1] * UINT64_C(0x9e3779b97f4a7c15);
	h ^= (uint64_t)internal->port << 16 | protocol;
	h = (h ^ h >> 33) * UINT64_C(0xff51afd7ed558ccd);
	h = (h ^ h >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
	return (size_t)(h ^ h >> 33);
}

static bool same_end(const struct flow_end *a, const struct flow_end *b)
{
	return a->port == b->port && addr_equal(&a->addr, &b->addr);
}

/* The slot of just this mapping, or the free one where it would stand. */
static struct ended *find(const struct ended_set *set, uint16_t protocol,
	const struct flow_end *internal, const struct flow_end *external)
{
	size_t at = hash(protocol, internal) & (set->slots - 1);

	for (;; at = (at + 1) & (set->slots - 1)) {
		struct ended *e = &set->slot[at];

		if (!e->protocol)
			return e;
		if (e->protocol == protocol && same_end(&e->internal, internal) &&
			same_end(&e->external, external))
			return e;
	}
}

static int grow(struct ended_set *set)
{
	struct ended_set larger = {.slots = set->slots ? 2 * set->slots : SLOTS_MIN,
		.len = set->len,
		.addrs = set->addrs,
		.adopted = set->adopted};

	larger.slot = calloc(larger.slots, sizeof(*larger.slot));
	if (!larger.slot)
		return -ENOMEM;
	for (size_t i = 0; i < set->slots; i++) {
		const struct ended *e = &set->slot[i];

		if (e->protocol)
			*find(&larger, e->protocol, &e->internal, &e->external) = *e;
	}
	free(set->slot);
	*set = larger;
	return 0;
}

static int add(struct ended_set *set, const struct ended *e)
{
	struct ended *slot;

	if (2 * (set->len + 1) > set->slots) {
		int err = grow(set);

		if (err)
			return err;
	}
	slot = find(set, e->protocol, &e->internal, &e->external);
	if (!slot->protocol) {
		*slot = *e;
		set->len++;
		set->addrs += e->protocol == ENDED_WHOLE;
		set->adopted += e->protocol == ENDED_ADOPTED;
	}
	return 0;
}

int ended_add(struct ended_set *set, const struct mapping *m)
{
	const struct ended e = {
		.internal = {m->internal, m->internal_port},
		.external = {m->external, m->external_port},
		.protocol = m->protocol,
	};

	return add(set, &e);
}

int ended_add_addr(struct ended_set *set, const struct addr *internal)
{
	const struct ended e = {.internal = {.addr = *internal}, .protocol = ENDED_WHOLE};

	return add(set, &e);
}

bool ended_has(const struct ended_set *set, uint8_t protocol, const struct flow_end *internal,
	const struct flow_end *external)
{
	return set->len && find(set, protocol, internal, external)->protocol;
}

bool ended_has_addr(const struct ended_set *set, const struct addr *addr)
{
	const struct flow_end internal = {.addr = *addr};
	const struct flow_end none = {0};

	return set->addrs && find(set, ENDED_WHOLE, &internal, &none)->protocol;
}

/* The exception comes first, so that a failure leaves no rule without it. */
int ended_adopt(struct ended_set *set, const struct mapping *m)
{
	struct ended e = {
		.internal = {m->internal, m->internal_port},
		.external = {m->external, m->external_port},
		.protocol = ENDED_ADOPTED,
	};
	int err = add(set, &e);

	if (err)
		return err;
	e.external = (struct flow_end){0};
	return add(set, &e);
}

bool ended_is_adopted(const struct ended_set *set, const struct flow_end *internal,
	const struct flow_end *external)
{
	return set->adopted && find(set, ENDED_ADOPTED, internal, external)->protocol;
}

bool ended_is_adopting(const struct ended_set *set, const struct flow_end *internal)
{
	const struct flow_end none = {0};

	return ended_is_adopted(set, internal, &none);
}

void ended_clear(struct ended_set *set)
{
	free(set->slot);
	memset(set, 0, sizeof(*set));
}
