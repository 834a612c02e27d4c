/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's side against the real kernel.  Every test has a network namespace of its own, so
 * nothing of the machine's is touched; where none can be had the program skips with 77, but
 * never for root.  Run in the source tree: the golden file is found from there.  With
 * UPDATE_GOLDEN=1 it is written anew.
 */
#include "include/log.h"
#include "include/nft.h"
#include "src/nft/handle.h"
#include "src/nft/table.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <check.h>
#include <libmnl/libmnl.h>

#define SKIPPED     77
#define GOLDEN_FILE "test/unit/golden/inet_tunmap.nft"
#define PEER        "host0" /* a host's own end of its link */

static PRINTF_LIKE(1, 0) void say(const char *format, va_list args)
{
	if (!getenv("TEST_LOG"))
		return;
	(void)vfprintf(stderr, format, args);
	(void)fputc('\n', stderr);
}

#define LOG(name)                                                                                  \
	void name(const char *format, ...)                                                         \
	{                                                                                          \
		va_list args;                                                                      \
                                                                                                   \
		va_start(args, format);                                                            \
		say(format, args);                                                                 \
		va_end(args);                                                                      \
	}

LOG(log_error)
LOG(log_warning)
LOG(log_info)
LOG(log_debug)

void log_set_level(enum log_level level)
{
	(void)level;
}

static struct addr v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	return addr_from_v4((const uint8_t[]){a, b, c, d});
}

/* The gateway that all tests have. */

static struct port_set reserved;
static struct gateway_interface tunnels[] = {{"wg0"}, {"wg1"}};
static struct gateway_interface externals[] = {{"eth0"}};
static struct gateway_listen listens[] = {{.interface = "wg0"}, {.interface = "wg1"}};
static struct gateway gateway;
static struct nft_rules rules;

static void describe_gateway(void)
{
	memset(&reserved, 0, sizeof(reserved));
	port_set_add(&reserved, 80);    /* outside the pool */
	port_set_add(&reserved, 20500); /* inside */
	listens[0].addr = v4(10, 9, 1, 1);
	listens[1].addr = v4(10, 9, 2, 1);
	gateway = (struct gateway){
		.tunnels = tunnels,
		.tunnels_len = ARRAY_LEN(tunnels),
		.listens = listens,
		.listens_len = ARRAY_LEN(listens),
		.externals = externals,
		.externals_len = ARRAY_LEN(externals),
		.addresses_len = 1,
	};
	gateway.addresses[0].addr = v4(192, 0, 2, 1);
	gateway.addresses[0].advertise = v4(192, 0, 2, 1);
	rules = (struct nft_rules){
		.pool = {10240, 32767},
		.masquerade = true,
		.masquerade_ports = {32768, 65535},
		.hairpin = true,
		.port_fail_guard = true,
		.flood_rate = 100,
		.reserved = &reserved,
	};
}

static struct nft *nft;
static struct backend backend;

static void open_nft(void)
{
	int err;

	ck_assert_int_eq(nft_open(&nft, &err), NFT_OK);
	ck_assert_int_eq(err, 0);
	backend = nft_backend(nft);
}

static void install(void)
{
	int err;

	ck_assert_int_eq(nft_install(nft, &rules, &gateway, &err), NFT_OK);
	ck_assert_int_eq(err, 0);
}

