/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/daemon/reading.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct reading {
	int done_fd; /* readable when the thread is done */
	struct watch *watch;
	bool busy;
	pthread_t thread;
	const char *path;
	char *text; /* NULL: the file's own */
	size_t len;
	reading_fn fn;
	void *arg;
	/* What the thread leaves. */
	struct config *config;
	struct config_faults faults;
};

static void *read_policy(void *arg)
{
	struct reading *r = arg;
	const uint64_t one = 1;

	r->config = r->text ? config_parse(r->path, r->text, r->len, &r->faults)
			    : config_load(r->path, &r->faults);
	while (write(r->done_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	return NULL;
}

static void finish_thread(struct reading *r)
{
	(void)pthread_join(r->thread, NULL);
	r->busy = false;
	free(r->text);
	r->text = NULL;
}

static void on_done(void *arg)
{
	struct reading *r = arg;
	uint64_t count;

	if (read(r->done_fd, &count, sizeof(count)) < 0 || !r->busy)
		return;
	finish_thread(r);
	r->fn(r->arg, r->config, &r->faults);
}

struct reading *reading_new(struct loop *loop)
{
	struct reading *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->done_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (r->done_fd >= 0)
		r->watch = watch_readable(loop, r->done_fd, on_done, r);
	if (!r->watch) {
		reading_free(r);
		return NULL;
	}
	return r;
}

void reading_free(struct reading *r)
{
	if (!r)
		return;
	if (r->busy) {
		finish_thread(r);
		config_free(r->config);
		config_faults_free(&r->faults);
	}
	watch_free(r->watch);
	if (r->done_fd >= 0)
		close(r->done_fd);
	free(r);
}

/* Signals are the loop's business. */
static int start_thread(struct reading *r)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&r->thread, NULL, read_policy, r);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -err;
}

int reading_begin(
	struct reading *r, const char *path, const char *text, size_t len, reading_fn fn, void *arg)
{
	int err;

	if (r->busy)
		return -EBUSY;
	r->path = path;
	r->len = len;
	r->fn = fn;
	r->arg = arg;
	if (text) {
		r->text = malloc(len + 1);
		if (!r->text)
			return -ENOMEM;
		memcpy(r->text, text, len);
	}
	err = start_thread(r);
	r->busy = !err;
	if (err) {
		free(r->text);
		r->text = NULL;
	}
	return err;
}
