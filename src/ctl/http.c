/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control API's transport.  The HTTP library shows in this file alone.
 *
 * It knows no limit to connections and no end to one that drips, so the connections are kept
 * here as well: each is held by a reference of ours until a sweep finds that the library has let
 * go of it.
 */
#include "include/ctl.h"
#include "include/log.h"
#include "src/ctl/api.h"
#include "src/ctl/events.h"
#include "src/ctl/json.h"
#include "src/ctl/listing.h"
#include "src/ctl/socket.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>

#define CONTROL_CONNECTIONS_MAX 1024
#define METRICS_CONNECTIONS_MAX 64
#define DESCRIPTORS             4096 /* that the process may have open */
#define HEADERS_MAX             16384
#define METRICS_BODY_MAX        1024
#define REQUEST_MS              30000 /* to send a request, from the first octet or the last answer */
#define WRITE_S                 30    /* to take a part of an answer */
#define SWEEP_S                 1
#define SWEEP_IDLE_S            60
#define LISTING_PLACES          256 /* of a table, looked at in one turn of the loop */
#define SUBSCRIBERS_MAX         64
#define SUBSCRIBER_QUEUE_MAX    262144 /* octets that wait for a slow reader */
#define SUBSCRIBER_INPUT_MAX    4096
#define NEVER_MS                INT64_MAX
#define MS_PER_S                1000
#define NS_PER_MS               1000000

struct connection {
	struct bufferevent *bev;
	int64_t deadline_ms; /* the request must be there */
};

struct server {
	struct ctl *ctl;
	struct evhttp *http;
	struct evconnlistener *listener;
	struct event *sweep;
	struct connection *connection;
	size_t len, max;
	size_t input_max; /* octets that wait to be read as a request */
	bool metrics_only;
};

/* An answer that goes on: a list in pieces, or events; or that comes later: of a policy. */
struct stream {
	TAILQ_ENTRY(stream) entry;
	struct ctl *ctl;
	struct server *server;
	struct evhttp_request *rq;
	struct evhttp_connection *connection;
	struct event *turn; /* of a list: when the next piece is made */
	struct listing listing;
	uint64_t lost; /* of events */
};

TAILQ_HEAD(streams, stream);

struct ctl {
	struct event_base *base;
	struct api api;
	struct control_socket socket;
	struct server control, metrics;
	struct streams lists, subscribers, waiting;
	size_t subscribers_len;
	enum config_identity identity;
	struct hash_key pseudonyms;
};

static int64_t wall_clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * MS_PER_S + now.tv_nsec / NS_PER_MS;
}

static int64_t now_ms(const struct ctl *ctl)
{
	return ctl->api.ops->now_ms(ctl->api.arg);
}

static struct bufferevent *bev_of(struct evhttp_request *rq)
{
	return evhttp_connection_get_bufferevent(evhttp_request_get_connection(rq));
}

static struct connection *connection_of(const struct server *s, const struct bufferevent *bev)
{
	for (size_t i = 0; i < s->len; i++)
		if (s->connection[i].bev == bev)
			return &s->connection[i];
	return NULL;
}

static void set_deadline(const struct server *s, const struct bufferevent *bev, int64_t at_ms)
{
	struct connection *c = connection_of(s, bev);

	if (c)
		c->deadline_ms = at_ms;
}

/* The library takes its callbacks off a connection when it is done with it. */
static bool is_abandoned(struct bufferevent *bev)
{
	bufferevent_event_cb on_event = NULL;

	bufferevent_getcb(bev, NULL, NULL, &on_event, NULL);
	return !on_event;
}

static void sweep(struct server *s)
{
	int64_t at_ms = now_ms(s->ctl);
	size_t kept = 0;

	for (size_t i = 0; i < s->len; i++) {
		struct connection c = s->connection[i];

		if (!is_abandoned(c.bev) && at_ms >= c.deadline_ms)
			bufferevent_trigger_event(c.bev, BEV_EVENT_READING | BEV_EVENT_TIMEOUT, 0);
		if (is_abandoned(c.bev))
			(void)bufferevent_decref(c.bev);
		else
			s->connection[kept++] = c;
	}
	s->len = kept;
}

static void schedule_sweep(struct server *s)
{
	const struct timeval in = {.tv_sec = s->len > 0 ? SWEEP_S : SWEEP_IDLE_S};

	(void)evtimer_add(s->sweep, &in);
}

