/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A kernel for tests: it keeps the mappings that it agreed to, checks every edit against them
 * as the real one would, and refuses what the test wants refused.
 */
#ifndef TUNMAP_TEST_FAKE_BACKEND_H
#define TUNMAP_TEST_FAKE_BACKEND_H

#include "include/backend.h"
#include "include/mapping.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fake_backend {
	struct mapping *mapping; /* those that stand */
	size_t len, size;
	size_t transactions;      /* asked for, refused ones too */
	size_t flows_ended;       /* mappings whose flows were ended */
	size_t flows_adopted;     /* mappings that were to adopt older flows */
	size_t addresses_cleared; /* addresses of which all flows were ended */
	/* Refuse transactions that map this external port; 0: none. */
	uint16_t refuse_port;
	bool name_culprit; /* tell which edit was refused */
	int refuse_all;    /* -errno for every transaction; 0: none */
	bool lied;         /* an edit did not fit what stands: a fault of the engine */
};

struct backend fake_backend_init(struct fake_backend *f);
void fake_backend_fini(struct fake_backend *f);

/* The mapping with this external tuple, or NULL. */
const struct mapping *fake_backend_find(
	const struct fake_backend *f, uint8_t protocol, uint16_t external_port);

#endif
