/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The module against the real kernel, in two network namespaces of its own: this process is
 * the gateway; behind veth pairs stand the clients.  The machine's own network is not touched.
 */
#include "include/compiler.h"
#include "include/net.h"
#include "src/net/dump.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <check.h>

#define EXIT_SKIP 77

#define WAIT_MS  2000 /* for what must come */
#define QUIET_MS 100  /* for what must not */

#define IPV6_ON "sysctl -qw net.ipv6.conf.all.disable_ipv6=0"

static int gateway_ns;
static int client_ns;
static struct exchange exchanges[EXCHANGE_BATCH_MAX];

static void run(const char *format, ...) PRINTF_LIKE(1, 2);

static void run(const char *format, ...)
{
	char command[512];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	/* NOLINTNEXTLINE(cert-env33-c): the commands are this file's own */
	ck_assert_msg(system(command) == 0, "%s", command);
}

static void enter(int ns)
{
	ck_assert_int_eq(setns(ns, CLONE_NEWNET), 0);
}

static struct addr addr(const char *text)
{
	struct addr a;

	ck_assert_int_eq(addr_parse(text, &a), 0);
	return a;
}

static struct sockaddr_in sockaddr(const char *text, uint16_t port)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(port)};

	ck_assert_int_eq(inet_pton(AF_INET, text, &sa.sin_addr), 1);
	return sa;
}

static void teardown(void)
{
	enter(gateway_ns);
	run("for i in 7 8 9; do ip link del tun$i; done 2>/dev/null; true");
}

/* Two tunnels, each to one client: 10.9.0.1 - 10.9.0.2 and 10.8.0.1 - 10.8.0.2. */
static void setup(void)
{
	/* A test that failed in a process of its own has left its links behind. */
	teardown();
	memset(exchanges, 0, sizeof(exchanges));
	for (int i = 9; i >= 8; i--) {
		run("ip link add tun%d type veth peer name cli%d", i, i);
		run("ip link set cli%d netns /proc/%d/fd/%d", i, (int)getpid(), client_ns);
		run("ip addr add 10.%d.0.1/24 dev tun%d && ip link set tun%d up", i, i, i);
		enter(client_ns);
		run("ip addr add 10.%d.0.2/24 dev cli%d && ip link set cli%d up", i, i, i);
		enter(gateway_ns);
	}
}

static uint32_t index_of(const char *name)
{
	uint32_t ifindex = if_nametoindex(name);

	ck_assert_uint_ne(ifindex, 0);
	return ifindex;
}

/* Reading the picture */

static const struct net_interface *find_interface(const struct net_picture *p, const char *name)
{
	for (size_t i = 0; i < p->interfaces_len; i++) {
		if (strcmp(p->interfaces[i].name, name) == 0)
			return &p->interfaces[i];
	}
	return NULL;
}

static const struct net_address *find_address(const struct net_picture *p, const char *text)
{
	struct addr wanted = addr(text);

	for (size_t i = 0; i < p->addresses_len; i++) {
		if (addr_equal(&p->addresses[i].addr, &wanted))
			return &p->addresses[i];
	}
	return NULL;
}

START_TEST(picture_shows_interfaces)
{
	struct net_picture p;
	const struct net_interface *i;

	run("ip link set tun8 down");
	ck_assert_int_eq(net_picture_read(&p), 0);
	i = find_interface(&p, "tun9");
	ck_assert_ptr_nonnull(i);
	ck_assert_uint_eq(i->ifindex, index_of("tun9"));
	ck_assert(i->up && !i->loopback);
	i = find_interface(&p, "tun8");
	ck_assert(i && !i->up && !i->loopback);
	i = find_interface(&p, "lo");
	ck_assert(i && i->loopback);
	ck_assert_ptr_null(find_interface(&p, "cli9"));
	net_picture_fini(&p);
}
END_TEST

START_TEST(picture_shows_addresses_with_scope_and_rank)
{
	struct net_picture p;
	const struct net_address *a;

	run("ip addr add 10.9.0.7/24 dev tun9");
	run("ip addr add 169.254.9.1/16 dev tun9 scope link");
	run("ip addr add 192.0.2.1/32 dev tun9 preferred_lft 0");
	ck_assert_int_eq(net_picture_read(&p), 0);
	a = find_address(&p, "10.9.0.1");
	ck_assert(a && a->global && a->primary && a->ifindex == index_of("tun9"));
	a = find_address(&p, "10.9.0.7");
	ck_assert(a && a->global && !a->primary);
	a = find_address(&p, "169.254.9.1");
	ck_assert(a && !a->global);
	a = find_address(&p, "192.0.2.1");
	ck_assert(a && !a->global);
	net_picture_fini(&p);
}
END_TEST

