/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Peers read from programs: from servers of our own that behave badly, and from a wireguard-go
 * in a network namespace of its own.  Its socket is in the machine's /var/run/wireguard, under a
 * name that nobody else has.
 */
#include "include/compiler.h"
#include "include/identity.h"
#include "src/identity/uapi.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <check.h>

#define EXIT_SKIP 77
#define NOBODY    65534

#define SOCKETS "/var/run/wireguard"

#define LIMIT_MS 100 /* for one answer */
#define SLACK_MS 150 /* for a machine that is busy */
#define START_MS 5000

#define KEY_1 "ERERERERERERERERERERERERERERERERERERERERERE="
#define KEY_2 "IiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiI="

#define PEER_TEXT                                                                                  \
	"public_key=1111111111111111111111111111111111111111111111111111111111111111\n"            \
	"allowed_ip=10.9.0.2/32\n"

static char folder[] = "/tmp/test_wireguard-XXXXXX";
static char path[PATH_MAX]; /* of a fake server's socket */
static pid_t child;

static int64_t clock_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

static void pause_ms(long ms)
{
	struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	(void)nanosleep(&pause, NULL);
}

static void run(const char *format, ...) PRINTF_LIKE(1, 2);

static void run(const char *format, ...)
{
	char command[1024];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	/* NOLINTNEXTLINE(cert-env33-c): the commands are this file's own */
	ck_assert_msg(system(command) == 0, "%s", command);
}

static void end_child(int signal_number)
{
	if (child <= 0)
		return;
	(void)kill(child, signal_number);
	(void)waitpid(child, NULL, 0);
	child = 0;
}

/* Fake servers */

static int listen_at(const char *where)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_uint_lt(strlen(where), sizeof(address.sun_path));
	memcpy(address.sun_path, where, strlen(where) + 1);
	ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(fd, 8), 0);
	return fd;
}

/* The child's part: it gets a connection on which the question has arrived. */
typedef void (*serve_fn)(int fd);

static void serve(int listener, serve_fn fn)
{
	char question[16];
	int fd = accept(listener, NULL, NULL);
	bool right = recv(fd, question, sizeof(question), 0) == 7 &&
		     memcmp(question, "get=1\n\n", 7) == 0;

	if (right)
		fn(fd);
	_exit(0);
}

static void start_server(const char *where, serve_fn fn)
{
	int listener = listen_at(where);

	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve(listener, fn);
	}
	(void)close(listener);
}

static void say(int fd, const char *text)
{
	(void)send(fd, text, strlen(text), MSG_NOSIGNAL);
}

static void serve_well(int fd)
{
	say(fd, "private_key=");
	pause_ms(10);
	say(fd, "00\n" PEER_TEXT "errno=0\n");
	pause_ms(10);
	say(fd, "\n");
	(void)pause();
}

static void serve_nothing(int fd)
{
	(void)fd;
	(void)pause();
}

static void serve_half(int fd)
{
	say(fd, PEER_TEXT "errno=0\n");
	(void)pause();
}

static void serve_drops(int fd)
{
	for (;;) {
		say(fd, "a");
		pause_ms(1);
	}
}

static void serve_flood(int fd)
{
	static char block[65536];

	memset(block, 'a', sizeof(block));
	while (send(fd, block, sizeof(block), MSG_NOSIGNAL) > 0)
		continue;
}

static void serve_garbage(int fd)
{
	say(fd, "HTTP/1.1 400 Bad Request\r\n\r\n\n\n");
	(void)pause();
}

static void serve_refusal(int fd)
{
	say(fd, "errno=-22\n\n");
	(void)pause();
}

static void serve_and_close(int fd)
{
	say(fd, PEER_TEXT);
	(void)close(fd);
}

static void serve_close(int fd)
{
	(void)close(fd);
}

static int read_path(struct wireguard_peers *out)
{
	struct peer_list list = {0};
	int err = uapi_read_peers(path, clock_ms() + LIMIT_MS, &list);

	peer_list_finish(&list, out);
	return err;
}

static void expect_error(int wanted)
{
	struct wireguard_peers peers;
	int64_t start_ms = clock_ms();
	int err = read_path(&peers);

	wireguard_peers_fini(&peers);
	ck_assert_int_eq(err, wanted);
	ck_assert_int_lt(clock_ms() - start_ms, LIMIT_MS + SLACK_MS);
}

static void setup(void)
{
	(void)snprintf(path, sizeof(path), "%s/fake.sock", folder);
	(void)unlink(path);
}