/* As the event loop does it.  Returns the longest call's processor time in microseconds. */
static long finish_flows(void)
{
	struct pollfd p = {.fd = nft_flows_fd(nft), .events = POLLIN};
	long longest = 0;

	while (nft_flows_pending(nft)) {
		struct timespec from, to;
		long us;

		ck_assert_int_eq(poll(&p, 1, 5000), 1);
		(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
		nft_flows_continue(nft);
		(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
		us = (to.tv_sec - from.tv_sec) * 1000000 + (to.tv_nsec - from.tv_nsec) / 1000;
		longest = us > longest ? us : longest;
	}
	return longest;
}

/* Installing ends the flows of what there may have been; let that be over. */
static void install_and_settle(void)
{
	install();
	ck_assert(nft_flows_pending(nft));
	(void)finish_flows();
}

static void setup(void)
{
	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	describe_gateway();
	open_nft();
}

static void teardown(void)
{
	nft_close(nft);
	nft = NULL;
}

static struct edit make_edit(enum edit_kind kind, uint16_t external_port)
{
	return (struct edit){
		.kind = kind,
		.timeout_s = kind == EDIT_UNMAP ? 0 : 3630,
		.mapping =
			{
				.internal = v4(10, 9, 1, 2),
				.external = v4(192, 0, 2, 1),
				.internal_port = (uint16_t)(external_port - 15000),
				.external_port = external_port,
				.protocol = IPPROTO_UDP,
				.origin = MAPPING_PCP,
				.opcode = PCP_OP_MAP,
				.nonce = {{1, 2, 3}},
				.lifetime_s = 3600,
			},
	};
}

static int apply_one(struct edit edit)
{
	size_t culprit;

	return backend_apply(&backend, &edit, 1, &culprit);
}

static void shell(const char *command)
{
	ck_assert_msg(system(command) == 0, "%s", command);
}

/* What a command prints, at most sizeof(printed) - 1 octets. */
static char printed[65536];

static const char *run(const char *command)
{
	FILE *pipe = popen(command, "r");
	size_t len;

	ck_assert_ptr_nonnull(pipe);
	len = fread(printed, 1, sizeof(printed) - 1, pipe);
	printed[len] = '\0';
	ck_assert_int_eq(pclose(pipe), 0);
	return printed;
}

static size_t count_mappings(const char *map)
{
	char command[128];

	(void)snprintf(command, sizeof(command),
		"nft list map inet tunmap %s | grep -o expires | wc -l", map);
	return strtoul(run(command), NULL, 10);
}

/* What the kernel holds for the external port. */
static int holds(struct edit edit)
{
	return table_holds(&nft->channel, &edit, 1000);
}

/* Installing. */

START_TEST(ruleset_reads_as_the_golden_file)
{
	const char *now;
	FILE *file;
	static char golden[sizeof(printed)];
	size_t len;

	install();
	now = run("nft list table inet tunmap");
	if (getenv("UPDATE_GOLDEN")) {
		file = fopen(GOLDEN_FILE, "w");
		ck_assert_ptr_nonnull(file);
		ck_assert_int_ge(fputs(now, file), 0);
		ck_assert_int_eq(fclose(file), 0);
	}
	file = fopen(GOLDEN_FILE, "r");
	ck_assert_ptr_nonnull(file);
	len = fread(golden, 1, sizeof(golden) - 1, file);
	golden[len] = '\0';
	ck_assert_int_eq(fclose(file), 0);
	ck_assert_str_eq(now, golden);
}
END_TEST

START_TEST(what_is_printed_can_be_loaded_again)
{
	install();
	shell("text=$(nft list table inet tunmap) && nft delete table inet tunmap &&"
	      " printf '%s\\n' \"$text\" | nft -f -");
}
END_TEST

START_TEST(probe_leaves_nothing)
{
	ck_assert_str_eq(run("nft list tables"), "");
}
END_TEST

START_TEST(probe_replaces_what_a_killed_one_left)
{
	channel_begin(&nft->channel, &nft->batch);
	table_put(&nft->batch, "tunmap_probe", NFT_TABLE_F_DORMANT, NLM_F_EXCL);
	ck_assert_int_eq(channel_commit(&nft->channel, &nft->batch, &(uint32_t){0}), 0);
	nft_close(nft);
	open_nft();
	ck_assert_str_eq(run("nft list tables"), "");
}
END_TEST

START_TEST(foreign_table_stays_untouched)
{
	int err = 0;

	shell("nft add table inet tunmap && nft add set inet tunmap mine '{ type mark; }'");
	ck_assert_int_eq(nft_install(nft, &rules, &gateway, &err), NFT_FOREIGN_TABLE);
	ck_assert_int_eq(err, -EEXIST);
	ck_assert_ptr_nonnull(strstr(run("nft list table inet tunmap"), "set mine"));
	ck_assert_ptr_null(strstr(printed, "chain"));
}
END_TEST

START_TEST(foreign_table_with_a_comment_stays_untouched)
{
	int err = 0;

	shell("nft add table inet tunmap '{ comment \"port mappings of tunmapd\"; }'");
	ck_assert_int_eq(nft_install(nft, &rules, &gateway, &err), NFT_FOREIGN_TABLE);
}
END_TEST

START_TEST(install_over_an_old_table_is_new_and_empty)
{
	install();
	ck_assert_int_eq(apply_one(make_edit(EDIT_MAP, 20000)), 0);
	shell("nft add rule inet tunmap forward drop");
	nft_close(nft);
	open_nft();
	ck_assert_ptr_nonnull(strstr(run("nft list table inet tunmap"), "192.0.2.1 . udp . 20000"));
	install();
	ck_assert_uint_eq(count_mappings("inbound4"), 0);
	ck_assert_ptr_null(strstr(run("nft list chain inet tunmap forward"), "\tdrop"));
}
END_TEST

START_TEST(update_changes_rules_and_sets_and_keeps_mappings)
{
	install();
	ck_assert_int_eq(apply_one(make_edit(EDIT_MAP, 20000)), 0);
	gateway.tunnels_len = 1;
	listens[1].addr = listens[0].addr; /* the same on two interfaces */
	gateway.addresses[0].addr = v4(192, 0, 2, 9);
	rules.hairpin = false;
	rules.masquerade = false;
	port_set_add(&reserved, 20501);
	ck_assert_int_eq(nft_update(nft, &rules, &gateway), 0);
	ck_assert_uint_eq(count_mappings("inbound4"), 1);
	ck_assert_uint_eq(count_mappings("outbound4"), 1);
	run("nft list table inet tunmap");
	ck_assert_ptr_null(strstr(printed, "wg1"));
	ck_assert_ptr_null(strstr(printed, "masquerade"));
	ck_assert_ptr_nonnull(strstr(printed, "192.0.2.9"));
	ck_assert_ptr_nonnull(strstr(printed, "20501"));
	ck_assert_ptr_nonnull(strstr(printed, "iifname != @tunnels dnat ip to"));
}
END_TEST

START_TEST(update_of_a_table_that_somebody_removed_fails)
{
	install();
	shell("nft flush ruleset");
	ck_assert_int_eq(nft_update(nft, &rules, &gateway), -ENOENT);
}
END_TEST

/* Outer addresses of peers. */

static size_t count_outer(void)
{
	return strtoul(
		run("nft list set inet tunmap outer4 | grep -oE '([0-9]+\\.){3}[0-9]+' | wc -l"),
		NULL, 10);
}

static bool has_outer(const char *addr)
{
	char command[128];

	(void)snprintf(command, sizeof(command),
		"nft get element inet tunmap outer4 '{ %s }' >/dev/null 2>&1 && echo yes || echo "
		"no",
		addr);
	return strcmp(run(command), "yes\n") == 0;
}

START_TEST(outer_addresses_are_replaced)
{
	const struct addr some[] = {v4(198, 51, 100, 2), v4(198, 51, 100, 1), v4(198, 51, 100, 2),
		addr_from_v6((const uint8_t[16]){0x20, 1})};

	install();
	ck_assert_uint_eq(count_outer(), 0);
	ck_assert_int_eq(nft_set_outer(nft, some, ARRAY_LEN(some)), 0);
	ck_assert_uint_eq(count_outer(), 2);
	ck_assert_int_eq(nft_set_outer(nft, some + 1, 1), 0);
	ck_assert_uint_eq(count_outer(), 1);
	ck_assert(has_outer("198.51.100.1"));
	ck_assert_int_eq(nft_set_outer(nft, NULL, 0), 0);
	ck_assert_uint_eq(count_outer(), 0);
}
END_TEST

START_TEST(outer_addresses_survive_updates_and_new_tables)
{
	const struct addr some[] = {v4(198, 51, 100, 1), v4(198, 51, 100, 2)};
	int err;

	/* Before there is a table they are refused, and remembered. */
	ck_assert_int_eq(nft_set_outer(nft, some, 1), -ENOENT);
	install();
	ck_assert(has_outer("198.51.100.1"));
	ck_assert_int_eq(nft_set_outer(nft, some, 2), 0);
	ck_assert_int_eq(nft_update(nft, &rules, &gateway), 0);
	ck_assert_uint_eq(count_outer(), 2);
	shell("nft flush ruleset");
	ck_assert_int_eq(nft_set_outer(nft, some + 1, 1), -ENOENT);
	ck_assert_int_eq(nft_install(nft, &rules, &gateway, &err), NFT_OK);
	ck_assert_uint_eq(count_outer(), 1);
	ck_assert(has_outer("198.51.100.2"));
}
END_TEST

START_TEST(outer_addresses_that_somebody_removed_are_no_hindrance)
{
	const struct addr some[] = {v4(198, 51, 100, 1), v4(198, 51, 100, 2), v4(198, 51, 100, 3)};

	install();
	ck_assert_int_eq(nft_set_outer(nft, some, 3), 0);
	shell("nft delete element inet tunmap outer4 '{ 198.51.100.1, 198.51.100.2 }' &&"
	      " nft add element inet tunmap outer4 '{ 203.0.113.1 }'");
	ck_assert_int_eq(nft_set_outer(nft, some + 1, 2), 0);
	ck_assert_uint_eq(count_outer(), 2);
	ck_assert(has_outer("198.51.100.2"));
	ck_assert(has_outer("198.51.100.3"));
	shell("nft flush set inet tunmap outer4");
	ck_assert_int_eq(nft_update(nft, &rules, &gateway), 0);
	ck_assert_uint_eq(count_outer(), 2);
}
END_TEST

static double ms_since(const struct timespec *from)
{
	struct timespec to;

	(void)clock_gettime(CLOCK_MONOTONIC, &to);
	return (double)(to.tv_sec - from->tv_sec) * 1e3 +
	       (double)(to.tv_nsec - from->tv_nsec) / 1e6;
}

static void measure_outer(const char *what, const struct addr *addr, size_t len)
{
	struct timespec from;

	(void)clock_gettime(CLOCK_MONOTONIC, &from);
	ck_assert_int_eq(nft_set_outer(nft, addr, len), 0);
	printf("%s: %.1f ms\n", what, ms_since(&from));
}

START_TEST(ten_thousand_outer_addresses_are_no_matter)
{
	static struct addr addr[20000];
	const size_t peers = ARRAY_LEN(addr) / 2;
	struct timespec from;

	/* Each of them twice, from the last to the first. */
	for (size_t i = 0; i < ARRAY_LEN(addr); i++) {
		size_t n = (ARRAY_LEN(addr) - 1 - i) % peers;

		addr[i] = v4(198, 18, (uint8_t)(n / 250), (uint8_t)(n % 250));
	}
	install();
	measure_outer("10,000 peers come", addr, ARRAY_LEN(addr));
	measure_outer("and are still there", addr, ARRAY_LEN(addr));
	ck_assert(has_outer("198.18.0.0"));
	ck_assert(has_outer("198.18.39.249"));
	(void)clock_gettime(CLOCK_MONOTONIC, &from);
	ck_assert_int_eq(nft_update(nft, &rules, &gateway), 0);
	printf("update with 10,000 peers: %.1f ms\n", ms_since(&from));
	addr[0] = addr[peers] = v4(203, 0, 113, 1);
	measure_outer("one of them moves", addr, ARRAY_LEN(addr));
	ck_assert(has_outer("203.0.113.1"));
	ck_assert(!has_outer("198.18.39.249"));
	measure_outer("all go but one", addr, 1);
	ck_assert_uint_eq(count_outer(), 1);
}
END_TEST

/* Edits.  Each with what this kernel can do, and as if it could do neither. */

static void pretend(int old)
{
	if (old)
		nft->support = (struct element_support){.refresh = false, .destroy = false};
}

START_TEST(mapping_begins_and_ends_in_both_directions)
{
	install();
	pretend(_i);
	ck_assert_int_eq(apply_one(make_edit(EDIT_MAP, 20000)), 0);
	run("nft list map inet tunmap inbound4");
	ck_assert_ptr_nonnull(strstr(printed, "192.0.2.1 . udp . 20000 timeout 1h30s"));
	ck_assert_ptr_nonnull(strstr(printed, ": 10.9.1.2 . 5000"));
	run("nft list map inet tunmap outbound4");
	ck_assert_ptr_nonnull(strstr(printed, "10.9.1.2 . udp . 5000 timeout 1h30s"));
	ck_assert_ptr_nonnull(strstr(printed, ": 192.0.2.1 . 20000"));
	ck_assert_int_eq(apply_one(make_edit(EDIT_UNMAP, 20000)), 0);
	ck_assert_uint_eq(count_mappings("inbound4"), 0);
	ck_assert_uint_eq(count_mappings("outbound4"), 0);
}
END_TEST

START_TEST(unmapping_what_is_not_there_is_no_error)
{
	struct edit edit[3] = {make_edit(EDIT_UNMAP, 20000), make_edit(EDIT_MAP, 20001),
		make_edit(EDIT_UNMAP, 20002)};
	size_t culprit;

	install();
	pretend(_i);
	ck_assert_int_eq(apply_one(edit[0]), 0);
	ck_assert_int_eq(backend_apply(&backend, edit, 3, &culprit), 0);
	ck_assert_uint_eq(count_mappings("inbound4"), 1);
}
END_TEST

START_TEST(renewal_moves_the_end)
{
	struct edit edit = make_edit(EDIT_MAP, 20000);

	install();
	pretend(_i);
	edit.timeout_s = 100;
	ck_assert_int_eq(apply_one(edit), 0);
	edit.kind = EDIT_RENEW;
	edit.timeout_s = 200;
	ck_assert_int_eq(holds(edit), 0);
	ck_assert_int_eq(apply_one(edit), 0);
	ck_assert_int_eq(holds(edit), 1);
	edit.timeout_s = 50;
	ck_assert_int_eq(apply_one(edit), 0);
	edit.timeout_s = 100;
	ck_assert_int_eq(holds(edit), 0);
	ck_assert_uint_eq(count_mappings("outbound4"), 1);
}
END_TEST

/* An equal timeout is the usual one. */
START_TEST(renewal_by_the_same_timeout_moves_the_end)
{
	struct edit edit = make_edit(EDIT_MAP, 20000);

	install();
	pretend(_i);
	edit.timeout_s = 3;
	ck_assert_int_eq(apply_one(edit), 0);
	(void)usleep(2000000);
	edit.kind = EDIT_RENEW;
	ck_assert_int_eq(apply_one(edit), 0);
	(void)usleep(2000000);
	ck_assert_uint_eq(count_mappings("inbound4"), 1);
	ck_assert_uint_eq(count_mappings("outbound4"), 1);
}
END_TEST

START_TEST(renewal_of_what_is_gone_makes_it)
{
	install();
	pretend(_i);
	ck_assert_int_eq(apply_one(make_edit(EDIT_RENEW, 20000)), 0);
	ck_assert_int_eq(holds(make_edit(EDIT_REWRITE, 20000)), 1);
	ck_assert_uint_eq(count_mappings("outbound4"), 1);
}
END_TEST

START_TEST(rewrite_changes_the_record)
{
	struct edit edit = make_edit(EDIT_MAP, 20000);

	install();
	pretend(_i);
	ck_assert_int_eq(apply_one(edit), 0);
	edit.kind = EDIT_REWRITE;
	edit.mapping.nonce.octet[0] = 99;
	edit.mapping.lifetime_s = 7200;
	ck_assert_int_eq(holds(edit), 0);
	ck_assert_int_eq(apply_one(edit), 0);
	ck_assert_int_eq(holds(edit), 1);
	ck_assert_uint_eq(count_mappings("inbound4"), 1);
	ck_assert_uint_eq(count_mappings("outbound4"), 1);
}
END_TEST

START_TEST(refusal_names_its_edit_and_undoes_all)
{
	struct edit edit[64];
	struct edit taken = make_edit(EDIT_MAP, 20000 + 41);
	size_t culprit = 0;

	install();
	pretend(_i);
	taken.mapping.internal = v4(10, 9, 1, 99);
	ck_assert_int_eq(apply_one(taken), 0);
	for (size_t i = 0; i < ARRAY_LEN(edit); i++)
		edit[i] = make_edit(EDIT_MAP, (uint16_t)(20000 + i));
	edit[7] = make_edit(EDIT_UNMAP, 30000); /* there is none: not the one that is named */
	ck_assert_int_eq(backend_apply(&backend, edit, ARRAY_LEN(edit), &culprit), -EEXIST);
	ck_assert_uint_eq(culprit, 41);
	ck_assert_uint_eq(count_mappings("inbound4"), 1);
	ck_assert_uint_eq(count_mappings("outbound4"), 1);
}
END_TEST

START_TEST(edit_out_of_range_is_named)
{
	struct edit edit[2] = {make_edit(EDIT_MAP, 20000), make_edit(EDIT_MAP, 20001)};
	size_t culprit = 0;

	install();
	edit[1].mapping.protocol = 1;
	ck_assert_int_eq(backend_apply(&backend, edit, 2, &culprit), -EINVAL);
	ck_assert_uint_eq(culprit, 1);
	ck_assert_uint_eq(count_mappings("inbound4"), 0);
}
END_TEST

START_TEST(later_edits_of_a_batch_see_earlier_ones)
{
	struct edit edit[4] = {make_edit(EDIT_MAP, 20000), make_edit(EDIT_RENEW, 20000),
		make_edit(EDIT_UNMAP, 20000), make_edit(EDIT_MAP, 20000)};
	size_t culprit;

	install();
	pretend(_i);
	edit[3].mapping.internal = v4(10, 9, 1, 77);
	ck_assert_int_eq(backend_apply(&backend, edit, 4, &culprit), 0);
	ck_assert_int_eq(holds(edit[3]), 1);
	ck_assert_uint_eq(count_mappings("outbound4"), 1);
}
END_TEST

START_TEST(largest_batch_goes_through)
{
	static struct edit edit[4096];
	size_t culprit;

	install();
	pretend(_i);
	for (size_t i = 0; i < ARRAY_LEN(edit); i++)
		edit[i] = make_edit(EDIT_REWRITE, (uint16_t)(20000 + i));
	ck_assert_int_eq(backend_apply(&backend, edit, ARRAY_LEN(edit), &culprit), 0);
	ck_assert_uint_eq(count_mappings("inbound4"), ARRAY_LEN(edit));
	/* And one that is refused from the first edit to the last. */
	for (size_t i = 0; i < ARRAY_LEN(edit); i++)
		edit[i].kind = EDIT_MAP;
	ck_assert_int_eq(backend_apply(&backend, edit, ARRAY_LEN(edit), &culprit), -EEXIST);
	ck_assert_uint_eq(culprit, 0);
	ck_assert_uint_eq(count_mappings("inbound4"), ARRAY_LEN(edit));
}
END_TEST

START_TEST(edits_without_a_table_fail)
{
	struct edit edit = make_edit(EDIT_MAP, 20000);

	ck_assert_int_eq(apply_one(edit), -ENOENT);
	ck_assert_int_eq(apply_one(make_edit(EDIT_UNMAP, 20000)), 0);
}
END_TEST

/* A full receive buffer swallows acknowledgements, as a storm of refusals would. */
static void fill_receive_buffer(void)
{
	int fd = mnl_socket_get_fd(nft->channel.nl);
	int tiny = 1;

	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &tiny, sizeof(tiny)), 0);
	for (uint32_t i = 0; i < 64; i++) {
		/* Stale answers: of a request that nobody waits for. */
		_Alignas(struct nlmsghdr) uint8_t octets[64];
		struct nlmsghdr *nlh = mnl_nlmsg_put_header(octets);

		nlh->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN;
		nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
		nlh->nlmsg_seq = 1;
		(void)mnl_nlmsg_put_extra_header(nlh, sizeof(struct nfgenmsg));
		if (mnl_socket_sendto(nft->channel.nl, nlh, nlh->nlmsg_len) < 0)
			break;
	}
}

