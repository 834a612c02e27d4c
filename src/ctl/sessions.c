/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sessions and bans: who is behind an address, and who may not ask. */
#include "src/ctl/handlers.h"
#include "src/ctl/json.h"
#include "src/ctl/values.h"

#include <errno.h>
#include <string.h>

static void fail_session(int err, const struct admin_session *s, struct api_reply *reply)
{
	char text[ADDR_TEXT_MAX];

	switch (err) {
	case -ENOENT:
		if (s->class[0])
			api_fail(reply, 400, "class \"%s\" is not in the policy", s->class);
		else
			api_fail(reply, 404, "there is no session on %s",
				addr_format(&s->address, text));
		break;
	case -ESTALE:
		api_fail(reply, 409, "the session on %s is not \"%s\" but a newer one",
			addr_format(&s->address, text), s->id);
		break;
	case -ENOSPC:
		api_fail(reply, 503, "the table of users is full");
		break;
	default:
		api_fail(reply, 500, "%s", strerror(-err));
	}
}

/* @name of the body into @out, if it is there. */
static int read_name(
	const json_t *body, const char *name, char out[ADMIN_NAME_MAX], struct api_reply *reply)
{
	const char *text;

	if (value_body_text(body, name, &text, reply) < 0)
		return -EINVAL;
	return text ? value_name(name, text, out, reply) : 0;
}

static int read_session(const json_t *body, struct admin_session *out, struct api_reply *reply)
{
	if (read_name(body, "user", out->user, reply) < 0 ||
		read_name(body, "class", out->class, reply) < 0 ||
		read_name(body, "id", out->id, reply) < 0)
		return -EINVAL;
	if (out->user[0])
		return 0;
	api_fail(reply, 400, "\"user\" is missing in the body: whose session is it?");
	return -EINVAL;
}

void handle_session_up(const struct call *call, struct api_reply *reply)
{
	static const char *const keys[] = {"user", "class", "id", NULL};
	struct admin_session s = {0};
	json_t *body;
	int err;

	if (value_addr("address", call->tail, &s.address, reply) < 0)
		return;
	body = value_body(call->body, call->body_len, keys, reply);
	if (!body)
		return;
	err = read_session(body, &s, reply);
	json_decref(body);
	if (err)
		return;
	err = admin_session_up(call->api->engine, &s, call_now_ms(call));
	if (err) {
		fail_session(err, &s, reply);
		return;
	}
	reply->json = json_object();
	object_set(reply->json, "address", json_addr(&s.address));
	object_set(reply->json, "user", json_text(s.user));
}

void handle_session_down(const struct call *call, struct api_reply *reply)
{
	struct admin_session s = {0};
	const char *id = query_get(call->query, "id");
	int err;

	if (value_addr("address", call->tail, &s.address, reply) < 0 ||
		(id && value_name("id", id, s.id, reply) < 0))
		return;
	err = admin_session_down(call->api->engine, &s.address, s.id, call_now_ms(call));
	if (err) {
		fail_session(err, &s, reply);
		return;
	}
	reply->json = json_object();
	object_set(reply->json, "address", json_addr(&s.address));
}

/* Exactly one of the two. */
static int read_who(
	const char *address, const char *user, struct admin_selector *out, struct api_reply *reply)
{
	memset(out, 0, sizeof(*out));
	if (!address == !user) {
		api_fail(reply, 400, "say who: either \"address\" or \"user\"");
		return -EINVAL;
	}
	if (user)
		return value_name("user", user, out->user, reply);
	out->has_address = true;
	return value_addr("address", address, &out->address, reply);
}

static int read_ban(
	const json_t *body, struct admin_selector *who, uint32_t *for_s, struct api_reply *reply)
{
	const json_t *duration = json_object_get(body, "for");
	const char *address, *user;

	*for_s = 0;
	if (duration) {
		json_int_t s = json_integer_value(duration);

		if (s < 1 || s > UINT32_MAX) {
			api_fail(reply, 400,
				"\"for\" in the body is no number of seconds from 1 to %u",
				UINT32_MAX);
			return -EINVAL;
		}
		*for_s = (uint32_t)s;
	}
	if (value_body_text(body, "address", &address, reply) < 0 ||
		value_body_text(body, "user", &user, reply) < 0)
		return -EINVAL;
	return read_who(address, user, who, reply);
}

static void fail_ban(int err, const struct admin_selector *who, struct api_reply *reply)
{
	if (err == -ENOENT && who->user[0])
		api_fail(reply, 404, "nobody knows a user \"%s\"", who->user);
	else if (err == -ENOSPC)
		api_fail(reply, 503, "too many are banned; lift a ban first");
	else
		api_fail(reply, 500, "%s", strerror(-err));
}

void handle_ban(const struct call *call, struct api_reply *reply)
{
	static const char *const keys[] = {"address", "user", "for", NULL};
	struct admin_selector who;
	json_t *body = value_body(call->body, call->body_len, keys, reply);
	uint32_t for_s;
	int err;

	if (!body)
		return;
	err = read_ban(body, &who, &for_s, reply);
	json_decref(body);
	if (err)
		return;
	err = admin_ban(call->api->engine, &who, for_s, call_now_ms(call));
	if (err < 0) {
		fail_ban(err, &who, reply);
		return;
	}
	reply->json = json_object();
	object_set(reply->json, "revoked", json_integer(err));
}

void handle_unban(const struct call *call, struct api_reply *reply)
{
	const struct query *q = call->query;
	struct admin_selector who;

	if (read_who(query_get(q, "address"), query_get(q, "user"), &who, reply) < 0)
		return;
	if (admin_unban(call->api->engine, &who, call_now_ms(call)) < 0) {
		api_fail(reply, 404, "there is no such ban");
		return;
	}
	reply->json = json_object();
	object_set(reply->json, "unbanned", json_true());
}