static void drop_hung_up(struct ctl *ctl);

static void on_sweep(evutil_socket_t fd, short what, void *arg)
{
	struct server *s = arg;

	(void)fd;
	(void)what;
	drop_hung_up(s->ctl);
	sweep(s);
	(void)evconnlistener_enable(s->listener);
	schedule_sweep(s);
}

/*
 * Without descriptors accept() fails at once and for ever: wait for a sweep to listen again.  The
 * argument is the library's.
 */
static void on_accept_error(struct evconnlistener *listener, void *arg)
{
	(void)arg;
	log_warning("cannot accept a connection to the control API for now: %s",
		strerror(EVUTIL_SOCKET_ERROR()));
	(void)evconnlistener_disable(listener);
}

static void on_refused(struct bufferevent *bev, short what, void *arg)
{
	(void)bev;
	(void)what;
	(void)arg;
}

/*
 * End a connection that has only begun.  The library sets its own callbacks on @bev after this,
 * and it is those that the deferred event reaches; without any now, it would be dropped.
 */
static void refuse(struct bufferevent *bev)
{
	bufferevent_setcb(bev, NULL, NULL, on_refused, NULL);
	bufferevent_trigger_event(
		bev, BEV_EVENT_READING | BEV_EVENT_ERROR, BEV_TRIG_DEFER_CALLBACKS);
}

static struct bufferevent *on_connection(struct event_base *base, void *arg)
{
	struct server *s = arg;
	struct bufferevent *bev = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);

	if (!bev)
		return NULL;
	bufferevent_setwatermark(bev, EV_READ, 0, s->input_max);
	if (s->len == s->max)
		sweep(s);
	if (s->len == s->max) {
		refuse(bev);
		return bev;
	}
	bufferevent_incref(bev);
	s->connection[s->len++] = (struct connection){
		.bev = bev,
		.deadline_ms = now_ms(s->ctl) + REQUEST_MS,
	};
	if (s->len == 1)
		schedule_sweep(s);
	return bev;
}

/*
 * While an answer is on its way nothing is read: who has said all may have closed that half,
 * and who goes on talking must not fill our memory.
 */
static void stop_reading(struct bufferevent *bev)
{
	(void)bufferevent_disable(bev, EV_READ);
}

static void set_header(struct evhttp_request *rq, const char *name, const char *value)
{
	(void)evhttp_add_header(evhttp_request_get_output_headers(rq), name, value);
}

static void send_whole(struct evhttp_request *rq, int status, const char *type, char *text)
{
	struct bufferevent *bev = bev_of(rq);
	struct evbuffer *body = evbuffer_new();

	if (!text || !body || evbuffer_add(body, text, strlen(text)) < 0) {
		evhttp_send_error(rq, 500, NULL);
	} else {
		set_header(rq, "Content-Type", type);
		evhttp_send_reply(rq, status, api_status_phrase(status), body);
	}
	stop_reading(bev);
	if (body)
		evbuffer_free(body);
	free(text);
}

static char *json_line(const json_t *json)
{
	char *text = json ? json_dumps(json, JSON_STYLE) : NULL;
	size_t len = text ? strlen(text) : 0;
	char *line = text ? realloc(text, len + 2) : NULL;

	if (!line) {
		free(text);
		return NULL;
	}
	memcpy(line + len, "\n", 2);
	return line;
}

static void send_json(struct evhttp_request *rq, const struct api_reply *reply)
{
	if (reply->allow)
		set_header(rq, "Allow", reply->allow);
	send_whole(rq, reply->status, "application/json", json_line(reply->json));
}

static void send_failure(struct evhttp_request *rq, int status, const char *message)
{
	struct api_reply reply = {0};

	api_fail(&reply, status, "%s", message);
	send_json(rq, &reply);
	api_reply_fini(&reply);
}

static void stream_free(struct stream *st)
{
	if (st->turn)
		event_free(st->turn);
	free(st);
}

static void stream_forget(struct stream *st, struct streams *from)
{
	TAILQ_REMOVE(from, st, entry);
	if (from == &st->ctl->subscribers)
		st->ctl->subscribers_len--;
	stream_free(st);
}

/* The client is gone.  A request that was cut off from its connection is ours to free. */
static void stream_cut(struct stream *st, struct streams *from)
{
	if (!evhttp_request_get_connection(st->rq))
		evhttp_request_free(st->rq);
	stream_forget(st, from);
}

