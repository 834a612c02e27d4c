/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Values that requests bring, from a query or a body.  @name is what the value is called in a
 * message.  Each returns 0 with @out written, or -EINVAL with @reply the error 400.
 */
#ifndef TUNMAP_CTL_VALUES_H
#define TUNMAP_CTL_VALUES_H

#include "include/addr.h"
#include "include/admin.h"
#include "include/compiler.h"
#include "src/ctl/api.h"
#include "src/ctl/query.h"

#include <stdint.h>

#include <jansson.h>

int value_addr(
	const char *name, const char *text, struct addr *out, struct api_reply *reply) MUST_CHECK;
/* Without a leading sign or zero; at most @max. */
int value_number(const char *name, const char *text, uint32_t min, uint32_t max, uint32_t *out,
	struct api_reply *reply) MUST_CHECK;
int value_protocol(const char *text, uint8_t *out, struct api_reply *reply) MUST_CHECK;
/* A user, a class or a session's id: printable, without spaces, shorter than ADMIN_NAME_MAX. */
int value_name(const char *name, const char *text, char out[ADMIN_NAME_MAX],
	struct api_reply *reply) MUST_CHECK;

/* What user, address, port, protocol and external of @q select. */
int value_selector(
	const struct query *q, struct admin_selector *out, struct api_reply *reply) MUST_CHECK;

/*
 * The JSON object in a body, whose keys are among the NULL-terminated @keys; to be
 * json_decref()ed.  NULL: @reply is an error.
 */
json_t *value_body(const char *body, size_t len, const char *const *keys, struct api_reply *reply);
/* The text of @key, or NULL when it is not there. */
int value_body_text(
	const json_t *body, const char *key, const char **out, struct api_reply *reply) MUST_CHECK;

#endif
