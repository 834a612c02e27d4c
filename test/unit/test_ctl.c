/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The control API as a function: method, target and body in, status and JSON out. */
#include "include/compiler.h"
#include "src/ctl/api.h"
#include "src/ctl/events.h"
#include "src/ctl/json.h"
#include "src/ctl/listing.h"
#include "src/ctl/query.h"
#include "test/support/fake_admin.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#define NOW_MS   5000000
#define LIST_MAX 1048576 /* octets of a list that is read whole */
#define LONG     1000    /* places of a list that is read in pieces */

static char policy_name[] = "/etc/tunmap/tunmap.yaml";
static char *policy_files[] = {policy_name};
static const struct config policy = {.files = policy_files, .files_len = 1};

struct world {
	struct engine engine;
	struct gateway gateway;
	struct gateway_listen listen;
	struct ctl_status status;
	int begin_result; /* of reload and check */
	int begun;        /* how often they were called */
	char checked[64];
};

static int64_t world_now_ms(void *arg)
{
	(void)arg;
	return NOW_MS;
}

static void world_status(void *arg, struct ctl_status *out)
{
	const struct world *w = arg;

	*out = w->status;
}

static int world_reload(void *arg)
{
	struct world *w = arg;

	w->begun++;
	return w->begin_result;
}

static int world_check(void *arg, const char *text, size_t len)
{
	struct world *w = arg;

	(void)snprintf(w->checked, sizeof(w->checked), "%.*s", (int)len, text);
	return world_reload(arg);
}

static const struct ctl_ops ops = {
	.now_ms = world_now_ms,
	.status = world_status,
	.reload = world_reload,
	.check = world_check,
};

static struct world world;

static void set_up(void)
{
	const uint8_t inner[4] = {10, 9, 0, 1}, outer[4] = {192, 0, 2, 5},
		      seen[4] = {198, 51, 100, 7};

	memset(&world, 0, sizeof(world));
	world.engine.mappings = 3;
	world.engine.users = 2;
	world.engine.counters.requests = 9;
	world.engine.counters.results[PCP_SUCCESS] = 8;
	world.engine.counters.dropped[ENGINE_DROP_RATE] = 1;
	world.listen = (struct gateway_listen){.interface = "wg0", .addr = addr_from_v4(inner)};
	world.gateway.listens = &world.listen;
	world.gateway.listens_len = 1;
	world.gateway.addresses_len = 1;
	world.gateway.addresses[0].addr = addr_from_v4(outer);
	world.gateway.addresses[0].advertise = addr_from_v4(seen);
	world.status = (struct ctl_status){
		.started_ms = 1000000,
		.epoch_s = 4242,
		.config = &policy,
		.gateway = &world.gateway,
		.pool = {10240, 32767},
		.masquerade_ports = {32768, 60999},
		.kernel = "elements are refreshed",
		.reloaded = true,
		.reload_ms = 4990000,
		.warnings = {"a foreign chain drops"},
		.warnings_len = 1,
	};
}

static struct api_reply ask(const char *method, const char *target, const char *body)
{
	struct api api = {.engine = &world.engine, .ops = &ops, .arg = &world};
	struct api_request rq = {
		.method = method,
		.target = target,
		.body = body,
		.body_len = body ? strlen(body) : 0,
	};
	struct api_reply reply;

	api_answer(&api, &rq, &reply);
	return reply;
}

static void assert_json(const struct api_reply *reply, const char *want)
{
	char *got = json_dumps(reply->json, JSON_STYLE);

	ck_assert_int_eq(reply->kind, API_JSON);
	ck_assert_str_eq(got, want);
	free(got);
}

struct exchange_case {
	const char *method, *target, *body;
	int status;
	const char *json; /* all of it */
	const char *told; /* to the engine; NULL: nothing */
};