static void widen_receive_buffer(void)
{
	int fd = mnl_socket_get_fd(nft->channel.nl);
	int wide = 212992;

	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &wide, sizeof(wide)), 0);
}

START_TEST(lost_acknowledgement_is_read_back)
{
	struct edit edit[3] = {make_edit(EDIT_MAP, 20000), make_edit(EDIT_MAP, 20001),
		make_edit(EDIT_UNMAP, 20000)};
	size_t culprit;

	install();
	fill_receive_buffer();
	ck_assert_int_eq(backend_apply(&backend, edit, 3, &culprit), 0);
	widen_receive_buffer();
	ck_assert_int_eq(holds(edit[1]), 1);
	ck_assert_uint_eq(count_mappings("inbound4"), 1);
}
END_TEST

START_TEST(lost_refusal_is_read_back)
{
	struct edit edit[2] = {make_edit(EDIT_MAP, 20000), make_edit(EDIT_MAP, 20001)};
	struct edit taken = make_edit(EDIT_MAP, 20001);
	size_t culprit;

	install();
	taken.mapping.internal = v4(10, 9, 1, 99);
	ck_assert_int_eq(apply_one(taken), 0);
	fill_receive_buffer();
	ck_assert_int_eq(backend_apply(&backend, edit, 2, &culprit), -ENOBUFS);
	ck_assert_uint_eq(culprit, 2);
	widen_receive_buffer();
	ck_assert_uint_eq(count_mappings("inbound4"), 1);
	/* And all goes on as before. */
	ck_assert_int_eq(apply_one(make_edit(EDIT_MAP, 20002)), 0);
}
END_TEST

START_TEST(old_mappings_are_found)
{
	static struct edit edit[4000];
	size_t culprit;

	install();
	for (size_t i = 0; i < ARRAY_LEN(edit); i++)
		edit[i] = make_edit(EDIT_MAP, (uint16_t)(20000 + i));
	ck_assert_int_eq(backend_apply(&backend, edit, ARRAY_LEN(edit), &culprit), 0);
	nft_close(nft);
	open_nft();
	install();
	ck_assert(nft_flows_pending(nft));
	while (nft_flows_pending(nft))
		nft_flows_continue(nft);
	ck_assert_uint_eq(count_mappings("inbound4"), 0);
}
END_TEST

/* Flows.  Three hosts beside the gateway, each in a namespace that a sleeping child holds. */

enum host {
	CLIENT,
	NEIGHBOUR,
	WORLD,
	HOSTS
};

static pid_t child[HOSTS];
static int home = -1;

static pid_t start_host(void)
{
	int ready[2];
	char c;
	pid_t pid;

	ck_assert_int_eq(pipe(ready), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		if (unshare(CLONE_NEWNET) < 0 || write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			(void)pause();
	}
	ck_assert_int_eq(read(ready[0], &c, 1), 1);
	(void)close(ready[0]);
	(void)close(ready[1]);
	return pid;
}

/* Work as the host @host until go_home(). */
static void go_to(enum host host)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/net", child[host]);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(setns(fd, CLONE_NEWNET), 0);
	(void)close(fd);
}

static void go_home(void)
{
	ck_assert_int_eq(setns(home, CLONE_NEWNET), 0);
}

/* The kernel starts sending on a new link up to a second after it was set up. */
static void wait_until_up(const char *interface)
{
	char command[64];

	(void)snprintf(command, sizeof(command), "ip -br link show dev %s", interface);
	for (int i = 0; i < 500 && !strstr(run(command), " UP "); i++)
		(void)usleep(10000);
	ck_assert_ptr_nonnull(strstr(printed, " UP "));
}

static void connect_host(enum host host, const char *interface, const char *gateway_addr,
	const char *addr, bool routed)
{
	char command[512];

	(void)snprintf(command, sizeof(command),
		"ip link add %s type veth peer name " PEER
		" netns %d && ip addr add %s/24 dev %s &&"
		" ip link set %s up",
		interface, child[host], gateway_addr, interface, interface);
	shell(command);
	go_to(host);
	(void)snprintf(command, sizeof(command),
		"ip link set lo up && ip addr add %s/24 dev " PEER " && ip link set " PEER " up",
		addr);
	shell(command);
	if (routed) {
		(void)snprintf(
			command, sizeof(command), "ip route add default via %s", gateway_addr);
		shell(command);
	}
	go_home();
}

static void setup_hosts(void)
{
	setup();
	home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(home, 0);
	for (size_t i = 0; i < HOSTS; i++)
		child[i] = start_host();
	shell("ip link set lo up && echo 1 > /proc/sys/net/ipv4/ip_forward");
	connect_host(CLIENT, "wg0", "10.9.1.1", "10.9.1.2", true);
	connect_host(NEIGHBOUR, "wg1", "10.9.2.1", "10.9.2.2", true);
	connect_host(WORLD, "eth0", "192.0.2.1", "192.0.2.100", false);
	for (size_t i = 0; i < ARRAY_LEN(tunnels); i++)
		wait_until_up(tunnels[i].name);
	wait_until_up(externals[0].name);
	for (size_t i = 0; i < HOSTS; i++) {
		go_to((enum host)i);
		wait_until_up(PEER);
		go_home();
	}
	install_and_settle();
}

static void teardown_hosts(void)
{
	for (size_t i = 0; i < HOSTS; i++) {
		(void)kill(child[i], SIGKILL);
		(void)waitpid(child[i], NULL, 0);
	}
	(void)close(home);
	teardown();
}

static struct sockaddr_in place(const char *addr, uint16_t port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};

	ck_assert_int_eq(inet_pton(AF_INET, addr, &in.sin_addr), 1);
	return in;
}