START_TEST(picture_keeps_the_kernels_order_of_addresses)
{
	struct net_picture p;

	run("ip addr add 10.9.0.3/24 dev tun9 && ip addr add 10.9.0.2/24 dev tun9");
	ck_assert_int_eq(net_picture_read(&p), 0);
	ck_assert(find_address(&p, "10.9.0.1") < find_address(&p, "10.9.0.3"));
	ck_assert(find_address(&p, "10.9.0.3") < find_address(&p, "10.9.0.2"));
	net_picture_fini(&p);
}
END_TEST

START_TEST(picture_shows_our_end_of_a_point_to_point_link)
{
	struct net_picture p;

	run("ip addr add 10.7.0.1 peer 10.7.0.2 dev tun9");
	ck_assert_int_eq(net_picture_read(&p), 0);
	ck_assert_ptr_nonnull(find_address(&p, "10.7.0.1"));
	ck_assert_ptr_null(find_address(&p, "10.7.0.2"));
	net_picture_fini(&p);
}
END_TEST

START_TEST(picture_tells_ipv6_addresses_that_are_not_ready)
{
	struct net_picture p;
	const struct net_address *a;

	run(IPV6_ON);
	run("ip addr add fd00:9::1/64 dev tun9 nodad && ip addr add fd00:9::2/64 dev tun9");
	ck_assert_int_eq(net_picture_read(&p), 0);
	a = find_address(&p, "fd00:9::1");
	ck_assert(a && a->global);
	a = find_address(&p, "fd00:9::2");
	ck_assert(a && !a->global);
	net_picture_fini(&p);
}
END_TEST

/* Routes to make, and the interface of the one that counts. */
static const struct {
	const char *routes;
	const char *interface;
} defaults[] = {
	{"true", NULL},
	{"ip route add default via 10.9.0.2", "tun9"},
	{"ip route add default dev tun8", "tun8"},
	{"ip route add default via 10.9.0.2 metric 20;"
	 "ip route add default via 10.8.0.2 metric 10",
		"tun8"},
	{"ip route add default via 10.9.0.2 metric 4000000000;"
	 "ip route add default via 10.8.0.2 metric 4100000000",
		"tun9"},
	{"ip route add default via 10.9.0.2; ip route add default via 10.8.0.2 metric 10", "tun9"},
	{"ip route add default nexthop via 10.8.0.2 nexthop via 10.9.0.2", "tun8"},
	{"ip route add default nexthop via 10.8.0.2 nexthop via 10.9.0.2; ip link set tun8 down",
		"tun9"},
	{"ip route add blackhole default; ip route add default via 10.8.0.2 metric 10", "tun8"},
	{"ip route add default via 10.9.0.2 table 100", NULL},
	{"ip route add default via 10.9.0.2 table 1000", NULL},
	{"ip route add default via 10.9.0.2 tos 0x10; ip route add default via 10.8.0.2", "tun8"},
	{"ip route add 0.0.0.0/1 via 10.9.0.2; ip route add 192.0.2.0/24 via 10.9.0.2", NULL},
};

START_TEST(picture_shows_the_default_route_with_the_least_metric)
{
	struct net_picture p;
	uint32_t wanted = defaults[_i].interface ? index_of(defaults[_i].interface) : 0;

	run("%s", defaults[_i].routes);
	ck_assert_int_eq(net_picture_read(&p), 0);
	ck_assert_msg(p.default4_ifindex == wanted, "%s: %u, not %u", defaults[_i].routes,
		p.default4_ifindex, wanted);
	net_picture_fini(&p);
	run("{ ip route del blackhole default; true; } 2>/dev/null");
}
END_TEST

START_TEST(picture_of_a_namespace_without_any_route_is_no_error)
{
	struct net_picture p;

	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	ck_assert_int_eq(net_picture_read(&p), 0);
	ck_assert_uint_eq(p.default4_ifindex, 0);
	ck_assert_ptr_nonnull(find_interface(&p, "lo"));
	net_picture_fini(&p);
	enter(gateway_ns);
}
END_TEST

/* Addresses 10.200.h.l/32 for every l below 250 of some h, as lines for `ip -batch`. */
#define CHURN_LINES                                                                                \
	"for h in %s; do for l in $(seq 1 250); do echo addr %s 10.200.$h.$l/32 dev tun8; done; "  \
	"done | ip -batch -"

