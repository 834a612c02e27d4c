/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/ctl/api.h"

#include "src/ctl/handlers.h"
#include "src/ctl/json.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE_MAX 512
#define PARAMS_MAX  8

/* A path's last '*' stands for one segment. */
struct route {
	const char *method;
	const char *path;
	handler_fn handle;
	const char *params[PARAMS_MAX]; /* known to the route; the others are faults */
};

static const struct route routes[] = {
	{"GET", "/v1/status", handle_status, {NULL}},
	{"GET", "/v1/mappings", handle_mappings,
		{"user", "address", "port", "protocol", "external"}},
	{"DELETE", "/v1/mappings", handle_revoke,
		{"user", "address", "port", "protocol", "external", "all"}},
	{"GET", "/v1/users", handle_users, {NULL}},
	{"GET", "/v1/explain", handle_explain,
		{"address", "protocol", "internal-port", "external-port", "lifetime", "origin"}},
	{"POST", "/v1/reload", handle_reload, {NULL}},
	{"POST", "/v1/check", handle_check, {NULL}},
	{"PUT", "/v1/sessions/*", handle_session_up, {NULL}},
	{"DELETE", "/v1/sessions/*", handle_session_down, {"id"}},
	{"PUT", "/v1/bans", handle_ban, {NULL}},
	{"DELETE", "/v1/bans", handle_unban, {"address", "user"}},
	{"GET", "/v1/events", handle_events, {NULL}},
	{"GET", "/metrics", handle_metrics, {NULL}},
};

/* Returns the part of @path that the route's '*' stands for, "" without one; NULL: no match. */
static const char *match_path(const struct route *route, const char *path)
{
	size_t len = strcspn(route->path, "*");

	if (route->path[len] == '\0')
		return strcmp(route->path, path) == 0 ? "" : NULL;
	if (strncmp(route->path, path, len) != 0 || path[len] == '\0' || strchr(path + len, '/'))
		return NULL;
	return path + len;
}

static bool route_knows(const struct route *route, const char *param)
{
	for (size_t i = 0; i < PARAMS_MAX && route->params[i]; i++)
		if (strcmp(route->params[i], param) == 0)
			return true;
	return false;
}

/* "a, b and c", cut to what fits. */
static void list_params(const struct route *route, char *out, size_t size)
{
	size_t used = 0;

	(void)snprintf(out, size, "none");
	for (size_t i = 0; i < PARAMS_MAX && route->params[i] && used < size; i++) {
		bool last = i + 1 == PARAMS_MAX || !route->params[i + 1];
		const char *glue = i == 0 ? "" : last ? " and " : ", ";
		int len = snprintf(out + used, size - used, "%s%s", glue, route->params[i]);

		used += len > 0 ? (size_t)len : 0;
	}
}

static bool params_are_good(
	const struct route *route, const struct query *q, struct api_reply *reply)
{
	char known[MESSAGE_MAX / 2];

	for (size_t i = 0; i < q->len; i++) {
		const char *name = q->param[i].name;

		if (!route_knows(route, name)) {
			list_params(route, known, sizeof(known));
			api_fail(reply, 400, "unknown parameter \"%s\"; %s knows %s", name,
				route->path, known);
			return false;
		}
		if (query_get(q, name) != q->param[i].value) {
			api_fail(reply, 400, "parameter \"%s\" is given twice; give it once", name);
			return false;
		}
		if (q->param[i].value[0] == '\0') {
			api_fail(reply, 400,
				"parameter \"%s\" is empty; give a value or leave it out", name);
			return false;
		}
	}
	return true;
}

/* What a path answers to.  Only paths with two methods at most exist. */
static const char *allowed_methods(const char *path)
{
	bool get = false, put = false, post = false, del = false;

	for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
		const char *method = routes[i].method;

		if (!match_path(&routes[i], path))
			continue;
		get |= strcmp(method, "GET") == 0;
		put |= strcmp(method, "PUT") == 0;
		post |= strcmp(method, "POST") == 0;
		del |= strcmp(method, "DELETE") == 0;
	}
	if (get)
		return del ? "GET, DELETE" : "GET";
	if (put)
		return "PUT, DELETE";
	return post ? "POST" : NULL;
}

static void answer_without_route(const char *method, const char *path, struct api_reply *reply)
{
	const char *allow = allowed_methods(path);

	if (!allow) {
		api_fail(reply, 404,
			"there is no %s; see /v1/status, /v1/mappings, /v1/users, /v1/explain, "
			"/v1/reload, /v1/check, /v1/sessions/ADDRESS, /v1/bans, /v1/events "
			"and /metrics",
			path);
		return;
	}
	api_fail(reply, 405, "%s does not answer to %s; use %s", path, method, allow);
	reply->allow = allow;
}

static void answer_route(const struct route *route, const struct call *call, const char *path,
	struct api_reply *reply)
{
	size_t body_max = route->handle == handle_check ? API_CHECK_BODY_MAX : API_BODY_MAX;

	if (call->body_len > body_max)
		api_fail(reply, 413, "the body has %zu octets; %s takes %zu at most",
			call->body_len, path, body_max);
	else if (params_are_good(route, call->query, reply))
		route->handle(call, reply);
}

void api_answer(const struct api *api, const struct api_request *rq, struct api_reply *out)
{
	struct query q;
	struct call call = {.api = api, .query = &q, .body = rq->body, .body_len = rq->body_len};
	const char *why = NULL;

	memset(out, 0, sizeof(*out));
	out->status = 200;
	if (query_parse(rq->target, &q, &why) < 0) {
		api_fail(out, 400, "%s", why);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
		call.tail = match_path(&routes[i], q.path);
		if (!call.tail || strcmp(routes[i].method, rq->method) != 0)
			continue;
		answer_route(&routes[i], &call, q.path, out);
		return;
	}
	answer_without_route(rq->method, q.path, out);
}

void api_reply_fini(struct api_reply *reply)
{
	json_decref(reply->json);
	free(reply->text);
	reply->json = NULL;
	reply->text = NULL;
}

void api_fail(struct api_reply *reply, int status, const char *format, ...)
{
	char message[MESSAGE_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	api_reply_fini(reply);
	reply->status = status;
	reply->kind = API_JSON;
	reply->json = json_object();
	object_set(reply->json, "error", json_text(message));
}

const char *api_status_phrase(int status)
{
	switch (status) {
	case 200:
		return "OK";
	case 400:
		return "Bad Request";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 409:
		return "Conflict";
	case 413:
		return "Payload Too Large";
	case 422:
		return "Unprocessable Entity";
	case 503:
		return "Service Unavailable";
	default:
		return "Internal Server Error";
	}
}

int64_t call_now_ms(const struct call *call)
{
	return call->api->ops->now_ms(call->api->arg);
}

void handle_events(const struct call *call, struct api_reply *reply)
{
	(void)call;
	reply->kind = API_EVENTS;
}