static int open_at(enum host host, int type, uint16_t port)
{
	struct sockaddr_in in = place("0.0.0.0", port);
	int fd;

	go_to(host);
	fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (const struct sockaddr *)&in, sizeof(in)), 0);
	go_home();
	return fd;
}

static void send_to(int fd, const char *addr, uint16_t port)
{
	struct sockaddr_in in = place(addr, port);

	ck_assert_int_eq(sendto(fd, "x", 1, 0, (const struct sockaddr *)&in, sizeof(in)), 1);
}

/* The port that a packet at @fd came from, with its address in @from; 0 when none comes. */
static uint16_t arrives(int fd, char from[INET_ADDRSTRLEN])
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	struct sockaddr_in in = {0};
	socklen_t len = sizeof(in);
	char c;

	if (poll(&p, 1, 300) != 1)
		return 0;
	if (recvfrom(fd, &c, 1, 0, (struct sockaddr *)&in, &len) < 0)
		return 0;
	ck_assert_ptr_nonnull(inet_ntop(AF_INET, &in.sin_addr, from, INET_ADDRSTRLEN));
	return ntohs(in.sin_port);
}

static unsigned long flows_held(void)
{
	return strtoul(run("cat /proc/sys/net/netfilter/nf_conntrack_count"), NULL, 10);
}

static void begin_to_end_flows(uint16_t external_port)
{
	struct edit edit = make_edit(EDIT_UNMAP, external_port);

	backend_end_flows(&backend, &edit.mapping);
}

static void end_flows(uint16_t external_port)
{
	begin_to_end_flows(external_port);
	(void)finish_flows();
}

START_TEST(inbound_flow_ends_with_its_mapping)
{
	char from[INET_ADDRSTRLEN];
	int client = open_at(CLIENT, SOCK_DGRAM, 5000);
	int world = open_at(WORLD, SOCK_DGRAM, 7000);

	ck_assert_int_eq(apply_one(make_edit(EDIT_MAP, 20000)), 0);
	send_to(world, "192.0.2.1", 20000);
	ck_assert_uint_eq(arrives(client, from), 7000);
	ck_assert_str_eq(from, "192.0.2.100");
	send_to(client, "192.0.2.100", 7000);
	ck_assert_uint_eq(arrives(world, from), 20000);
	ck_assert_int_eq(apply_one(make_edit(EDIT_UNMAP, 20000)), 0);
	/* Without more the flow lives on: that is what is to be ended. */
	send_to(world, "192.0.2.1", 20000);
	ck_assert_uint_eq(arrives(client, from), 7000);
	end_flows(20000);
	ck_assert_uint_eq(flows_held(), 0);
	send_to(world, "192.0.2.1", 20000);
	ck_assert_uint_eq(arrives(client, from), 0);
	ck_assert_uint_eq(flows_held(), 0);
	(void)close(client);
	(void)close(world);
}
END_TEST

START_TEST(outbound_flow_has_the_mapped_port_and_ends_with_it)
{
	char from[INET_ADDRSTRLEN];
	int client = open_at(CLIENT, SOCK_DGRAM, 5000);
	int world = open_at(WORLD, SOCK_DGRAM, 7000);

	ck_assert_int_eq(apply_one(make_edit(EDIT_MAP, 20000)), 0);
	send_to(client, "192.0.2.100", 7000);
	ck_assert_uint_eq(arrives(world, from), 20000);
	ck_assert_str_eq(from, "192.0.2.1");
	ck_assert_int_eq(apply_one(make_edit(EDIT_UNMAP, 20000)), 0);
	send_to(client, "192.0.2.100", 7000);
	ck_assert_uint_eq(arrives(world, from), 20000);
	end_flows(20000);
	send_to(client, "192.0.2.100", 7000);
	ck_assert_uint_ge(arrives(world, from), 32768);
	(void)close(client);
	(void)close(world);
}
END_TEST

START_TEST(tcp_flow_ends_with_its_mapping)
{
	struct sockaddr_in in = place("192.0.2.1", 20000);
	struct edit edit = make_edit(EDIT_MAP, 20000);
	int client = open_at(CLIENT, SOCK_STREAM, 5000);
	int world = open_at(WORLD, SOCK_STREAM, 0);

	edit.mapping.protocol = IPPROTO_TCP;
	ck_assert_int_eq(apply_one(edit), 0);
	ck_assert_int_eq(listen(client, 1), 0);
	ck_assert_int_eq(connect(world, (const struct sockaddr *)&in, sizeof(in)), 0);
	ck_assert_uint_eq(flows_held(), 1);
	edit.kind = EDIT_UNMAP;
	edit.timeout_s = 0;
	ck_assert_int_eq(apply_one(edit), 0);
	backend_end_flows(&backend, &edit.mapping);
	(void)finish_flows();
	ck_assert_uint_eq(flows_held(), 0);
	(void)close(client);
	(void)close(world);
}
END_TEST

START_TEST(flows_of_others_stay)
{
	char from[INET_ADDRSTRLEN];
	int client = open_at(CLIENT, SOCK_DGRAM, 5001);
	int neighbour = open_at(NEIGHBOUR, SOCK_DGRAM, 5000);
	int world = open_at(WORLD, SOCK_DGRAM, 7000);

	ck_assert_int_eq(apply_one(make_edit(EDIT_MAP, 20001)), 0);
	send_to(world, "192.0.2.1", 20001);
	ck_assert_uint_eq(arrives(client, from), 7000);
	send_to(neighbour, "192.0.2.100", 7000);
	ck_assert_uint_ge(arrives(world, from), 32768);
	end_flows(20000);
	ck_assert_uint_eq(flows_held(), 2);
	(void)close(client);
	(void)close(neighbour);
	(void)close(world);
}
END_TEST

/* The table and its keeper are gone at once, and the port is somebody else's next. */
START_TEST(flows_end_when_the_table_went_before)
{
	char from[INET_ADDRSTRLEN];
	struct edit edit = make_edit(EDIT_MAP, 20000);
	int client = open_at(CLIENT, SOCK_DGRAM, 5000);
	int neighbour = open_at(NEIGHBOUR, SOCK_DGRAM, 5000);
	int world = open_at(WORLD, SOCK_DGRAM, 7000);
	int other = open_at(WORLD, SOCK_DGRAM, 7001);

	ck_assert_int_eq(apply_one(edit), 0);
	send_to(world, "192.0.2.1", 20000);
	ck_assert_uint_eq(arrives(client, from), 7000);
	nft_close(nft);
	shell("nft flush ruleset && nft 'table ip others { chain input {"
	      " type filter hook input priority filter; ct state new accept; }; }'");
	/* Nothing keeps this out, and what it leaves would capture the port. */
	send_to(other, "192.0.2.1", 20000);
	ck_assert_uint_eq(arrives(client, from), 0);
	ck_assert_uint_eq(flows_held(), 2);
	open_nft();
	install_and_settle();
	ck_assert_uint_eq(flows_held(), 0);
	edit.mapping.internal = v4(10, 9, 2, 2);
	ck_assert_int_eq(apply_one(edit), 0);
	send_to(world, "192.0.2.1", 20000);
	ck_assert_uint_eq(arrives(neighbour, from), 7000);
	ck_assert_uint_eq(arrives(client, from), 0);
	send_to(other, "192.0.2.1", 20000);
	ck_assert_uint_eq(arrives(neighbour, from), 7001);
	(void)close(client);
	(void)close(neighbour);
	(void)close(world);
	(void)close(other);
}
END_TEST

static void adopt_flows(struct edit edit)
{
	backend_adopt_flows(&backend, &edit.mapping);
	(void)finish_flows();
}

START_TEST(older_flow_leaves_from_the_mapped_port)
{
	char from[INET_ADDRSTRLEN];
	int client = open_at(CLIENT, SOCK_DGRAM, 5000);
	int world = open_at(WORLD, SOCK_DGRAM, 7000);

	send_to(client, "192.0.2.100", 7000);
	ck_assert_uint_ge(arrives(world, from), 32768);
	ck_assert_int_eq(apply_one(make_edit(EDIT_MAP, 20000)), 0);
	/* Without more it goes on, and the peer's packets come as if from another port. */
	send_to(client, "192.0.2.100", 7000);
	ck_assert_uint_ge(arrives(world, from), 32768);
	if (_i) {
		send_to(world, "192.0.2.1", 20000);
		ck_assert_uint_ne(arrives(client, from), 7000);
	}
	adopt_flows(make_edit(EDIT_MAP, 20000));
	ck_assert_uint_eq(flows_held(), 0);
	send_to(world, "192.0.2.1", 20000);
	ck_assert_uint_eq(arrives(client, from), 7000);
	send_to(client, "192.0.2.100", 7000);
	ck_assert_uint_eq(arrives(world, from), 20000);
	ck_assert_uint_eq(flows_held(), 1);
	(void)close(client);
	(void)close(world);
}
END_TEST

START_TEST(flows_of_the_mapping_and_of_others_are_not_adopted)
{
	char from[INET_ADDRSTRLEN];
	int client = open_at(CLIENT, SOCK_DGRAM, 5000);
	int beside = open_at(CLIENT, SOCK_DGRAM, 5001);
	int neighbour = open_at(NEIGHBOUR, SOCK_DGRAM, 5000);
	int world = open_at(WORLD, SOCK_DGRAM, 7000);
	int other = open_at(WORLD, SOCK_DGRAM, 7001);

	ck_assert_int_eq(apply_one(make_edit(EDIT_MAP, 20000)), 0);
	send_to(client, "192.0.2.100", 7000);
	ck_assert_uint_eq(arrives(world, from), 20000);
	send_to(other, "192.0.2.1", 20000);
	ck_assert_uint_eq(arrives(client, from), 7001);
	send_to(neighbour, "192.0.2.1", 20000); /* from tunnel to tunnel, translated twice */
	ck_assert_uint_ge(arrives(client, from), 32768);
	send_to(beside, "192.0.2.100", 7000);
	ck_assert_uint_ge(arrives(world, from), 32768);
	send_to(neighbour, "192.0.2.100", 7000);
	ck_assert_uint_ge(arrives(world, from), 32768);
	adopt_flows(make_edit(EDIT_MAP, 20000));
	ck_assert_uint_eq(flows_held(), 5);
	(void)close(client);
	(void)close(beside);
	(void)close(neighbour);
	(void)close(world);
	(void)close(other);
}
END_TEST

