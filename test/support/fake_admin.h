/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An engine for tests of what stands above it: it holds as many mappings and users as the test
 * wants, all made up, writes down what it is told to do, and answers what the test wants answered.
 */
#ifndef TUNMAP_TEST_FAKE_ADMIN_H
#define TUNMAP_TEST_FAKE_ADMIN_H

#include "include/admin.h"
#include "include/engine.h"

#include <stddef.h>
#include <stdint.h>

#define FAKE_FIRST_PORT 10240
#define FAKE_FREE_PORTS 49997 /* beside one for each mapping */

struct engine {
	struct engine_counters counters;
	/* Mapping i: 203.0.113.1:(10240 + i) to 10.9.0.(2 + i mod 200):6881, of alice when i is
	 * even and of bob else, UDP when it is a multiple of 4. */
	uint32_t mappings;
	/* The first is alice, the second 10.9.0.77, banned; the others are user2, user3 and so on,
	 * who hold nothing. */
	uint32_t users;
	int result;      /* of the calls that can fail */
	char told[256];  /* the last order in words */
	int64_t told_ms; /* when */
	struct admin_explanation explanation;
	admin_event_fn fn;
	void *arg;
};

/* Have the listener hear of an event. */
void fake_event(struct engine *e, const struct admin_event *event);

/* What mapping @i looks like. */
struct admin_mapping fake_mapping(uint32_t i);

#endif