static const struct exchange_case cases[] = {
	{"DELETE", "/v1/mappings?user=alice&port=10240&protocol=udp", NULL, 200, "{\"revoked\":3}",
		"revoke user=alice address=- port=10240 protocol=17 external=-"},
	{"DELETE", "/v1/mappings?address=fd00:9::2&external=203.0.113.1", NULL, 200,
		"{\"revoked\":3}",
		"revoke user= address=fd00:9::2 port=0 protocol=0 external=203.0.113.1"},
	{"DELETE", "/v1/mappings?all=true", NULL, 200, "{\"revoked\":3}",
		"revoke user= address=- port=0 protocol=0 external=-"},
	{"DELETE", "/v1/mappings", NULL, 400,
		"{\"error\":\"say which mappings: by user, address, port, protocol or external, or "
		"every one with all=true\"}",
		NULL},
	{"DELETE", "/v1/mappings?", NULL, 400,
		"{\"error\":\"say which mappings: by user, address, port, protocol or external, or "
		"every one with all=true\"}",
		NULL},
	{"DELETE", "/v1/mappings?all=1", NULL, 400,
		"{\"error\":\"all is \\\"1\\\"; it can only be true\"}", NULL},
	{"DELETE", "/v1/mappings?all=true&port=1", NULL, 400,
		"{\"error\":\"all=true selects every mapping; leave out the other parameters, or "
		"all\"}",
		NULL},
	{"DELETE", "/v1/mappings?user=", NULL, 400,
		"{\"error\":\"parameter \\\"user\\\" is empty; give a value or leave it out\"}",
		NULL},
	{"GET", "/v1/mappings?port=0", NULL, 400,
		"{\"error\":\"port \\\"0\\\" is no number from 1 to 65535\"}", NULL},
	{"GET", "/v1/mappings?port=65536", NULL, 400,
		"{\"error\":\"port \\\"65536\\\" is no number from 1 to 65535\"}", NULL},
	{"GET", "/v1/mappings?port=010", NULL, 400,
		"{\"error\":\"port \\\"010\\\" is no number from 1 to 65535\"}", NULL},
	{"GET", "/v1/mappings?port=99999999999999999999999", NULL, 400,
		"{\"error\":\"port \\\"99999999999999999999999\\\" is no number from 1 to 65535\"}",
		NULL},
	{"GET", "/v1/mappings?protocol=sctp", NULL, 400,
		"{\"error\":\"protocol \\\"sctp\\\" is neither udp nor tcp\"}", NULL},
	{"GET", "/v1/mappings?address=10.9.0", NULL, 400,
		"{\"error\":\"address \\\"10.9.0\\\" is no IPv4 or IPv6 address, such as "
		"10.9.0.2\"}",
		NULL},
	{"GET", "/v1/mappings?user=a%20b", NULL, 400,
		"{\"error\":\"user is not 1 to 63 octets of printable text without spaces\"}",
		NULL},
	{"GET", "/v1/mappings?user=%ff", NULL, 400,
		"{\"error\":\"user is not 1 to 63 octets of printable text without spaces\"}",
		NULL},
	{"GET", "/v1/mappings?user=%00", NULL, 400,
		"{\"error\":\"a % must be followed by two hexadecimal digits that are not 00\"}",
		NULL},
	{"GET", "/v1/mappings?user=%4", NULL, 400,
		"{\"error\":\"a % must be followed by two hexadecimal digits that are not 00\"}",
		NULL},
	{"GET", "/v1/mappings?user=a&user=b", NULL, 400,
		"{\"error\":\"parameter \\\"user\\\" is given twice; give it once\"}", NULL},
	{"GET", "/v1/mappings?owner=a", NULL, 400,
		"{\"error\":\"unknown parameter \\\"owner\\\"; /v1/mappings knows user, address, "
		"port, "
		"protocol and external\"}",
		NULL},
	{"GET", "/v1/mappings?all=true", NULL, 400,
		"{\"error\":\"unknown parameter \\\"all\\\"; /v1/mappings knows user, address, "
		"port, "
		"protocol and external\"}",
		NULL},
	{"GET", "/v1/mappings?alice", NULL, 400,
		"{\"error\":\"parameters are written name=value, with & between them\"}", NULL},
	{"GET", "/v1/status?verbose=1", NULL, 400,
		"{\"error\":\"unknown parameter \\\"verbose\\\"; /v1/status knows none\"}", NULL},
	{"POST", "/v1/mappings", NULL, 405,
		"{\"error\":\"/v1/mappings does not answer to POST; use GET, DELETE\"}", NULL},
	{"DELETE", "/v1/status", NULL, 405,
		"{\"error\":\"/v1/status does not answer to DELETE; use GET\"}", NULL},
	{"GET", "/v1/reload", NULL, 405,
		"{\"error\":\"/v1/reload does not answer to GET; use POST\"}", NULL},
	{"GET", "/v1/sessions/10.9.0.2", NULL, 405,
		"{\"error\":\"/v1/sessions/10.9.0.2 does not answer to GET; use PUT, DELETE\"}",
		NULL},
	{"GET", "/v1/users?user=alice", NULL, 400,
		"{\"error\":\"unknown parameter \\\"user\\\"; /v1/users knows none\"}", NULL},
	{"PUT", "/v1/sessions/10.9.0.2", "{\"user\":\"carol\",\"class\":\"gold\",\"id\":\"7\"}",
		200, "{\"address\":\"10.9.0.2\",\"user\":\"carol\"}",
		"up 10.9.0.2 user=carol class=gold id=7"},
	{"PUT", "/v1/sessions/fd00%3a9%3a%3a2", "{\"user\":\"carol\"}", 200,
		"{\"address\":\"fd00:9::2\",\"user\":\"carol\"}",
		"up fd00:9::2 user=carol class= id="},
	{"PUT", "/v1/sessions/10.9.0.2", "{}", 400,
		"{\"error\":\"\\\"user\\\" is missing in the body: whose session is it?\"}", NULL},
	{"PUT", "/v1/sessions/10.9.0.2", "{\"user\":7}", 400,
		"{\"error\":\"\\\"user\\\" in the body is no string\"}", NULL},
	{"PUT", "/v1/sessions/10.9.0.2", "{\"user\":\"\"}", 400,
		"{\"error\":\"user is not 1 to 63 octets of printable text without spaces\"}",
		NULL},
	{"PUT", "/v1/sessions/10.9.0.2", "{\"user\":\"a\",\"name\":\"b\"}", 400,
		"{\"error\":\"unknown key \\\"name\\\" in the body\"}", NULL},
	{"PUT", "/v1/sessions/10.9.0.2", "[]", 400,
		"{\"error\":\"the body is no JSON object, {\\\"user\\\": \\\"...\\\"}\"}", NULL},
	{"PUT", "/v1/sessions/10.9.0.2", "{\"user\":\"a\",\"user\":\"b\"}", 400,
		"{\"error\":\"the body is no JSON: duplicate object key near '\\\"user\\\"' in "
		"line 1, "
		"column 18\"}",
		NULL},
	{"PUT", "/v1/sessions/nobody", "{\"user\":\"a\"}", 400,
		"{\"error\":\"address \\\"nobody\\\" is no IPv4 or IPv6 address, such as "
		"10.9.0.2\"}",
		NULL},
	{"DELETE", "/v1/sessions/10.9.0.2?id=7", NULL, 200, "{\"address\":\"10.9.0.2\"}",
		"down 10.9.0.2 id=7"},
	{"DELETE", "/v1/sessions/10.9.0.2", NULL, 200, "{\"address\":\"10.9.0.2\"}",
		"down 10.9.0.2 id="},
	{"PUT", "/v1/bans", "{\"user\":\"alice\",\"for\":60}", 200, "{\"revoked\":0}",
		"ban for=60 user=alice address=- port=0 protocol=0 external=-"},
	{"PUT", "/v1/bans", "{\"address\":\"10.9.0.2\"}", 200, "{\"revoked\":0}",
		"ban for=0 user= address=10.9.0.2 port=0 protocol=0 external=-"},
	{"PUT", "/v1/bans", "{\"address\":\"10.9.0.2\",\"user\":\"alice\"}", 400,
		"{\"error\":\"say who: either \\\"address\\\" or \\\"user\\\"\"}", NULL},
	{"PUT", "/v1/bans", "{\"for\":60}", 400,
		"{\"error\":\"say who: either \\\"address\\\" or \\\"user\\\"\"}", NULL},
	{"PUT", "/v1/bans", "{\"user\":\"alice\",\"for\":-1}", 400,
		"{\"error\":\"\\\"for\\\" in the body is no number of seconds from 1 to "
		"4294967295\"}",
		NULL},
	{"PUT", "/v1/bans", "{\"user\":\"alice\",\"for\":\"60\"}", 400,
		"{\"error\":\"\\\"for\\\" in the body is no number of seconds from 1 to "
		"4294967295\"}",
		NULL},
	{"DELETE", "/v1/bans?user=alice", NULL, 200, "{\"unbanned\":true}",
		"unban user=alice address=- port=0 protocol=0 external=-"},
	{"DELETE", "/v1/bans", NULL, 400,
		"{\"error\":\"say who: either \\\"address\\\" or \\\"user\\\"\"}", NULL},
	{"POST", "/v1/reload?now=1", NULL, 400,
		"{\"error\":\"unknown parameter \\\"now\\\"; /v1/reload knows none\"}", NULL},
	{"GET", "/v1/explain?address=10.9.0.2&protocol=udp", NULL, 400,
		"{\"error\":\"parameter \\\"internal-port\\\" is missing; address, protocol and "
		"internal-port are needed\"}",
		NULL},
	{"GET", "/v1/explain?address=10.9.0.2&protocol=udp&internal-port=1&origin=upnp", NULL, 400,
		"{\"error\":\"origin \\\"upnp\\\" is neither nat-pmp nor pcp\"}", NULL},
};

