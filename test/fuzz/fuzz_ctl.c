/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A request to the control API: "METHOD target\n", then its body. */
#include "include/compiler.h"
#include "src/ctl/api.h"
#include "src/ctl/json.h"
#include "test/fuzz/fuzz.h"
#include "test/support/fake_admin.h"

#include <stdbool.h>
#include <string.h>

static int64_t now_ms(void *arg)
{
	(void)arg;
	return 0;
}

static void status(void *arg, struct ctl_status *out)
{
	(void)arg;
	*out = (struct ctl_status){.pool = {10240, 32767}};
}

static int reload(void *arg)
{
	int *begun = arg;

	++*begun;
	return 0;
}

static int check(void *arg, const char *text, size_t len)
{
	FUZZ_ASSERT(text);
	for (size_t i = 0; i < len; i++)
		(void)*(volatile const char *)&text[i];
	return reload(arg);
}

static bool is_ascii(const char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			return false;
	return true;
}

static bool says_error(const struct api_reply *reply)
{
	const char *text = json_string_value(json_object_get(reply->json, "error"));

	return text && text[0] != '\0';
}

static void check_reply(const struct api_reply *reply, const struct engine *e, int begun)
{
	char *text = json_dumps(reply->json, JSON_STYLE);

	FUZZ_ASSERT((reply->status == 405) == (reply->allow != NULL));
	FUZZ_ASSERT(reply->kind == API_JSON || reply->status == 200);
	FUZZ_ASSERT(reply->kind != API_JSON || (text && is_ascii(text)));
	FUZZ_ASSERT(reply->kind != API_JSON || (reply->status != 200) == says_error(reply));
	/* A policy is read at most once, and then nothing else is an answer. */
	FUZZ_ASSERT(begun == (reply->kind == API_POLICY));
	FUZZ_ASSERT(reply->kind != API_POLICY || !reply->json);
	/* What was refused was not done. */
	FUZZ_ASSERT(reply->status == 200 || e->told[0] == '\0');
	free(text);
}

/* A copy of @len octets with a NUL behind it. */
static char *copy_text(const uint8_t *data, size_t len)
{
	char *text = malloc(len + 1);

	FUZZ_ASSERT(text);
	memcpy(text, data, len);
	text[len] = '\0';
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct ctl_ops ops = {
		.now_ms = now_ms, .status = status, .reload = reload, .check = check};
	const uint8_t *end = size > 0 ? memchr(data, '\n', size) : NULL;
	size_t line_len = end ? (size_t)(end - data) : size;
	size_t body_at = end ? line_len + 1 : size;
	char *line = copy_text(data, line_len), *target = strchr(line, ' ');
	struct engine engine = {.mappings = 2};
	int begun = 0;
	struct api api = {.engine = &engine, .ops = &ops, .arg = &begun};
	/* Without a NUL behind it, where a sanitizer sees an overread. */
	char *body = size > body_at ? malloc(size - body_at) : NULL;
	struct api_request rq = {.method = line, .body = body, .body_len = size - body_at};
	struct api_reply reply;

	if (body)
		memcpy(body, data + body_at, size - body_at);
	if (target)
		*target++ = '\0';
	rq.target = target ? target : "";
	api_answer(&api, &rq, &reply);
	check_reply(&reply, &engine, begun);
	api_reply_fini(&reply);
	free(body);
	free(line);
	return 0;
}
