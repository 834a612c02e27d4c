/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Policies that are adopted or only tried. */
#include "src/ctl/handlers.h"
#include "src/ctl/json.h"

#include <errno.h>
#include <string.h>

static json_t *json_changes(const struct admin_changes *c)
{
	json_t *out = json_object();

	object_set(out, "users_added", json_number(c->users_added));
	object_set(out, "users_removed", json_number(c->users_removed));
	object_set(out, "classes_added", json_number(c->classes_added));
	object_set(out, "classes_removed", json_number(c->classes_removed));
	object_set(out, "revoked", json_number(c->revoked));
	object_set(out, "kept", json_number(c->kept));
	return out;
}

static json_t *json_fault(const struct config_fault *fault)
{
	json_t *out = json_object();

	object_set(out, "file", json_text(fault->file));
	object_set(out, "line", json_number(fault->line));
	object_set(out, "column", json_number(fault->column));
	object_set(out, "message", json_text(fault->message));
	return out;
}

static void answer_faults(const struct config_faults *faults, struct api_reply *reply)
{
	json_t *out = json_array();

	api_fail(reply, 422, "the policy has %zu fault%s; nothing was changed", faults->len,
		faults->len == 1 ? "" : "s");
	for (size_t i = 0; i < faults->len; i++)
		array_add(out, json_fault(&faults->fault[i]));
	object_set(reply->json, "faults", out);
}

/* The name by which faults call the policy file itself, so that a client can use its own. */
static json_t *json_policy_file(const struct api *api)
{
	struct ctl_status st = {0};

	api->ops->status(api->arg, &st);
	return st.config && st.config->files_len > 0 ? json_text(st.config->files[0]) : json_null();
}

void api_policy_answer(const struct api *api, int err, const struct config_faults *faults,
	const struct admin_changes *changes, struct api_reply *out)
{
	*out = (struct api_reply){.status = 200, .kind = API_JSON};
	if (err == -EINVAL && faults->len > 0) {
		answer_faults(faults, out);
	} else if (err) {
		api_fail(out, 500, "the policy cannot be read now: %s; nothing was changed",
			strerror(-err));
	} else {
		out->json = json_object();
		object_set(out->json, "changes", json_changes(changes));
	}
	object_set(out->json, "file", json_policy_file(api));
}

/* The reading was begun, or could not be. */
static void answer_later(const struct api *api, int err, struct api_reply *reply)
{
	const struct config_faults faults = {0};
	const struct admin_changes changes = {0};

	if (!err)
		reply->kind = API_POLICY;
	else if (err == -EBUSY)
		api_fail(reply, 503, "another policy is being read; try again in a moment");
	else
		api_policy_answer(api, err, &faults, &changes, reply);
}

void handle_reload(const struct call *call, struct api_reply *reply)
{
	const struct api *api = call->api;

	answer_later(api, api->ops->reload(api->arg), reply);
}

void handle_check(const struct call *call, struct api_reply *reply)
{
	const struct api *api = call->api;
	const char *text = call->body ? call->body : "";

	answer_later(api, api->ops->check(api->arg, text, call->body_len), reply);
}