START_TEST(tcp_connections_are_not_adopted)
{
	const struct sockaddr_in in = place("192.0.2.100", 7001);
	struct edit edit = make_edit(EDIT_MAP, 20000);
	int client = open_at(CLIENT, SOCK_STREAM, 5000);
	int world = open_at(WORLD, SOCK_STREAM, 7001);

	edit.mapping.protocol = IPPROTO_TCP;
	ck_assert_int_eq(listen(world, 1), 0);
	ck_assert_int_eq(connect(client, (const struct sockaddr *)&in, sizeof(in)), 0);
	ck_assert_int_eq(apply_one(edit), 0);
	backend_adopt_flows(&backend, &edit.mapping);
	ck_assert(!nft_flows_pending(nft));
	/* Nor by a mapping of the same port for the other protocol. */
	adopt_flows(make_edit(EDIT_MAP, 20000));
	ck_assert_uint_eq(flows_held(), 1);
	(void)close(client);
	(void)close(world);
}
END_TEST

/* An echo request or reply of ICMP. */
static int open_icmp(enum host host)
{
	int fd;

	go_to(host);
	fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
	ck_assert_int_ge(fd, 0);
	go_home();
	return fd;
}

static void send_echo(int fd, const char *addr, uint8_t id)
{
	const uint8_t type = 8; /* echo request */
	/* The checksum over type, identifier and nothing else. */
	const uint8_t octets[8] = {type, 0, (uint8_t)~type, (uint8_t)~id, 0, id, 0, 0};
	struct sockaddr_in in = place(addr, 0);

	ck_assert_int_eq(
		sendto(fd, octets, sizeof(octets), 0, (const struct sockaddr *)&in, sizeof(in)),
		sizeof(octets));
}

/* Does an echo reply come? */
static bool echo_arrives(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	uint8_t octets[256];

	while (poll(&p, 1, 300) == 1)
		if (recv(fd, octets, sizeof(octets), 0) >= 28 && octets[20] == 0)
			return true;
	return false;
}

/* Every kind of flow that one tunnel's host can have with the others. */
static void make_every_flow(enum host host, int world, int client[4])
{
	const char *own_gateway = host == CLIENT ? "10.9.1.1" : "10.9.2.1";
	const struct sockaddr_in in = place("192.0.2.100", 7001);
	char from[INET_ADDRSTRLEN];

	client[0] = open_at(host, SOCK_DGRAM, 5000);
	client[1] = open_at(host, SOCK_DGRAM, 5001);
	client[2] = open_at(host, SOCK_STREAM, 0);
	client[3] = open_icmp(host);
	send_to(world, "192.0.2.1", host == CLIENT ? 20000 : 20001); /* in through a mapping */
	ck_assert_uint_eq(arrives(client[0], from), 7000);
	send_to(client[1], "192.0.2.100", 7000); /* out, masqueraded */
	ck_assert_uint_ge(arrives(world, from), 32768);
	ck_assert_int_eq(connect(client[2], (const struct sockaddr *)&in, sizeof(in)), 0);
	send_echo(client[3], "192.0.2.100", 7);
	ck_assert(echo_arrives(client[3]));
	send_echo(client[3], own_gateway, 8); /* not translated */
	ck_assert(echo_arrives(client[3]));
}
#define FLOWS_OF_A_HOST 5

static void map_a_port_of_each(void)
{
	struct edit edit = make_edit(EDIT_MAP, 20000);

	ck_assert_int_eq(apply_one(edit), 0);
	edit.mapping.internal = v4(10, 9, 2, 2);
	edit.mapping.external_port = 20001;
	ck_assert_int_eq(apply_one(edit), 0);
}

/* A session that ended while its neighbour's goes on. */
START_TEST(every_flow_of_an_address_ends_and_no_other)
{
	const struct addr ended = v4(10, 9, 1, 2), other = v4(10, 9, 2, 2);
	char from[INET_ADDRSTRLEN];
	int world = open_at(WORLD, SOCK_DGRAM, 7000);
	int accepting = open_at(WORLD, SOCK_STREAM, 7001);
	int client[4], neighbour[4];

	if (_i)
		flows_never_remember(nft->flows);
	map_a_port_of_each();
	ck_assert_int_eq(listen(accepting, 8), 0);
	make_every_flow(CLIENT, world, client);
	make_every_flow(NEIGHBOUR, world, neighbour);
	send_to(neighbour[1], "10.9.1.2", 5000); /* and one to it, from tunnel to tunnel */
	ck_assert_uint_eq(arrives(client[0], from), 5001);
	ck_assert_uint_eq(flows_held(), 2 * FLOWS_OF_A_HOST + 1);
	backend_end_flows_of(&backend, &ended);
	(void)finish_flows();
	ck_assert_uint_eq(flows_held(), FLOWS_OF_A_HOST);
	run("conntrack -L 2>/dev/null || cat /proc/net/nf_conntrack 2>/dev/null || true");
	ck_assert_ptr_null(strstr(printed, "10.9.1.2"));
	backend_end_flows_of(&backend, &other);
	(void)finish_flows();
	ck_assert_uint_eq(flows_held(), 0);
	for (size_t i = 0; i < ARRAY_LEN(client); i++) {
		(void)close(client[i]);
		(void)close(neighbour[i]);
	}
	(void)close(world);
	(void)close(accepting);
}
END_TEST

START_TEST(an_address_of_a_family_without_flows_ends_nothing)
{
	const struct addr v6 = addr_from_v6((const uint8_t[16]){0x20, 1, 0x0d, 0xb8});

	backend_end_flows_of(&backend, &v6);
	ck_assert(!nft_flows_pending(nft));
}
END_TEST

/* Port Fail. */

static const struct addr world_addr = {{[10] = 0xff, [11] = 0xff, 192, 0, 2, 100}};

START_TEST(peer_beside_its_tunnel_reaches_no_mapping)
{
	char from[INET_ADDRSTRLEN];
	int client = open_at(CLIENT, SOCK_DGRAM, 5000);
	int world = open_at(WORLD, SOCK_DGRAM, 7000);
	int later = open_at(WORLD, SOCK_DGRAM, 7002);

	ck_assert_int_eq(apply_one(make_edit(EDIT_MAP, 20000)), 0);
	send_to(world, "192.0.2.1", 20000);
	ck_assert_uint_eq(arrives(client, from), 7000);
	ck_assert_int_eq(nft_set_outer(nft, &world_addr, 1), 0);
	send_to(world, "192.0.2.1", 20000); /* a flow from before */
	ck_assert_uint_eq(arrives(client, from), 0);
	send_to(later, "192.0.2.1", 20000); /* a new one */
	ck_assert_uint_eq(arrives(client, from), 0);
	/* It goes on when the peer has left. */
	ck_assert_int_eq(nft_set_outer(nft, NULL, 0), 0);
	send_to(world, "192.0.2.1", 20000);
	ck_assert_uint_eq(arrives(client, from), 7000);
	(void)close(client);
	(void)close(world);
	(void)close(later);
}
END_TEST

/* Is a packet to a closed port answered by an ICMP error? */
static bool is_refused(int fd)
{
	struct sockaddr_in in = place("192.0.2.100", 9);
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char c;

	ck_assert_int_eq(connect(fd, (const struct sockaddr *)&in, sizeof(in)), 0);
	ck_assert_int_eq(send(fd, "x", 1, 0), 1);
	return poll(&p, 1, 300) == 1 && recv(fd, &c, 1, 0) < 0 && errno == ECONNREFUSED;
}

/* Whoever connects from a server's address does not take it away from the others. */
START_TEST(peer_beside_its_tunnel_answers_what_a_client_began)
{
	char from[INET_ADDRSTRLEN];
	int client = open_at(CLIENT, SOCK_DGRAM, 5002);
	int mapped = open_at(CLIENT, SOCK_DGRAM, 5000);
	int world = open_at(WORLD, SOCK_DGRAM, 7000);
	int tcp = open_at(CLIENT, SOCK_STREAM, 5002);
	int listening = open_at(WORLD, SOCK_STREAM, 8000);
	struct sockaddr_in to = place("192.0.2.100", 8000);
	uint16_t port;

	ck_assert_int_eq(listen(listening, 1), 0);
	ck_assert_int_eq(apply_one(make_edit(EDIT_MAP, 20000)), 0);
	ck_assert_int_eq(nft_set_outer(nft, &world_addr, 1), 0);
	send_to(client, "192.0.2.100", 7000);
	port = arrives(world, from);
	ck_assert_uint_ge(port, 32768);
	send_to(world, "192.0.2.1", port);
	ck_assert_uint_eq(arrives(client, from), 7000);
	ck_assert_int_eq(connect(tcp, (const struct sockaddr *)&to, sizeof(to)), 0);
	/* The same socket of the peer opens nothing by itself. */
	send_to(world, "192.0.2.1", 20000);
	ck_assert_uint_eq(arrives(mapped, from), 0);
	(void)close(client);
	(void)close(mapped);
	(void)close(world);
	(void)close(tcp);
	(void)close(listening);
}
END_TEST

START_TEST(peer_beside_its_tunnel_is_heard_by_icmp_about_what_a_client_began)
{
	int client = open_at(CLIENT, SOCK_DGRAM, 5001);
	int icmp = open_icmp(CLIENT);

	ck_assert_int_eq(nft_set_outer(nft, &world_addr, 1), 0);
	ck_assert(is_refused(client));
	send_echo(icmp, "192.0.2.100", 7);
	ck_assert(echo_arrives(icmp));
	send_echo(icmp, "192.0.2.1", 8); /* the gateway itself */
	ck_assert(echo_arrives(icmp));
	(void)close(client);
	(void)close(icmp);
}
END_TEST

