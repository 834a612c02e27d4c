/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Our values as JSON.  Whatever lacks memory is left out. */
#ifndef TUNMAP_CTL_JSON_H
#define TUNMAP_CTL_JSON_H

#include "include/addr.h"
#include "include/admin.h"
#include "include/config.h"

#include <stddef.h>

#include <jansson.h>

/*
 * How everything is written: compact, for machines; in ASCII, so that nothing that a client or
 * a policy wrote can steer the terminal on which an admin reads it.
 */
#define JSON_STYLE (JSON_COMPACT | JSON_ENSURE_ASCII)

/* Set @key, taking over @value; neither may be missing for it, and both may be NULL. */
void object_set(json_t *object, const char *key, json_t *value);
void array_add(json_t *array, json_t *value);

/* @text as a string, DEL and octets that are not UTF-8 replaced by '?'. */
json_t *json_text(const char *text);
json_t *json_number(uint64_t number);
json_t *json_addr(const struct addr *addr);
json_t *json_prefix(const struct config_prefix *prefix); /* a single address without its length */
json_t *json_range(const struct port_range *range);
json_t *json_mapping(const struct admin_mapping *m);
json_t *json_user(const struct admin_user *user);

#endif
