/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/ctl/json.h"

#include "src/ctl/words.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define PREFIX_BITS 128
#define V4_BITS     96 /* the leading ones that every IPv4 address shares */

void object_set(json_t *object, const char *key, json_t *value)
{
	if (value)
		(void)json_object_set_new_nocheck(object, key, value);
}

void array_add(json_t *array, json_t *value)
{
	if (value)
		(void)json_array_append_new(array, value);
}

static bool is_ascii(char c)
{
	return (unsigned char)c < 0x7f;
}

/*
 * Jansson refuses text that is not UTF-8, where a message with a bad octet is better than none,
 * and lets a DEL through.
 */
json_t *json_text(const char *text)
{
	json_t *value = strchr(text, '\x7f') ? NULL : json_string(text);
	char ascii[512];
	size_t len = 0;

	if (value)
		return value;
	for (; text[len] && len + 1 < sizeof(ascii); len++) {
		ascii[len] = text[len];
		if (!is_ascii(text[len]))
			ascii[len] = '?';
	}
	ascii[len] = '\0';
	return json_string(ascii);
}

json_t *json_number(uint64_t number)
{
	return json_integer(number > INT64_MAX ? INT64_MAX : (json_int_t)number);
}

json_t *json_addr(const struct addr *addr)
{
	char text[ADDR_TEXT_MAX];

	return json_string(addr_format(addr, text));
}

json_t *json_prefix(const struct config_prefix *prefix)
{
	char text[ADDR_TEXT_MAX], with_len[ADDR_TEXT_MAX + 5];
	bool v4 = addr_is_v4(&prefix->addr) && prefix->len >= V4_BITS;

	if (prefix->len >= PREFIX_BITS)
		return json_addr(&prefix->addr);
	(void)snprintf(with_len, sizeof(with_len), "%s/%d", addr_format(&prefix->addr, text),
		v4 ? prefix->len - V4_BITS : prefix->len);
	return json_string(with_len);
}

json_t *json_range(const struct port_range *range)
{
	json_t *out = json_object();

	object_set(out, "first", json_integer(range->first));
	object_set(out, "last", json_integer(range->last));
	return out;
}

json_t *json_mapping(const struct admin_mapping *m)
{
	json_t *out = json_object();

	object_set(out, "protocol", json_string(word_of_protocol(m->protocol)));
	object_set(out, "internal_address", json_addr(&m->internal));
	object_set(out, "internal_port", json_integer(m->internal_port));
	object_set(out, "external_address", json_addr(&m->external));
	object_set(out, "external_port", json_integer(m->external_port));
	object_set(out, "lifetime", json_integer(m->lifetime_s));
	object_set(out, "remaining", json_integer(m->remaining_s));
	object_set(out, "user", json_text(m->user));
	object_set(out, "class", json_text(m->class));
	object_set(out, "origin", json_string(word_of_origin(m->origin)));
	object_set(out, "opcode", json_string(word_of_opcode(m->opcode)));
	object_set(out, "filters", json_array());
	return out;
}

json_t *json_user(const struct admin_user *user)
{
	json_t *out = json_object(), *addresses = json_array();

	for (size_t i = 0; i < user->addresses_len; i++)
		array_add(addresses, json_prefix(&user->addresses[i]));
	object_set(out, "name", json_text(user->name));
	object_set(out, "class", json_text(user->class));
	object_set(out, "addresses", addresses);
	object_set(out, "held", json_number(user->held));
	object_set(out, "allowed", json_number(user->allowed));
	object_set(out, "banned", json_boolean(user->banned));
	object_set(out, "connected", json_boolean(user->connected));
	return out;
}