START_TEST(guard_lets_others_and_tunnels_pass)
{
	const struct addr some[] = {v4(192, 0, 2, 99), v4(10, 9, 2, 2)};
	char from[INET_ADDRSTRLEN];
	int client = open_at(CLIENT, SOCK_DGRAM, 5000);
	int neighbour = open_at(NEIGHBOUR, SOCK_DGRAM, 6000);
	int world = open_at(WORLD, SOCK_DGRAM, 7000);

	ck_assert_int_eq(apply_one(make_edit(EDIT_MAP, 20000)), 0);
	ck_assert_int_eq(nft_set_outer(nft, some, ARRAY_LEN(some)), 0);
	send_to(world, "192.0.2.1", 20000);
	ck_assert_uint_eq(arrives(client, from), 7000);
	send_to(neighbour, "192.0.2.1", 20000);
	ck_assert_uint_ge(arrives(client, from), 32768);
	/* Switched off it lets the peer pass, and on again it does not. */
	ck_assert_int_eq(nft_set_outer(nft, &world_addr, 1), 0);
	rules.port_fail_guard = false;
	ck_assert_int_eq(nft_update(nft, &rules, &gateway), 0);
	send_to(world, "192.0.2.1", 20000);
	ck_assert_uint_eq(arrives(client, from), 7000);
	rules.port_fail_guard = true;
	ck_assert_int_eq(nft_update(nft, &rules, &gateway), 0);
	send_to(world, "192.0.2.1", 20000);
	ck_assert_uint_eq(arrives(client, from), 0);
	(void)close(client);
	(void)close(neighbour);
	(void)close(world);
}
END_TEST

START_TEST(early_probe_does_not_capture_the_port)
{
	char from[INET_ADDRSTRLEN];
	int client = open_at(CLIENT, SOCK_DGRAM, 5000);
	int world = open_at(WORLD, SOCK_DGRAM, 7000);

	send_to(world, "192.0.2.1", 20000);
	ck_assert_uint_eq(arrives(client, from), 0);
	ck_assert_uint_eq(flows_held(), 0);
	ck_assert_int_eq(apply_one(make_edit(EDIT_MAP, 20000)), 0);
	send_to(world, "192.0.2.1", 20000);
	ck_assert_uint_eq(arrives(client, from), 7000);
	(void)close(client);
	(void)close(world);
}
END_TEST

START_TEST(neighbour_reaches_the_mapping_and_is_seen_outside)
{
	char from[INET_ADDRSTRLEN];
	struct edit own = make_edit(EDIT_MAP, 21000);
	int client = open_at(CLIENT, SOCK_DGRAM, 5000);
	int neighbour = open_at(NEIGHBOUR, SOCK_DGRAM, 6000);

	ck_assert_int_eq(apply_one(make_edit(EDIT_MAP, 20000)), 0);
	send_to(neighbour, "192.0.2.1", 20000);
	ck_assert_uint_ge(arrives(client, from), 32768);
	ck_assert_str_eq(from, "192.0.2.1");
	end_flows(20000);
	ck_assert_uint_eq(flows_held(), 0);
	/* With a mapping of its own it is seen at that. */
	own.mapping.internal = v4(10, 9, 2, 2);
	ck_assert_int_eq(apply_one(own), 0);
	send_to(neighbour, "192.0.2.1", 20000);
	ck_assert_uint_eq(arrives(client, from), 21000);
	(void)close(client);
	(void)close(neighbour);
}
END_TEST

START_TEST(strangers_cannot_route_to_a_client)
{
	char from[INET_ADDRSTRLEN];
	int client = open_at(CLIENT, SOCK_DGRAM, 5000);
	int world = open_at(WORLD, SOCK_DGRAM, 7000);

	go_to(WORLD);
	shell("ip route add 10.9.1.0/24 via 192.0.2.1");
	go_home();
	send_to(world, "10.9.1.2", 5000);
	ck_assert_uint_eq(arrives(client, from), 0);
	(void)close(client);
	(void)close(world);
}
END_TEST

/* Segments of TCP that belong to no connection. */

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

#define TCP_LEN 20

static int open_tcp(enum host host)
{
	int fd;

	go_to(host);
	fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_TCP);
	ck_assert_int_ge(fd, 0);
	go_home();
	return fd;
}

static uint32_t sum_words(uint32_t sum, const uint8_t *octets, size_t len)
{
	for (size_t i = 0; i < len; i += 2)
		sum += (uint32_t)(octets[i] << 8 | octets[i + 1]);
	return sum;
}

/* From port 80 at @from to port 5000 at @to. */
static void send_segment(int fd, const char *from, const char *to, uint8_t flags)
{
	struct sockaddr_in source = place(from, 0), in = place(to, 0);
	uint8_t octets[TCP_LEN] = {
		0, 80, 5000 >> 8, 5000 & 0xff, 0, 0, 1, 0, 0, 0, 1, 0, 5 << 4, flags, 0x20, 0};
	uint8_t addrs[8];
	uint32_t sum;

	memcpy(addrs, &source.sin_addr, 4);
	memcpy(addrs + 4, &in.sin_addr, 4);
	sum = sum_words(IPPROTO_TCP + TCP_LEN, addrs, sizeof(addrs));
	sum = sum_words(sum, octets, sizeof(octets));
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~((sum & 0xffff) + (sum >> 16));
	octets[16] = (uint8_t)(sum >> 8);
	octets[17] = (uint8_t)sum;
	ck_assert_int_eq(
		sendto(fd, octets, sizeof(octets), 0, (const struct sockaddr *)&in, sizeof(in)),
		sizeof(octets));
}

/* Does a segment with just these flags come?  Its sender's address goes into @from. */
static bool segment_arrives(int fd, uint8_t flags, char from[INET_ADDRSTRLEN])
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	uint8_t octets[256];

	while (poll(&p, 1, 300) == 1) {
		if (recv(fd, octets, sizeof(octets), 0) < 20 + TCP_LEN || octets[33] != flags)
			continue;
		ck_assert_ptr_nonnull(inet_ntop(AF_INET, octets + 12, from, INET_ADDRSTRLEN));
		return true;
	}
	return false;
}

static const uint8_t odd_flags[] = {TCP_SYN | TCP_ACK, TCP_RST, TCP_FIN, TCP_FIN | TCP_ACK, 0};

START_TEST(segments_of_no_connection_do_not_reach_a_client)
{
	char from[INET_ADDRSTRLEN];
	int client = open_tcp(CLIENT);
	int world = open_tcp(WORLD);

	go_to(WORLD);
	shell("ip route add 10.9.1.0/24 via 192.0.2.1");
	go_home();
	send_segment(world, "192.0.2.100", "10.9.1.2", odd_flags[_i]);
	ck_assert(!segment_arrives(client, odd_flags[_i], from));
	/* That it is the rule which keeps them out. */
	shell("nft flush chain inet tunmap forward");
	send_segment(world, "192.0.2.100", "10.9.1.2", odd_flags[_i]);
	ck_assert(segment_arrives(client, odd_flags[_i], from));
	(void)close(client);
	(void)close(world);
}
END_TEST

START_TEST(untracked_packets_do_not_reach_a_client)
{
	char from[INET_ADDRSTRLEN];
	int client = open_at(CLIENT, SOCK_DGRAM, 5000);
	int world = open_at(WORLD, SOCK_DGRAM, 7000);

	shell("nft 'table ip early { chain prerouting {"
	      " type filter hook prerouting priority raw; notrack; }; }'");
	go_to(WORLD);
	shell("ip route add 10.9.1.0/24 via 192.0.2.1");
	go_home();
	send_to(world, "10.9.1.2", 5000);
	ck_assert_uint_eq(arrives(client, from), 0);
	shell("nft flush chain inet tunmap forward");
	send_to(world, "10.9.1.2", 5000);
	ck_assert_uint_eq(arrives(client, from), 7000);
	(void)close(client);
	(void)close(world);
}
END_TEST

START_TEST(segments_of_no_connection_do_not_show_a_tunnel_address)
{
	char from[INET_ADDRSTRLEN];
	int client = open_tcp(CLIENT);
	int world = open_tcp(WORLD);

	send_segment(client, "10.9.1.2", "192.0.2.100", odd_flags[_i]);
	ck_assert(!segment_arrives(world, odd_flags[_i], from));
	/* Whoever else masquerades may have such a rule. */
	rules.masquerade = false;
	ck_assert_int_eq(nft_update(nft, &rules, &gateway), 0);
	send_segment(client, "10.9.1.2", "192.0.2.100", odd_flags[_i]);
	ck_assert(segment_arrives(world, odd_flags[_i], from));
	ck_assert_str_eq(from, "10.9.1.2");
	(void)close(client);
	(void)close(world);
}
END_TEST

START_TEST(requests_reach_the_gateway_from_tunnels_only)
{
	char from[INET_ADDRSTRLEN];
	struct sockaddr_in in = place("0.0.0.0", 5351);
	int gateway_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int client = open_at(CLIENT, SOCK_DGRAM, 5000);
	int world = open_at(WORLD, SOCK_DGRAM, 7000);

	ck_assert_int_eq(bind(gateway_fd, (const struct sockaddr *)&in, sizeof(in)), 0);
	send_to(client, "10.9.1.1", 5351);
	ck_assert_uint_eq(arrives(gateway_fd, from), 5000);
	send_to(world, "192.0.2.1", 5351);
	ck_assert_uint_eq(arrives(gateway_fd, from), 0);
	/* A source that this tunnel does not lead to. */
	go_to(CLIENT);
	shell("ip addr add 10.9.2.77/32 dev " PEER);
	in = place("10.9.2.77", 5002);
	(void)close(client);
	client = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(client, (const struct sockaddr *)&in, sizeof(in)), 0);
	go_home();
	shell("echo 0 > /proc/sys/net/ipv4/conf/all/rp_filter;"
	      " echo 0 > /proc/sys/net/ipv4/conf/wg0/rp_filter");
	send_to(client, "10.9.1.1", 5351);
	ck_assert_uint_eq(arrives(gateway_fd, from), 0);
	(void)close(gateway_fd);
	(void)close(client);
	(void)close(world);
}
END_TEST

