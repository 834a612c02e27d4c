/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/ctl/values.h"

#include "src/ctl/words.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define PORT_MAX 65535

int value_addr(const char *name, const char *text, struct addr *out, struct api_reply *reply)
{
	if (addr_parse(text, out) == 0)
		return 0;
	api_fail(reply, 400, "%s \"%s\" is no IPv4 or IPv6 address, such as 10.9.0.2", name, text);
	return -EINVAL;
}

int value_number(const char *name, const char *text, uint32_t min, uint32_t max, uint32_t *out,
	struct api_reply *reply)
{
	uint64_t number = 0;
	size_t len = 0;

	for (; text[len] >= '0' && text[len] <= '9' && number <= max; len++)
		number = number * 10 + (uint64_t)(text[len] - '0');
	if (len > 0 && text[len] == '\0' && number >= min && number <= max &&
		(text[0] != '0' || len == 1)) {
		*out = (uint32_t)number;
		return 0;
	}
	api_fail(reply, 400, "%s \"%s\" is no number from %u to %u", name, text, min, max);
	return -EINVAL;
}

int value_protocol(const char *text, uint8_t *out, struct api_reply *reply)
{
	if (word_to_protocol(text, out) == 0)
		return 0;
	api_fail(reply, 400, "protocol \"%s\" is neither udp nor tcp", text);
	return -EINVAL;
}

/* The text is UTF-8 as jansson or the policy had it; what steers a terminal is refused. */
static bool is_name(const char *text)
{
	for (const char *c = text; *c; c++)
		if ((unsigned char)*c <= ' ' || *c == 0x7f)
			return false;
	return text[0] != '\0' && strlen(text) < ADMIN_NAME_MAX;
}

/* Whatever a query brings has not been through jansson, which refuses what is not UTF-8. */
static bool is_utf8(const char *text)
{
	json_t *value = json_string(text);

	json_decref(value);
	return value;
}

int value_name(
	const char *name, const char *text, char out[ADMIN_NAME_MAX], struct api_reply *reply)
{
	if (is_name(text) && is_utf8(text)) {
		memset(out, 0, ADMIN_NAME_MAX);
		memcpy(out, text, strlen(text) + 1);
		return 0;
	}
	api_fail(reply, 400, "%s is not 1 to %d octets of printable text without spaces", name,
		ADMIN_NAME_MAX - 1);
	return -EINVAL;
}

static int select_address(
	const struct query *q, struct admin_selector *out, struct api_reply *reply)
{
	const char *address = query_get(q, "address"), *external = query_get(q, "external");

	out->has_address = address;
	if (address && value_addr("address", address, &out->address, reply) < 0)
		return -EINVAL;
	out->has_external = external;
	return external ? value_addr("external", external, &out->external, reply) : 0;
}

int value_selector(const struct query *q, struct admin_selector *out, struct api_reply *reply)
{
	const char *user = query_get(q, "user");
	const char *port = query_get(q, "port");
	const char *protocol = query_get(q, "protocol");
	uint32_t number = 0;

	memset(out, 0, sizeof(*out));
	if (user && value_name("user", user, out->user, reply) < 0)
		return -EINVAL;
	if (port && value_number("port", port, 1, PORT_MAX, &number, reply) < 0)
		return -EINVAL;
	out->port = (uint16_t)number;
	if (protocol && value_protocol(protocol, &out->protocol, reply) < 0)
		return -EINVAL;
	return select_address(q, out, reply);
}

static bool is_key(const char *const *keys, const char *key)
{
	for (; *keys; keys++)
		if (strcmp(*keys, key) == 0)
			return true;
	return false;
}

json_t *value_body(const char *body, size_t len, const char *const *keys, struct api_reply *reply)
{
	json_error_t error;
	json_t *value = json_loadb(body ? body : "", len, JSON_REJECT_DUPLICATES, &error);
	const char *key;
	json_t *of_key;

	if (!value) {
		api_fail(reply, 400, "the body is no JSON: %s in line %d, column %d", error.text,
			error.line, error.column);
		return NULL;
	}
	if (!json_is_object(value)) {
		api_fail(reply, 400, "the body is no JSON object, {\"%s\": \"...\"}", keys[0]);
		goto fail;
	}
	json_object_foreach(value, key, of_key)
	{
		if (!is_key(keys, key)) {
			api_fail(reply, 400, "unknown key \"%.64s\" in the body", key);
			goto fail;
		}
	}
	return value;
fail:
	json_decref(value);
	return NULL;
}

int value_body_text(const json_t *body, const char *key, const char **out, struct api_reply *reply)
{
	const json_t *value = json_object_get(body, key);

	*out = json_string_value(value);
	if (!value || *out)
		return 0;
	api_fail(reply, 400, "\"%s\" in the body is no string", key);
	return -EINVAL;
}