START_TEST(api_answers_the_table)
{
	const struct exchange_case *c = &cases[_i];
	struct api_reply reply = ask(c->method, c->target, c->body);

	assert_json(&reply, c->json);
	ck_assert_int_eq(reply.status, c->status);
	ck_assert_str_eq(world.engine.told, c->told ? c->told : "");
	ck_assert_int_eq(reply.allow != NULL, c->status == 405);
	if (c->told)
		ck_assert_int_eq(world.engine.told_ms, NOW_MS);
	api_reply_fini(&reply);
}
END_TEST

START_TEST(api_names_what_there_is_for_an_unknown_path)
{
	static const char *const paths[] = {"/", "/v1", "/v1/", "/v1/status/", "/v1/sessions",
		"/v1/sessions/", "/v1/sessions/10.9.0.2/x", "/v2/status", "", "v1/status",
		"/V1/STATUS", "*"};

	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		struct api_reply reply = ask("GET", paths[i], NULL);

		ck_assert_msg(reply.status == 404, "%s: %d", paths[i], reply.status);
		api_reply_fini(&reply);
	}
}
END_TEST

START_TEST(api_says_why_the_engine_refused)
{
	static const struct {
		const char *method, *target, *body;
		int result, status;
		const char *json;
	} refusals[] = {
		{"PUT", "/v1/sessions/10.9.0.2", "{\"user\":\"a\",\"class\":\"gold\"}", -ENOENT,
			400, "{\"error\":\"class \\\"gold\\\" is not in the policy\"}"},
		{"PUT", "/v1/sessions/10.9.0.2", "{\"user\":\"a\"}", -ENOSPC, 503,
			"{\"error\":\"the table of users is full\"}"},
		{"DELETE", "/v1/sessions/10.9.0.2", NULL, -ENOENT, 404,
			"{\"error\":\"there is no session on 10.9.0.2\"}"},
		{"DELETE", "/v1/sessions/10.9.0.2?id=7", NULL, -ESTALE, 409,
			"{\"error\":\"the session on 10.9.0.2 is not \\\"7\\\" but a newer one\"}"},
		{"PUT", "/v1/bans", "{\"user\":\"eve\"}", -ENOENT, 404,
			"{\"error\":\"nobody knows a user \\\"eve\\\"\"}"},
		{"PUT", "/v1/bans", "{\"address\":\"10.9.0.2\"}", -ENOSPC, 503,
			"{\"error\":\"too many are banned; lift a ban first\"}"},
		{"DELETE", "/v1/bans?user=eve", NULL, -ENOENT, 404,
			"{\"error\":\"there is no such ban\"}"},
	};

	for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
		struct api_reply reply;

		world.engine.result = refusals[i].result;
		reply = ask(refusals[i].method, refusals[i].target, refusals[i].body);
		assert_json(&reply, refusals[i].json);
		ck_assert_int_eq(reply.status, refusals[i].status);
		api_reply_fini(&reply);
	}
}
END_TEST

