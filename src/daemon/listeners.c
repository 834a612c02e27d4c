/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/daemon/listeners.h"

#include "include/log.h"
#include "include/net.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct listener {
	struct listeners *owner;
	struct gateway_listen where;
	int fd;
	struct watch *watch;
};

void listeners_init(struct listeners *l, struct loop *loop, listener_fn fn, void *arg)
{
	*l = (struct listeners){.loop = loop, .fn = fn, .arg = arg};
}

static void on_readable(void *arg)
{
	const struct listener *listener = arg;

	listener->owner->fn(listener->owner->arg, listener->fd);
}

static void listener_free(struct listener *listener)
{
	watch_free(listener->watch);
	if (listener->fd >= 0)
		close(listener->fd);
	free(listener);
}

void listeners_fini(struct listeners *l)
{
	for (size_t i = 0; i < l->len; i++)
		listener_free(l->list[i]);
	free(l->list);
	l->list = NULL;
	l->len = 0;
}

static int listener_open(
	struct listeners *l, const struct gateway_listen *where, struct listener **out)
{
	struct listener *listener = calloc(1, sizeof(*listener));
	char text[ADDR_TEXT_MAX];

	if (!listener)
		return -ENOMEM;
	listener->owner = l;
	listener->where = *where;
	listener->fd = net_listen(where);
	if (listener->fd < 0) {
		int err = listener->fd;

		listener_free(listener);
		return err;
	}
	listener->watch = watch_readable(l->loop, listener->fd, on_readable, listener);
	if (!listener->watch) {
		listener_free(listener);
		return -ENOMEM;
	}
	*out = listener;
	log_info("serving %s on %s", addr_format(&where->addr, text), where->interface);
	return 0;
}

static void report(const struct gateway_listen *where, int err)
{
	char text[ADDR_TEXT_MAX];

	if (err == -EADDRINUSE)
		log_error("UDP port %d on %s (%s) is in use by another program; stop it, or leave "
			  "the address out with `listen`",
			NET_PORT, addr_format(&where->addr, text), where->interface);
	else
		log_error("cannot listen on %s (%s) port %d: %s", addr_format(&where->addr, text),
			where->interface, NET_PORT, strerror(-err));
}

static bool same_place(const struct gateway_listen *a, const struct gateway_listen *b)
{
	return a->ifindex == b->ifindex && addr_equal(&a->addr, &b->addr) &&
	       strcmp(a->interface, b->interface) == 0;
}

static bool is_wanted(const struct gateway *gateway, const struct gateway_listen *where)
{
	for (size_t i = 0; i < gateway->listens_len; i++)
		if (same_place(&gateway->listens[i], where))
			return true;
	return false;
}

static bool is_open(const struct listeners *l, const struct gateway_listen *where)
{
	for (size_t i = 0; i < l->len; i++)
		if (same_place(&l->list[i]->where, where))
			return true;
	return false;
}

static void close_unwanted(struct listeners *l, const struct gateway *gateway)
{
	size_t kept = 0;

	for (size_t i = 0; i < l->len; i++) {
		if (is_wanted(gateway, &l->list[i]->where))
			l->list[kept++] = l->list[i];
		else
			listener_free(l->list[i]);
	}
	l->len = kept;
}

int listeners_follow(struct listeners *l, const struct gateway *gateway)
{
	struct listener **list;
	size_t failed = 0;
	int last = 0;

	close_unwanted(l, gateway);
	list = realloc(l->list, (l->len + gateway->listens_len + 1) * sizeof(struct listener *));
	if (!list)
		return -ENOMEM;
	l->list = list;
	for (size_t i = 0; i < gateway->listens_len; i++) {
		const struct gateway_listen *where = &gateway->listens[i];
		int err;

		if (is_open(l, where))
			continue;
		err = listener_open(l, where, &l->list[l->len]);
		if (!err) {
			l->len++;
			continue;
		}
		if (++failed > l->failed)
			report(where, err);
		last = err;
	}
	l->failed = failed;
	return last;
}