static void on_list_cut(struct evhttp_connection *connection, void *arg)
{
	struct stream *st = arg;

	(void)connection;
	stream_cut(st, &st->ctl->lists);
}

static void on_subscriber_cut(struct evhttp_connection *connection, void *arg)
{
	struct stream *st = arg;

	(void)connection;
	stream_cut(st, &st->ctl->subscribers);
}

static struct stream *stream_new(struct server *s, struct evhttp_request *rq)
{
	struct stream *st = calloc(1, sizeof(*st));

	if (!st)
		return NULL;
	st->ctl = s->ctl;
	st->server = s;
	st->rq = rq;
	st->connection = evhttp_request_get_connection(rq);
	set_deadline(s, bev_of(rq), NEVER_MS);
	return st;
}

/* All was sent, or what was sent is not all and the client must see that: then it is cut. */
static void list_end(struct stream *st, bool whole)
{
	const struct timeval timeout = {.tv_sec = WRITE_S};
	struct evhttp_request *rq = st->rq;
	struct evhttp_connection *connection = st->connection;
	struct bufferevent *bev = bev_of(rq);

	evhttp_connection_set_closecb(connection, NULL, NULL);
	set_deadline(st->server, bev, now_ms(st->ctl) + REQUEST_MS);
	(void)bufferevent_set_timeouts(bev, &timeout, &timeout);
	stream_forget(st, &st->ctl->lists);
	if (!whole) {
		evhttp_connection_free(connection);
		return;
	}
	evhttp_send_reply_end(rq);
	stop_reading(bev);
}

/*
 * The next piece is made when the last one is sent, but in a turn of its own, after whatever
 * else is waiting.
 */
static void on_list_drained(struct evhttp_connection *connection, void *arg)
{
	const struct timeval at_once = {0};
	const struct stream *st = arg;

	(void)connection;
	(void)evtimer_add(st->turn, &at_once);
}

static int list_send(struct stream *st, const struct listing_piece *piece)
{
	struct evbuffer *chunk = evbuffer_new();
	int err = chunk ? evbuffer_add(chunk, piece->text, piece->len) : -1;

	if (!err) {
		evhttp_send_reply_chunk_with_cb(
			st->rq, chunk, piece->more ? on_list_drained : NULL, st);
		stop_reading(bev_of(st->rq));
	}
	if (chunk)
		evbuffer_free(chunk);
	return err;
}

static void on_list_turn(evutil_socket_t fd, short what, void *arg)
{
	struct stream *st = arg;
	struct listing_piece piece;
	int err = listing_next(
		&st->listing, st->ctl->api.engine, LISTING_PLACES, now_ms(st->ctl), &piece);

	(void)fd;
	(void)what;
	if (!err && piece.len > 0)
		err = list_send(st, &piece);
	else if (!err)
		on_list_drained(st->connection, st);
	free(piece.text);
	if (err || !piece.more)
		list_end(st, !err);
}

static void begin_stream(struct evhttp_request *rq, const char *type)
{
	set_header(rq, "Content-Type", type);
	evhttp_send_reply_start(rq, 200, api_status_phrase(200));
}

static void begin_list(struct server *s, struct evhttp_request *rq, const struct listing *listing)
{
	const struct timeval write_timeout = {.tv_sec = WRITE_S}, at_once = {0};
	struct stream *st = stream_new(s, rq);

	if (st)
		st->turn = evtimer_new(s->ctl->base, on_list_turn, st);
	if (!st || !st->turn) {
		free(st);
		send_failure(rq, 500, "out of memory");
		return;
	}
	st->listing = *listing;
	TAILQ_INSERT_TAIL(&s->ctl->lists, st, entry);
	evhttp_connection_set_closecb(st->connection, on_list_cut, st);
	(void)bufferevent_set_timeouts(bev_of(rq), NULL, &write_timeout);
	begin_stream(rq, "application/json");
	stop_reading(bev_of(rq));
	(void)evtimer_add(st->turn, &at_once);
}

static void on_subscriber_drained(struct evhttp_connection *connection, void *arg);

static void subscriber_send(struct stream *st, const char *line)
{
	struct evbuffer *chunk = evbuffer_new();

	if (!chunk || !line || evbuffer_add(chunk, line, strlen(line)) < 0)
		st->lost++;
	else
		evhttp_send_reply_chunk_with_cb(st->rq, chunk, on_subscriber_drained, st);
	if (chunk)
		evbuffer_free(chunk);
}

