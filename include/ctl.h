/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control API: HTTP with JSON bodies on a UNIX socket, and metrics in Prometheus' text on
 * that socket and, if the policy wants it, on a TCP port.
 */
#ifndef TUNMAP_CTL_H
#define TUNMAP_CTL_H

#include "include/admin.h"
#include "include/config.h"
#include "include/engine.h"
#include "include/gateway.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;

#define CTL_WARNINGS_MAX 8

/* What the daemon knows beside the engine. */
struct ctl_status {
	int64_t started_ms;
	uint32_t epoch_s;            /* as clients are told */
	const struct config *config; /* the policy in force */
	const struct gateway *gateway;
	struct port_range pool;
	struct port_range masquerade_ports;
	const char *kernel; /* how mappings are written on this kernel, in words */
	bool reloaded;      /* there was an attempt to reload */
	bool reload_failed; /* the last one was refused; the old policy is in force */
	int64_t reload_ms;  /* when */
	const char *warnings[CTL_WARNINGS_MAX]; /* what an admin should mend, in words */
	size_t warnings_len;
};

struct ctl_ops {
	int64_t (*now_ms)(void *arg);
	/* A request has been answered: what the engine has to do next may be due earlier. */
	void (*answered)(void *arg);
	void (*status)(void *arg, struct ctl_status *out);
	/*
	 * Begin to read the policy file again, to adopt it.  Reading a long one takes a while, so
	 * that how it went is said later, with ctl_tell_policy(), never before this returns.
	 * Returns 0, or -EBUSY while another policy is being read, or another -errno; then
	 * nothing was begun.
	 */
	int (*reload)(void *arg);
	/*
	 * Likewise begin to read the @len octets at @text, which are copied, as if they stood in
	 * the policy file, whose name they bear in faults, to say what adopting them would change.
	 * What the text includes must lie where the policy file's own includes may: whoever
	 * may use the socket must not read other files through the words of a fault.
	 */
	int (*check)(void *arg, const char *text, size_t len);
};

struct ctl;

/*
 * Open the control socket that @config names (removing one that a dead daemon left; -EADDRINUSE
 * when another lives behind it), and the metrics port.  Everything passed is borrowed until
 * ctl_close(), but @config only during the call.  Returns 0 or -errno; then *@what names the
 * path, group or port that the error is about.  From then on the process ignores SIGPIPE, for
 * a client may go away at any time, and may have 4096 descriptors open if its hard limit allows.
 */
int ctl_open(struct ctl **out, struct event_base *base, const struct config *config,
	struct engine *engine, const struct ctl_ops *ops, void *arg, const char **what) MUST_CHECK;

/* The identities that events may name, after a reload. */
void ctl_set_identity(struct ctl *ctl, enum config_identity identity);

/*
 * The policy that was being read is judged: @err is 0 with @changes, -EINVAL with @faults and the
 * old policy in force, or another -errno with neither.  Both are borrowed during the call.  Answers
 * whoever asked for it and still waits; that is nobody if the client has gone or a signal asked.
 */
void ctl_tell_policy(struct ctl *ctl, int err, const struct config_faults *faults,
	const struct admin_changes *changes);

/* @ctl may be NULL.  Whoever waits is cut.  Removes the socket. */
void ctl_close(struct ctl *ctl);

#endif