static void teardown(void)
{
	end_child(SIGKILL);
	(void)unlink(path);
}

START_TEST(server_that_answers_in_parts_is_read)
{
	struct wireguard_peers peers;

	start_server(path, serve_well);
	ck_assert_int_eq(read_path(&peers), 0);
	ck_assert_uint_eq(peers.len, 1);
	ck_assert_uint_eq(peers.peer[0].allowed_len, 1);
	wireguard_peers_fini(&peers);
}
END_TEST

static const struct {
	serve_fn fn;
	int wanted;
} bad_servers[] = {
	{serve_nothing, -ETIMEDOUT},
	{serve_half, -ETIMEDOUT},
	{serve_drops, -ETIMEDOUT},
	{serve_garbage, -EPROTO},
	{serve_refusal, -EREMOTEIO},
	{serve_and_close, -EPROTO},
	{serve_close, -EPROTO},
};

START_TEST(server_that_misbehaves_is_an_error_soon)
{
	start_server(path, bad_servers[_i].fn);
	expect_error(bad_servers[_i].wanted);
}
END_TEST

/* Whichever comes first, the time or the size. */
START_TEST(server_that_never_stops_is_an_error_soon)
{
	struct wireguard_peers peers;
	int64_t start_ms = clock_ms();
	int err;

	start_server(path, serve_flood);
	err = read_path(&peers);
	wireguard_peers_fini(&peers);
	ck_assert(err == -ETIMEDOUT || err == -EFBIG);
	ck_assert_int_lt(clock_ms() - start_ms, LIMIT_MS + SLACK_MS);
}
END_TEST

/* It listens, but takes in nobody until no further client may wait. */
START_TEST(server_that_accepts_nobody_is_an_error_soon)
{
	int listener = listen_at(path);

	for (int i = 0; i < 12; i++)
		expect_error(-ETIMEDOUT);
	(void)close(listener);
}
END_TEST

START_TEST(nobody_there_is_told_apart)
{
	expect_error(-ENOENT);
	(void)close(listen_at(path)); /* leaves the file */
	expect_error(-ENOENT);
	(void)snprintf(path, sizeof(path), "%s/no/such.sock", folder);
	expect_error(-ENOENT);
	(void)snprintf(path, sizeof(path), "/dev/null/fake.sock");
	expect_error(-ENOENT);
}
END_TEST

START_TEST(what_is_no_socket_is_refused)
{
	run("touch %s", path);
	expect_error(-ENOTSOCK);
	run("ln -sf /dev/null %s", path);
	expect_error(-ENOTSOCK);
}
END_TEST

START_TEST(socket_of_somebody_else_is_refused)
{
	start_server(path, serve_well);
	ck_assert_int_eq(chown(path, NOBODY, (gid_t)-1), 0);
	expect_error(-EPERM);
}
END_TEST

START_TEST(listener_that_is_somebody_else_is_refused)
{
	int ready[2];
	char c;

	ck_assert_int_eq(pipe(ready), 0);
	ck_assert_int_eq(chmod(folder, 0777), 0);
	child = fork();
	if (child == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (setuid(NOBODY) == 0 && listen_at(path) >= 0 && write(ready[1], "x", 1) == 1)
			(void)pause();
		_exit(1);
	}
	ck_assert_int_eq(read(ready[0], &c, 1), 1);
	(void)close(ready[0]);
	(void)close(ready[1]);
	/* As if the file had been root's when it was looked at. */
	ck_assert_int_eq(chown(path, 0, 0), 0);
	expect_error(-EPERM);
}
END_TEST

/* All tunnels of a gateway */

static struct gateway_interface tunnels[2];

static struct gateway gateway_of(const char *first, const char *second)
{
	struct gateway g = {.tunnels = tunnels, .tunnels_len = second ? 2 : 1};

	(void)snprintf(tunnels[0].name, sizeof(tunnels[0].name), "%s", first);
	if (second)
		(void)snprintf(tunnels[1].name, sizeof(tunnels[1].name), "%s", second);
	return g;
}

START_TEST(tunnels_of_other_kinds_have_no_peers)
{
	struct gateway none = {.tunnels_len = 0};
	struct gateway other = gateway_of("lo", "no-such-tunnel");
	struct wireguard_peers peers;

	ck_assert_int_eq(wireguard_peers_read(&none, &peers), 0);
	ck_assert_uint_eq(peers.len, 0);
	wireguard_peers_fini(&peers);
	ck_assert_int_eq(wireguard_peers_read(&other, &peers), 0);
	ck_assert_uint_eq(peers.len, 0);
	wireguard_peers_fini(&peers);
}
END_TEST