/* What asks for a policy to be read. */
static const struct {
	const char *target, *body;
} policies[] = {{"/v1/reload", NULL}, {"/v1/check", "tunnels: []"}, {"/v1/check", NULL}};

START_TEST(api_begins_to_read_a_policy_and_answers_later)
{
	const char *body = policies[_i].body;
	struct api_reply reply = ask("POST", policies[_i].target, body);

	ck_assert_int_eq(reply.kind, API_POLICY);
	ck_assert_int_eq(reply.status, 200);
	ck_assert_ptr_null(reply.json);
	ck_assert_int_eq(world.begun, 1);
	ck_assert_str_eq(world.checked, body ? body : "");
	api_reply_fini(&reply);
}
END_TEST

START_TEST(api_says_why_a_policy_cannot_be_read)
{
	struct api_reply reply;

	world.begin_result = -EBUSY;
	reply = ask("POST", policies[_i].target, policies[_i].body);
	ck_assert_int_eq(reply.status, 503);
	assert_json(&reply, "{\"error\":\"another policy is being read; try again in a moment\"}");
	api_reply_fini(&reply);
	world.begin_result = -ENOMEM;
	reply = ask("POST", policies[_i].target, policies[_i].body);
	ck_assert_int_eq(reply.status, 500);
	assert_json(&reply,
		"{\"error\":\"the policy cannot be read now: Cannot allocate memory; nothing was "
		"changed\",\"file\":\"/etc/tunmap/tunmap.yaml\"}");
	api_reply_fini(&reply);
}
END_TEST

/* What a policy's judgement is told as. */
static struct api_reply judge(int err, struct config_fault *fault, size_t len)
{
	const struct api api = {.engine = &world.engine, .ops = &ops, .arg = &world};
	const struct config_faults faults = {.fault = fault, .len = len};
	const struct admin_changes changes = {.users_added = 1, .revoked = 2, .kept = 7};
	struct api_reply reply;

	api_policy_answer(&api, err, &faults, &changes, &reply);
	return reply;
}

