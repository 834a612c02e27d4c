/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines for the operator, on standard error. */
#ifndef TUNMAP_LOG_H
#define TUNMAP_LOG_H

#include "include/compiler.h"
#include "include/config.h"

/* Lines above this level are not formatted at all.  The one file-scope variable. */
void log_set_level(enum log_level level);

void log_error(const char *format, ...) PRINTF_LIKE(1, 2);
void log_warning(const char *format, ...) PRINTF_LIKE(1, 2);
void log_info(const char *format, ...) PRINTF_LIKE(1, 2);
void log_debug(const char *format, ...) PRINTF_LIKE(1, 2);

#endif
