/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/identity/uapi.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Room for the longest `[address%zone]:port` or `address/length`, with its NUL. */
#define VALUE_MAX 80

#define PORT_DIGITS   5
#define LENGTH_DIGITS 3
#define ERRNO_DIGITS  10

/* Part of the answer, not terminated. */
struct span {
	const char *at;
	size_t len;
};

static bool span_is(const struct span *s, const char *text)
{
	return s->len == strlen(text) && memcmp(s->at, text, s->len) == 0;
}

/* Cut @s at the first @mark, which goes; the rest is @after.  False when there is none. */
static bool span_cut(struct span *s, char mark, struct span *after)
{
	const char *at = s->len > 0 ? memchr(s->at, mark, s->len) : NULL;

	if (!at)
		return false;
	after->at = at + 1;
	after->len = s->len - (size_t)(at - s->at) - 1;
	s->len = (size_t)(at - s->at);
	return true;
}

/* A decimal number of one to @digits digits, which must be at most 10. */
static int parse_number(const struct span *s, size_t digits, uint64_t *out)
{
	uint64_t number = 0;

	if (s->len == 0 || s->len > digits)
		return -EPROTO;
	for (size_t i = 0; i < s->len; i++) {
		if (s->at[i] < '0' || s->at[i] > '9')
			return -EPROTO;
		number = number * 10 + (uint64_t)(s->at[i] - '0');
	}
	*out = number;
	return 0;
}

/* -1 for what is no digit. */
static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static int parse_key(const struct span *s, struct config_wireguard_key *out)
{
	if (s->len != 2 * sizeof(out->octet))
		return -EPROTO;
	for (size_t i = 0; i < sizeof(out->octet); i++) {
		int high = hex_digit(s->at[2 * i]);
		int low = hex_digit(s->at[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EPROTO;
		out->octet[i] = (uint8_t)(high * 16 + low);
	}
	return 0;
}

/* The address and, as it is written, its family. */
static int parse_address(const struct span *s, struct addr *out, int *family)
{
	char text[VALUE_MAX];

	if (s->len >= sizeof(text) || memchr(s->at, '\0', s->len))
		return -EPROTO;
	memcpy(text, s->at, s->len);
	text[s->len] = '\0';
	*family = strchr(text, ':') ? AF_INET6 : AF_INET;
	return addr_parse(text, out) < 0 ? -EPROTO : 0;
}

/* `192.0.2.1:51820`, `[2001:db8::1]:51820` or `[fe80::1%eth0]:51820`. */
static int add_endpoint(struct span value, struct peer_list *list)
{
	bool bracketed = value.len > 0 && value.at[0] == '[';
	struct addr endpoint;
	struct span port, zone;
	uint64_t number;
	int family, err;

	if (bracketed) {
		value.at++;
		value.len--;
		if (!span_cut(&value, ']', &port) || port.len == 0 || port.at[0] != ':')
			return -EPROTO;
		port.at++;
		port.len--;
		(void)span_cut(&value, '%', &zone);
	} else if (!span_cut(&value, ':', &port)) {
		return -EPROTO;
	}
	err = parse_address(&value, &endpoint, &family);
	if (err)
		return err;
	if ((family == AF_INET6) != bracketed || parse_number(&port, PORT_DIGITS, &number) < 0 ||
		number > UINT16_MAX)
		return -EPROTO;
	peer_list_set_endpoint(list, &endpoint);
	return 0;
}

static int add_allowed(struct span value, struct peer_list *list)
{
	struct addr address;
	struct span length;
	uint64_t number;
	int family, err;

	if (!span_cut(&value, '/', &length))
		return -EPROTO;
	err = parse_address(&value, &address, &family);
	if (!err)
		err = parse_number(&length, LENGTH_DIGITS, &number);
	if (err)
		return err;
	return peer_list_allow(list, family, family == AF_INET ? addr_v4(&address) : address.octet,
		(unsigned int)number);
}

static int add_peer(const struct span *value, struct peer_list *list)
{
	struct config_wireguard_key key;
	int err = parse_key(value, &key);

	return err ? err : peer_list_add(list, &key);
}

/* One line about the interface or the peer that was named last. */
static int parse_line(const struct span *key, const struct span *value, struct peer_list *list)
{
	bool about_peer = list->last != NULL;

	if (span_is(key, "public_key"))
		return add_peer(value, list);
	if (span_is(key, "endpoint"))
		return about_peer ? add_endpoint(*value, list) : -EPROTO;
	if (span_is(key, "allowed_ip"))
		return about_peer ? add_allowed(*value, list) : -EPROTO;
	/* Private keys, counters, and what implementations add. */
	return 0;
}

/* The last line, `errno=`, and nothing but the empty line after it. */
static int parse_end(struct span value, const struct span *rest)
{
	uint64_t number;

	/* wireguard-go says its numbers with a minus, others without. */
	if (value.len > 0 && value.at[0] == '-') {
		value.at++;
		value.len--;
	}
	if (parse_number(&value, ERRNO_DIGITS, &number) < 0 || !span_is(rest, "\n"))
		return -EPROTO;
	return number == 0 ? 0 : -EREMOTEIO;
}

int uapi_parse(const char *text, size_t len, struct peer_list *list)
{
	struct span line = {text, len};
	struct span rest;

	while (span_cut(&line, '\n', &rest)) {
		struct span key = line;
		struct span value;
		int err;

		if (!span_cut(&key, '=', &value))
			return -EPROTO;
		if (span_is(&key, "errno"))
			return parse_end(value, &rest);
		err = parse_line(&key, &value, list);
		if (err)
			return err;
		line = rest;
	}
	return -EPROTO;
}
