/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a single value of a policy means.  Pure: text in, value out.  Functions that return int
 * give 0, -EINVAL for text that means nothing, or -ERANGE for a slip that has an obvious
 * correction, which @out then holds.
 *
 * There is one spelling of each value: what YAML, C or a shell would read in different ways
 * (010, 0x10, 1e3, 1_000, yes) is refused rather than guessed.
 */
#ifndef TUNMAP_CONF_VALUES_H
#define TUNMAP_CONF_VALUES_H

#include "include/compiler.h"
#include "include/config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A whole number in plain decimal digits, from @min to @max. */
int value_integer(const char *text, uint32_t min, uint32_t max, uint32_t *out) MUST_CHECK;

/* FIRST-LAST or a single port, from 1 to 65535.  -ERANGE: FIRST is behind LAST. */
int value_range(const char *text, struct port_range *out) MUST_CHECK;

/* ADDRESS/LENGTH, or an address alone for itself.  -ERANGE: bits behind the length are set. */
int value_prefix(const char *text, struct config_prefix *out) MUST_CHECK;

/* The length as it is written: for IPv4 without the 96 bits before the address. */
unsigned prefix_written_len(const struct config_prefix *prefix);

/* True when every address of @inner is one of @outer. */
bool prefix_contains(const struct config_prefix *outer, const struct config_prefix *inner);

/* The 44 characters of base64 that stand for a key, as wg(8) prints them. */
int value_wireguard_key(const char *text, struct config_wireguard_key *out) MUST_CHECK;

/* ADDRESS:PORT, an IPv6 address in brackets. */
int value_endpoint(const char *text, struct addr *addr, uint16_t *port) MUST_CHECK;

bool range_contains(const struct port_range *outer, const struct port_range *inner);
bool range_overlaps(const struct port_range *a, const struct port_range *b);

/* What the kernel takes for an interface's name (dev_valid_name), globs included. */
bool interface_is_valid(const char *name);
bool interface_is_glob(const char *name);

/* True for a class's, user's or group's name that fits into @max octets with its NUL. */
bool name_is_valid(const char *name, size_t max);

/* True for an absolute path of a file that fits into @max octets with its NUL. */
bool path_is_valid(const char *path, size_t max);

#endif