START_TEST(picture_is_whole_while_addresses_come_and_go)
{
	struct net_picture p;
	pid_t churn;
	int status;

	run(CHURN_LINES, "1 2 3 4 5 6", "add");
	churn = fork();
	ck_assert_int_ge(churn, 0);
	if (churn == 0) {
		for (int i = 0; i < 8; i++) {
			run(CHURN_LINES, "9", "add");
			run(CHURN_LINES, "9", "del");
		}
		_exit(EXIT_SUCCESS);
	}
	do {
		size_t steady = 0;
		int err = net_picture_read(&p);

		ck_assert(err == 0 || err == -EAGAIN);
		for (size_t i = 0; !err && i < p.addresses_len; i++) {
			const uint8_t *v4 = addr_v4(&p.addresses[i].addr);

			if (addr_is_v4(&p.addresses[i].addr) && v4[1] == 200 && v4[2] <= 6)
				steady++;
		}
		ck_assert(err || steady == (size_t)6 * 250);
		if (!err)
			net_picture_fini(&p);
	} while (waitpid(churn, &status, WNOHANG) == 0);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(net_picture_read(&p), 0);
	ck_assert_ptr_nonnull(find_address(&p, "10.200.6.250"));
	ck_assert_ptr_null(find_address(&p, "10.200.9.1"));
	net_picture_fini(&p);
}
END_TEST

static int count_message(const struct nlmsghdr *nlh, void *data)
{
	(void)nlh;
	(*(int *)data)++;
	return MNL_CB_OK;
}

/* The kernel says no to a table that is not there at the end of a dump, not at its start. */
START_TEST(dump_that_ends_in_an_error_returns_it)
{
	static const uint8_t tables[] = {77, RT_TABLE_LOCAL};
	static const int results[] = {-ENOENT, 0};
	union {
		struct nlmsghdr header;
		char room[64];
	} request;
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(&request);
	struct rtmsg *info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));
	int messages = 0;

	nlh->nlmsg_type = RTM_GETROUTE;
	info->rtm_family = AF_INET;
	info->rtm_table = tables[_i];
	ck_assert_int_eq(dump_run(NETLINK_ROUTE, nlh, count_message, &messages), results[_i]);
	ck_assert_int_eq(messages > 0, results[_i] == 0);
}
END_TEST

/* Watching */

static bool readable(int fd, int timeout_ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, timeout_ms) > 0;
}

/* What a watch must wake for, and what it must sleep through. */
static const struct {
	const char *command;
	bool wakes;
} events[] = {
	{"ip link add tun7 type veth peer name peer7 && ip link del tun7", true},
	{"ip link set tun8 down", true},
	{"ip link del tun8", true},
	{"ip link set tun8 down && ip link set tun8 name tun8b && ip link del tun8b", true},
	{"ip addr add 10.9.0.5/24 dev tun9", true},
	{"ip addr del 10.9.0.1/24 dev tun9", true},
	{IPV6_ON " && ip addr add fd00:9::1/64 dev tun9 nodad", true},
	{"ip route add default via 10.9.0.2", true},
	{"ip route add 192.0.2.0/24 via 10.9.0.2", false},
	{"ip route add 0.0.0.0/1 via 10.9.0.2", false},
	{"ip route add default via 10.9.0.2 table 100 && ip route flush table 100", false},
	{"true", false},
};

/* The kernel reports some changes of a link that is new, such as IPv6's, a little later. */
static void settle(int fd)
{
	while (readable(fd, QUIET_MS))
		ck_assert_int_ge(net_watch_drain(fd), 0);
}

START_TEST(watch_wakes_for_links_addresses_and_default_routes)
{
	int fd = net_watch_open();

	ck_assert_int_ge(fd, 0);
	settle(fd);
	ck_assert_int_eq(net_watch_drain(fd), 0);
	run("%s", events[_i].command);
	ck_assert_msg(readable(fd, events[_i].wakes ? WAIT_MS : QUIET_MS) == events[_i].wakes, "%s",
		events[_i].command);
	ck_assert_int_eq(net_watch_drain(fd), events[_i].wakes ? 1 : 0);
	settle(fd);
	ck_assert_int_eq(net_watch_drain(fd), 0);
	(void)close(fd);
}
END_TEST

START_TEST(watch_tells_that_a_default_route_went)
{
	int fd;

	run("ip route add default via 10.9.0.2");
	fd = net_watch_open();
	ck_assert_int_ge(fd, 0);
	settle(fd);
	run("ip route del default");
	ck_assert(readable(fd, WAIT_MS));
	ck_assert_int_eq(net_watch_drain(fd), 1);
	(void)close(fd);
}
END_TEST

START_TEST(lost_messages_count_as_a_change)
{
	int fd = net_watch_open();
	int len = 1; /* the kernel makes it the least it allows, some messages */

	ck_assert_int_ge(fd, 0);
	settle(fd);
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &len, sizeof(len)), 0);
	run(CHURN_LINES, "9", "add");
	ck_assert_int_eq(net_watch_drain(fd), 1);
	settle(fd);
	ck_assert_int_eq(net_watch_drain(fd), 0);
	(void)close(fd);
}
END_TEST