START_TEST(api_tells_what_a_policy_changes)
{
	struct api_reply reply = judge(0, NULL, 0);

	ck_assert_int_eq(reply.status, 200);
	assert_json(&reply,
		"{\"changes\":{\"users_added\":1,\"users_removed\":0,\"classes_added\":0,"
		"\"classes_removed\":0,\"revoked\":2,\"kept\":7},"
		"\"file\":\"/etc/tunmap/tunmap.yaml\"}");
	api_reply_fini(&reply);
}
END_TEST

START_TEST(api_reports_the_faults_of_a_policy)
{
	char message[] = "unknown key \"listne\"";
	struct config_fault fault[] = {
		{.file = policy_name, .line = 3, .column = 5, .message = message},
		{.file = policy_name, .line = 4, .column = 1, .message = message},
	};
	struct api_reply reply = judge(-EINVAL, fault, 1);

	ck_assert_int_eq(reply.status, 422);
	assert_json(&reply,
		"{\"error\":\"the policy has 1 fault; nothing was changed\",\"faults\":[{\"file\":"
		"\"/etc/tunmap/tunmap.yaml\",\"line\":3,\"column\":5,\"message\":\"unknown key "
		"\\\"listne\\\"\"}],\"file\":\"/etc/tunmap/tunmap.yaml\"}");
	api_reply_fini(&reply);
	reply = judge(-EINVAL, fault, 2);
	ck_assert_int_eq(reply.status, 422);
	ck_assert_uint_eq(json_array_size(json_object_get(reply.json, "faults")), 2);
	api_reply_fini(&reply);
	/* Refused by somebody else, such as the kernel. */
	reply = judge(-EINVAL, NULL, 0);
	ck_assert_int_eq(reply.status, 500);
	api_reply_fini(&reply);
	reply = judge(-ENOMEM, NULL, 0);
	ck_assert_int_eq(reply.status, 500);
	api_reply_fini(&reply);
}
END_TEST

START_TEST(api_knows_no_policy_file_without_a_policy)
{
	struct api_reply reply;

	world.status.config = NULL;
	reply = judge(0, NULL, 0);
	ck_assert(json_is_null(json_object_get(reply.json, "file")));
	api_reply_fini(&reply);
}
END_TEST

START_TEST(api_limits_bodies)
{
	struct api api = {.engine = &world.engine, .ops = &ops, .arg = &world};
	struct api_request rq = {.method = "PUT", .target = "/v1/bans"};
	struct api_reply reply;
	char *body = calloc(1, API_BODY_MAX + 1);

	ck_assert_ptr_nonnull(body);
	memset(body, ' ', API_BODY_MAX + 1);
	rq.body = body;
	rq.body_len = API_BODY_MAX + 1;
	api_answer(&api, &rq, &reply);
	ck_assert_int_eq(reply.status, 413);
	api_reply_fini(&reply);
	rq.method = "POST";
	rq.target = "/v1/check";
	api_answer(&api, &rq, &reply);
	ck_assert_int_eq(reply.status, 200);
	api_reply_fini(&reply);
	free(body);
}
END_TEST

START_TEST(api_answers_nothing_to_a_body_cut_anywhere)
{
	static const char body[] = "{\"user\":\"alice\",\"for\":60}";

	for (size_t len = 0; len + 1 < sizeof(body); len++) {
		struct api api = {.engine = &world.engine, .ops = &ops, .arg = &world};
		struct api_request rq = {.method = "PUT", .target = "/v1/bans", .body_len = len};
		struct api_reply reply;
		char *copy = malloc(len + 1);

		ck_assert_ptr_nonnull(copy);
		memcpy(copy + 1, body, len);
		rq.body = copy + 1;
		api_answer(&api, &rq, &reply);
		ck_assert_int_eq(reply.status, 400);
		ck_assert_str_eq(world.engine.told, "");
		api_reply_fini(&reply);
		free(copy);
	}
}
END_TEST

START_TEST(status_is_complete)
{
	struct api_reply reply = ask("GET", "/v1/status", NULL);

	assert_json(&reply,
		"{\"version\":\"" TUNMAP_VERSION "\",\"uptime\":4000,\"epoch\":4242,"
		"\"kernel\":\"elements are refreshed\",\"policy\":\"/etc/tunmap/tunmap.yaml\","
		"\"tunnels\":[{\"interface\":\"wg0\",\"address\":\"10.9.0.1\"}],"
		"\"external\":[{\"address\":\"192.0.2.5\",\"advertised\":\"198.51.100.7\"}],"
		"\"pool\":{\"first\":10240,\"last\":32767,\"ports\":22528,\"taken\":3,"
		"\"free\":49997},"
		"\"masquerade_ports\":{\"first\":32768,\"last\":60999},\"mappings\":3,"
		"\"counters\":{\"requests\":9,\"granted\":0,\"renewed\":0,\"ended\":0,"
		"\"kernel_refused\":0,\"dropped\":{\"not-a-request\":0,\"rate\":1,\"users\":0},"
		"\"results\":{\"success\":8,\"unsupported-version\":0,\"not-authorized\":0,"
		"\"malformed-request\":0,\"unsupported-opcode\":0,\"unsupported-option\":0,"
		"\"malformed-option\":0,\"network-failure\":0,\"no-resources\":0,"
		"\"unsupported-protocol\":0,\"quota-exceeded\":0,\"cannot-provide-external\":0,"
		"\"address-mismatch\":0,\"excessive-remote-peers\":0}},"
		"\"reload\":{\"ok\":true,\"ago\":10},\"warnings\":[\"a foreign chain drops\"]}");
	api_reply_fini(&reply);
}
END_TEST

