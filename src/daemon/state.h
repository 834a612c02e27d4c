/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon's state, for the files that share it: daemon.c (start, loop, stop), follow.c (the
 * network and the peers), steer.c (the policy file and the control socket).
 */
#ifndef TUNMAP_DAEMON_STATE_H
#define TUNMAP_DAEMON_STATE_H

#include "include/compiler.h"
#include "include/config.h"
#include "include/ctl.h"
#include "include/engine.h"
#include "include/exchange.h"
#include "include/gateway.h"
#include "include/identity.h"
#include "include/nft.h"
#include "src/daemon/daemon.h"
#include "src/daemon/event.h"
#include "src/daemon/listeners.h"
#include "src/daemon/reading.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DAEMON_WATCHES_MAX 6 /* SIGTERM, SIGINT, SIGHUP, timer, network, flows */

struct daemon {
	const char *path;      /* of the policy file */
	struct config *config; /* in force */
	bool log_level_given;  /* on the command line, which the file does not change */
	struct loop *loop;
	struct watch *watches[DAEMON_WATCHES_MAX];
	size_t watches_len;
	int lock_fd; /* held: no other daemon in this network namespace */
	int timer_fd;
	int network_fd;
	struct nft *nft;
	struct engine *engine;
	struct ctl *ctl; /* NULL: its path is another daemon's */
	struct reading *reading;
	struct listeners listeners;
	struct gateway gateway;
	struct wireguard_peers peers;
	struct port_set ports_in_use; /* by the gateway itself */
	struct port_range masquerade_ports;
	bool peers_unread; /* the last attempt failed */
	int64_t started_ms;
	int64_t refresh_ms;  /* look at the network again */
	int64_t peers_ms;    /* look at the peers again */
	int64_t watchdog_ms; /* period; 0: none */
	int64_t alive_ms;    /* tell the watchdog next */
	bool reloaded, reload_failed;
	bool reload_wanted; /* when the policy that is being read is done with */
	int64_t reload_ms;
	struct exchange *exchanges; /* EXCHANGE_BATCH_MAX */
};

int64_t daemon_clock_ms(void);

/* One timer stands for whatever is due next; to be set after every change. */
void daemon_set_timer(struct daemon *d);

/* What the gateway is now, by @config and the kernel's word, with the ports in use. */
int follow_read(struct daemon *d, const struct config *config, struct gateway *out) MUST_CHECK;

/* The kernel's rules by @config. */
struct nft_rules follow_rules(const struct daemon *d, const struct config *config);

/* 0; or -ENOSPC, after a log line, when @rules leave no port for everybody else's flows. */
int follow_can_masquerade(const struct nft_rules *rules) MUST_CHECK;

/* Look at the network, and follow what has changed; or do so in a moment. */
void follow_network(struct daemon *d, int64_t now_ms);
void follow_network_soon(struct daemon *d, int64_t now_ms);

/* Look at the tunnels' peers, and follow what has changed. */
void follow_peers(struct daemon *d, int64_t now_ms);

/* Tell the operator what has changed since @before; NULL: everything. */
void follow_report(const struct daemon *d, const struct gateway *before);

/* Begin to read the policy file again, to adopt it or log why not.  For SIGHUP. */
void steer_reload(struct daemon *d);

/* Open the control socket.  Returns 0, or -1 after a log line. */
int steer_open(struct daemon *d) MUST_CHECK;

#endif
