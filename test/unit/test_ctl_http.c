/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The control API on its real sockets, with clients that behave in every way they can. */
#include "include/compiler.h"
#include "include/ctl.h"
#include "test/support/fake_admin.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <check.h>
#include <event2/event.h>

#define REPLY_MAX   ((size_t)1 << 20)
#define PATIENCE_MS 5000
#define MANY        1100 /* connections: more than are served */
#define SERVED      1024

static struct engine engine;
static struct gateway gateway;
static struct config config;
static struct event_base *base;
static struct ctl *ctl;
static int64_t clock_now_ms;
static int64_t worst_turn_ms; /* the longest that the loop was busy at a stretch */
static char folder[] = "/tmp/tunmap-ctl-XXXXXX";

static int64_t now_ms(void *arg)
{
	(void)arg;
	return clock_now_ms;
}

static void status(void *arg, struct ctl_status *out)
{
	(void)arg;
	*out = (struct ctl_status){.gateway = &gateway, .pool = {10240, 32767}, .config = &config};
}

/* When the policy that is asked for is judged. */
enum judged {
	JUDGED_NEXT_TURN,
	JUDGED_WHEN_TOLD, /* by judge(), or never */
	JUDGED_AS_BUSY
};

static enum judged judged;
static size_t asked, asked_len; /* how often, and with what text last */

static void judge(int err)
{
	const struct admin_changes changes = {.kept = asked_len};
	char file[] = "tunmap.yaml", message[] = "no such key";
	struct config_fault fault = {.file = file, .line = 1, .column = 2, .message = message};
	const struct config_faults faults = {.fault = &fault, .len = err == -EINVAL};

	ctl_tell_policy(ctl, err, &faults, &changes);
}

static void on_read(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	judge(0);
}

static int check(void *arg, const char *text, size_t len)
{
	const struct timeval at_once = {0};

	(void)arg;
	(void)text;
	asked++;
	asked_len = len;
	if (judged == JUDGED_NEXT_TURN)
		ck_assert_int_eq(event_base_once(base, -1, EV_TIMEOUT, on_read, NULL, &at_once), 0);
	return judged == JUDGED_AS_BUSY ? -EBUSY : 0;
}

static int reload(void *arg)
{
	return check(arg, "", 0);
}

static size_t times_answered;

static void answered(void *arg)
{
	(void)arg;
	times_answered++;
}

static const struct ctl_ops ops = {
	.now_ms = now_ms, .answered = answered, .status = status, .reload = reload, .check = check};

static int open_ctl(void)
{
	const char *what;

	return ctl_open(&ctl, base, &config, &engine, &ops, NULL, &what);
}

static void set_up(void)
{
	memset(&engine, 0, sizeof(engine));
	memset(&config, 0, sizeof(config));
	(void)snprintf(folder, sizeof(folder), "/tmp/tunmap-ctl-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	/* The folder in between is to be made. */
	(void)snprintf(config.control_socket, sizeof(config.control_socket), "%s/run/control.sock",
		folder);
	config.identity = CONFIG_IDENTITY_FULL;
	engine.mappings = 10;
	engine.users = 2;
	clock_now_ms = 1000;
	judged = JUDGED_NEXT_TURN;
	asked = 0;
	asked_len = 0;
	base = event_base_new();
	ck_assert_ptr_nonnull(base);
	ck_assert_int_eq(open_ctl(), 0);
}

static void tear_down(void)
{
	char path[sizeof(folder) + 8];

	ctl_close(ctl);
	ctl = NULL;
	event_base_free(base);
	(void)unlink(config.control_socket);
	(void)snprintf(path, sizeof(path), "%s/run", folder);
	(void)rmdir(path);
	ck_assert_int_eq(rmdir(folder), 0);
}

static int64_t real_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* One of the loop: with EVLOOP_NONBLOCK alone, it goes on as long as there is something to do. */
static void turn(void)
{
	int64_t begin_ms = real_ms(), took_ms;

	ck_assert_int_ge(event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK), 0);
	took_ms = real_ms() - begin_ms;
	worst_turn_ms = took_ms > worst_turn_ms ? took_ms : worst_turn_ms;
}