START_TEST(explanation_names_rule_and_place)
{
	struct api_reply reply;
	char want[512];

	world.engine.explanation = (struct admin_explanation){
		.result = PCP_USER_EX_QUOTA,
		.lifetime_s = 30,
		.rule = POLICY_RULE_QUOTA,
		.mark = {.file = 0, .line = 12},
		.user = "alice",
		.class = "default",
	};
	reply = ask("GET", "/v1/explain?address=10.9.0.2&protocol=udp&internal-port=6881", NULL);
	(void)snprintf(want, sizeof(want),
		"{\"result\":\"quota-exceeded\",\"code\":10,\"lifetime\":30,\"external_port\":null,"
		"\"user\":\"alice\",\"class\":\"default\",\"rule\":\"quota\",\"reason\":\"%s\","
		"\"source\":{\"file\":\"/etc/tunmap/tunmap.yaml\",\"line\":12}}",
		policy_rule_text(POLICY_RULE_QUOTA));
	assert_json(&reply, want);
	api_reply_fini(&reply);
	reply = ask("GET",
		"/v1/explain?address=10.9.0.2&protocol=udp&internal-port=0&external-port=40000"
		"&lifetime=99&origin=nat-pmp",
		NULL);
	ck_assert_int_eq(json_integer_value(json_object_get(reply.json, "external_port")), 40000);
	ck_assert_int_eq(json_integer_value(json_object_get(reply.json, "lifetime")), 99);
	api_reply_fini(&reply);
}
END_TEST

START_TEST(metrics_are_prometheus_text_without_identities)
{
	struct api_reply reply = ask("GET", "/metrics", NULL);

	ck_assert_int_eq(reply.kind, API_TEXT);
	ck_assert_ptr_nonnull(strstr(reply.text, "\ntunmap_mappings 3\n"));
	ck_assert_ptr_nonnull(strstr(reply.text, "\ntunmap_pool_ports_taken 3\n"));
	ck_assert_ptr_nonnull(strstr(reply.text, "\ntunmap_pool_ports_free 49997\n"));
	ck_assert_ptr_nonnull(strstr(reply.text, "\ntunmap_requests_total 9\n"));
	ck_assert_ptr_nonnull(
		strstr(reply.text, "\ntunmap_requests_dropped_total{reason=\"rate\"} 1\n"));
	ck_assert_ptr_nonnull(strstr(reply.text, "\ntunmap_replies_total{result=\"success\"} 8\n"));
	ck_assert_ptr_nonnull(strstr(reply.text, "\ntunmap_uptime_seconds 4000\n"));
	ck_assert_ptr_null(strstr(reply.text, "10.9."));
	ck_assert_ptr_null(strstr(reply.text, "198.51."));
	ck_assert_ptr_null(strstr(reply.text, "alice"));
	api_reply_fini(&reply);
}
END_TEST

/* The whole list in pieces of @max places, to be freed. */
static char *list_all(const char *target, uint32_t max, size_t *pieces)
{
	struct api_reply reply = ask("GET", target, NULL);
	struct listing_piece piece = {.more = true};
	char *text = calloc(1, LIST_MAX);
	size_t len = 0;

	ck_assert_ptr_nonnull(text);
	ck_assert_int_eq(reply.kind, API_LIST);
	for (*pieces = 0; piece.more; ++*pieces) {
		ck_assert_int_eq(
			listing_next(&reply.listing, &world.engine, max, NOW_MS, &piece), 0);
		ck_assert_uint_lt(len + piece.len, LIST_MAX);
		memcpy(text + len, piece.text, piece.len);
		len += piece.len;
		free(piece.text);
	}
	return text;
}

