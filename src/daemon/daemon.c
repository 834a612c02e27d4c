/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "include/log.h"
#include "include/net.h"
#include "src/daemon/notify.h"
#include "src/daemon/state.h"
#include "src/daemon/sticky.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define MS_PER_S  1000
#define NS_PER_MS 1000000

int64_t daemon_clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * MS_PER_S + now.tv_nsec / NS_PER_MS;
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

void daemon_set_timer(struct daemon *d)
{
	int64_t next_ms = earlier(engine_next_ms(d->engine), earlier(d->refresh_ms, d->peers_ms));
	struct itimerspec when = {0};

	if (d->watchdog_ms)
		next_ms = earlier(next_ms, d->alive_ms);
	when.it_value.tv_sec = next_ms / MS_PER_S;
	when.it_value.tv_nsec = next_ms % MS_PER_S * NS_PER_MS;
	timerfd_settime(d->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static void on_request(void *arg, int fd)
{
	struct daemon *d = arg;
	int64_t now_ms = daemon_clock_ms();
	int len = net_receive(fd, d->exchanges, EXCHANGE_BATCH_MAX);

	if (len < 0)
		log_debug("cannot receive: %s", strerror(-len));
	if (len <= 0)
		return;
	engine_serve(d->engine, d->exchanges, (size_t)len, now_ms);
	net_reply(fd, d->exchanges, (size_t)len);
	daemon_set_timer(d);
}

static void on_timer(void *arg)
{
	struct daemon *d = arg;
	int64_t now_ms = daemon_clock_ms();
	uint64_t times;

	if (read(d->timer_fd, &times, sizeof(times)) < 0 && errno == EAGAIN)
		return;
	if (now_ms >= d->refresh_ms) {
		follow_network(d, now_ms);
		d->peers_ms = now_ms;
	}
	if (now_ms >= d->peers_ms)
		follow_peers(d, now_ms);
	engine_expire(d->engine, now_ms);
	if (d->watchdog_ms && now_ms >= d->alive_ms) {
		notify("WATCHDOG=1");
		d->alive_ms = now_ms + d->watchdog_ms;
	}
	daemon_set_timer(d);
}

static void on_network(void *arg)
{
	struct daemon *d = arg;
	int changed = net_watch_drain(d->network_fd);

	if (changed == 0)
		return;
	follow_network_soon(d, daemon_clock_ms());
	daemon_set_timer(d);
}

static void on_flows(void *arg)
{
	struct daemon *d = arg;

	nft_flows_continue(d->nft);
}

static void on_stop(void *arg)
{
	struct daemon *d = arg;

	notify("STOPPING=1");
	loop_stop(d->loop);
}

static void on_reload(void *arg)
{
	steer_reload(arg);
}

static const char *why_no_kernel(enum nft_error error, int err)
{
	switch (error) {
	case NFT_NO_PERMISSION:
		return "changing the kernel's NAT is not permitted; run as root or with "
		       "CAP_NET_ADMIN";
	case NFT_NO_SUPPORT:
		return "the kernel has no nf_tables with NAT; load nf_tables and nft_chain_nat, or "
		       "use a kernel that has them";
	case NFT_FOREIGN_TABLE:
		return "a table `inet tunmap` stands in the kernel that is not tunmapd's; rename "
		       "it, or delete it with `nft delete table inet tunmap`";
	case NFT_OK:
	case NFT_FAILED:
		break;
	}
	return strerror(-err);
}

static int open_kernel(struct daemon *d)
{
	int err = 0;
	enum nft_error error = nft_open(&d->nft, &err);

	if (error == NFT_OK)
		return 0;
	log_error("%s", why_no_kernel(error, err));
	return -1;
}

static int install_table(struct daemon *d)
{
	struct nft_rules rules = follow_rules(d, d->config);
	int err = 0;
	enum nft_error error;

	if (follow_can_masquerade(&rules) < 0)
		return -1;
	d->masquerade_ports = rules.masquerade_ports;
	error = nft_install(d->nft, &rules, &d->gateway, &err);
	if (error == NFT_OK)
		return 0;
	log_error("cannot install the table `inet tunmap`: %s", why_no_kernel(error, err));
	return -1;
}

static int add_watch(struct daemon *d, struct watch *watch)
{
	if (!watch)
		return -ENOMEM;
	d->watches[d->watches_len++] = watch;
	return 0;
}

static int watch_everything(struct daemon *d)
{
	int err = add_watch(d, watch_signal(d->loop, SIGTERM, on_stop, d));

	if (!err)
		err = add_watch(d, watch_signal(d->loop, SIGINT, on_stop, d));
	if (!err)
		err = add_watch(d, watch_signal(d->loop, SIGHUP, on_reload, d));
	if (!err)
		err = add_watch(d, watch_readable(d->loop, d->timer_fd, on_timer, d));
	if (!err)
		err = add_watch(d, watch_readable(d->loop, d->network_fd, on_network, d));
	if (!err)
		err = add_watch(d, watch_readable(d->loop, nft_flows_fd(d->nft), on_flows, d));
	return err;
}

/* Memory, clock and the network as it is; nothing outside the process has changed yet. */
static int prepare(struct daemon *d)
{
	int err = -ENOMEM;

	d->loop = loop_new();
	d->reading = d->loop ? reading_new(d->loop) : NULL;
	d->exchanges = calloc(EXCHANGE_BATCH_MAX, sizeof(*d->exchanges));
	if (!d->reading || !d->exchanges)
		goto fail;
	listeners_init(&d->listeners, d->loop, on_request, d);
	d->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	if (d->timer_fd < 0) {
		err = -errno;
		goto fail;
	}
	d->network_fd = net_watch_open();
	err = d->network_fd < 0 ? d->network_fd : follow_read(d, d->config, &d->gateway);
	if (!err)
		return 0;
fail:
	/* The modules come by themselves unless loading is switched off. */
	if (err == -ENOENT)
		log_error("the kernel does not tell which ports this gateway uses; load "
			  "inet_diag, tcp_diag and udp_diag");
	else
		log_error("cannot start: %s", strerror(-err));
	return err;
}

/* The table is one for the whole network namespace, and so is whoever writes it. */
static int take_lock(struct daemon *d)
{
	static const char name[] = "\0tunmapd";
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	memcpy(addr.sun_path, name, sizeof(name) - 1);
	d->lock_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (d->lock_fd >= 0 && bind(d->lock_fd, (const struct sockaddr *)&addr,
				       (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
						   sizeof(name) - 1)) == 0)
		return 0;
	if (errno == EADDRINUSE)
		log_error("another tunmapd runs in this network namespace");
	else
		log_error("cannot start: %s", strerror(errno));
	return -1;
}

/* The sockets before the table: what cannot be served disturbs nothing. */
static int begin(struct daemon *d)
{
	struct hash_key sticky_key;
	int err = listeners_follow(&d->listeners, &d->gateway);

	if (err || install_table(d) < 0)
		return -1;
	sticky_key_read(d->path, &sticky_key);
	d->started_ms = daemon_clock_ms();
	d->engine = engine_new(d->config, nft_backend(d->nft), &sticky_key, d->started_ms);
	if (!d->engine || watch_everything(d) < 0) {
		log_error("cannot start: out of memory");
		return -1;
	}
	engine_reserve_ports(d->engine, &d->ports_in_use);
	engine_set_externals(
		d->engine, d->gateway.addresses, d->gateway.addresses_len, d->started_ms);
	follow_peers(d, d->started_ms);
	if (steer_open(d) < 0)
		return -1;
	d->watchdog_ms = notify_watchdog_ms();
	d->alive_ms = d->started_ms;
	d->refresh_ms = d->started_ms;
	daemon_set_timer(d);
	return 0;
}

struct daemon *daemon_new(const char *path, struct config *config, bool log_level_given)
{
	struct daemon *d = calloc(1, sizeof(*d));

	if (!d) {
		log_error("cannot start: out of memory");
		config_free(config);
		return NULL;
	}
	d->path = path;
	d->config = config;
	d->log_level_given = log_level_given;
	d->lock_fd = -1;
	d->timer_fd = -1;
	d->network_fd = -1;
	if (take_lock(d) < 0 || open_kernel(d) < 0 || prepare(d) < 0 || begin(d) < 0) {
		daemon_free(d);
		return NULL;
	}
	follow_report(d, NULL);
	return d;
}

int daemon_run(struct daemon *d)
{
	notify("READY=1");
	return loop_run(d->loop);
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

void daemon_free(struct daemon *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < d->watches_len; i++)
		watch_free(d->watches[i]);
	reading_free(d->reading);
	ctl_close(d->ctl);
	listeners_fini(&d->listeners);
	engine_free(d->engine);
	wireguard_peers_fini(&d->peers);
	nft_close(d->nft);
	gateway_fini(&d->gateway);
	close_fd(d->network_fd);
	close_fd(d->timer_fd);
	close_fd(d->lock_fd);
	free(d->exchanges);
	loop_free(d->loop);
	config_free(d->config);
	free(d);
}
