/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The words that the control API uses for our enumerations. */
#ifndef TUNMAP_CTL_WORDS_H
#define TUNMAP_CTL_WORDS_H

#include "include/admin.h"
#include "include/compiler.h"
#include "include/engine.h"
#include "include/mapping.h"
#include "include/pcp.h"
#include "include/policy.h"

#include <stdint.h>

const char *word_of_protocol(uint8_t protocol);
const char *word_of_origin(enum mapping_origin origin);
const char *word_of_opcode(enum pcp_opcode opcode);
const char *word_of_result(unsigned result); /* NULL: there is no such result */
const char *word_of_rule(enum policy_rule rule);
const char *word_of_drop(enum engine_drop drop);
const char *word_of_reason(enum admin_reason reason);
const char *word_of_event(enum admin_event_kind kind);

/* Each returns 0 with @out written, or -EINVAL. */
int word_to_protocol(const char *word, uint8_t *out) MUST_CHECK;
int word_to_origin(const char *word, enum mapping_origin *out) MUST_CHECK;

#endif
