/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The classes of a policy. */
#ifndef TUNMAP_CONF_CLASSES_H
#define TUNMAP_CONF_CLASSES_H

#include "src/conf/schema.h"

/* For lists of udp and tcp. */
extern const struct word_set protocol_set;

/* Read the classes of all files; the first is "default", the others are sorted by name. */
void classes_read(struct reader *r);

/* uint32_t: the index of the class of that name.  @how: a word that may stand there as well. */
void read_class(struct reader *r, struct node *node, const struct key *key, void *target);

#endif