START_TEST(listing_is_one_document)
{
	size_t pieces;
	char *text = list_all("/v1/mappings?port=10240", 512, &pieces);

	ck_assert_str_eq(text,
		"{\"mappings\":[\n"
		"{\"protocol\":\"udp\",\"internal_address\":\"10.9.0.2\",\"internal_port\":6881,"
		"\"external_address\":\"203.0.113.1\",\"external_port\":10240,\"lifetime\":3600,"
		"\"remaining\":3541,\"user\":\"alice\",\"class\":\"default\",\"origin\":\"nat-"
		"pmp\","
		"\"opcode\":\"map\",\"filters\":[]}\n"
		"]}\n");
	ck_assert_uint_eq(pieces, 1);
	free(text);
	text = list_all("/v1/mappings?user=nobody", 512, &pieces);
	ck_assert_str_eq(text, "{\"mappings\":[\n]}\n");
	free(text);
}
END_TEST

START_TEST(users_are_listed_one_a_line)
{
	size_t pieces;
	char *text = list_all("/v1/users", 512, &pieces);

	ck_assert_str_eq(text,
		"{\"users\":[\n"
		"{\"name\":\"alice\",\"class\":\"default\",\"addresses\":[\"10.9.0.2\","
		"\"10.9.1.0/24\"],\"held\":2,\"allowed\":16,\"banned\":false,\"connected\":true},\n"
		"{\"name\":\"10.9.0.77\",\"class\":\"default\",\"addresses\":[],\"held\":0,"
		"\"allowed\":16,\"banned\":true,\"connected\":false}\n"
		"]}\n");
	ck_assert_uint_eq(pieces, 1);
	free(text);
	world.engine.users = 0;
	text = list_all("/v1/users", 512, &pieces);
	ck_assert_str_eq(text, "{\"users\":[\n]}\n");
	free(text);
}
END_TEST

static const struct {
	const char *target, *name;
	size_t len;
} lists[] = {
	{"/v1/mappings", "mappings", LONG},
	{"/v1/mappings?user=alice", "mappings", LONG / 2},
	{"/v1/users", "users", LONG},
};

START_TEST(listing_is_the_same_in_any_pieces)
{
	static const uint32_t sizes[] = {1, 2, 3, 7, LONG - 1, LONG, LONG + 1};
	size_t pieces;
	char *whole;

	world.engine.mappings = LONG;
	world.engine.users = LONG;
	whole = list_all(lists[_i].target, UINT32_MAX / 2, &pieces);
	ck_assert_uint_eq(pieces, 1);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		char *text = list_all(lists[_i].target, sizes[i], &pieces);
		json_t *json = json_loads(text, 0, NULL);

		ck_assert_str_eq(text, whole);
		ck_assert_uint_eq(pieces, (LONG + sizes[i] - 1) / sizes[i]);
		ck_assert_uint_eq(
			json_array_size(json_object_get(json, lists[_i].name)), lists[_i].len);
		json_decref(json);
		free(text);
	}
	free(whole);
}
END_TEST

static const struct hash_key key = {1, 2};

static void assert_event(
	const struct admin_event *event, enum config_identity identity, const char *want)
{
	char *line = event_line(event, identity, &key, INT64_C(1700000000123));

	ck_assert_str_eq(line, want);
	free(line);
}

#define WHEN "\"time\":\"2023-11-14T22:13:20.123Z\""

START_TEST(events_name_no_more_than_the_policy_allows)
{
	struct admin_mapping m = fake_mapping(0);
	struct admin_event ended = {
		.kind = ADMIN_EVENT_ENDED, .reason = ADMIN_REASON_EXPIRED, .mapping = &m};
	struct admin_event refused = {.kind = ADMIN_EVENT_REFUSED,
		.result = PCP_NOT_AUTHORIZED,
		.user = "alice",
		.address = &m.internal};

	assert_event(&ended, CONFIG_IDENTITY_NONE,
		"{\"event\":\"ended\"," WHEN ",\"reason\":\"expired\",\"protocol\":\"udp\","
		"\"origin\":\"nat-pmp\",\"opcode\":\"map\",\"lifetime\":3600}\n");
	assert_event(&refused, CONFIG_IDENTITY_NONE,
		"{\"event\":\"refused\"," WHEN ",\"result\":\"not-authorized\"}\n");
	assert_event(&ended, CONFIG_IDENTITY_FULL,
		"{\"event\":\"ended\"," WHEN ",\"reason\":\"expired\",\"protocol\":\"udp\","
		"\"origin\":\"nat-pmp\",\"opcode\":\"map\",\"lifetime\":3600,\"user\":\"alice\","
		"\"class\":\"default\",\"internal_address\":\"10.9.0.2\",\"internal_port\":6881,"
		"\"external_address\":\"203.0.113.1\",\"external_port\":10240}\n");
	assert_event(&refused, CONFIG_IDENTITY_FULL,
		"{\"event\":\"refused\"," WHEN ",\"result\":\"not-authorized\",\"user\":\"alice\","
		"\"address\":\"10.9.0.2\"}\n");
}
END_TEST

