/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The users of a policy. */
#ifndef TUNMAP_CONF_USERS_H
#define TUNMAP_CONF_USERS_H

#include "src/conf/schema.h"

/* Read the users of all files, after the classes, and sort them by name. */
void users_read(struct reader *r);

#endif