/* It reads again: what it missed comes before what follows. */
static void on_subscriber_drained(struct evhttp_connection *connection, void *arg)
{
	struct stream *st = arg;
	uint64_t lost = st->lost;
	char *line;

	(void)connection;
	if (lost == 0)
		return;
	line = event_lost_line(lost, wall_clock_ms());
	if (line) {
		st->lost = 0;
		subscriber_send(st, line);
	}
	free(line);
}

/* Once an event is lost, later ones are too, until the reader has been told. */
static void subscriber_offer(struct stream *st, const char *line, size_t len)
{
	const struct evbuffer *queue = bufferevent_get_output(bev_of(st->rq));

	if (st->lost > 0 || evbuffer_get_length(queue) + len > SUBSCRIBER_QUEUE_MAX)
		st->lost++;
	else
		subscriber_send(st, line);
}

static void on_admin_event(void *arg, const struct admin_event *event)
{
	struct ctl *ctl = arg;
	struct stream *st;
	char *line;

	if (TAILQ_EMPTY(&ctl->subscribers))
		return;
	line = event_line(event, ctl->identity, &ctl->pseudonyms, wall_clock_ms());
	TAILQ_FOREACH (st, &ctl->subscribers, entry) {
		if (line)
			subscriber_offer(st, line, strlen(line));
		else
			st->lost++;
	}
	free(line);
}

static void begin_events(struct server *s, struct evhttp_request *rq)
{
	struct ctl *ctl = s->ctl;
	struct stream *st;

	if (ctl->subscribers_len == SUBSCRIBERS_MAX) {
		send_failure(rq, 503, "too many readers of events; close another one first");
		return;
	}
	st = stream_new(s, rq);
	if (!st) {
		send_failure(rq, 500, "out of memory");
		return;
	}
	TAILQ_INSERT_TAIL(&ctl->subscribers, st, entry);
	ctl->subscribers_len++;
	evhttp_connection_set_closecb(st->connection, on_subscriber_cut, st);
	/* It may be silent, and it may stop reading, for as long as it likes. */
	(void)bufferevent_set_timeouts(bev_of(rq), NULL, NULL);
	bufferevent_setwatermark(bev_of(rq), EV_READ, 0, SUBSCRIBER_INPUT_MAX);
	/* No further request can follow on this connection. */
	set_header(rq, "Connection", "close");
	begin_stream(rq, "application/x-ndjson");
}

static void on_waiting_cut(struct evhttp_connection *connection, void *arg)
{
	struct stream *st = arg;

	(void)connection;
	stream_cut(st, &st->ctl->waiting);
}

/* Nothing times a wait: the reading ends when it ends. */
static void begin_waiting(struct server *s, struct evhttp_request *rq)
{
	struct evbuffer *body = evhttp_request_get_input_buffer(rq);
	struct stream *st = stream_new(s, rq);

	if (!st) {
		send_failure(rq, 500, "out of memory; the policy is being read nevertheless");
		return;
	}
	TAILQ_INSERT_TAIL(&s->ctl->waiting, st, entry);
	evhttp_connection_set_closecb(st->connection, on_waiting_cut, st);
	stop_reading(bev_of(rq));
	/* A long text was copied by whoever reads it. */
	(void)evbuffer_drain(body, evbuffer_get_length(body));
}

/* Returns the request, which waits no longer. */
static struct evhttp_request *end_waiting(struct stream *st)
{
	struct evhttp_request *rq = st->rq;

	evhttp_connection_set_closecb(st->connection, NULL, NULL);
	set_deadline(st->server, bev_of(rq), now_ms(st->ctl) + REQUEST_MS);
	stream_forget(st, &st->ctl->waiting);
	return rq;
}

/* Both halves are closed.  Who has closed one may still want to hear the answer. */
static bool is_hung_up(struct bufferevent *bev)
{
	struct pollfd p = {.fd = bufferevent_getfd(bev)};

	return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR));
}

/* While nothing is read or written, the library does not see a client go. */
static void drop_hung_up(struct ctl *ctl)
{
	struct stream *next;

	for (struct stream *st = TAILQ_FIRST(&ctl->waiting); st; st = next) {
		next = TAILQ_NEXT(st, entry);
		if (is_hung_up(bev_of(st->rq)))
			evhttp_connection_free(evhttp_request_get_connection(end_waiting(st)));
	}
}