static char *pseudonym_of(const char *user, const struct hash_key *with)
{
	struct admin_event up = {.kind = ADMIN_EVENT_SESSION_UP, .user = user};
	char *line = event_line(&up, CONFIG_IDENTITY_PSEUDONYM, with, 0);
	json_t *json = json_loads(line, 0, NULL);
	char *name = strdup(json_string_value(json_object_get(json, "user")));

	json_decref(json);
	free(line);
	return name;
}

START_TEST(pseudonyms_are_stable_under_one_key_only)
{
	const struct hash_key other = {3, 4};
	char *a = pseudonym_of("alice", &key), *again = pseudonym_of("alice", &key);
	char *b = pseudonym_of("bob", &key), *later = pseudonym_of("alice", &other);

	ck_assert_uint_eq(strlen(a), 18);
	ck_assert_str_eq(a, again);
	ck_assert_str_ne(a, b);
	ck_assert_str_ne(a, later);
	free(a);
	free(again);
	free(b);
	free(later);
}
END_TEST

START_TEST(pseudonymous_events_hold_no_name_and_no_internal_address)
{
	struct admin_mapping m = fake_mapping(0);
	struct admin_event event = {.kind = ADMIN_EVENT_GRANTED,
		.mapping = &m,
		.user = "alice",
		.address = &m.internal};
	char *line = event_line(&event, CONFIG_IDENTITY_PSEUDONYM, &key, 0);

	ck_assert_ptr_null(strstr(line, "alice"));
	ck_assert_ptr_null(strstr(line, "10.9.0"));
	ck_assert_ptr_nonnull(strstr(line, "\"external_port\":10240"));
	free(line);
}
END_TEST

START_TEST(every_kind_of_event_has_a_word)
{
	static const char *const words[] = {"granted", "ended", "refused", "session-up",
		"session-down", "banned", "unbanned", "reloaded", "external"};

	for (unsigned i = 0; i < ARRAY_LEN(words); i++) {
		struct admin_event event = {.kind = (enum admin_event_kind)i};
		char *line = event_line(&event, CONFIG_IDENTITY_FULL, &key, 0);
		json_t *json = json_loads(line, 0, NULL);

		ck_assert_str_eq(json_string_value(json_object_get(json, "event")), words[i]);
		json_decref(json);
		free(line);
	}
}
END_TEST

START_TEST(answers_are_ascii)
{
	struct api_reply reply = ask("DELETE", "/v1/sessions/%c2%9b31m?id=%e2%80%ae", NULL);
	char *text = json_dumps(reply.json, JSON_STYLE);

	for (const char *c = text; *c; c++)
		ck_assert(*c >= ' ' && *c < 0x7f);
	free(text);
	api_reply_fini(&reply);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("ctl");
	TCase *t = tcase_create("api");

	tcase_add_checked_fixture(t, set_up, NULL);
	tcase_add_loop_test(t, api_answers_the_table, 0, ARRAY_LEN(cases));
	tcase_add_test(t, api_names_what_there_is_for_an_unknown_path);
	tcase_add_test(t, api_says_why_the_engine_refused);
	tcase_add_loop_test(
		t, api_begins_to_read_a_policy_and_answers_later, 0, ARRAY_LEN(policies));
	tcase_add_loop_test(t, api_says_why_a_policy_cannot_be_read, 0, ARRAY_LEN(policies));
	tcase_add_test(t, api_tells_what_a_policy_changes);
	tcase_add_test(t, api_reports_the_faults_of_a_policy);
	tcase_add_test(t, api_knows_no_policy_file_without_a_policy);
	tcase_add_test(t, api_limits_bodies);
	tcase_add_test(t, api_answers_nothing_to_a_body_cut_anywhere);
	tcase_add_test(t, status_is_complete);
	tcase_add_test(t, explanation_names_rule_and_place);
	tcase_add_test(t, metrics_are_prometheus_text_without_identities);
	tcase_add_test(t, answers_are_ascii);
	suite_add_tcase(s, t);
	t = tcase_create("listing");
	tcase_add_checked_fixture(t, set_up, NULL);
	tcase_add_test(t, listing_is_one_document);
	tcase_add_test(t, users_are_listed_one_a_line);
	tcase_add_loop_test(t, listing_is_the_same_in_any_pieces, 0, ARRAY_LEN(lists));
	suite_add_tcase(s, t);
	t = tcase_create("events");
	tcase_add_test(t, events_name_no_more_than_the_policy_allows);
	tcase_add_test(t, pseudonyms_are_stable_under_one_key_only);
	tcase_add_test(t, pseudonymous_events_hold_no_name_and_no_internal_address);
	tcase_add_test(t, every_kind_of_event_has_a_word);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *r = srunner_create(suite());
	int failed;

	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
