/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keys of the policy file, with their defaults and what must hold between them. */
#ifndef TUNMAP_CONF_POLICY_H
#define TUNMAP_CONF_POLICY_H

#include "include/config.h"
#include "src/conf/report.h"
#include "src/conf/tree.h"

/* A configuration with every default filled in.  NULL: out of memory. */
struct config *policy_defaults(void);

/* Read the file's tree at @root over the defaults in @config. */
void policy_read(struct config *config, struct node *root, struct report *report);

#endif
