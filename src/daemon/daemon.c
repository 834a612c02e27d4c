/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/daemon/daemon.h"

#include "include/engine.h"
#include "include/gateway.h"
#include "include/log.h"
#include "include/net.h"
#include "include/nft.h"
#include "include/ports.h"
#include "src/daemon/event.h"
#include "src/daemon/listeners.h"
#include "src/daemon/notify.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define MS_PER_S         1000
#define NS_PER_MS        1000000
#define REFRESH_MS       30000
#define REFRESH_RETRY_MS 1000 /* after a change of the network that could not be followed */
#define FLOOD_MARGIN     4    /* the kernel drops what is so many times beyond a user's rate */
#define FLOOD_RATE_MIN   100

struct daemon {
	const struct config *config;
	struct loop *loop;
	struct watch *watches[5]; /* stop by SIGTERM and SIGINT, timer, network, flows */
	size_t watches_len;
	int timer_fd;
	int network_fd;
	struct nft *nft;
	struct engine *engine;
	struct listeners listeners;
	struct gateway gateway;
	struct port_set ports_in_use; /* by the gateway itself */
	int64_t refresh_ms;           /* look at the network again */
	int64_t watchdog_ms;          /* period; 0: none */
	int64_t alive_ms;             /* tell the watchdog next */
	struct exchange *exchanges;   /* EXCHANGE_BATCH_MAX */
};