void ctl_tell_policy(struct ctl *ctl, int err, const struct config_faults *faults,
	const struct admin_changes *changes)
{
	struct stream *next;
	struct api_reply reply;

	if (TAILQ_EMPTY(&ctl->waiting))
		return;
	api_policy_answer(&ctl->api, err, faults, changes, &reply);
	for (struct stream *st = TAILQ_FIRST(&ctl->waiting); st; st = next) {
		next = TAILQ_NEXT(st, entry);
		send_json(end_waiting(st), &reply);
	}
	api_reply_fini(&reply);
}

static const char *method_name(enum evhttp_cmd_type method)
{
	static const struct {
		enum evhttp_cmd_type method;
		const char *name;
	} names[] = {
		{EVHTTP_REQ_GET, "GET"},
		{EVHTTP_REQ_POST, "POST"},
		{EVHTTP_REQ_HEAD, "HEAD"},
		{EVHTTP_REQ_PUT, "PUT"},
		{EVHTTP_REQ_DELETE, "DELETE"},
		{EVHTTP_REQ_OPTIONS, "OPTIONS"},
		{EVHTTP_REQ_TRACE, "TRACE"},
		{EVHTTP_REQ_CONNECT, "CONNECT"},
		{EVHTTP_REQ_PATCH, "PATCH"},
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (names[i].method == method)
			return names[i].name;
	return "this method";
}

static void answer(struct server *s, struct evhttp_request *rq, struct api_reply *reply)
{
	switch (reply->kind) {
	case API_LIST:
		begin_list(s, rq, &reply->listing);
		break;
	case API_EVENTS:
		begin_events(s, rq);
		break;
	case API_POLICY:
		begin_waiting(s, rq);
		break;
	case API_TEXT:
		send_whole(rq, reply->status, "text/plain; version=0.0.4", reply->text);
		reply->text = NULL;
		break;
	case API_JSON:
		send_json(rq, reply);
		break;
	}
}

static bool is_metrics(const char *target)
{
	return strcmp(target, "/metrics") == 0 || strncmp(target, "/metrics?", 9) == 0;
}

static void on_request(struct evhttp_request *rq, void *arg)
{
	struct server *s = arg;
	struct evbuffer *body = evhttp_request_get_input_buffer(rq);
	struct api_request in = {
		.method = method_name(evhttp_request_get_command(rq)),
		.target = evhttp_request_get_uri(rq),
		.body_len = evbuffer_get_length(body),
		.body = (const char *)evbuffer_pullup(body, -1),
	};
	struct api_reply reply;

	set_deadline(s, bev_of(rq), now_ms(s->ctl) + REQUEST_MS);
	if (s->metrics_only && !is_metrics(in.target)) {
		send_failure(rq, 404, "only /metrics is here; the rest is on the control socket");
		return;
	}
	if (in.body_len > 0 && !in.body) {
		send_failure(rq, 500, "out of memory");
		return;
	}
	api_answer(&s->ctl->api, &in, &reply);
	s->ctl->api.ops->answered(s->ctl->api.arg);
	answer(s, rq, &reply);
	api_reply_fini(&reply);
}

static int server_prepare(struct server *s, size_t body_max)
{
	const ev_uint16_t every_method = UINT16_MAX;

	s->http = evhttp_new(s->ctl->base);
	s->sweep = evtimer_new(s->ctl->base, on_sweep, s);
	s->connection = calloc(s->max, sizeof(*s->connection));
	if (!s->http || !s->sweep || !s->connection)
		return -ENOMEM;
	s->input_max = body_max + HEADERS_MAX;
	evhttp_set_max_headers_size(s->http, HEADERS_MAX);
	evhttp_set_max_body_size(s->http, (ev_ssize_t)body_max);
	evhttp_set_timeout(s->http, WRITE_S);
	evhttp_set_allowed_methods(s->http, every_method);
	evhttp_set_bevcb(s->http, on_connection, s);
	evhttp_set_gencb(s->http, on_request, s);
	return 0;
}

/* Takes @fd over, whatever happens. */
static int server_listen(struct server *s, int fd)
{
	struct evhttp_bound_socket *bound;

	s->listener = evconnlistener_new(
		s->ctl->base, NULL, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
	if (!s->listener) {
		close(fd);
		return -ENOMEM;
	}
	bound = evhttp_bind_listener(s->http, s->listener);
	if (!bound) {
		evconnlistener_free(s->listener);
		return -ENOMEM;
	}
	evconnlistener_set_error_cb(s->listener, on_accept_error);
	schedule_sweep(s);
	return 0;
}

static void server_fini(struct server *s)
{
	if (s->http)
		evhttp_free(s->http);
	for (size_t i = 0; i < s->len; i++)
		(void)bufferevent_decref(s->connection[i].bev);
	if (s->sweep)
		event_free(s->sweep);
	free(s->connection);
}

static int open_control(struct ctl *ctl, const struct config *config, const char **what)
{
	int err;

	ctl->control.max = CONTROL_CONNECTIONS_MAX;
	err = server_prepare(&ctl->control, API_CHECK_BODY_MAX);
	if (!err)
		err = control_socket_open(
			&ctl->socket, config->control_socket, config->control_group, what);
	return err ? err : server_listen(&ctl->control, ctl->socket.fd);
}

static int open_metrics(struct ctl *ctl, const struct config *config, const char **what)
{
	int err, fd;

	ctl->metrics.max = METRICS_CONNECTIONS_MAX;
	ctl->metrics.metrics_only = true;
	err = server_prepare(&ctl->metrics, METRICS_BODY_MAX);
	if (err)
		return err;
	*what = "metrics.listen";
	fd = metrics_socket_open(&config->metrics_addr, config->metrics_port);
	return fd < 0 ? fd : server_listen(&ctl->metrics, fd);
}

/* A usual limit of 1024 descriptors is too few for so many connections beside everything else. */
static void raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= DESCRIPTORS)
		return;
	limit.rlim_cur = limit.rlim_max < DESCRIPTORS ? limit.rlim_max : DESCRIPTORS;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

static struct ctl *ctl_new(struct event_base *base, const struct config *config,
	struct engine *engine, const struct ctl_ops *ops, void *arg)
{
	struct ctl *ctl = calloc(1, sizeof(*ctl));

	if (!ctl)
		return NULL;
	ctl->base = base;
	ctl->api = (struct api){.engine = engine, .ops = ops, .arg = arg};
	ctl->control.ctl = ctl;
	ctl->metrics.ctl = ctl;
	ctl->identity = config->identity;
	TAILQ_INIT(&ctl->lists);
	TAILQ_INIT(&ctl->subscribers);
	TAILQ_INIT(&ctl->waiting);
	if (getrandom(&ctl->pseudonyms, sizeof(ctl->pseudonyms), 0) !=
		(ssize_t)sizeof(ctl->pseudonyms)) {
		free(ctl);
		return NULL;
	}
	return ctl;
}

int ctl_open(struct ctl **out, struct event_base *base, const struct config *config,
	struct engine *engine, const struct ctl_ops *ops, void *arg, const char **what)
{
	struct ctl *ctl = ctl_new(base, config, engine, ops, arg);
	int err;

	*out = NULL;
	*what = config->control_socket;
	if (!ctl)
		return -ENOMEM;
	err = open_control(ctl, config, what);
	if (!err && config->metrics)
		err = open_metrics(ctl, config, what);
	if (err) {
		ctl_close(ctl);
		return err;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	raise_descriptors();
	admin_listen(engine, on_admin_event, ctl);
	*out = ctl;
	return 0;
}

void ctl_set_identity(struct ctl *ctl, enum config_identity identity)
{
	ctl->identity = identity;
}

/* The requests are freed with their connections. */
static void forget_all(struct streams *streams)
{
	struct stream *next;

	for (struct stream *st = TAILQ_FIRST(streams); st; st = next) {
		next = TAILQ_NEXT(st, entry);
		evhttp_connection_set_closecb(st->connection, NULL, NULL);
		stream_free(st);
	}
	TAILQ_INIT(streams);
}

void ctl_close(struct ctl *ctl)
{
	if (!ctl)
		return;
	admin_listen(ctl->api.engine, NULL, NULL);
	forget_all(&ctl->lists);
	forget_all(&ctl->subscribers);
	forget_all(&ctl->waiting);
	server_fini(&ctl->metrics);
	server_fini(&ctl->control);
	control_socket_remove(&ctl->socket);
	free(ctl);
}