START_TEST(descriptors_do_not_block_and_close_on_exec)
{
	struct gateway_listen listen = {.interface = "tun9", .addr = addr("10.9.0.1")};
	int fds[] = {net_watch_open(), net_listen(&listen)};

	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		ck_assert_int_ge(fds[i], 0);
		ck_assert(fcntl(fds[i], F_GETFL) & O_NONBLOCK);
		ck_assert(fcntl(fds[i], F_GETFD) & FD_CLOEXEC);
		(void)close(fds[i]);
	}
}
END_TEST

/* Ports */

static int bound_socket(int type, const char *text, uint16_t port)
{
	struct sockaddr_in sa = sockaddr(text, port);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (const struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

static int bound_socket6(int type, const char *text, uint16_t port)
{
	struct sockaddr_in6 sa = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	int fd = socket(AF_INET6, type | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(inet_pton(AF_INET6, text, &sa.sin6_addr), 1);
	ck_assert_int_eq(bind(fd, (const struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

START_TEST(ports_in_use_are_those_that_listen_or_receive)
{
	struct sockaddr_in peer = sockaddr("10.9.0.2", 53);
	struct port_set ports;
	int fd[6];

	run(IPV6_ON " && ip link set lo up");
	fd[0] = bound_socket(SOCK_STREAM, "0.0.0.0", 11001);
	fd[1] = bound_socket(SOCK_STREAM, "10.9.0.1", 11002); /* does not listen */
	fd[2] = bound_socket(SOCK_DGRAM, "10.9.0.1", 11003);
	fd[3] = bound_socket(SOCK_DGRAM, "0.0.0.0", 11004); /* connected below */
	fd[4] = bound_socket6(SOCK_STREAM, "::", 11005);
	fd[5] = bound_socket6(SOCK_DGRAM, "::ffff:10.9.0.1", 65535);
	ck_assert_int_eq(listen(fd[0], 1), 0);
	ck_assert_int_eq(listen(fd[4], 1), 0);
	ck_assert_int_eq(connect(fd[3], (const struct sockaddr *)&peer, sizeof(peer)), 0);
	ck_assert_int_eq(net_ports_in_use(&ports), 0);
	ck_assert(port_set_has(&ports, 11001));
	ck_assert(!port_set_has(&ports, 11002));
	ck_assert(port_set_has(&ports, 11003));
	ck_assert(port_set_has(&ports, 11004));
	ck_assert(port_set_has(&ports, 11005));
	ck_assert(port_set_has(&ports, 65535));
	ck_assert(!port_set_has(&ports, 53));
	for (size_t i = 0; i < ARRAY_LEN(fd); i++)
		(void)close(fd[i]);
	ck_assert_int_eq(net_ports_in_use(&ports), 0);
	for (size_t i = 0; i < ARRAY_LEN(ports.word); i++)
		ck_assert_uint_eq(ports.word[i], 0);
}
END_TEST

START_TEST(ports_on_loopback_alone_are_not_in_use)
{
	struct port_set ports;
	int fd[4];

	run(IPV6_ON " && ip link set lo up");
	fd[0] = bound_socket(SOCK_STREAM, "127.0.0.1", 11001);
	fd[1] = bound_socket(SOCK_DGRAM, "127.0.0.53", 11002);
	fd[2] = bound_socket6(SOCK_DGRAM, "::1", 11003);
	fd[3] = bound_socket6(SOCK_DGRAM, "::ffff:127.0.0.1", 11004);
	ck_assert_int_eq(listen(fd[0], 1), 0);
	ck_assert_int_eq(net_ports_in_use(&ports), 0);
	for (uint16_t port = 11001; port <= 11004; port++)
		ck_assert_msg(!port_set_has(&ports, port), "%u", port);
	for (size_t i = 0; i < ARRAY_LEN(fd); i++)
		(void)close(fd[i]);
}
END_TEST

START_TEST(thousands_of_sockets_are_all_listed)
{
	struct port_set ports;
	int fd[800];

	for (size_t i = 0; i < ARRAY_LEN(fd); i++)
		fd[i] = bound_socket(SOCK_DGRAM, "0.0.0.0", (uint16_t)(20000 + i));
	ck_assert_int_eq(net_ports_in_use(&ports), 0);
	for (size_t i = 0; i < ARRAY_LEN(fd); i++) {
		ck_assert(port_set_has(&ports, (uint16_t)(20000 + i)));
		(void)close(fd[i]);
	}
}
END_TEST

/* Datagrams */

static int listen_on(const char *interface, const char *text)
{
	struct gateway_listen listen = {.addr = addr(text)};

	(void)snprintf(listen.interface, sizeof(listen.interface), "%s", interface);
	return net_listen(&listen);
}

/* A client's socket behind the tunnel of that number. */
static int client_socket(int tunnel, uint16_t port)
{
	char text[ADDR_TEXT_MAX];
	char interface[CONFIG_INTERFACE_MAX];
	int fd;

	(void)snprintf(text, sizeof(text), "10.%d.0.2", tunnel);
	(void)snprintf(interface, sizeof(interface), "cli%d", tunnel);
	enter(client_ns);
	fd = bound_socket(SOCK_DGRAM, text, port);
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface,
				 (socklen_t)strlen(interface)),
		0);
	enter(gateway_ns);
	return fd;
}

static void send_to(int fd, const char *text, uint16_t port, const void *data, size_t len)
{
	struct sockaddr_in sa = sockaddr(text, port);

	ck_assert_int_eq(
		sendto(fd, data, len, 0, (const struct sockaddr *)&sa, sizeof(sa)), (ssize_t)len);
}

static void put_reply(struct exchange *x, const char *text, uint16_t port, uint8_t octet)
{
	*x = (struct exchange){.source = addr(text), .source_port = port, .reply_len = 16};
	memset(x->reply, octet, 16);
}

START_TEST(a_request_and_its_reply_keep_addresses_and_ports)
{
	struct addr source = addr("10.9.0.2");
	struct sockaddr_in from;
	socklen_t from_len = sizeof(from);
	uint8_t octets[64];
	int fd = listen_on("tun9", "10.9.0.1");
	int client = client_socket(9, 40000);

	ck_assert_int_ge(fd, 0);
	exchanges[0].reply_len = 7; /* of an exchange before */
	send_to(client, "10.9.0.1", NET_PORT, "\0\0", 2);
	ck_assert(readable(fd, WAIT_MS));
	ck_assert_int_eq(net_receive(fd, exchanges, EXCHANGE_BATCH_MAX), 1);
	ck_assert(addr_equal(&exchanges[0].source, &source));
	ck_assert_uint_eq(exchanges[0].source_port, 40000);
	ck_assert_uint_eq(exchanges[0].request_len, 2);
	ck_assert_mem_eq(exchanges[0].request, "\0\0", 2);
	ck_assert_uint_eq(exchanges[0].reply_len, 0);

	memcpy(exchanges[0].reply, "answer", 6);
	exchanges[0].reply_len = 6;
	ck_assert_uint_eq(net_reply(fd, exchanges, 1), 0);
	ck_assert(readable(client, WAIT_MS));
	ck_assert_int_eq(
		recvfrom(client, octets, sizeof(octets), 0, (struct sockaddr *)&from, &from_len),
		6);
	ck_assert_mem_eq(octets, "answer", 6);
	ck_assert_uint_eq(ntohs(from.sin_port), NET_PORT);
	ck_assert_uint_eq(ntohl(from.sin_addr.s_addr), 0x0a090001);
	(void)close(client);
	(void)close(fd);
}
END_TEST

START_TEST(nothing_waiting_is_nothing_received)
{
	int fd = listen_on("tun9", "10.9.0.1");

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(net_receive(fd, exchanges, EXCHANGE_BATCH_MAX), 0);
	ck_assert_uint_eq(net_reply(fd, exchanges, 0), 0);
	(void)close(fd);
}
END_TEST

START_TEST(every_length_is_received_and_too_long_ones_show)
{
	static const size_t lens[] = {0, 1, 1099, 1100, 1101, 1104, 1105, 1472, 9000};
	static const uint8_t octets[9000];
	int fd = listen_on("tun9", "10.9.0.1");
	int client = client_socket(9, 40000);
	size_t most = sizeof(exchanges[0].request);

	ck_assert_int_ge(fd, 0);
	for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
		send_to(client, "10.9.0.1", NET_PORT, octets, lens[i]);
		ck_assert(readable(fd, WAIT_MS));
		ck_assert_int_eq(net_receive(fd, exchanges, EXCHANGE_BATCH_MAX), 1);
		ck_assert_uint_eq(exchanges[0].request_len, lens[i] < most ? lens[i] : most);
		ck_assert_int_eq(exchanges[0].request_len > PCP_MAX_LEN, lens[i] > PCP_MAX_LEN);
	}
	(void)close(client);
	(void)close(fd);
}
END_TEST

/* Receive until @wanted have come; checks that they come in the order they were sent. */
static void receive_all(int fd, size_t max, size_t wanted)
{
	size_t seen = 0;

	while (seen < wanted) {
		int got;

		ck_assert(readable(fd, WAIT_MS));
		got = net_receive(fd, exchanges, max);
		ck_assert_int_gt(got, 0);
		ck_assert_uint_le((size_t)got, max);
		for (size_t i = 0; i < (size_t)got; i++, seen++) {
			uint16_t number;

			ck_assert_uint_eq(exchanges[i].request_len, sizeof(number));
			memcpy(&number, exchanges[i].request, sizeof(number));
			ck_assert_uint_eq(number, seen);
		}
	}
	ck_assert_int_eq(net_receive(fd, exchanges, max), 0);
}

START_TEST(a_burst_is_received_in_batches_and_in_order)
{
	static const size_t max[] = {1, 7, EXCHANGE_BATCH_MAX};
	int fd = listen_on("tun9", "10.9.0.1");
	int client = client_socket(9, 40000);

	ck_assert_int_ge(fd, 0);
	/* Less than what the smallest buffer holds where no larger one is granted. */
	for (uint16_t i = 0; i < 150; i++)
		send_to(client, "10.9.0.1", NET_PORT, &i, sizeof(i));
	receive_all(fd, max[_i], 150);
	(void)close(client);
	(void)close(fd);
}
END_TEST

START_TEST(a_burst_of_thousands_fits_where_the_buffer_may_grow)
{
	int fd = listen_on("tun9", "10.9.0.1");
	int client = client_socket(9, 40000);
	int len = 0;
	socklen_t size = sizeof(len);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &len, &size), 0);
	if (len >= 4 * 1024 * 1024) {
		for (uint16_t i = 0; i < 3000; i++)
			send_to(client, "10.9.0.1", NET_PORT, &i, sizeof(i));
		receive_all(fd, EXCHANGE_BATCH_MAX, 3000);
	}
	(void)close(client);
	(void)close(fd);
}
END_TEST

START_TEST(more_replies_than_a_batch_are_all_sent)
{
	enum {
		COUNT = EXCHANGE_BATCH_MAX + 40
	};
	struct exchange *x = calloc(COUNT, sizeof(*x));
	uint8_t octets[64];
	int fd = listen_on("tun9", "10.9.0.1");
	int client = client_socket(9, 40000);

	ck_assert_ptr_nonnull(x);
	ck_assert_int_ge(fd, 0);
	for (size_t i = 0; i < COUNT; i++)
		put_reply(&x[i], "10.9.0.2", 40000, (uint8_t)i);
	ck_assert_uint_eq(net_reply(fd, x, 150), 0);
	for (size_t i = 0; i < 150; i++) {
		ck_assert(readable(client, WAIT_MS));
		ck_assert_int_eq(recv(client, octets, sizeof(octets), 0), 16);
		ck_assert_uint_eq(octets[0], (uint8_t)i);
	}
	ck_assert_uint_eq(net_reply(fd, x, COUNT), 0);
	free(x);
	(void)close(client);
	(void)close(fd);
}
END_TEST

START_TEST(an_exchange_without_a_reply_sends_nothing)
{
	uint8_t octets[64];
	int fd = listen_on("tun9", "10.9.0.1");
	int client = client_socket(9, 40000);

	ck_assert_int_ge(fd, 0);
	put_reply(&exchanges[0], "10.9.0.2", 40000, 1);
	put_reply(&exchanges[1], "10.9.0.2", 40000, 2);
	put_reply(&exchanges[2], "10.9.0.2", 40000, 3);
	exchanges[0].reply_len = 0;
	exchanges[2].reply_len = 0;
	ck_assert_uint_eq(net_reply(fd, exchanges, 3), 0);
	ck_assert(readable(client, WAIT_MS));
	ck_assert_int_eq(recv(client, octets, sizeof(octets), 0), 16);
	ck_assert_uint_eq(octets[0], 2);
	ck_assert(!readable(client, QUIET_MS));
	(void)close(client);
	(void)close(fd);
}
END_TEST

START_TEST(a_reply_that_cannot_be_sent_is_dropped_alone)
{
	uint8_t octets[64];
	int fd = listen_on("tun9", "10.9.0.1");
	int client = client_socket(9, 40000);

	ck_assert_int_ge(fd, 0);
	put_reply(&exchanges[0], "10.9.0.255", 40000, 0); /* the broadcast address is refused */
	put_reply(&exchanges[1], "10.9.0.2", 40000, 1);
	put_reply(&exchanges[2], "10.9.0.2", 0, 2); /* a forged source port */
	put_reply(&exchanges[3], "10.9.0.255", 40000, 3);
	put_reply(&exchanges[4], "10.9.0.2", 40000, 4);
	put_reply(&exchanges[5], "10.9.0.255", 40000, 5);
	ck_assert_uint_eq(net_reply(fd, exchanges, 6), 4);
	for (uint8_t i = 1; i <= 4; i = (uint8_t)(i + 3)) {
		ck_assert(readable(client, WAIT_MS));
		ck_assert_int_eq(recv(client, octets, sizeof(octets), 0), 16);
		ck_assert_uint_eq(octets[0], i);
	}
	ck_assert(!readable(client, QUIET_MS));
	(void)close(client);
	(void)close(fd);
}
END_TEST

/* What may go away between a request and its reply. */
static const char *const losses[] = {
	"ip addr del 10.9.0.1/24 dev tun9",
	"ip link set tun9 down",
	"ip link del tun9",
};

START_TEST(replies_are_dropped_and_counted_when_the_way_is_gone)
{
	int fd = listen_on("tun9", "10.9.0.1");

	ck_assert_int_ge(fd, 0);
	put_reply(&exchanges[0], "10.9.0.2", 40000, 0);
	put_reply(&exchanges[1], "10.9.0.2", 40000, 0);
	run("%s", losses[_i]);
	ck_assert_uint_eq(net_reply(fd, exchanges, 2), 2);
	ck_assert_int_eq(net_receive(fd, exchanges, EXCHANGE_BATCH_MAX), 0);
	(void)close(fd);
}
END_TEST

START_TEST(what_arrives_through_another_interface_is_not_received)
{
	int fd = listen_on("tun9", "10.9.0.1");
	int any = bound_socket(SOCK_DGRAM, "10.9.0.1", 11000);
	int client = client_socket(8, 40000);

	ck_assert_int_ge(fd, 0);
	enter(client_ns);
	run("ip route add 10.9.0.1/32 via 10.8.0.1 dev cli8");
	enter(gateway_ns);
	send_to(client, "10.9.0.1", NET_PORT, "\0\0", 2);
	send_to(client, "10.9.0.1", 11000, "\0\0", 2);
	/* The second shows that the way is open, and that the first has come too. */
	ck_assert(readable(any, WAIT_MS));
	ck_assert_int_eq(net_receive(fd, exchanges, EXCHANGE_BATCH_MAX), 0);
	(void)close(client);
	(void)close(any);
	(void)close(fd);
}
END_TEST

START_TEST(one_address_on_two_tunnels_keeps_their_clients_apart)
{
	struct addr source = addr("10.8.0.2");
	int nine;
	int eight;
	int client = client_socket(8, 40000);

	run("ip addr add 10.9.0.1/32 dev tun8");
	enter(client_ns);
	run("ip route add 10.9.0.1/32 via 10.8.0.1 dev cli8");
	enter(gateway_ns);
	nine = listen_on("tun9", "10.9.0.1");
	eight = listen_on("tun8", "10.9.0.1");
	ck_assert_int_ge(nine, 0);
	ck_assert_int_ge(eight, 0);
	send_to(client, "10.9.0.1", NET_PORT, "\0\0", 2);
	ck_assert(readable(eight, WAIT_MS));
	ck_assert_int_eq(net_receive(nine, exchanges, EXCHANGE_BATCH_MAX), 0);
	ck_assert_int_eq(net_receive(eight, exchanges, EXCHANGE_BATCH_MAX), 1);
	ck_assert(addr_equal(&exchanges[0].source, &source));
	(void)close(client);
	(void)close(eight);
	(void)close(nine);
}
END_TEST

START_TEST(a_port_that_somebody_holds_is_refused)
{
	int everywhere = bound_socket(SOCK_DGRAM, "0.0.0.0", NET_PORT);
	int fd;

	ck_assert_int_eq(listen_on("tun9", "10.9.0.1"), -EADDRINUSE);
	(void)close(everywhere);
	fd = listen_on("tun9", "10.9.0.1");
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(listen_on("tun9", "10.9.0.1"), -EADDRINUSE);
	(void)close(fd);
}
END_TEST

START_TEST(what_is_not_there_cannot_be_listened_on)
{
	ck_assert_int_eq(listen_on("tun9", "10.9.0.99"), -EADDRNOTAVAIL);
	ck_assert_int_eq(listen_on("tun7", "10.9.0.1"), -ENODEV);
	ck_assert_int_eq(listen_on("tun9", "fd00:9::1"), -EAFNOSUPPORT);
}
END_TEST

START_TEST(an_interface_that_is_down_can_be_listened_on_and_serves_when_up)
{
	int client = client_socket(9, 40000);
	int fd;

	run("ip link set tun9 down");
	fd = listen_on("tun9", "10.9.0.1");
	ck_assert_int_ge(fd, 0);
	run("ip link set tun9 up");
	send_to(client, "10.9.0.1", NET_PORT, "\0\0", 2);
	ck_assert(readable(fd, WAIT_MS));
	ck_assert_int_eq(net_receive(fd, exchanges, EXCHANGE_BATCH_MAX), 1);
	(void)close(client);
	(void)close(fd);
}
END_TEST

static void add_tests(TCase *tcase, const TTest *const *tests, size_t len)
{
	for (size_t i = 0; i < len; i++)
		tcase_add_test(tcase, tests[i]);
}

static TCase *kernel_case(Suite *suite, const char *name)
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	return tcase;
}

static Suite *net_suite(void)
{
	const TTest *const picture[] = {picture_shows_interfaces,
		picture_shows_addresses_with_scope_and_rank,
		picture_keeps_the_kernels_order_of_addresses,
		picture_shows_our_end_of_a_point_to_point_link,
		picture_tells_ipv6_addresses_that_are_not_ready,
		picture_of_a_namespace_without_any_route_is_no_error,
		picture_is_whole_while_addresses_come_and_go};
	const TTest *const watch[] = {watch_tells_that_a_default_route_went,
		lost_messages_count_as_a_change, descriptors_do_not_block_and_close_on_exec};
	const TTest *const ports[] = {ports_in_use_are_those_that_listen_or_receive,
		ports_on_loopback_alone_are_not_in_use, thousands_of_sockets_are_all_listed};
	const TTest *const datagrams[] = {a_request_and_its_reply_keep_addresses_and_ports,
		nothing_waiting_is_nothing_received,
		every_length_is_received_and_too_long_ones_show,
		a_burst_of_thousands_fits_where_the_buffer_may_grow,
		more_replies_than_a_batch_are_all_sent, an_exchange_without_a_reply_sends_nothing,
		a_reply_that_cannot_be_sent_is_dropped_alone,
		what_arrives_through_another_interface_is_not_received,
		one_address_on_two_tunnels_keeps_their_clients_apart,
		a_port_that_somebody_holds_is_refused, what_is_not_there_cannot_be_listened_on,
		an_interface_that_is_down_can_be_listened_on_and_serves_when_up};
	Suite *suite = suite_create("net");
	TCase *tcase = kernel_case(suite, "picture");

	add_tests(tcase, picture, ARRAY_LEN(picture));
	tcase_add_loop_test(tcase, picture_shows_the_default_route_with_the_least_metric, 0,
		(int)ARRAY_LEN(defaults));
	tcase_add_loop_test(tcase, dump_that_ends_in_an_error_returns_it, 0, 2);
	tcase = kernel_case(suite, "watch");
	add_tests(tcase, watch, ARRAY_LEN(watch));
	tcase_add_loop_test(tcase, watch_wakes_for_links_addresses_and_default_routes, 0,
		(int)ARRAY_LEN(events));
	add_tests(kernel_case(suite, "ports"), ports, ARRAY_LEN(ports));
	tcase = kernel_case(suite, "datagrams");
	add_tests(tcase, datagrams, ARRAY_LEN(datagrams));
	tcase_add_loop_test(tcase, a_burst_is_received_in_batches_and_in_order, 0, 3);
	tcase_add_loop_test(tcase, replies_are_dropped_and_counted_when_the_way_is_gone, 0,
		(int)ARRAY_LEN(losses));
	return suite;
}

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	(void)close(fd);
	return err;
}

