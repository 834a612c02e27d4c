/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The service manager's notification protocol (sd_notify(3)). */
#ifndef TUNMAP_DAEMON_NOTIFY_H
#define TUNMAP_DAEMON_NOTIFY_H

#include <stdint.h>

/* Tell the service manager @state, e.g. "READY=1"; does nothing without one. */
void notify(const char *state);

/* Milliseconds between two "WATCHDOG=1" that keep the service manager content; 0: it wants none. */
int64_t notify_watchdog_ms(void);

#endif
