/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon's answers for a person.  Pure but for what is written to @out. */
#ifndef TUNMAP_CLI_RENDER_H
#define TUNMAP_CLI_RENDER_H

#include "src/cli/command.h"
#include "src/cli/table.h"

#include <stddef.h>
#include <stdio.h>

#include <jansson.h>

/*
 * Write @answer, the JSON of a success, to @out.  Not for VIEW_MAPPINGS, VIEW_USERS and
 * VIEW_EVENTS, which come in lines.
 */
void render(FILE *out, enum view view, const json_t *answer);

/*
 * Write an error's answer for the command: a line, and faults as FILE:LINE:COL: message.  Where
 * the daemon's own policy file has a fault, @file stands for it, unless that is NULL.
 */
void render_error(FILE *out, const json_t *answer, const char *file);

/*
 * Mappings, or users, one after the other, in a table that is @room columns wide at most, or as
 * wide as it needs when that is 0: table_finish() ends them.
 */
void render_mappings_begin(struct table *t, FILE *out, size_t room);
void render_mapping(struct table *t, const json_t *mapping);
void render_users_begin(struct table *t, FILE *out, size_t room);
void render_user(struct table *t, const json_t *user);

#endif