static int64_t clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * MS_PER_S + now.tv_nsec / NS_PER_MS;
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* One timer stands for whatever is due next. */
static void set_timer(const struct daemon *d)
{
	int64_t next_ms = earlier(engine_next_ms(d->engine), d->refresh_ms);
	struct itimerspec when = {0};

	if (d->watchdog_ms)
		next_ms = earlier(next_ms, d->alive_ms);
	when.it_value.tv_sec = next_ms / MS_PER_S;
	when.it_value.tv_nsec = next_ms % MS_PER_S * NS_PER_MS;
	timerfd_settime(d->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static uint32_t flood_rate(const struct config *config)
{
	uint32_t rate = FLOOD_RATE_MIN;

	for (size_t i = 0; i < config->classes_len; i++)
		if (config->classes[i].rate * FLOOD_MARGIN > rate)
			rate = config->classes[i].rate * FLOOD_MARGIN;
	return rate;
}

static struct nft_rules rules_of(const struct daemon *d)
{
	const struct config *c = d->config;

	return (struct nft_rules){
		.pool = c->pool,
		.masquerade = c->masquerade == CONFIG_MASQUERADE_MANAGED,
		.masquerade_ports = c->has_masquerade_ports
					    ? c->masquerade_ports
					    : ports_longest_run(c->pool, &d->ports_in_use),
		.hairpin = c->hairpin,
		.flood_rate = flood_rate(c),
		.reserved = &d->ports_in_use,
	};
}

/* What the gateway is now, by the policy and the kernel's word. */
static int read_gateway(struct daemon *d, struct gateway *out)
{
	struct net_picture picture;
	int err = net_ports_in_use(&d->ports_in_use);

	if (err)
		return err;
	err = net_picture_read(&picture);
	if (err)
		return err;
	err = gateway_resolve(d->config, &picture, out);
	net_picture_fini(&picture);
	return err;
}

static void report_gateway(const struct daemon *d)
{
	const struct gateway *g = &d->gateway;
	char text[ADDR_TEXT_MAX];

	for (size_t i = 0; i < g->listens_len; i++)
		log_info("serving %s on %s", addr_format(&g->listens[i].addr, text),
			g->listens[i].interface);
	if (g->listens_len == 0)
		log_warning("no tunnel interface with an address yet; waiting for %s",
			d->config->tunnels[0].interface);
	for (size_t i = 0; i < g->addresses_len; i++)
		log_info("external address %s", addr_format(&g->addresses[i].addr, text));
	if (g->addresses_len == 0)
		log_warning("no external address; requests are answered with a network failure "
			    "until there is one");
}

/* Adopt @now as the gateway, and take it.  Sockets that cannot be opened are logged and left out.
 */
static int adopt_gateway(struct daemon *d, struct gateway *now, int64_t now_ms)
{
	struct nft_rules rules = rules_of(d);
	int err = nft_update(d->nft, &rules, now);

	if (err) {
		gateway_fini(now);
		return err;
	}
	gateway_fini(&d->gateway);
	d->gateway = *now;
	engine_reserve_ports(d->engine, &d->ports_in_use);
	engine_set_externals(d->engine, now->addresses, now->addresses_len, now_ms);
	(void)listeners_follow(&d->listeners, &d->gateway);
	report_gateway(d);
	return 0;
}

static bool pool_ports_equal(
	struct port_range pool, const struct port_set *a, const struct port_set *b)
{
	for (uint32_t port = pool.first; port <= pool.last; port++)
		if (port_set_has(a, (uint16_t)port) != port_set_has(b, (uint16_t)port))
			return false;
	return true;
}

/*
 * Look at the network and follow what has changed; soon again when that fails.  A service that
 * the gateway starts makes no sound, so look now and then even if nothing was heard.
 */
static void refresh(struct daemon *d, int64_t now_ms)
{
	struct port_set known = d->ports_in_use;
	struct gateway now;
	int err = read_gateway(d, &now);

	d->refresh_ms = now_ms + REFRESH_MS;
	if (!err) {
		if (gateway_equal(&now, &d->gateway) &&
			pool_ports_equal(d->config->pool, &known, &d->ports_in_use))
			gateway_fini(&now);
		else
			err = adopt_gateway(d, &now, now_ms);
	}
	if (!err)
		return;
	log_warning("cannot follow a change of the network yet: %s", strerror(-err));
	d->ports_in_use = known;
	d->refresh_ms = now_ms + REFRESH_RETRY_MS;
}

static void on_request(void *arg, int fd)
{
	struct daemon *d = arg;
	int64_t now_ms = clock_ms();
	int len = net_receive(fd, d->exchanges, EXCHANGE_BATCH_MAX);

	if (len < 0)
		log_debug("cannot receive: %s", strerror(-len));
	if (len <= 0)
		return;
	engine_serve(d->engine, d->exchanges, (size_t)len, now_ms);
	net_reply(fd, d->exchanges, (size_t)len);
	set_timer(d);
}

static void on_timer(void *arg)
{
	struct daemon *d = arg;
	int64_t now_ms = clock_ms();
	uint64_t times;

	if (read(d->timer_fd, &times, sizeof(times)) < 0 && errno == EAGAIN)
		return;
	if (now_ms >= d->refresh_ms)
		refresh(d, now_ms);
	engine_expire(d->engine, now_ms);
	if (d->watchdog_ms && now_ms >= d->alive_ms) {
		notify("WATCHDOG=1");
		d->alive_ms = now_ms + d->watchdog_ms;
	}
	set_timer(d);
}

static void on_network(void *arg)
{
	struct daemon *d = arg;
	int changed = net_watch_drain(d->network_fd);

	if (changed == 0)
		return;
	refresh(d, clock_ms());
	set_timer(d);
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
	struct nft_rules rules = rules_of(d);
	int err = 0;
	enum nft_error error;

	if (rules.masquerade && rules.masquerade_ports.first == 0) {
		log_error("no port is left outside the pool for everybody else's flows; make "
			  "nat.ports smaller or set nat.masquerade-ports");
		return -1;
	}
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
	d->exchanges = calloc(EXCHANGE_BATCH_MAX, sizeof(*d->exchanges));
	if (!d->loop || !d->exchanges)
		goto fail;
	listeners_init(&d->listeners, d->loop, on_request, d);
	d->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	if (d->timer_fd < 0) {
		err = -errno;
		goto fail;
	}
	d->network_fd = net_watch_open();
	err = d->network_fd < 0 ? d->network_fd : read_gateway(d, &d->gateway);
	if (!err)
		return 0;
fail:
	log_error("cannot start: %s", strerror(-err));
	return err;
}

/* The sockets before the table: a second daemon stops here and disturbs nothing. */
static int begin(struct daemon *d)
{
	int64_t now_ms = clock_ms();
	int err = listeners_follow(&d->listeners, &d->gateway);

	if (err || install_table(d) < 0)
		return -1;
	d->engine = engine_new(d->config, nft_backend(d->nft), now_ms);
	if (!d->engine || watch_everything(d) < 0) {
		log_error("cannot start: out of memory");
		return -1;
	}
	engine_reserve_ports(d->engine, &d->ports_in_use);
	engine_set_externals(d->engine, d->gateway.addresses, d->gateway.addresses_len, now_ms);
	d->watchdog_ms = notify_watchdog_ms();
	d->alive_ms = now_ms;
	d->refresh_ms = now_ms + REFRESH_MS;
	set_timer(d);
	return 0;
}

struct daemon *daemon_new(const struct config *config)
{
	struct daemon *d = calloc(1, sizeof(*d));

	if (!d) {
		log_error("cannot start: out of memory");
		return NULL;
	}
	d->config = config;
	d->timer_fd = -1;
	d->network_fd = -1;
	if (prepare(d) < 0 || open_kernel(d) < 0 || begin(d) < 0) {
		daemon_free(d);
		return NULL;
	}
	report_gateway(d);
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
	listeners_fini(&d->listeners);
	engine_free(d->engine);
	nft_close(d->nft);
	gateway_fini(&d->gateway);
	close_fd(d->network_fd);
	close_fd(d->timer_fd);
	free(d->exchanges);
	loop_free(d->loop);
	free(d);
}
