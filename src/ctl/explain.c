/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the policy would answer, and why. */
#include "src/ctl/handlers.h"
#include "src/ctl/json.h"
#include "src/ctl/values.h"
#include "src/ctl/words.h"

#include <errno.h>

#define PORT_MAX 65535

/* The parameters without which there is nothing to explain. */
static const char *missing_param(const struct query *q)
{
	static const char *const needed[] = {"address", "protocol", "internal-port"};

	for (size_t i = 0; i < ARRAY_LEN(needed); i++)
		if (!query_get(q, needed[i]))
			return needed[i];
	return NULL;
}

/* A number that may be left out: then it is 0. */
static int read_number(const struct query *q, const char *name, uint32_t min, uint32_t max,
	uint32_t *out, struct api_reply *reply)
{
	const char *text = query_get(q, name);

	*out = 0;
	return text ? value_number(name, text, min, max, out, reply) : 0;
}

static int read_query(const struct query *q, struct admin_query *out, struct api_reply *reply)
{
	const char *missing = missing_param(q), *origin = query_get(q, "origin");
	uint32_t internal, external;

	if (missing) {
		api_fail(reply, 400,
			"parameter \"%s\" is missing; address, protocol and internal-port are "
			"needed",
			missing);
		return -EINVAL;
	}
	*out = (struct admin_query){.origin = MAPPING_PCP};
	if (value_addr("address", query_get(q, "address"), &out->address, reply) < 0 ||
		value_protocol(query_get(q, "protocol"), &out->protocol, reply) < 0 ||
		read_number(q, "internal-port", 0, PORT_MAX, &internal, reply) < 0 ||
		read_number(q, "external-port", 1, PORT_MAX, &external, reply) < 0 ||
		read_number(q, "lifetime", 1, UINT32_MAX, &out->lifetime_s, reply) < 0)
		return -EINVAL;
	out->internal_port = (uint16_t)internal;
	out->external_port = (uint16_t)external;
	if (origin && word_to_origin(origin, &out->origin) < 0) {
		api_fail(reply, 400, "origin \"%s\" is neither nat-pmp nor pcp", origin);
		return -EINVAL;
	}
	return 0;
}

static json_t *json_mark(const struct call *call, const struct config_mark *mark)
{
	struct ctl_status st = {0};
	json_t *out;

	call->api->ops->status(call->api->arg, &st);
	if (mark->line == 0 || !st.config || mark->file >= st.config->files_len)
		return json_null();
	out = json_object();
	object_set(out, "file", json_text(st.config->files[mark->file]));
	object_set(out, "line", json_integer(mark->line));
	return out;
}

void handle_explain(const struct call *call, struct api_reply *reply)
{
	struct admin_explanation why = {0};
	struct admin_query asked;
	const char *result;

	if (read_query(call->query, &asked, reply) < 0)
		return;
	admin_explain(call->api->engine, &asked, call_now_ms(call), &why);
	result = word_of_result(why.result);
	reply->json = json_object();
	object_set(reply->json, "result", json_string(result ? result : "other"));
	object_set(reply->json, "code", json_integer(why.result));
	object_set(reply->json, "lifetime", json_integer(why.lifetime_s));
	object_set(reply->json, "external_port",
		why.external_port ? json_integer(why.external_port) : json_null());
	object_set(reply->json, "user", why.user[0] ? json_text(why.user) : json_null());
	object_set(reply->json, "class", why.class ? json_text(why.class) : json_null());
	object_set(reply->json, "rule", json_string(word_of_rule(why.rule)));
	object_set(reply->json, "reason", json_text(policy_rule_text(why.rule)));
	object_set(reply->json, "source", json_mark(call, &why.mark));
}
