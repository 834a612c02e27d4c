/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One fault and the texts that it owns. */
#ifndef TUNMAP_CONF_FAULT_H
#define TUNMAP_CONF_FAULT_H

#include "include/compiler.h"
#include "include/config.h"

/* Both texts are copied.  Returns 0, or -ENOMEM with nothing to free. */
int fault_init(struct config_fault *fault, const char *file, unsigned long line,
	unsigned long column, const char *message) MUST_CHECK;
void fault_fini(struct config_fault *fault);

#endif