/* A user namespace in which we are root, for whoever is not root here. */
static int become_root(void)
{
	char uid_map[32];
	char gid_map[32];
	int err;

	(void)snprintf(uid_map, sizeof(uid_map), "0 %u 1", getuid());
	(void)snprintf(gid_map, sizeof(gid_map), "0 %u 1", getgid());
	if (unshare(CLONE_NEWUSER) < 0)
		return -errno;
	err = write_file("/proc/self/setgroups", "deny");
	if (!err)
		err = write_file("/proc/self/uid_map", uid_map);
	if (!err)
		err = write_file("/proc/self/gid_map", gid_map);
	return err;
}

/* The descriptor of a fresh network namespace, which this process is in from now on. */
static int new_network(void)
{
	int fd;

	if (unshare(CLONE_NEWNET) < 0)
		return -errno;
	fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int make_networks(bool root)
{
	int err = root ? 0 : become_root();

	if (err)
		return err;
	client_ns = new_network();
	if (client_ns < 0)
		return client_ns;
	gateway_ns = new_network();
	return gateway_ns < 0 ? gateway_ns : 0;
}

int main(void)
{
	bool root = geteuid() == 0;
	SRunner *runner;
	int failed;
	int err = make_networks(root);

	if (err) {
		(void)fprintf(stderr, "%s: no network namespace of our own: %s\n",
			root ? "FAILED" : "SKIPPED", strerror(-err));
		return root ? EXIT_FAILURE : EXIT_SKIP;
	}
	/* Users other than root may not have the folder of `ip` in their path. */
	(void)setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
	runner = srunner_create(net_suite());
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
