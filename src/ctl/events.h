/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Events as lines of JSON, with no more of a client's identity than the policy lets out. */
#ifndef TUNMAP_CTL_EVENTS_H
#define TUNMAP_CTL_EVENTS_H

#include "include/admin.h"
#include "include/config.h"
#include "include/hash.h"

#include <stdint.h>

/*
 * The line of @event with its newline, to be freed; NULL: out of memory.  @time_ms is the wall
 * clock's.  Under CONFIG_IDENTITY_NONE the line names no user, class, address or port; under
 * CONFIG_IDENTITY_PSEUDONYM hashes by @key stand for the user and the internal address.
 */
char *event_line(const struct admin_event *event, enum config_identity identity,
	const struct hash_key *key, int64_t time_ms);

/* The line that tells a slow reader how many events it missed. */
char *event_lost_line(uint64_t count, int64_t time_ms);

#endif
