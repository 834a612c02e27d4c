/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The key of sticky ports. */
#ifndef TUNMAP_DAEMON_STICKY_H
#define TUNMAP_DAEMON_STICKY_H

#include "include/hash.h"

/*
 * Read the key from the file `sticky.key` beside the policy file @path: 32 hexadecimal digits,
 * which gateways share that shall give a user the same ports.  Without that file it follows
 * from this machine's identity (machine-id(5)), so that a restart changes nothing.
 */
void sticky_key_read(const char *path, struct hash_key *out);

#endif