START_TEST(tunnel_whose_program_hangs_fails_the_reading)
{
	struct wireguard_peers peers;
	struct gateway g;
	char name[CONFIG_INTERFACE_MAX];
	int64_t start_ms;

	(void)snprintf(name, sizeof(name), "tmf%d", (int)getpid());
	(void)snprintf(path, sizeof(path), SOCKETS "/%s.sock", name);
	g = gateway_of("lo", name);
	start_server(path, serve_nothing);
	start_ms = clock_ms();
	ck_assert_int_eq(wireguard_peers_read(&g, &peers), -ETIMEDOUT);
	ck_assert_int_ge(clock_ms() - start_ms, LIMIT_MS / 2);
	ck_assert_int_lt(clock_ms() - start_ms, LIMIT_MS + SLACK_MS);
}
END_TEST

/* wireguard-go */

static char tunnel[CONFIG_INTERFACE_MAX];

static void start_wireguard_go(void)
{
	int64_t end_ms = clock_ms() + START_MS;

	(void)snprintf(tunnel, sizeof(tunnel), "tmg%d", (int)getpid());
	(void)snprintf(path, sizeof(path), SOCKETS "/%s.sock", tunnel);
	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
		(void)dup2(null, STDOUT_FILENO);
		(void)dup2(null, STDERR_FILENO);
		(void)execlp("wireguard-go", "wireguard-go", "-f", tunnel, (char *)NULL);
		_exit(127);
	}
	while (access(path, F_OK) < 0) {
		ck_assert_int_lt(clock_ms(), end_ms);
		pause_ms(10);
	}
}

/* It removes its socket itself when it is asked to end. */
static void stop_wireguard_go(void)
{
	end_child(SIGTERM);
	teardown();
}

static struct wireguard_peers read_tunnel(void)
{
	struct gateway g = gateway_of("lo", tunnel);
	struct wireguard_peers peers;

	ck_assert_int_eq(wireguard_peers_read(&g, &peers), 0);
	return peers;
}

static void expect_allowed(
	const struct wireguard_peer *peer, size_t index, const char *text, unsigned int len)
{
	char address[ADDR_TEXT_MAX];

	ck_assert_uint_lt(index, peer->allowed_len);
	ck_assert_str_eq(addr_format(&peer->allowed[index].addr, address), text);
	ck_assert_uint_eq(peer->allowed[index].len, len);
}

START_TEST(wireguard_go_tells_its_peers)
{
	struct wireguard_peers peers = read_tunnel();
	struct wireguard_peers again;
	char address[ADDR_TEXT_MAX];

	ck_assert_uint_eq(peers.len, 0);
	wireguard_peers_fini(&peers);
	run("umask 077; wg genkey >%s/key; wg set %s private-key %s/key listen-port 0", folder,
		tunnel, folder);
	run("wg set %s peer " KEY_2 " allowed-ips 10.9.0.3/32,10.9.0.2/32,fd00:9::2/128"
	    " endpoint 192.0.2.1:51820",
		tunnel);
	run("wg set %s peer " KEY_1 " allowed-ips 10.20.0.0/17 endpoint '[2001:db8::1]:1'", tunnel);

	peers = read_tunnel();
	ck_assert_uint_eq(peers.len, 2);
	ck_assert_uint_eq(peers.peer[0].key.octet[31], 0x11);
	ck_assert_str_eq(addr_format(&peers.peer[0].endpoint, address), "2001:db8::1");
	ck_assert_uint_eq(peers.peer[0].allowed_len, 1);
	expect_allowed(&peers.peer[0], 0, "10.20.0.0", 96 + 17);
	ck_assert_uint_eq(peers.peer[1].key.octet[0], 0x22);
	ck_assert(peers.peer[1].has_endpoint);
	ck_assert_str_eq(addr_format(&peers.peer[1].endpoint, address), "192.0.2.1");
	ck_assert_uint_eq(peers.peer[1].allowed_len, 3);
	expect_allowed(&peers.peer[1], 0, "10.9.0.2", 128);
	expect_allowed(&peers.peer[1], 1, "10.9.0.3", 128);
	expect_allowed(&peers.peer[1], 2, "fd00:9::2", 128);

	again = read_tunnel();
	ck_assert(wireguard_peers_equal(&peers, &again));
	wireguard_peers_fini(&again);
	run("wg set %s peer " KEY_1 " remove", tunnel);
	again = read_tunnel();
	ck_assert_uint_eq(again.len, 1);
	ck_assert(!wireguard_peers_equal(&peers, &again));
	wireguard_peers_fini(&again);
	wireguard_peers_fini(&peers);
}
END_TEST

