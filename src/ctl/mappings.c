/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Mappings and users: who holds what. */
#include "src/ctl/handlers.h"
#include "src/ctl/json.h"
#include "src/ctl/values.h"

#include <stdbool.h>
#include <string.h>

void handle_mappings(const struct call *call, struct api_reply *reply)
{
	reply->listing.kind = LISTING_MAPPINGS;
	if (value_selector(call->query, &reply->listing.which, reply) == 0)
		reply->kind = API_LIST;
}

/* A selector that came out empty must not remove everything. */
static bool is_meant(const struct call *call, struct api_reply *reply)
{
	const char *all = query_get(call->query, "all");

	if (all && strcmp(all, "true") != 0) {
		api_fail(reply, 400, "all is \"%s\"; it can only be true", all);
		return false;
	}
	if (all && call->query->len > 1) {
		api_fail(reply, 400,
			"all=true selects every mapping; leave out the other "
			"parameters, or all");
		return false;
	}
	if (!all && call->query->len == 0) {
		api_fail(reply, 400,
			"say which mappings: by user, address, port, protocol or "
			"external, or every one with all=true");
		return false;
	}
	return true;
}

void handle_revoke(const struct call *call, struct api_reply *reply)
{
	struct admin_selector which;
	size_t revoked;

	if (!is_meant(call, reply) || value_selector(call->query, &which, reply) < 0)
		return;
	revoked = admin_revoke(call->api->engine, &which, call_now_ms(call));
	reply->json = json_object();
	object_set(reply->json, "revoked", json_number(revoked));
}

void handle_users(const struct call *call, struct api_reply *reply)
{
	(void)call;
	reply->kind = API_LIST;
	reply->listing.kind = LISTING_USERS;
}