START_TEST(flood_of_one_source_dies_and_another_is_heard)
{
	char from[INET_ADDRSTRLEN];
	struct sockaddr_in in = place("0.0.0.0", 5351);
	int gateway_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int client = open_at(CLIENT, SOCK_DGRAM, 5000);
	int neighbour = open_at(NEIGHBOUR, SOCK_DGRAM, 6000);
	unsigned int heard = 0;

	ck_assert_int_eq(bind(gateway_fd, (const struct sockaddr *)&in, sizeof(in)), 0);
	for (int i = 0; i < 1000; i++)
		send_to(client, "10.9.1.1", 5351);
	send_to(neighbour, "10.9.2.1", 5351);
	while (arrives(gateway_fd, from) == 5000)
		heard++;
	ck_assert_str_eq(from, "10.9.2.2");
	ck_assert_uint_ge(heard, 200);
	ck_assert_uint_lt(heard, 500);
	(void)close(gateway_fd);
	(void)close(client);
	(void)close(neighbour);
}
END_TEST

/* Many flows, made through netlink. */

static void put_side(struct nlmsghdr *nlh, uint16_t type, const struct addr *from,
	uint16_t from_port, const struct addr *to, uint16_t to_port)
{
	struct nlattr *tuple = mnl_attr_nest_start(nlh, type);
	struct nlattr *nest = mnl_attr_nest_start(nlh, CTA_TUPLE_IP);

	mnl_attr_put(nlh, CTA_IP_V4_SRC, 4, addr_v4(from));
	mnl_attr_put(nlh, CTA_IP_V4_DST, 4, addr_v4(to));
	mnl_attr_nest_end(nlh, nest);
	nest = mnl_attr_nest_start(nlh, CTA_TUPLE_PROTO);
	mnl_attr_put_u8(nlh, CTA_PROTO_NUM, IPPROTO_UDP);
	mnl_attr_put_u16(nlh, CTA_PROTO_SRC_PORT, htons(from_port));
	mnl_attr_put_u16(nlh, CTA_PROTO_DST_PORT, htons(to_port));
	mnl_attr_nest_end(nlh, nest);
	mnl_attr_nest_end(nlh, tuple);
}

/* A stranger's flow through the mapping of @m. */
static void put_flow(uint8_t *at, const struct mapping *m, const struct addr *remote, uint16_t port)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(at);
	struct nfgenmsg *nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));
	struct nlattr *nat, *range;

	nlh->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE;
	nfg->nfgen_family = AF_INET;
	put_side(nlh, CTA_TUPLE_ORIG, remote, port, &m->external, m->external_port);
	put_side(nlh, CTA_TUPLE_REPLY, &m->external, m->external_port, remote, port);
	mnl_attr_put_u32(nlh, CTA_TIMEOUT, htonl(3600));
	mnl_attr_put_u32(nlh, CTA_STATUS, htonl(IPS_CONFIRMED));
	nat = mnl_attr_nest_start(nlh, CTA_NAT_DST);
	mnl_attr_put(nlh, CTA_NAT_V4_MINIP, 4, addr_v4(&m->internal));
	mnl_attr_put(nlh, CTA_NAT_V4_MAXIP, 4, addr_v4(&m->internal));
	range = mnl_attr_nest_start(nlh, CTA_NAT_PROTO);
	mnl_attr_put_u16(nlh, CTA_PROTONAT_PORT_MIN, htons(m->internal_port));
	mnl_attr_put_u16(nlh, CTA_PROTONAT_PORT_MAX, htons(m->internal_port));
	mnl_attr_nest_end(nlh, range);
	mnl_attr_nest_end(nlh, nat);
}

#define MAPPINGS 500

static uint16_t port_of(size_t mapping)
{
	return (uint16_t)(20000 + mapping);
}

/* The flows number @from to @to - 1 of the mapping of @edit. */
static void send_flows(struct mnl_socket *nl, const struct edit *edit, size_t from, size_t to)
{
	static _Alignas(struct nlmsghdr) uint8_t octets[65536];
	size_t at = 0;

	for (size_t k = from; k < to; k++) {
		struct addr remote = v4(198, 51, 100, (uint8_t)(k % 250));

		put_flow(octets + at, &edit->mapping, &remote, (uint16_t)(1000 + k / 250));
		at += ((const struct nlmsghdr *)(const void *)(octets + at))->nlmsg_len;
		ck_assert_uint_lt(at + 512, sizeof(octets));
	}
	ck_assert_int_eq(mnl_socket_sendto(nl, octets, at), (ssize_t)at);
}

#define FLOWS_AT_ONCE 100

/* @each flows for each of MAPPINGS mappings. */
static void make_flows(size_t each)
{
	struct mnl_socket *nl = mnl_socket_open(NETLINK_NETFILTER);

	ck_assert_ptr_nonnull(nl);
	for (size_t i = 0; i < MAPPINGS; i++) {
		struct edit edit = make_edit(EDIT_MAP, port_of(i));

		for (size_t k = 0; k < each; k += FLOWS_AT_ONCE)
			send_flows(
				nl, &edit, k, k + FLOWS_AT_ONCE < each ? k + FLOWS_AT_ONCE : each);
	}
	(void)mnl_socket_close(nl);
}

static void measure(const char *what, long longest_us, const struct timespec *from)
{
	printf("%s: %.1f ms, no call longer than %.1f ms\n", what, ms_since(from),
		(double)longest_us / 1e3);
}

START_TEST(flows_of_many_mappings_end_piece_by_piece)
{
	const struct addr internal = v4(10, 9, 1, 2);
	const size_t each = 100;
	struct timespec from;
	long longest;

	install_and_settle();
	make_flows(each);
	ck_assert_uint_eq(flows_held(), MAPPINGS * each);
	(void)clock_gettime(CLOCK_MONOTONIC, &from);
	begin_to_end_flows(port_of(0));
	longest = finish_flows();
	measure("one mapping of 500", longest, &from);
	ck_assert_uint_eq(flows_held(), (MAPPINGS - 1) * each);
	/* Half of them at once; those that come during the pass have the next. */
	(void)clock_gettime(CLOCK_MONOTONIC, &from);
	for (size_t i = 1; i < MAPPINGS / 2; i++)
		begin_to_end_flows(port_of(i));
	longest = finish_flows();
	measure("249 mappings of 499", longest, &from);
	ck_assert_uint_eq(flows_held(), MAPPINGS / 2 * each);
	/* All of an address, and the other half with it. */
	(void)clock_gettime(CLOCK_MONOTONIC, &from);
	backend_end_flows_of(&backend, &internal);
	longest = finish_flows();
	measure("an address of 250 mappings", longest, &from);
	ck_assert_uint_eq(flows_held(), 0);
}
END_TEST

/* Room for the lot must not be a condition: then more ends, but never less. */
START_TEST(flows_end_when_there_is_no_memory_to_remember_them)
{
	const size_t each = 10;
	const struct addr stranger = v4(198, 51, 100, 3);

	install_and_settle();
	make_flows(each);
	flows_never_remember(nft->flows);
	end_flows(port_of(3));
	ck_assert_uint_eq(flows_held(), (MAPPINGS - 1) * each);
	begin_to_end_flows(port_of(10));
	begin_to_end_flows(port_of(10)); /* that pass has not begun */
	begin_to_end_flows(port_of(19));
	(void)finish_flows();
	ck_assert_uint_eq(flows_held(), (MAPPINGS - 11) * each);
	backend_end_flows_of(&backend, &stranger);
	(void)finish_flows();
	ck_assert_uint_eq(flows_held(), (MAPPINGS - 11) * (each - 1));
}
END_TEST

START_TEST(a_pass_begins_at_once_and_the_next_not_before_its_time)
{
	struct timespec from;

	install_and_settle();
	make_flows(1);
	(void)usleep(300000);
	(void)clock_gettime(CLOCK_MONOTONIC, &from);
	end_flows(port_of(0));
	begin_to_end_flows(port_of(1));
	ck_assert(nft_flows_pending(nft));
	(void)usleep(20000);
	begin_to_end_flows(port_of(2));
	(void)finish_flows();
	ck_assert_double_ge(ms_since(&from), 200);
	ck_assert_uint_eq(flows_held(), MAPPINGS - 3);
}
END_TEST

/* Constant change beside very many flows. */

#define CHURN_STEP_MS 30
#define CHURN_STEPS   50
#define CHURN_EACH    100 /* flows of each mapping that stands */
#define CHURN_FLOWS   ((size_t)MAPPINGS * CHURN_EACH)
#define CHURN_PORT    30000

/* Beside the mappings that stand: one that comes and goes, with a flow. */
struct churn {
	struct mnl_socket *nl;
	struct timespec ended[CHURN_STEPS];
	bool gone[CHURN_STEPS];
	size_t begun;
	double longest_ms; /* until a mapping's flow was seen to be gone */
	double busy_ms;    /* processor time of what is measured */
};

static double processor_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static struct edit churn_edit(enum edit_kind kind, size_t step)
{
	return make_edit(kind, (uint16_t)(CHURN_PORT + step));
}

static bool flow_is_there(struct mnl_socket *nl, const struct mapping *m)
{
	_Alignas(struct nlmsghdr) uint8_t octets[4096];
	struct addr remote = v4(198, 51, 100, 0);
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(octets);
	struct nfgenmsg *nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));
	ssize_t got;

	nlh->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	nfg->nfgen_family = AF_INET;
	put_side(nlh, CTA_TUPLE_ORIG, &remote, 1000, &m->external, m->external_port);
	ck_assert_int_gt(mnl_socket_sendto(nl, nlh, nlh->nlmsg_len), 0);
	got = mnl_socket_recvfrom(nl, octets, sizeof(octets));
	ck_assert_int_ge(got, (ssize_t)sizeof(*nlh));
	return nlh->nlmsg_type != NLMSG_ERROR;
}

