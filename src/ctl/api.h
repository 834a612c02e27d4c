/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control API without its transport: a request in, a status and an answer out.  Nothing
 * here reads a socket or waits: what takes longer is only begun here.
 */
#ifndef TUNMAP_CTL_API_H
#define TUNMAP_CTL_API_H

#include "include/compiler.h"
#include "include/ctl.h"
#include "include/engine.h"
#include "src/ctl/listing.h"

#include <stddef.h>

#include <jansson.h>

#define API_BODY_MAX       65536                /* octets */
#define API_CHECK_BODY_MAX (64UL * 1024 * 1024) /* of a policy file */

struct api {
	struct engine *engine;
	const struct ctl_ops *ops;
	void *arg;
};

struct api_request {
	const char *method;
	const char *target; /* path and query as they came */
	const char *body;
	size_t body_len;
};

enum api_kind {
	API_JSON,   /* @json */
	API_TEXT,   /* @text, Prometheus' format */
	API_LIST,   /* what @listing writes, piece by piece */
	API_EVENTS, /* whatever happens from now on */
	API_POLICY, /* what api_policy_answer() says once the policy is judged */
};

struct api_reply {
	int status;
	enum api_kind kind;
	const char *allow; /* methods, with status 405; else NULL */
	json_t *json;      /* NULL: out of memory */
	char *text;        /* NULL: out of memory */
	struct listing listing;
};

/* Do what @rq asks and set @out, to be freed with api_reply_fini(). */
void api_answer(const struct api *api, const struct api_request *rq, struct api_reply *out);
void api_reply_fini(struct api_reply *reply);

/* Set @out, to be freed likewise, to what became of a policy; see ctl_tell_policy(). */
void api_policy_answer(const struct api *api, int err, const struct config_faults *faults,
	const struct admin_changes *changes, struct api_reply *out);

/* Make @reply the error @status with a message for a person. */
void api_fail(struct api_reply *reply, int status, const char *format, ...) PRINTF_LIKE(3, 4);

/* The reason phrase of a status. */
const char *api_status_phrase(int status);

#endif
