/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/nft/flows.h"

#include "include/log.h"
#include "src/nft/conntrack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <libmnl/libmnl.h>

#define READS_MAX    8 /* pieces, in one call of flows_continue() */
#define FAILURES_MAX 3 /* attempts to read the entries before a pass is given up */

#define GAP_MIN_US 200000
#define GAP_MAX_US 750000

enum state {
	IDLE,
	DUE,    /* the timer runs: it starts the pass */
	READING /* the pass */
};

struct flows {
	struct conntrack conntrack;
	int timer;
	int watch; /* epoll: readable when the timer or the socket is */
	enum state state;

	struct pass queued;
	struct pass pass; /* the running one */
	unsigned int failures;
	size_t deleted;
	int64_t begun_us; /* when the last pass began */
	int64_t cost_us;  /* processor time that it took */
};

static int64_t clock_us(clockid_t clock)
{
	struct timespec t;

	(void)clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void end_pass(struct flows *f)
{
	log_debug("ended %zu flows", f->deleted);
	pass_clear(&f->pass);
	f->conntrack.dump_seq = 0;
	f->state = IDLE;
}

static void read_entries(struct flows *f)
{
	int err = conntrack_start_dump(&f->conntrack);

	for (unsigned int i = 0; err && i < FAILURES_MAX; i++) {
		conntrack_discard(&f->conntrack);
		err = conntrack_start_dump(&f->conntrack);
	}
	if (err) {
		log_error("cannot read the kernel's flows: %s", strerror(-err));
		end_pass(f);
	}
}

static void start_pass(struct flows *f)
{
	f->pass = f->queued;
	f->queued = (struct pass){.forgetful = f->pass.forgetful};
	f->state = READING;
	f->failures = 0;
	f->deleted = 0;
	f->begun_us = clock_us(CLOCK_MONOTONIC);
	f->cost_us = 0;
	read_entries(f);
}

/*
 * From the beginning of one pass to that of the next, which is the longest that anybody waits.
 * However little ended, a pass reads all entries; so under constant change they have a third of a
 * core.  More, up to a half, where somebody would else wait for more than a second.
 */
static int64_t gap_us(int64_t cost_us)
{
	int64_t gap = 3 * cost_us;

	if (gap > GAP_MAX_US)
		gap = 2 * cost_us > GAP_MAX_US ? 2 * cost_us : GAP_MAX_US;
	return gap > GAP_MIN_US ? gap : GAP_MIN_US;
}

static int set_timer(const struct flows *f, int64_t at_us)
{
	const struct itimerspec at = {
		.it_value = {.tv_sec = at_us / 1000000, .tv_nsec = at_us % 1000000 * 1000}};

	return timerfd_settime(f->timer, TFD_TIMER_ABSTIME, &at, NULL);
}

static bool timer_has_expired(const struct flows *f)
{
	uint64_t times;

	return read(f->timer, &times, sizeof(times)) == sizeof(times);
}

/*
 * A dump's first piece is made while it is being asked for, and where entries are few the kernel
 * goes through all its buckets for it.  So that the caller need not wait, and one pass serves all
 * that end together, the timer begins it even when it is due at once.
 */
void flows_begin(struct flows *f)
{
	if (f->state != IDLE || !pass_is_wanted(&f->queued))
		return;
	f->state = DUE;
	if (set_timer(f, f->begun_us + gap_us(f->cost_us)) < 0)
		start_pass(f);
}

/* The dump broke off.  The pass begins anew. */
static void fail_dump(struct flows *f, int err)
{
	if (++f->failures < FAILURES_MAX) {
		conntrack_discard(&f->conntrack);
		read_entries(f);
	} else {
		log_error("cannot read the kernel's flows: %s", strerror(-err));
		end_pass(f);
	}
}

/* How a dump ended: what its last message carries, 0 or -errno. */
static int dump_result(const struct nlmsghdr *nlh)
{
	int32_t result = 0;

	if (mnl_nlmsg_get_payload_len(nlh) >= sizeof(result))
		memcpy(&result, mnl_nlmsg_get_payload(nlh), sizeof(result));
	return result;
}

/* Returns false when the dump is over and a new one may have begun. */
static bool read_message(struct flows *f, const struct nlmsghdr *nlh)
{
	struct flow flow;
	int err;

	if (nlh->nlmsg_type == NLMSG_DONE || nlh->nlmsg_type == NLMSG_ERROR) {
		err = dump_result(nlh);
		if (err)
			fail_dump(f, err);
		else
			end_pass(f);
		return false;
	}
	if (flow_read(nlh, &flow) && pass_ends(&f->pass, &flow)) {
		conntrack_delete(&f->conntrack, &flow);
		f->deleted++;
	}
	return true;
}

static bool read_piece(struct flows *f, size_t len)
{
	const struct nlmsghdr *nlh = (const void *)f->conntrack.answer;
	int left = (int)len;

	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left))
		if (nlh->nlmsg_seq == f->conntrack.dump_seq && !read_message(f, nlh))
			return false;
	return true;
}