static void pump(int ms)
{
	for (int64_t end = real_ms() + ms; real_ms() < end;) {
		turn();
		(void)poll(NULL, 0, 1);
	}
}

static int dial(void)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	ck_assert_int_ge(fd, 0);
	memcpy(name.sun_path, config.control_socket, strlen(config.control_socket) + 1);
	while (connect(fd, (const struct sockaddr *)&name, sizeof(name)) < 0) {
		ck_assert_int_eq(errno, EAGAIN);
		turn();
	}
	return fd;
}

/* Returns false when the other side will not hear any more. */
static bool say_octets(int fd, const char *data, size_t len)
{
	for (int64_t end = real_ms() + PATIENCE_MS; len > 0 && real_ms() < end; turn()) {
		ssize_t sent = send(fd, data, len, MSG_NOSIGNAL);

		if (sent < 0 && errno != EAGAIN)
			return false;
		if (sent > 0) {
			data += sent;
			len -= (size_t)sent;
		}
	}
	return len == 0;
}

static bool say(int fd, const char *text)
{
	return say_octets(fd, text, strlen(text));
}

/* What comes until the other side closes, or until @until has come; to be freed. */
static char *hear(int fd, const char *until)
{
	char *text = calloc(1, REPLY_MAX + 1);
	size_t len = 0;

	ck_assert_ptr_nonnull(text);
	for (int64_t end = real_ms() + PATIENCE_MS; real_ms() < end && len < REPLY_MAX; turn()) {
		ssize_t got = recv(fd, text + len, REPLY_MAX - len, 0);

		if (got == 0 || (got < 0 && errno != EAGAIN))
			return text;
		len += got > 0 ? (size_t)got : 0;
		if (until && strstr(text, until))
			return text;
	}
	ck_abort_msg("nothing more came after: %.200s", text);
	return text;
}

static bool is_closed(int fd)
{
	char c;
	ssize_t got = recv(fd, &c, 1, MSG_PEEK);

	return got == 0 || (got < 0 && errno != EAGAIN);
}

static char *ask(const char *request)
{
	int fd = dial();
	char *reply;

	(void)say(fd, request);
	reply = hear(fd, NULL);
	close(fd);
	return reply;
}

static void assert_begins(const char *text, const char *with)
{
	ck_assert_msg(strncmp(text, with, strlen(with)) == 0, "%.200s", text);
}

static void assert_alive(void)
{
	char *reply = ask("GET /v1/status HTTP/1.0\r\n\r\n");

	assert_begins(reply, "HTTP/1.0 200 OK\r\n");
	ck_assert_ptr_nonnull(strstr(reply, "\r\n\r\n{\"version\":"));
	free(reply);
}

START_TEST(answers_over_the_socket)
{
	size_t before = times_answered;
	char *reply = ask("GET /v1/nothing HTTP/1.0\r\n\r\n");

	assert_begins(reply, "HTTP/1.0 404 Not Found\r\n");
	ck_assert_uint_eq(times_answered, before + 1);
	free(reply);
	reply = ask("PATCH /v1/bans HTTP/1.0\r\n\r\n");
	assert_begins(reply, "HTTP/1.0 405 Method Not Allowed\r\n");
	ck_assert_ptr_nonnull(strstr(reply, "Allow: PUT, DELETE\r\n"));
	free(reply);
	reply = ask("PUT /v1/bans HTTP/1.0\r\nContent-Length: 16\r\n\r\n{\"user\":\"alice\"}");
	ck_assert_ptr_nonnull(strstr(reply, "{\"revoked\":0}\n"));
	free(reply);
	reply = ask("GET /metrics HTTP/1.0\r\n\r\n");
	ck_assert_ptr_nonnull(strstr(reply, "\ntunmap_mappings 10\n"));
	free(reply);
	assert_alive();
}
END_TEST

