/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "include/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static enum log_level log_threshold = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
	log_threshold = level;
}

/* Under systemd the journal reads the priority from the line (sd-daemon(3)). */
static void __attribute__((format(printf, 2, 0)))
write_line(enum log_level level, const char *format, va_list args)
{
	static const char *const priority[] = {"<3>", "<4>", "<6>", "<7>"};
	static const char *const name[] = {"error", "warning", "info", "debug"};
	char text[1024];

	(void)vsnprintf(text, sizeof(text), format, args);
	if (getenv("JOURNAL_STREAM"))
		(void)fprintf(stderr, "%s%s\n", priority[level], text);
	else
		(void)fprintf(stderr, "tunmapd: %s: %s\n", name[level], text);
}

#define DEFINE_LOG(function, level)                                                                \
	void function(const char *format, ...)                                                     \
	{                                                                                          \
		va_list args;                                                                      \
                                                                                                   \
		if ((level) > log_threshold)                                                       \
			return;                                                                    \
		va_start(args, format);                                                            \
		write_line(level, format, args);                                                   \
		va_end(args);                                                                      \
	}

DEFINE_LOG(log_error, LOG_LEVEL_ERROR)
DEFINE_LOG(log_warning, LOG_LEVEL_WARNING)
DEFINE_LOG(log_info, LOG_LEVEL_INFO)
DEFINE_LOG(log_debug, LOG_LEVEL_DEBUG)