/* Also when there is no pass: what a failed one left would keep the descriptor readable. */
static void read_pieces(struct flows *f)
{
	bool more = true;

	for (int i = 0; i < READS_MAX && more; i++) {
		ssize_t got = conntrack_receive(&f->conntrack);

		if (got >= 0)
			more = read_piece(f, (size_t)got);
		else if (got == -EAGAIN)
			more = false;
		else if (f->state == READING)
			fail_dump(f, (int)got);
	}
}

void flows_continue(struct flows *f)
{
	int64_t from_us = clock_us(CLOCK_THREAD_CPUTIME_ID);

	if (f->state == DUE && timer_has_expired(f))
		start_pass(f);
	read_pieces(f);
	conntrack_send_deletions(&f->conntrack);
	f->cost_us += clock_us(CLOCK_THREAD_CPUTIME_ID) - from_us;
	flows_begin(f);
}

bool flows_pending(const struct flows *f)
{
	return f->state != IDLE;
}

int flows_fd(const struct flows *f)
{
	return f->watch;
}

void flows_add(struct flows *f, const struct mapping *m)
{
	pass_add(&f->queued, m);
	if (f->state == READING)
		pass_add(&f->pass, m);
}

void flows_add_addr(struct flows *f, const struct addr *internal)
{
	pass_add_addr(&f->queued, internal);
	if (f->state == READING)
		pass_add_addr(&f->pass, internal);
}

void flows_add_pool(struct flows *f, struct port_range pool, const struct gateway *gateway)
{
	pass_add_pool(&f->queued, pool, gateway);
	if (f->state == READING)
		pass_add_pool(&f->pass, pool, gateway);
}

void flows_adopt(struct flows *f, const struct mapping *m)
{
	pass_adopt(&f->queued, m);
	/* Also because that may have adopted for the port's mapping before this one. */
	if (f->state == READING)
		pass_adopt(&f->pass, m);
}

void flows_never_remember(struct flows *f)
{
	f->queued.forgetful = true;
}

static int watch(const struct flows *f, int fd)
{
	struct epoll_event event = {.events = EPOLLIN};

	return epoll_ctl(f->watch, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int open_all(struct flows *f)
{
	int err = conntrack_open(&f->conntrack);

	if (err)
		return err;
	f->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (f->timer < 0)
		return -errno;
	f->watch = epoll_create1(EPOLL_CLOEXEC);
	if (f->watch < 0)
		return -errno;
	err = watch(f, f->timer);
	return err ? err : watch(f, conntrack_fd(&f->conntrack));
}

struct flows *flows_new(int *err)
{
	struct flows *f = calloc(1, sizeof(*f));

	*err = -ENOMEM;
	if (!f)
		return NULL;
	f->timer = -1;
	f->watch = -1;
	*err = open_all(f);
	if (!*err)
		return f;
	flows_free(f);
	return NULL;
}

void flows_free(struct flows *f)
{
	if (!f)
		return;
	if (f->watch >= 0)
		(void)close(f->watch);
	if (f->timer >= 0)
		(void)close(f->timer);
	conntrack_close(&f->conntrack);
	pass_clear(&f->queued);
	pass_clear(&f->pass);
	free(f);
}