START_TEST(serves_several_requests_on_a_connection)
{
	int fd = dial();
	char *reply;

	ck_assert(say(fd, "GET /v1/users HTTP/1.1\r\nHost: x\r\n\r\n"
			  "GET /v1/mappings?port=10240 HTTP/1.1\r\nHost: x\r\n\r\n"
			  "GET /v1/nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
	reply = hear(fd, NULL);
	ck_assert_ptr_nonnull(strstr(reply, "\"name\":\"alice\""));
	ck_assert_ptr_nonnull(strstr(reply, "\"external_port\":10240"));
	ck_assert_ptr_nonnull(strstr(reply, "404 Not Found"));
	free(reply);
	close(fd);
}
END_TEST

START_TEST(socket_is_private_and_goes_with_the_daemon)
{
	struct stat st;

	ck_assert_int_eq(stat(config.control_socket, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	ctl_close(ctl);
	ctl = NULL;
	ck_assert_int_eq(stat(config.control_socket, &st), -1);
}
END_TEST

START_TEST(socket_of_a_dead_daemon_is_replaced)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	ctl_close(ctl);
	ctl = NULL;
	memcpy(name.sun_path, config.control_socket, strlen(config.control_socket) + 1);
	ck_assert_int_eq(bind(fd, (const struct sockaddr *)&name, sizeof(name)), 0);
	close(fd);
	ck_assert_int_eq(open_ctl(), 0);
	assert_alive();
}
END_TEST

START_TEST(socket_of_a_living_daemon_is_left_alone)
{
	struct ctl *first = ctl, *second;
	const char *what;

	ck_assert_int_eq(ctl_open(&second, base, &config, &engine, &ops, NULL, &what), -EADDRINUSE);
	ck_assert_str_eq(what, config.control_socket);
	ck_assert_ptr_null(second);
	ctl = first;
	assert_alive();
}
END_TEST

START_TEST(something_else_at_the_path_is_left_alone)
{
	struct stat st;
	int fd;

	ctl_close(ctl);
	fd = open(config.control_socket, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	close(fd);
	ck_assert_int_eq(open_ctl(), -ENOTSOCK);
	ck_assert_int_eq(stat(config.control_socket, &st), 0);
}
END_TEST

START_TEST(unknown_group_is_named)
{
	struct ctl *second;
	const char *what;

	(void)snprintf(config.control_group, sizeof(config.control_group), "no-such-group");
	ck_assert_int_eq(ctl_open(&second, base, &config, &engine, &ops, NULL, &what), -ENOENT);
	ck_assert_str_eq(what, "no-such-group");
	assert_alive();
}
END_TEST

START_TEST(group_may_use_the_socket)
{
	struct stat st;

	ctl_close(ctl);
	ctl = NULL;
	(void)snprintf(config.control_group, sizeof(config.control_group), "root");
	if (open_ctl() == -EPERM)
		return; /* not run by root */
	ck_assert_int_eq(stat(config.control_socket, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0660);
}
END_TEST

START_TEST(malformed_requests_harm_nobody)
{
	static const char *const requests[] = {
		"\r\n\r\n",
		"\r\n",
		"GARBAGE\r\n\r\n",
		"GET\r\n\r\n",
		"GET /v1/status\r\n\r\n",
		"GET /v1/status HTTP/9.9\r\n\r\n",
		"GET /v1/status HTTP/1.1\r\nno colon here\r\n\r\n",
		"GET http://[::1/v1/status HTTP/1.0\r\n\r\n",
		"GET //// HTTP/1.0\r\n\r\n",
		"GET * HTTP/1.0\r\n\r\n",
		"GET /v1/status?% HTTP/1.0\r\n\r\n",
		"BREW /v1/status HTTP/1.0\r\n\r\n",
		"HEAD /v1/events HTTP/1.0\r\n\r\n",
		"CONNECT /v1/status HTTP/1.0\r\n\r\n",
		"PUT /v1/bans HTTP/1.0\r\nContent-Length: -5\r\n\r\n",
		"PUT /v1/bans HTTP/1.0\r\nContent-Length: 99999999999999999999\r\n\r\n",
		"PUT /v1/bans HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		"PUT /v1/bans HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
		"PUT /v1/bans HTTP/1.1\r\nExpect: the-unexpected\r\nContent-Length: 2\r\n\r\n{}",
		"\xff\xfe\x00\x01\r\n\r\n",
	};

	for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
		int fd = dial();

		(void)say(fd, requests[i]);
		(void)shutdown(fd, SHUT_WR);
		pump(3);
		close(fd);
		assert_alive();
	}
}
END_TEST

START_TEST(huge_headers_are_refused)
{
	size_t len = 1u << 20;
	char *line = malloc(len + 1), *reply;
	int fd = dial();

	ck_assert_ptr_nonnull(line);
	memset(line, 'x', len);
	line[len] = '\0';
	(void)say(fd, "GET /v1/status HTTP/1.0\r\nLong: ");
	(void)say(fd, line);
	reply = hear(fd, NULL);
	ck_assert(reply[0] == '\0' || strstr(reply, "400"));
	free(reply);
	free(line);
	close(fd);
	assert_alive();
}
END_TEST

/* A body of @len spaces on @target. */
static char *post_spaces(const char *method, const char *target, size_t len)
{
	char head[128], *body = malloc(len), *reply;
	int fd = dial();

	ck_assert_ptr_nonnull(body);
	memset(body, ' ', len);
	(void)snprintf(head, sizeof(head), "%s %s HTTP/1.0\r\nContent-Length: %zu\r\n\r\n", method,
		target, len);
	(void)say(fd, head);
	(void)say_octets(fd, body, len);
	reply = hear(fd, NULL);
	close(fd);
	free(body);
	return reply;
}

START_TEST(only_a_policy_may_be_long)
{
	char *reply = post_spaces("PUT", "/v1/bans", 65537);

	assert_begins(reply, "HTTP/1.0 413 Payload Too Large\r\n");
	free(reply);
	reply = post_spaces("POST", "/v1/check", 10u << 20);
	assert_begins(reply, "HTTP/1.0 200 OK\r\n");
	ck_assert_ptr_nonnull(strstr(reply, "\"kept\":10485760"));
	free(reply);
	reply = post_spaces("POST", "/v1/%63heck", 70000);
	assert_begins(reply, "HTTP/1.0 200 OK\r\n");
	free(reply);
}
END_TEST

START_TEST(dripping_requests_are_ended)
{
	enum {
		DRIPS = 20
	};
	int fd[DRIPS];

	for (int i = 0; i < DRIPS; i++) {
		fd[i] = dial();
		ck_assert(say(fd[i], i % 2 ? "GET /v1/sta"
					   : "PUT /v1/bans HTTP/1.1\r\n"
					     "Content-Length: 5\r\n\r\n{"));
	}
	clock_now_ms += 29000;
	for (int i = 0; i < DRIPS; i++)
		ck_assert(say(fd[i], "t"));
	pump(1300);
	for (int i = 0; i < DRIPS; i++)
		ck_assert(!is_closed(fd[i]));
	clock_now_ms += 2000;
	pump(1300);
	for (int i = 0; i < DRIPS; i++) {
		ck_assert(is_closed(fd[i]));
		close(fd[i]);
	}
	assert_alive();
}
END_TEST

START_TEST(half_closed_clients_get_everything)
{
	int fd = dial();
	char *reply;

	engine.mappings = 3000;
	ck_assert(say(fd, "GET /v1/mappings HTTP/1.0\r\n\r\n"));
	ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
	pump(50);
	reply = hear(fd, NULL);
	ck_assert_ptr_nonnull(strstr(reply, "\"external_port\":13239"));
	ck_assert_ptr_nonnull(strstr(reply, "\n]}\n"));
	free(reply);
	close(fd);
}
END_TEST

START_TEST(long_lists_hold_up_nobody)
{
	int fd = dial();
	char *reply;

	engine.mappings = 1000000;
	worst_turn_ms = 0;
	ck_assert(say(fd, "GET /v1/mappings?user=nobody HTTP/1.0\r\n\r\n"));
	for (int i = 0; i < 50; i++)
		turn();
	ck_assert(!is_closed(fd));
	assert_alive();
	close(fd);
	/* One that nobody reads waits and costs nothing. */
	fd = dial();
	ck_assert(say(fd, "GET /v1/mappings HTTP/1.1\r\nHost: x\r\n\r\n"));
	pump(100);
	assert_alive();
	reply = hear(fd, "\"external_port\":13000,");
	free(reply);
	close(fd);
	pump(10);
	assert_alive();
	ck_assert_int_lt(worst_turn_ms, 100);
}
END_TEST

START_TEST(many_users_hold_up_nobody)
{
	int fd = dial();

	engine.users = 1000000;
	worst_turn_ms = 0;
	ck_assert(say(fd, "GET /v1/users HTTP/1.0\r\n\r\n"));
	for (int i = 0; i < 50; i++)
		turn();
	ck_assert_int_lt(worst_turn_ms, 100);
	ck_assert(!is_closed(fd));
	assert_alive();
	free(hear(fd, "\"name\":\"user3000\""));
	close(fd);
	pump(10);
	assert_alive();
}
END_TEST

START_TEST(connections_beyond_the_limit_are_closed_at_once)
{
	struct rlimit limit;
	static int fd[MANY];
	int closed = 0;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	if (limit.rlim_cur < 2 * MANY + 100)
		return; /* both ends are ours here */
	for (int i = 0; i < MANY; i++)
		fd[i] = dial();
	pump(100);
	for (int i = 0; i < MANY; i++)
		closed += is_closed(fd[i]);
	ck_assert_int_eq(closed, MANY - SERVED);
	/* Those who were first are served. */
	for (int i = 0; i < SERVED; i += 101) {
		char *reply;

		ck_assert(say(fd[i], "GET /v1/status HTTP/1.0\r\n\r\n"));
		reply = hear(fd[i], NULL);
		assert_begins(reply, "HTTP/1.0 200 OK\r\n");
		free(reply);
	}
	for (int i = 0; i < MANY; i++)
		close(fd[i]);
	pump(1300);
	assert_alive();
}
END_TEST

static void emit(int count)
{
	struct admin_mapping m = fake_mapping(1);
	struct admin_event event = {.kind = ADMIN_EVENT_GRANTED, .mapping = &m};

	for (int i = 0; i < count; i++)
		fake_event(&engine, &event);
}

static int subscribe(void)
{
	int fd = dial();
	char *head;

	ck_assert(say(fd, "GET /v1/events HTTP/1.0\r\n\r\n"));
	head = hear(fd, "\r\n\r\n");
	assert_begins(head, "HTTP/1.0 200 OK\r\n");
	free(head);
	return fd;
}

START_TEST(events_reach_every_reader)
{
	int a = subscribe(), b = subscribe();
	char *text;

	emit(1);
	text = hear(a, "\n");
	ck_assert_ptr_nonnull(strstr(text, "{\"event\":\"granted\""));
	ck_assert_ptr_nonnull(strstr(text, "\"user\":\"bob\""));
	free(text);
	free(hear(b, "\n"));
	ctl_set_identity(ctl, CONFIG_IDENTITY_NONE);
	emit(1);
	text = hear(a, "\n");
	ck_assert_ptr_null(strstr(text, "bob"));
	ck_assert_ptr_null(strstr(text, "10.9.0"));
	ck_assert_ptr_null(strstr(text, "port"));
	free(text);
	close(a);
	close(b);
	pump(10);
	emit(1);
	assert_alive();
}
END_TEST

/* Lines that are events, and the number that "lost" lines tell. */
static void count_events(const char *text, int *came, int *lost)
{
	for (const char *line = text; (line = strstr(line, "{\"event\":\"")); line++) {
		const char *count = strstr(line, "\"count\":");

		if (strncmp(line, "{\"event\":\"lost\"", 15) == 0)
			*lost += (int)strtol(count + 8, NULL, 10);
		else
			++*came;
	}
}

START_TEST(slow_readers_of_events_are_told_what_they_lost)
{
	int fd = subscribe();
	char *text;

	for (int i = 0; i < 100; i++) {
		emit(200);
		turn();
	}
	assert_alive();
	text = hear(fd, "\"lost\"");
	ck_assert_ptr_nonnull(strstr(text, "granted"));
	free(text);
	/* From then on nothing is missing. */
	emit(1);
	free(hear(fd, "granted"));
	close(fd);
}
END_TEST

START_TEST(lost_events_and_read_ones_are_all)
{
	int fd = subscribe(), came = 0, lost = 0, total = 20000;
	char *text = calloc(1, 16 * REPLY_MAX);
	size_t len = 0;

	ck_assert_ptr_nonnull(text);
	for (int i = 0; i < total / 200; i++) {
		emit(200);
		turn();
	}
	for (int64_t end = real_ms() + 500; real_ms() < end; turn()) {
		ssize_t got = recv(fd, text + len, 65536, 0);

		len += got > 0 ? (size_t)got : 0;
	}
	count_events(text, &came, &lost);
	ck_assert_int_gt(lost, 0);
	ck_assert_int_eq(came + lost, total);
	free(text);
	close(fd);
}
END_TEST

START_TEST(readers_of_events_are_limited)
{
	int fd[64];
	char *reply;

	for (size_t i = 0; i < ARRAY_LEN(fd); i++)
		fd[i] = subscribe();
	reply = ask("GET /v1/events HTTP/1.0\r\n\r\n");
	assert_begins(reply, "HTTP/1.0 503 Service Unavailable\r\n");
	free(reply);
	close(fd[7]);
	pump(10);
	fd[7] = subscribe();
	/* Whoever talks where he should listen fills no memory. */
	for (int i = 0; i < 100; i++)
		(void)send(fd[8], folder, sizeof(folder), MSG_NOSIGNAL);
	emit(3);
	pump(10);
	for (size_t i = 0; i < ARRAY_LEN(fd); i++)
		close(fd[i]);
	pump(10);
	assert_alive();
}
END_TEST

START_TEST(readers_of_events_may_be_silent_for_long)
{
	int fd = subscribe();

	clock_now_ms += 3600000;
	pump(1300);
	ck_assert(!is_closed(fd));
	emit(1);
	free(hear(fd, "granted"));
	close(fd);
}
END_TEST

START_TEST(closing_ends_what_goes_on)
{
	int list = dial(), events = subscribe();

	engine.mappings = 1000000;
	ck_assert(say(list, "GET /v1/mappings HTTP/1.1\r\nHost: x\r\n\r\n"));
	pump(20);
	emit(5);
	ctl_close(ctl);
	ctl = NULL;
	ck_assert(!engine.fn);
	close(list);
	close(events);
}
END_TEST

#define RELOAD "POST /v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"

static int wait_after(const char *request)
{
	size_t before = asked;
	int fd = dial();

	judged = JUDGED_WHEN_TOLD;
	ck_assert(say(fd, request));
	for (int64_t end = real_ms() + PATIENCE_MS; asked == before && real_ms() < end;)
		turn();
	ck_assert_uint_eq(asked, before + 1);
	return fd;
}

/* A client that waits for a policy to be judged. */
static int wait_for_policy(void)
{
	return wait_after(RELOAD);
}

START_TEST(policies_judged_at_once_are_answered)
{
	int fd = dial();
	char *reply;

	ck_assert(say(fd, RELOAD RELOAD "GET /v1/nothing HTTP/1.0\r\n\r\n"));
	reply = hear(fd, NULL);
	ck_assert_uint_eq(asked, 2);
	assert_begins(reply, "HTTP/1.1 200 OK\r\n");
	ck_assert_ptr_nonnull(strstr(reply, "\"kept\":0},\"file\":"));
	ck_assert_ptr_nonnull(strstr(reply, "404 Not Found"));
	free(reply);
	close(fd);
}
END_TEST

START_TEST(nobody_waits_for_another_ones_policy)
{
	int fd = wait_for_policy();
	char *reply;

	assert_alive();
	judged = JUDGED_AS_BUSY;
	reply = ask("POST /v1/check HTTP/1.0\r\nContent-Length: 2\r\n\r\n{}");
	assert_begins(reply, "HTTP/1.0 503 Service Unavailable\r\n");
	ck_assert_ptr_nonnull(strstr(reply, "another policy is being read"));
	free(reply);
	judge(-EINVAL);
	reply = hear(fd, "}\n");
	assert_begins(reply, "HTTP/1.1 422 Unprocessable Entity\r\n");
	ck_assert_ptr_nonnull(strstr(reply, "\"message\":\"no such key\""));
	free(reply);
	/* Once answered, the connection is like any other. */
	ck_assert(say(fd, "GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n"));
	free(hear(fd, "{\"version\":"));
	close(fd);
}
END_TEST

START_TEST(waiting_for_a_policy_has_no_deadline)
{
	int fd = wait_for_policy();
	char *reply;

	clock_now_ms += 3600000;
	pump(1300);
	ck_assert(!is_closed(fd));
	judge(0);
	reply = hear(fd, "}\n");
	assert_begins(reply, "HTTP/1.1 200 OK\r\n");
	free(reply);
	clock_now_ms += 29000;
	pump(1300);
	ck_assert(!is_closed(fd));
	clock_now_ms += 2000;
	pump(1300);
	ck_assert(is_closed(fd));
	close(fd);
}
END_TEST

/* Each way in which the end of a request may be known. */
static const char *const waits[] = {
	RELOAD,
	"POST /v1/reload HTTP/1.1\r\nHost: x\r\n\r\n",
	"POST /v1/check HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}",
	"POST /v1/check HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
};

START_TEST(half_closed_clients_wait_for_a_policy)
{
	int fd = wait_after(waits[_i]);
	char *reply;

	ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
	pump(1300);
	judge(0);
	reply = hear(fd, "}\n");
	assert_begins(reply, "HTTP/1.1 200 OK\r\n");
	free(reply);
	close(fd);
}
END_TEST

START_TEST(policies_of_clients_who_left_answer_nobody)
{
	int fd;

	judge(0); /* as after a signal */
	fd = wait_for_policy();
	close(fd);
	judge(0); /* before it was seen to leave */
	pump(10);
	fd = wait_for_policy();
	close(fd);
	pump(1300);
	judge(0); /* and after */
	assert_alive();
	/* The next one gets an answer of its own. */
	fd = wait_for_policy();
	judge(-ENOMEM);
	free(hear(fd, "Cannot allocate memory; nothing was changed"));
	close(fd);
}
END_TEST

START_TEST(clients_who_left_hold_no_connection)
{
	static int fd[SERVED];
	struct rlimit limit;
	char *reply;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	if (limit.rlim_cur < 2 * MANY + 100)
		return; /* both ends are ours here */
	for (int i = 0; i < SERVED; i++)
		fd[i] = wait_for_policy();
	for (int i = 0; i < SERVED; i++)
		close(fd[i]);
	pump(1300);
	assert_alive();
	/* Whoever waits beside them does so still. */
	fd[0] = wait_for_policy();
	fd[1] = wait_for_policy();
	close(fd[0]);
	pump(1300);
	judge(0);
	reply = hear(fd[1], "}\n");
	assert_begins(reply, "HTTP/1.1 200 OK\r\n");
	free(reply);
	close(fd[1]);
}
END_TEST

START_TEST(whoever_talks_while_waiting_is_answered_in_turn)
{
	int fd = wait_for_policy();
	char *reply;

	ck_assert(say(fd, "GET /v1/nothing HTTP/1.0\r\n\r\n"));
	pump(20);
	judge(0);
	reply = hear(fd, NULL);
	assert_begins(reply, "HTTP/1.1 200 OK\r\n");
	ck_assert_ptr_nonnull(strstr(reply, "404 Not Found"));
	free(reply);
	close(fd);
}
END_TEST

START_TEST(closing_ends_a_wait)
{
	int fd = wait_for_policy(), gone = wait_for_policy();

	close(gone);
	ctl_close(ctl);
	ctl = NULL;
	ck_assert(is_closed(fd));
	close(fd);
}
END_TEST

START_TEST(metrics_port_serves_metrics_alone)
{
	const uint8_t local[4] = {127, 0, 0, 1};
	struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(39551)};
	static const char *const requests[] = {"GET /metrics HTTP/1.0\r\n\r\n",
		"GET /v1/status HTTP/1.0\r\n\r\n", "DELETE /v1/mappings?all=true HTTP/1.0\r\n\r\n"};
	static const char *const answers[] = {"HTTP/1.0 200", "HTTP/1.0 404", "HTTP/1.0 404"};

	ctl_close(ctl);
	config.metrics = true;
	config.metrics_addr = addr_from_v4(local);
	config.metrics_port = 39551;
	ck_assert_int_eq(open_ctl(), 0);
	name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		char *reply;

		ck_assert_int_eq(connect(fd, (const struct sockaddr *)&name, sizeof(name)), 0);
		ck_assert_int_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
		ck_assert(say(fd, requests[i]));
		reply = hear(fd, NULL);
		assert_begins(reply, answers[i]);
		free(reply);
		close(fd);
	}
	ck_assert_str_eq(engine.told, "");
	assert_alive();
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("ctl http");
	TCase *t = tcase_create("sockets");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, answers_over_the_socket);
	tcase_add_test(t, serves_several_requests_on_a_connection);
	tcase_add_test(t, socket_is_private_and_goes_with_the_daemon);
	tcase_add_test(t, socket_of_a_dead_daemon_is_replaced);
	tcase_add_test(t, socket_of_a_living_daemon_is_left_alone);
	tcase_add_test(t, something_else_at_the_path_is_left_alone);
	tcase_add_test(t, unknown_group_is_named);
	tcase_add_test(t, group_may_use_the_socket);
	tcase_add_test(t, malformed_requests_harm_nobody);
	tcase_add_test(t, huge_headers_are_refused);
	tcase_add_test(t, only_a_policy_may_be_long);
	tcase_add_test(t, dripping_requests_are_ended);
	tcase_add_test(t, half_closed_clients_get_everything);
	tcase_add_test(t, long_lists_hold_up_nobody);
	tcase_add_test(t, many_users_hold_up_nobody);
	tcase_add_test(t, connections_beyond_the_limit_are_closed_at_once);
	tcase_add_test(t, events_reach_every_reader);
	tcase_add_test(t, slow_readers_of_events_are_told_what_they_lost);
	tcase_add_test(t, lost_events_and_read_ones_are_all);
	tcase_add_test(t, readers_of_events_are_limited);
	tcase_add_test(t, readers_of_events_may_be_silent_for_long);
	tcase_add_test(t, closing_ends_what_goes_on);
	tcase_add_test(t, policies_judged_at_once_are_answered);
	tcase_add_test(t, nobody_waits_for_another_ones_policy);
	tcase_add_test(t, waiting_for_a_policy_has_no_deadline);
	tcase_add_loop_test(t, half_closed_clients_wait_for_a_policy, 0, ARRAY_LEN(waits));
	tcase_add_test(t, policies_of_clients_who_left_answer_nobody);
	tcase_add_test(t, clients_who_left_hold_no_connection);
	tcase_add_test(t, whoever_talks_while_waiting_is_answered_in_turn);
	tcase_add_test(t, closing_ends_a_wait);
	tcase_add_test(t, metrics_port_serves_metrics_alone);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *r = srunner_create(suite());
	int failed;

	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
