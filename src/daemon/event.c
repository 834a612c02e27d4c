/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/daemon/event.h"

#include <errno.h>
#include <stdlib.h>

#include <event2/event.h>

struct loop {
	struct event_base *base;
};

struct watch {
	struct event *event;
	watch_fn fn;
	void *arg;
};

struct loop *loop_new(void)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return NULL;
	loop->base = event_base_new();
	if (!loop->base) {
		free(loop);
		return NULL;
	}
	return loop;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	event_base_free(loop->base);
	free(loop);
	libevent_global_shutdown();
}

struct event_base *loop_base(const struct loop *loop)
{
	return loop->base;
}

int loop_run(struct loop *loop)
{
	return event_base_dispatch(loop->base) < 0 ? -EIO : 0;
}

void loop_stop(struct loop *loop)
{
	event_base_loopbreak(loop->base);
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
	const struct watch *w = arg;

	(void)fd;
	(void)what;
	w->fn(w->arg);
}

static struct watch *watch_new(struct loop *loop, int fd, short what, watch_fn fn, void *arg)
{
	struct watch *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->fn = fn;
	w->arg = arg;
	w->event = event_new(loop->base, fd, (short)(what | EV_PERSIST), on_event, w);
	if (!w->event || event_add(w->event, NULL) < 0) {
		watch_free(w);
		return NULL;
	}
	return w;
}

struct watch *watch_readable(struct loop *loop, int fd, watch_fn fn, void *arg)
{
	return watch_new(loop, fd, EV_READ, fn, arg);
}

struct watch *watch_signal(struct loop *loop, int signum, watch_fn fn, void *arg)
{
	return watch_new(loop, signum, EV_SIGNAL, fn, arg);
}

void watch_free(struct watch *watch)
{
	if (!watch)
		return;
	if (watch->event)
		event_free(watch->event);
	free(watch);
}
