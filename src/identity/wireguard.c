/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "include/identity.h"
#include "src/identity/netlink.h"
#include "src/identity/peers.h"
#include "src/identity/uapi.h"

#include <errno.h>
#include <linux/wireguard.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#define UAPI_PATH    "/var/run/wireguard/%s.sock"
#define UAPI_WAIT_MS 100 /* for all interfaces together */

/* What one reading of all tunnels shares. */
struct reading {
	bool has_family; /* the kernel knows WireGuard */
	uint16_t family;
	int64_t deadline_ms; /* for what user space answers; 0: nobody has been asked */
	struct peer_list list;
};

static int64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

static int read_user_space(struct reading *r, const char *interface)
{
	char path[sizeof(UAPI_PATH) + CONFIG_INTERFACE_MAX];
	int err;

	(void)snprintf(path, sizeof(path), UAPI_PATH, interface);
	if (r->deadline_ms == 0)
		r->deadline_ms = now_ms() + UAPI_WAIT_MS;
	err = uapi_read_peers(path, r->deadline_ms, &r->list);
	/* Nobody there: the tunnel is not WireGuard's. */
	return err == -ENOENT ? 0 : err;
}

static int read_tunnel(struct reading *r, const char *interface)
{
	int err = r->has_family ? netlink_read_peers(r->family, interface, &r->list) : -EOPNOTSUPP;

	if (err == -EOPNOTSUPP || err == -ENODEV)
		err = read_user_space(r, interface);
	return err;
}

int wireguard_peers_read(const struct gateway *gateway, struct wireguard_peers *out)
{
	struct reading r = {0};
	int err = netlink_find_family(WG_GENL_NAME, &r.family);

	r.has_family = err == 0;
	if (err == -ENOENT)
		err = 0;
	for (size_t i = 0; !err && i < gateway->tunnels_len; i++) {
		peer_list_next_interface(&r.list);
		err = read_tunnel(&r, gateway->tunnels[i].name);
	}
	if (err) {
		peer_list_fini(&r.list);
		return err;
	}
	peer_list_finish(&r.list, out);
	return 0;
}
