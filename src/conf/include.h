/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finding and parsing the files that a policy includes. */
#ifndef TUNMAP_CONF_INCLUDE_H
#define TUNMAP_CONF_INCLUDE_H

#include "src/conf/files.h"

/*
 * Parse the files that the root of the first of @files includes, and append them.  With
 * @confined, only files in its directory or below can be named, and of those only *.yaml and
 * *.yml: what stands in a file shows in faults.  Faults go to @report.
 */
void include_files(struct files *files, struct tree *tree, struct report *report, bool confined);

#endif
