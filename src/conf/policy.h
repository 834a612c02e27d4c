/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keys of the policy file, with their defaults and what must hold between them. */
#ifndef TUNMAP_CONF_POLICY_H
#define TUNMAP_CONF_POLICY_H

#include "include/config.h"
#include "src/conf/files.h"
#include "src/conf/report.h"

/* A configuration without any array, and every other default filled in.  NULL: out of memory. */
struct config *policy_defaults(void);

/* Read the trees of @files over the defaults in @config. */
void policy_read(struct config *config, const struct files *files, struct report *report);

#endif
