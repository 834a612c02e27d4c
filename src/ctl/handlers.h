/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What answers the routes of api.c. */
#ifndef TUNMAP_CTL_HANDLERS_H
#define TUNMAP_CTL_HANDLERS_H

#include "src/ctl/api.h"
#include "src/ctl/query.h"

/* A request that a handler sees: its method fits, its parameters are known and single. */
struct call {
	const struct api *api;
	const struct query *query;
	const char *tail; /* what stands in the path where the route has a '*' */
	const char *body;
	size_t body_len;
};

/* The reply is zero but for status 200 and kind API_JSON. */
typedef void (*handler_fn)(const struct call *call, struct api_reply *reply);

void handle_status(const struct call *call, struct api_reply *reply);
void handle_metrics(const struct call *call, struct api_reply *reply);
void handle_mappings(const struct call *call, struct api_reply *reply);
void handle_revoke(const struct call *call, struct api_reply *reply);
void handle_users(const struct call *call, struct api_reply *reply);
void handle_explain(const struct call *call, struct api_reply *reply);
void handle_reload(const struct call *call, struct api_reply *reply);
void handle_check(const struct call *call, struct api_reply *reply);
void handle_session_up(const struct call *call, struct api_reply *reply);
void handle_session_down(const struct call *call, struct api_reply *reply);
void handle_ban(const struct call *call, struct api_reply *reply);
void handle_unban(const struct call *call, struct api_reply *reply);
void handle_events(const struct call *call, struct api_reply *reply);

int64_t call_now_ms(const struct call *call);

#endif