static void churn_step(struct churn *c)
{
	struct edit map = churn_edit(EDIT_MAP, c->begun);
	struct edit unmap = churn_edit(EDIT_UNMAP, c->begun);
	double from;

	send_flows(c->nl, &map, 0, 1);
	ck_assert(flow_is_there(c->nl, &map.mapping));
	from = processor_ms();
	ck_assert_int_eq(apply_one(map), 0);
	backend_adopt_flows(&backend, &map.mapping);
	ck_assert_int_eq(apply_one(unmap), 0);
	(void)clock_gettime(CLOCK_MONOTONIC, &c->ended[c->begun++]);
	backend_end_flows(&backend, &unmap.mapping);
	c->busy_ms += processor_ms() - from;
}

/* Returns how many ended mappings have a flow yet. */
static size_t churn_look(struct churn *c)
{
	size_t left = 0;

	for (size_t i = 0; i < c->begun; i++) {
		struct edit edit = churn_edit(EDIT_UNMAP, i);
		double ms;

		if (c->gone[i])
			continue;
		c->gone[i] = !flow_is_there(c->nl, &edit.mapping);
		left += !c->gone[i];
		ms = ms_since(&c->ended[i]);
		c->longest_ms = ms > c->longest_ms ? ms : c->longest_ms;
	}
	return left;
}

/* As the event loop does it, for @ms. */
static void churn_work(struct churn *c, double ms)
{
	struct pollfd p = {.fd = nft_flows_fd(nft), .events = POLLIN};
	struct timespec from;
	double left;

	(void)clock_gettime(CLOCK_MONOTONIC, &from);
	while ((left = ms - ms_since(&from)) > 0) {
		double busy;

		if (poll(&p, 1, (int)left + 1) != 1)
			continue;
		busy = processor_ms();
		nft_flows_continue(nft);
		c->busy_ms += processor_ms() - busy;
	}
}

START_TEST(constant_change_leaves_no_flow_behind)
{
	static struct churn c;
	struct timespec from;
	double ms;

	memset(&c, 0, sizeof(c));
	c.nl = mnl_socket_open(NETLINK_NETFILTER);
	ck_assert_ptr_nonnull(c.nl);
	install_and_settle();
	make_flows(CHURN_EACH);
	ck_assert_uint_eq(flows_held(), CHURN_FLOWS);
	(void)clock_gettime(CLOCK_MONOTONIC, &from);
	while (c.begun < CHURN_STEPS) {
		churn_step(&c);
		(void)churn_look(&c);
		churn_work(&c, CHURN_STEP_MS);
	}
	ms = ms_since(&from);
	printf("%d mappings came and went in %.0f ms beside %zu flows: %.0f %% of a core,"
	       " flows gone after %.0f ms at most\n",
		CHURN_STEPS, ms, CHURN_FLOWS, 100 * c.busy_ms / ms, c.longest_ms);
	while (churn_look(&c))
		churn_work(&c, CHURN_STEP_MS);
	ck_assert_uint_eq(flows_held(), CHURN_FLOWS);
	(void)mnl_socket_close(c.nl);
}
END_TEST

START_TEST(reinstalling_ends_the_flows_of_all_there_was)
{
	struct edit edit = make_edit(EDIT_MAP, port_of(0));

	install();
	ck_assert_int_eq(apply_one(edit), 0);
	/* The other mappings ran out while nobody was there to end their flows. */
	make_flows(10);
	nft_close(nft);
	open_nft();
	install();
	ck_assert(nft_flows_pending(nft));
	(void)finish_flows();
	ck_assert_uint_eq(flows_held(), 0);
}
END_TEST

/* Without the right to. */

START_TEST(missing_permission_is_told)
{
	struct nft *other;
	int err = 0;
	int status;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		/* The privileges of nobody in particular. */
		if (setgid(65534) < 0 || setuid(65534) < 0)
			_exit(2);
		_exit(nft_open(&other, &err) == NFT_NO_PERMISSION && err == -EPERM ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	/* In a user namespace there may be no other user to become. */
	ck_assert_int_ne(WEXITSTATUS(status), 1);
}
END_TEST

static int write_file(const char *path, const char *words)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t written;

	if (fd < 0)
		return -1;
	written = write(fd, words, strlen(words));
	(void)close(fd);
	return written < 0 ? -1 : 0;
}

/* Returns 0 once there is a network of our own to work in. */
static int enter_namespace(void)
{
	char map[64];

	if (geteuid() == 0)
		return unshare(CLONE_NEWNET);
	(void)snprintf(map, sizeof(map), "0 %u 1", geteuid());
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return -1;
	return write_file("/proc/self/uid_map", map);
}

int main(void)
{
	const bool root = geteuid() == 0;
	Suite *suite = suite_create("nft_kernel");
	TCase *table = tcase_create("table");
	TCase *hosts = tcase_create("hosts");
	SRunner *runner;
	int failed;

	if (enter_namespace() < 0) {
		(void)fprintf(
			stderr, "SKIPPED: no network namespace to be had: %s\n", strerror(errno));
		return root ? EXIT_FAILURE : SKIPPED;
	}
	tcase_add_checked_fixture(table, setup, teardown);
	tcase_set_timeout(table, 120);
	tcase_add_test(table, ruleset_reads_as_the_golden_file);
	tcase_add_test(table, what_is_printed_can_be_loaded_again);
	tcase_add_test(table, probe_leaves_nothing);
	tcase_add_test(table, probe_replaces_what_a_killed_one_left);
	tcase_add_test(table, foreign_table_stays_untouched);
	tcase_add_test(table, foreign_table_with_a_comment_stays_untouched);
	tcase_add_test(table, install_over_an_old_table_is_new_and_empty);
	tcase_add_test(table, update_changes_rules_and_sets_and_keeps_mappings);
	tcase_add_test(table, update_of_a_table_that_somebody_removed_fails);
	tcase_add_test(table, outer_addresses_are_replaced);
	tcase_add_test(table, outer_addresses_survive_updates_and_new_tables);
	tcase_add_test(table, outer_addresses_that_somebody_removed_are_no_hindrance);
	tcase_add_test(table, ten_thousand_outer_addresses_are_no_matter);
	tcase_add_loop_test(table, mapping_begins_and_ends_in_both_directions, 0, 2);
	tcase_add_loop_test(table, unmapping_what_is_not_there_is_no_error, 0, 2);
	tcase_add_loop_test(table, renewal_moves_the_end, 0, 2);
	tcase_add_loop_test(table, renewal_by_the_same_timeout_moves_the_end, 0, 2);
	tcase_add_loop_test(table, renewal_of_what_is_gone_makes_it, 0, 2);
	tcase_add_loop_test(table, rewrite_changes_the_record, 0, 2);
	tcase_add_loop_test(table, refusal_names_its_edit_and_undoes_all, 0, 2);
	tcase_add_test(table, edit_out_of_range_is_named);
	tcase_add_loop_test(table, later_edits_of_a_batch_see_earlier_ones, 0, 2);
	tcase_add_loop_test(table, largest_batch_goes_through, 0, 2);
	tcase_add_test(table, edits_without_a_table_fail);
	tcase_add_test(table, lost_acknowledgement_is_read_back);
	tcase_add_test(table, lost_refusal_is_read_back);
	tcase_add_test(table, old_mappings_are_found);
	tcase_add_test(table, flows_of_many_mappings_end_piece_by_piece);
	tcase_add_test(table, flows_end_when_there_is_no_memory_to_remember_them);
	tcase_add_test(table, a_pass_begins_at_once_and_the_next_not_before_its_time);
	tcase_add_test(table, constant_change_leaves_no_flow_behind);
	tcase_add_test(table, reinstalling_ends_the_flows_of_all_there_was);
	tcase_add_test(table, missing_permission_is_told);
	suite_add_tcase(suite, table);
	tcase_add_checked_fixture(hosts, setup_hosts, teardown_hosts);
	tcase_set_timeout(hosts, 120);
	tcase_add_test(hosts, inbound_flow_ends_with_its_mapping);
	tcase_add_test(hosts, outbound_flow_has_the_mapped_port_and_ends_with_it);
	tcase_add_test(hosts, tcp_flow_ends_with_its_mapping);
	tcase_add_test(hosts, flows_of_others_stay);
	tcase_add_test(hosts, flows_end_when_the_table_went_before);
	tcase_add_loop_test(hosts, older_flow_leaves_from_the_mapped_port, 0, 2);
	tcase_add_test(hosts, flows_of_the_mapping_and_of_others_are_not_adopted);
	tcase_add_test(hosts, tcp_connections_are_not_adopted);
	tcase_add_loop_test(hosts, every_flow_of_an_address_ends_and_no_other, 0, 2);
	tcase_add_test(hosts, an_address_of_a_family_without_flows_ends_nothing);
	tcase_add_test(hosts, peer_beside_its_tunnel_reaches_no_mapping);
	tcase_add_test(hosts, peer_beside_its_tunnel_answers_what_a_client_began);
	tcase_add_test(hosts, peer_beside_its_tunnel_is_heard_by_icmp_about_what_a_client_began);
	tcase_add_test(hosts, guard_lets_others_and_tunnels_pass);
	tcase_add_test(hosts, early_probe_does_not_capture_the_port);
	tcase_add_test(hosts, neighbour_reaches_the_mapping_and_is_seen_outside);
	tcase_add_test(hosts, strangers_cannot_route_to_a_client);
	tcase_add_loop_test(
		hosts, segments_of_no_connection_do_not_reach_a_client, 0, ARRAY_LEN(odd_flags));
	tcase_add_test(hosts, untracked_packets_do_not_reach_a_client);
	tcase_add_loop_test(hosts, segments_of_no_connection_do_not_show_a_tunnel_address, 0,
		ARRAY_LEN(odd_flags));
	tcase_add_test(hosts, requests_reach_the_gateway_from_tunnels_only);
	tcase_add_test(hosts, flood_of_one_source_dies_and_another_is_heard);
	suite_add_tcase(suite, hosts);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