#define MANY 1000

START_TEST(wireguard_go_tells_many_peers)
{
	struct wireguard_peers peers;

	run("for i in $(seq %d); do k=$(printf %%042d $i); echo [Peer]; echo PublicKey=${k}A=;"
	    " echo AllowedIPs=10.$((i / 256)).$((i %% 256)).1/32; done >%s/peers;"
	    " wg addconf %s %s/peers",
		MANY, folder, tunnel, folder);
	peers = read_tunnel();
	ck_assert_uint_eq(peers.len, MANY);
	for (size_t i = 0; i < peers.len; i++)
		ck_assert_uint_eq(peers.peer[i].allowed_len, 1);
	wireguard_peers_fini(&peers);
}
END_TEST

START_TEST(wireguard_go_that_died_has_no_peers)
{
	struct wireguard_peers peers;

	end_child(SIGKILL);
	ck_assert_int_eq(access(path, F_OK), 0);
	peers = read_tunnel();
	ck_assert_uint_eq(peers.len, 0);
	wireguard_peers_fini(&peers);
}
END_TEST

static Suite *live_suite(void)
{
	Suite *suite = suite_create("wireguard live");
	TCase *fake = tcase_create("fake");
	TCase *go = tcase_create("wireguard-go");

	tcase_add_checked_fixture(fake, setup, teardown);
	tcase_add_test(fake, server_that_answers_in_parts_is_read);
	tcase_add_loop_test(
		fake, server_that_misbehaves_is_an_error_soon, 0, (int)ARRAY_LEN(bad_servers));
	tcase_add_test(fake, server_that_never_stops_is_an_error_soon);
	tcase_add_test(fake, server_that_accepts_nobody_is_an_error_soon);
	tcase_add_test(fake, nobody_there_is_told_apart);
	tcase_add_test(fake, what_is_no_socket_is_refused);
	tcase_add_test(fake, socket_of_somebody_else_is_refused);
	tcase_add_test(fake, listener_that_is_somebody_else_is_refused);
	tcase_add_test(fake, tunnels_of_other_kinds_have_no_peers);
	tcase_add_test(fake, tunnel_whose_program_hangs_fails_the_reading);
	suite_add_tcase(suite, fake);

	tcase_add_checked_fixture(go, start_wireguard_go, stop_wireguard_go);
	tcase_set_timeout(go, 20);
	tcase_add_test(go, wireguard_go_tells_its_peers);
	tcase_add_test(go, wireguard_go_tells_many_peers);
	tcase_add_test(go, wireguard_go_that_died_has_no_peers);
	suite_add_tcase(suite, go);
	return suite;
}

static void remove_folder(void)
{
	static const char *const files[] = {"key", "peers"};
	char file[PATH_MAX];

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		(void)snprintf(file, sizeof(file), "%s/%s", folder, files[i]);
		(void)unlink(file);
	}
	(void)rmdir(folder);
}

/* Why this machine cannot run the tests, or NULL. */
static const char *obstacle(void)
{
	if (geteuid() != 0)
		return "only root may serve as WireGuard";
	if (access("/dev/net/tun", R_OK | W_OK) < 0)
		return "no /dev/net/tun";
	/* NOLINTNEXTLINE(cert-env33-c): the command is this file's own */
	if (system("command -v wireguard-go wg >/dev/null") != 0)
		return "wireguard-go or wg is not installed";
	return NULL;
}

int main(void)
{
	const char *why;
	bool made_sockets;
	SRunner *runner;
	int failed;

	(void)setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
	why = obstacle();
	if (why) {
		(void)fprintf(stderr, "SKIPPED: %s\n", why);
		return EXIT_SKIP;
	}
	if (unshare(CLONE_NEWNET) < 0 || !mkdtemp(folder)) {
		(void)fprintf(stderr, "FAILED: no network of our own: %s\n", strerror(errno));
		return EXIT_FAILURE;
	}
	made_sockets = mkdir(SOCKETS, 0755) == 0;
	runner = srunner_create(live_suite());
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	remove_folder();
	if (made_sockets)
		(void)rmdir(SOCKETS);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
