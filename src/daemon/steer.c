/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "include/admin.h"
#include "include/log.h"
#include "include/net.h"
#include "src/daemon/notify.h"
#include "src/daemon/state.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* What a running daemon cannot change. */
static void warn_of_restart(const struct config *old, const struct config *config)
{
	if (strcmp(old->control_socket, config->control_socket) != 0 ||
		strcmp(old->control_group, config->control_group) != 0 ||
		old->metrics != config->metrics || old->metrics_port != config->metrics_port ||
		!addr_equal(&old->metrics_addr, &config->metrics_addr))
		log_warning("changes of `control` and `metrics` need a restart");
}

/* The kernel first: if it will not have the new rules, the old policy stays in force. */
static int adopt(struct daemon *d, struct config *config, struct admin_changes *changes)
{
	int64_t now_ms = daemon_clock_ms();
	struct gateway gateway;
	struct nft_rules rules;
	struct config *old = d->config;
	struct port_set ports_in_use = d->ports_in_use;
	int err = follow_read(d, config, &gateway);

	if (err)
		return err;
	rules = follow_rules(d, config);
	err = follow_can_masquerade(&rules);
	if (!err)
		err = nft_update(d->nft, &rules, &gateway);
	if (err) {
		d->ports_in_use = ports_in_use;
		gateway_fini(&gateway);
		return err;
	}
	d->masquerade_ports = rules.masquerade_ports;
	warn_of_restart(old, config);
	d->config = config;
	gateway_fini(&d->gateway);
	d->gateway = gateway;
	*changes = admin_reload(d->engine, config, now_ms);
	engine_reserve_ports(d->engine, &d->ports_in_use);
	engine_set_externals(d->engine, gateway.addresses, gateway.addresses_len, now_ms);
	if (admin_set_peers(d->engine, &d->peers, &d->peers, now_ms) < 0)
		log_warning("WireGuard users are not followed: out of memory");
	if (listeners_follow(&d->listeners, &d->gateway) < 0)
		follow_network_soon(d, now_ms);
	if (d->ctl)
		ctl_set_identity(d->ctl, config->identity);
	if (!d->log_level_given)
		log_set_level(config->log_level);
	config_free(old);
	return 0;
}

static void log_outcome(int err, const struct config_faults *faults, const struct admin_changes *c)
{
	if (!err) {
		log_info("policy reloaded: %zu mappings kept, %zu revoked", c->kept, c->revoked);
		return;
	}
	log_error("policy not reloaded, the old one stays in force: %s",
		faults->len ? "it has faults" : strerror(-err));
	for (size_t i = 0; i < faults->len; i++)
		log_error("%s:%lu:%lu: %s", faults->fault[i].file, faults->fault[i].line,
			faults->fault[i].column, faults->fault[i].message);
}

static void tell(struct daemon *d, int err, struct config_faults *faults,
	const struct admin_changes *changes)
{
	if (d->ctl)
		ctl_tell_policy(d->ctl, err, faults, changes);
	config_faults_free(faults);
}

static void on_reloaded(void *arg, struct config *config, struct config_faults *faults)
{
	struct daemon *d = arg;
	struct admin_changes changes = {0};
	int err = config ? adopt(d, config, &changes) : -EINVAL;

	if (err)
		config_free(config);
	d->reloaded = true;
	d->reload_failed = err != 0;
	d->reload_ms = daemon_clock_ms();
	log_outcome(err, faults, &changes);
	tell(d, err, faults, &changes);
	notify("READY=1");
	daemon_set_timer(d);
	if (d->reload_wanted)
		steer_reload(d);
}

static void on_checked(void *arg, struct config *config, struct config_faults *faults)
{
	struct daemon *d = arg;
	struct admin_changes changes = {0};
	int err = config ? admin_compare(d->engine, config, daemon_clock_ms(), &changes) : -EINVAL;

	config_free(config);
	tell(d, err, faults, &changes);
	if (d->reload_wanted)
		steer_reload(d);
}

/* sd_notify(3): the service manager wants to know since when. */
static void notify_reloading(void)
{
	struct timespec now;
	char text[64];

	clock_gettime(CLOCK_MONOTONIC, &now);
	(void)snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%" PRId64,
		(int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000);
	notify(text);
}

static int begin_reload(void *arg)
{
	struct daemon *d = arg;
	int err = reading_begin(d->reading, d->path, NULL, 0, on_reloaded, d);

	if (!err)
		notify_reloading();
	return err;
}

static int begin_check(void *arg, const char *text, size_t len)
{
	struct daemon *d = arg;

	return reading_begin(d->reading, d->path, text, len, on_checked, d);
}

/* The file may have changed since a reading that is under way began: then once more. */
void steer_reload(struct daemon *d)
{
	int err = begin_reload(d);

	d->reload_wanted = err == -EBUSY;
	if (err && err != -EBUSY)
		log_error("policy not reloaded, the old one stays in force: %s", strerror(-err));
}

static int64_t now_ms(void *arg)
{
	(void)arg;
	return daemon_clock_ms();
}

static void answered(void *arg)
{
	daemon_set_timer(arg);
}

static bool forwarding_is_off(void)
{
	FILE *file = fopen("/proc/sys/net/ipv4/ip_forward", "re");
	int c = file ? fgetc(file) : '1';

	if (file)
		(void)fclose(file);
	return c == '0';
}

static void warn(struct ctl_status *out, const char *text)
{
	if (out->warnings_len < CTL_WARNINGS_MAX)
		out->warnings[out->warnings_len++] = text;
}

static void status(void *arg, struct ctl_status *out)
{
	const struct daemon *d = arg;

	*out = (struct ctl_status){
		.started_ms = d->started_ms,
		.epoch_s = engine_epoch_s(d->engine, daemon_clock_ms()),
		.config = d->config,
		.gateway = &d->gateway,
		.pool = d->config->pool,
		.masquerade_ports = d->masquerade_ports,
		.kernel = nft_way(d->nft),
		.reloaded = d->reloaded,
		.reload_failed = d->reload_failed,
		.reload_ms = d->reload_ms,
	};
	if (d->gateway.listens_len == 0)
		warn(out, "no tunnel interface has an address; nobody can ask");
	if (d->gateway.addresses_len == 0)
		warn(out, "no external address; requests get a network failure");
	if (forwarding_is_off())
		warn(out, "net.ipv4.ip_forward is 0; nothing is forwarded");
	if (d->peers_unread)
		warn(out, "the WireGuard peers cannot be read; users are as they were");
	if (!d->ctl)
		warn(out, "another tunmapd has the control socket");
	if (d->reload_failed)
		warn(out, "the last reload was refused; an older policy is in force");
}

int steer_open(struct daemon *d)
{
	static const struct ctl_ops ops = {.now_ms = now_ms,
		.answered = answered,
		.status = status,
		.reload = begin_reload,
		.check = begin_check};
	const char *what = NULL;
	int err = ctl_open(&d->ctl, loop_base(d->loop), d->config, d->engine, &ops, d, &what);

	if (!err)
		return 0;
	/* Another network namespace's daemon may live behind the same path; clients matter more. */
	if (err == -EADDRINUSE) {
		log_warning("%s is in use by another tunmapd; this one runs without a control "
			    "socket until control.socket names another and it is restarted",
			what);
		return 0;
	}
	log_error("cannot open the control socket: %s: %s", what, strerror(-err));
	return -1;
}
