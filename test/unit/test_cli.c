/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The client's command line and what it prints, without a daemon. */
#include "include/compiler.h"
#include "src/cli/command.h"
#include "src/cli/render.h"
#include "src/cli/table.h"
#include "src/cli/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>
#include <jansson.h>

#define WORDS_MAX 16

/* A line of words that are separated by single spaces. */
struct line {
	char text[512];
	char *word[WORDS_MAX];
	int len;
};

static void split(const char *text, struct line *out)
{
	char *rest = out->text, *word;

	(void)snprintf(out->text, sizeof(out->text), "tunmapctl %s", text);
	out->len = 0;
	while ((word = strsep(&rest, " ")) && out->len < WORDS_MAX)
		if (word[0])
			out->word[out->len++] = word;
}

static const struct {
	const char *line, *method, *target, *body;
	enum view view;
} good[] = {
	{"status", "GET", "/v1/status", NULL, VIEW_STATUS},
	{"list", "GET", "/v1/mappings", NULL, VIEW_MAPPINGS},
	{"list --user alice --port=40000 --protocol udp --address fd00::2", "GET",
		"/v1/mappings?user=alice&address=fd00%3A%3A2&port=40000&protocol=udp", NULL,
		VIEW_MAPPINGS},
	{"list --user a&b=c%\xc3\xa9", "GET", "/v1/mappings?user=a%26b%3Dc%25%C3%A9", NULL,
		VIEW_MAPPINGS},
	{"users", "GET", "/v1/users", NULL, VIEW_USERS},
	{"show 40000", "GET", "/v1/mappings?port=40000", NULL, VIEW_MAPPINGS},
	{"show --protocol tcp 40000 --external 203.0.113.1", "GET",
		"/v1/mappings?port=40000&protocol=tcp&external=203.0.113.1", NULL, VIEW_MAPPINGS},
	{"explain --address 10.9.0.2 --protocol udp --internal-port 0", "GET",
		"/v1/explain?address=10.9.0.2&protocol=udp&internal-port=0", NULL,
		VIEW_EXPLANATION},
	{"explain --address 10.9.0.2 --protocol udp --internal-port 1 --external-port 2 "
	 "--lifetime 3 --origin nat-pmp",
		"GET",
		"/v1/explain?address=10.9.0.2&protocol=udp&internal-port=1&external-port=2"
		"&lifetime=3&origin=nat-pmp",
		NULL, VIEW_EXPLANATION},
	{"revoke --port 40000 --protocol udp", "DELETE", "/v1/mappings?port=40000&protocol=udp",
		NULL, VIEW_REVOKED},
	{"revoke --user alice", "DELETE", "/v1/mappings?user=alice", NULL, VIEW_REVOKED},
	{"ban --user alice --for 60", "PUT", "/v1/bans", "{\"user\":\"alice\",\"for\":60}",
		VIEW_BANNED},
	{"ban --address 10.9.0.2", "PUT", "/v1/bans", "{\"address\":\"10.9.0.2\"}", VIEW_BANNED},
	{"unban --address 10.9.0.2", "DELETE", "/v1/bans?address=10.9.0.2", NULL, VIEW_UNBANNED},
	{"session up --address 10.9.0.2 --user alice --class gold --id 7", "PUT",
		"/v1/sessions/10.9.0.2", "{\"user\":\"alice\",\"class\":\"gold\",\"id\":\"7\"}",
		VIEW_SESSION_UP},
	{"session down --address fd00::2 --id 7", "DELETE", "/v1/sessions/fd00%3A%3A2?id=7", NULL,
		VIEW_SESSION_DOWN},
	{"reload", "POST", "/v1/reload", NULL, VIEW_RELOADED},
	{"check -", "POST", "/v1/check", NULL, VIEW_CHECKED},
	{"check -- --odd", "POST", "/v1/check", NULL, VIEW_CHECKED},
	{"watch", "GET", "/v1/events", NULL, VIEW_EVENTS},
	{"flush --yes", "DELETE", "/v1/mappings?all=true", NULL, VIEW_REVOKED},
};

START_TEST(commands_become_requests)
{
	struct command cmd;
	struct line line;
	char why[COMMAND_WHY_MAX] = "";

	split(good[_i].line, &line);
	ck_assert_msg(command_parse(line.len, line.word, &cmd, why) == 0, "%s", why);
	ck_assert_str_eq(cmd.method, good[_i].method);
	ck_assert_str_eq(cmd.target, good[_i].target);
	ck_assert_int_eq(cmd.view, good[_i].view);
	ck_assert_str_eq(cmd.body ? cmd.body : "", good[_i].body ? good[_i].body : "");
	ck_assert_str_eq(cmd.socket, COMMAND_SOCKET);
	command_fini(&cmd);
}
END_TEST

static const struct {
	const char *line, *why;
} bad[] = {
	{"", "which command?"},
	{"stats", "unknown command \"stats\""},
	{"status now", "unexpected argument \"now\""},
	{"status --user alice", "status knows no --user"},
	{"list --port 0", "--port \"0\" is no port from 1 to 65535"},
	{"list --port 65536", "--port \"65536\" is no port from 1 to 65535"},
	{"list --port 1x", "--port \"1x\" is no port from 1 to 65535"},
	{"list --port -1", "--port \"-1\" is no port from 1 to 65535"},
	{"list --address 10.9", "--address \"10.9\" is no IPv4 or IPv6 address, such as 10.9.0.2"},
	{"list --protocol UDP", "--protocol \"UDP\" is neither udp nor tcp"},
	{"list --user", "--user wants a value"},
	{"list --user=", "--user is empty"},
	{"list --user a --user b", "--user is given twice"},
	{"list --colour", "unknown option --colour"},
	{"list -x", "unknown option -x"},
	{"show", "show wants a PORT"},
	{"show http", "\"http\" is no port from 1 to 65535"},
	{"explain --address 10.9.0.2 --protocol udp", "explain wants --internal-port"},
	{"revoke", "revoke wants one of --user or --address or --port"},
	{"revoke --protocol udp", "revoke wants one of --user or --address or --port"},
	{"revoke --port 1 --user a", "revoke wants one of --user or --address or --port"},
	{"ban --for 60", "ban wants one of --user or --address"},
	{"ban --user a --for 0", "--for \"0\" is no number of seconds, 1 or more"},
	{"session", "session wants up or down"},
	{"session sideways --address 10.9.0.2", "session wants up or down"},
	{"session up --address 10.9.0.2", "session wants --user"},
	{"session up --address 10.9.0.2 --user \xff", "a value is not UTF-8"},
	{"check", "check wants a FILE"},
	{"flush", "flush removes every mapping of everybody; if that is meant, say --yes"},
	{"flush --yes=no", "--yes takes no value"},
	{"-s", "--socket wants a path"},
};

START_TEST(faulty_commands_are_explained)
{
	struct command cmd;
	struct line line;
	char why[COMMAND_WHY_MAX] = "";

	split(bad[_i].line, &line);
	ck_assert_int_eq(command_parse(line.len, line.word, &cmd, why), -EINVAL);
	ck_assert_str_eq(why, bad[_i].why);
}
END_TEST

START_TEST(own_options_stand_anywhere)
{
	static const char *const lines[] = {"--json -s /tmp/x list", "list --socket=/tmp/x --json",
		"list --json --socket /tmp/x"};

	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		struct command cmd;
		struct line line;
		char why[COMMAND_WHY_MAX];

		split(lines[i], &line);
		ck_assert_int_eq(command_parse(line.len, line.word, &cmd, why), 0);
		ck_assert(cmd.json);
		ck_assert_str_eq(cmd.socket, "/tmp/x");
		command_fini(&cmd);
	}
}
END_TEST

START_TEST(overlong_values_do_not_fit)
{
	char value[1000], *argv[] = {value, value, value, value}, why[COMMAND_WHY_MAX];
	char name[] = "tunmapctl", list[] = "list", user[] = "--user";
	struct command cmd;

	memset(value, ' ', sizeof(value));
	value[sizeof(value) - 1] = '\0';
	argv[0] = name;
	argv[1] = list;
	argv[2] = user;
	ck_assert_int_eq(command_parse(4, argv, &cmd, why), -EINVAL);
	ck_assert_str_eq(why, "the values are too long");
}
END_TEST

START_TEST(durations_have_two_units)
{
	static const struct {
		uint64_t s;
		const char *text;
	} durations[] = {
		{0, "0s"},
		{12, "12s"},
		{60, "1m"},
		{320, "5m 20s"},
		{3600, "1h"},
		{3659, "1h"},
		{3660, "1h 1m"},
		{86399, "23h 59m"},
		{86400, "1d"},
		{97200, "1d 3h"},
		{UINT64_MAX, "213503982334601d 7h"},
	};
	char text[TEXT_DURATION_MAX];

	for (size_t i = 0; i < ARRAY_LEN(durations); i++)
		ck_assert_str_eq(text_duration(durations[i].s, text), durations[i].text);
}
END_TEST

START_TEST(escaping_leaves_nothing_for_a_terminal)
{
	static const struct {
		const char *raw, *escaped;
		size_t width;
	} texts[] = {
		{"alice", "alice", 5},
		{"\x1b[31mred\x07", "\\x1b[31mred\\x07", 15},
		{"a\nb\tc\x7f", "a\\x0ab\\x09c\\x7f", 15},
		{"caf\xc3\xa9", "caf\xc3\xa9", 4},
		{"\xc2\x9b"
		 "31m",
			"\\u{9B}31m", 9},
		{"\xe2\x80\xae"
		 "evil",
			"\\u{202E}evil", 12},
		{"\xff\xc3", "\\xff\\xc3", 8},
		{"\xc0\xaf", "\\xc0\\xaf", 8},
		{"\xed\xa0\x80", "\\xed\\xa0\\x80", 12},
		{"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80", 16},
		{"\xf0\x9f\x90\x88", "\xf0\x9f\x90\x88", 1},
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		char *escaped = text_escape(texts[i].raw);

		ck_assert_str_eq(escaped, texts[i].escaped);
		ck_assert_uint_eq(text_width(escaped), texts[i].width);
		free(escaped);
	}
}
END_TEST

struct memory {
	FILE *file;
	char *text;
	size_t len;
};

static void memory_open(struct memory *m)
{
	m->file = open_memstream(&m->text, &m->len);
	ck_assert_ptr_nonnull(m->file);
}

static void assert_written(struct memory *m, const char *want)
{
	ck_assert_int_eq(fclose(m->file), 0);
	ck_assert_str_eq(m->text, want);
	free(m->text);
}

static void assert_rendered(enum view view, const char *json, const char *want)
{
	json_t *answer = json_loads(json, 0, NULL);
	struct memory m;

	ck_assert_ptr_nonnull(answer);
	memory_open(&m);
	render(m.file, view, answer);
	assert_written(&m, want);
	json_decref(answer);
}

static const char status_json[] =
	"{\"version\":\"0.1.0\",\"uptime\":97200,\"epoch\":97201,\"kernel\":\"elements are "
	"refreshed in place\",\"policy\":\"/etc/tunmap/tunmap.yaml\",\"tunnels\":[{\"interface\":"
	"\"wg0\",\"address\":\"10.9.0.1\"},{\"interface\":\"wg0\",\"address\":\"fd00:9::1\"}],"
	"\"external\":[{\"address\":\"192.0.2.5\",\"advertised\":\"198.51.100.7\"},{\"address\":"
	"\"2001:db8::1\",\"advertised\":\"2001:db8::1\"}],\"pool\":{\"first\":10240,\"last\":32767,"
	"\"ports\":22528,\"taken\":5,\"free\":45051},\"masquerade_ports\":{\"first\":32768,"
	"\"last\":60999},\"mappings\":1,"
	"\"counters\":{\"requests\":90,\"granted\":3,\"renewed\":80,\"ended\":2,\"kernel_refused\":"
	"1,"
	"\"dropped\":{\"not-a-request\":0,\"rate\":4,\"users\":0},\"results\":{\"success\":83,"
	"\"not-authorized\":2,\"no-resources\":1}},\"reload\":{\"ok\":false,\"ago\":320},"
	"\"warnings\":[\"a foreign chain \\u001b[31mdrops\"]}";

START_TEST(status_is_one_screen)
{
	assert_rendered(VIEW_STATUS, status_json,
		"tunmapd     0.1.0, up 1d 3h, epoch 97201\n"
		"Policy      /etc/tunmap/tunmap.yaml\n"
		"Reload      refused 5m 20s ago, the old policy is in force; try tunmapctl reload\n"
		"Kernel      elements are refreshed in place\n"
		"Tunnels     10.9.0.1 on wg0\n"
		"            fd00:9::1 on wg0\n"
		"External    192.0.2.5 (told as 198.51.100.7), 2001:db8::1\n"
		"Pool        10240-32767, 22528 ports; 5 taken, 45051 free; 1 mapping\n"
		"Masquerade  from ports 32768-60999\n"
		"Requests    90; 3 granted, 80 renewed, 2 ended\n"
		"Refused     2 not-authorized, 1 no-resources\n"
		"Dropped     4 rate\n"
		"Kernel      refused 1 edits\n"
		"Warning     a foreign chain \\x1b[31mdrops\n");
}
END_TEST

START_TEST(an_empty_answer_harms_nobody)
{
	for (int view = VIEW_STATUS; view <= VIEW_EVENTS; view++) {
		json_t *answer = json_object();
		struct memory m;

		memory_open(&m);
		render(m.file, (enum view)view, answer);
		(void)fclose(m.file);
		free(m.text);
		json_decref(answer);
	}
}
END_TEST

START_TEST(users_stand_in_columns)
{
	static const char *const texts[] = {
		"{\"name\":\"alice\",\"class\":\"gold\",\"addresses\":[\"10.9.0.2\",\"fd00:9::2\"],"
		"\"held\":2,\"allowed\":16,\"banned\":false,\"connected\":true}",
		"{\"name\":\"b\\u00e9a\",\"class\":\"default\",\"addresses\":[],\"held\":0,"
		"\"allowed\":16,\"banned\":true,\"connected\":false}",
	};
	struct memory m;
	struct table t;

	memory_open(&m);
	render_users_begin(&t, m.file, 80);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		json_t *user = json_loads(texts[i], 0, NULL);

		ck_assert_ptr_nonnull(user);
		render_user(&t, user);
		json_decref(user);
	}
	ck_assert_int_eq(table_finish(&t), 0);
	assert_written(&m, "USER   CLASS    HELD  ALLOWED  STATE   ADDRESSES\n"
			   "alice  gold        2       16  known   10.9.0.2 fd00:9::2\n"
			   "b\xc3\xa9"
			   "a    default     0       16  banned  -\n");
}
END_TEST

static const char mapping_json[] =
	"{\"protocol\":\"udp\",\"internal_address\":\"10.9.0.2\",\"internal_port\":6881,"
	"\"external_address\":\"203.0.113.1\",\"external_port\":40000,\"lifetime\":3600,"
	"\"remaining\":3541,\"user\":\"alice\",\"class\":\"default\",\"origin\":\"nat-pmp\","
	"\"opcode\":\"map\",\"filters\":[]}";

static const char pinhole_json[] =
	"{\"protocol\":\"tcp\",\"internal_address\":\"fd00:9::2\",\"internal_port\":51413,"
	"\"external_address\":\"2001:db8::1\",\"external_port\":31413,\"lifetime\":3600,"
	"\"remaining\":3600,\"user\":\"bob\",\"class\":\"default\",\"origin\":\"static\","
	"\"opcode\":\"map\",\"description\":\"Transmission\",\"filters\":[]}";

static void assert_mappings(size_t room, const char *want)
{
	json_t *a = json_loads(mapping_json, 0, NULL), *b = json_loads(pinhole_json, 0, NULL);
	struct memory m;
	struct table t;

	memory_open(&m);
	render_mappings_begin(&t, m.file, room);
	render_mapping(&t, a);
	render_mapping(&t, b);
	ck_assert_int_eq(table_finish(&t), 0);
	assert_written(&m, want);
	json_decref(a);
	json_decref(b);
}

START_TEST(mappings_fit_the_terminal)
{
	assert_mappings(0,
		"PROTO  EXTERNAL             INTERNAL             LEFT  USER   CLASS    VIA      "
		"DESCRIPTION\n"
		"udp    203.0.113.1:40000    10.9.0.2:6881      59m 1s  alice  default  nat-pmp\n"
		"tcp    [2001:db8::1]:31413  [fd00:9::2]:51413  always  bob    default  static   "
		"Transmission\n");
	assert_mappings(80,
		"PROTO  EXTERNAL             INTERNAL             LEFT  USER   DESCRIPTION\n"
		"udp    203.0.113.1:40000    10.9.0.2:6881      59m 1s  alice\n"
		"tcp    [2001:db8::1]:31413  [fd00:9::2]:51413  always  bob    Transmission\n");
}
END_TEST

START_TEST(an_empty_table_has_its_head)
{
	struct memory m;
	struct table t;

	memory_open(&m);
	render_mappings_begin(&t, m.file, 60);
	ck_assert_int_eq(table_finish(&t), 0);
	assert_written(&m, "PROTO  EXTERNAL  INTERNAL  LEFT  USER\n");
}
END_TEST

START_TEST(long_tables_come_in_blocks)
{
	json_t *mapping = json_loads(mapping_json, 0, NULL);
	struct memory m;
	struct table t;
	size_t lines = 0;

	memory_open(&m);
	render_mappings_begin(&t, m.file, 80);
	for (int i = 0; i < 2500; i++)
		render_mapping(&t, mapping);
	ck_assert_uint_eq(t.rows, 500);
	ck_assert_int_eq(table_finish(&t), 0);
	(void)fclose(m.file);
	for (const char *c = m.text; *c; c++)
		lines += *c == '\n';
	ck_assert_uint_eq(lines, 2501);
	free(m.text);
	json_decref(mapping);
}
END_TEST

START_TEST(explanations_name_rule_and_place)
{
	assert_rendered(VIEW_EXPLANATION,
		"{\"result\":\"quota-exceeded\",\"code\":10,\"lifetime\":30,\"external_port\":null,"
		"\"user\":\"alice\",\"class\":\"default\",\"rule\":\"quota\",\"reason\":\"the user "
		"holds as many\",\"source\":{\"file\":\"/etc/t.yaml\",\"line\":12}}",
		"Answer      quota-exceeded, to be believed for 30s\n"
		"User        alice, class default\n"
		"Rule        quota: the user holds as many\n"
		"Policy      /etc/t.yaml:12\n");
	assert_rendered(VIEW_EXPLANATION,
		"{\"result\":\"success\",\"code\":0,\"lifetime\":3600,\"external_port\":null,"
		"\"user\":null,\"class\":\"default\",\"rule\":\"granted\",\"reason\":\"all is "
		"well\",\"source\":null}",
		"Answer      success, a free external port, for 1h\n"
		"User        unknown, class default\n"
		"Rule        granted: all is well\n");
}
END_TEST

START_TEST(orders_are_confirmed)
{
	assert_rendered(VIEW_REVOKED, "{\"revoked\":1}", "1 mapping removed\n");
	assert_rendered(VIEW_BANNED, "{\"revoked\":0}", "banned; 0 mappings removed\n");
	assert_rendered(VIEW_UNBANNED, "{\"unbanned\":true}", "ban lifted\n");
	assert_rendered(VIEW_SESSION_UP, "{\"address\":\"10.9.0.2\",\"user\":\"alice\"}",
		"10.9.0.2 is now alice's\n");
	assert_rendered(
		VIEW_SESSION_DOWN, "{\"address\":\"10.9.0.2\"}", "10.9.0.2: session ended\n");
	assert_rendered(VIEW_RELOADED,
		"{\"changes\":{\"users_added\":1,\"users_removed\":0,\"classes_added\":0,"
		"\"classes_removed\":0,\"revoked\":2,\"kept\":7}}",
		"The policy was reloaded.\n"
		"Users       1 added, 0 removed\n"
		"Classes     unchanged in number\n"
		"Mappings    2 revoked, 7 kept\n");
}
END_TEST

START_TEST(faults_bear_the_name_of_the_file_that_was_checked)
{
	json_t *answer = json_loads(
		"{\"error\":\"the policy has 2 faults; nothing was changed\",\"faults\":["
		"{\"file\":\"/etc/tunmap/"
		"tunmap.yaml\",\"line\":3,\"column\":5,\"message\":\"one\"},"
		"{\"file\":\"/etc/tunmap/users.d/a.yaml\",\"line\":1,\"column\":1,\"message\":"
		"\"two\"}],\"file\":\"/etc/tunmap/tunmap.yaml\"}",
		0, NULL);
	struct memory m;

	memory_open(&m);
	render_error(m.file, answer, "new.yaml");
	assert_written(&m, "new.yaml:3:5: one\n"
			   "/etc/tunmap/users.d/a.yaml:1:1: two\n"
			   "tunmapctl: the policy has 2 faults; nothing was changed\n");
	memory_open(&m);
	render_error(m.file, answer, NULL);
	assert_written(&m, "/etc/tunmap/tunmap.yaml:3:5: one\n"
			   "/etc/tunmap/users.d/a.yaml:1:1: two\n"
			   "tunmapctl: the policy has 2 faults; nothing was changed\n");
	json_decref(answer);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("cli");
	TCase *t = tcase_create("command");

	tcase_add_loop_test(t, commands_become_requests, 0, ARRAY_LEN(good));
	tcase_add_loop_test(t, faulty_commands_are_explained, 0, ARRAY_LEN(bad));
	tcase_add_test(t, own_options_stand_anywhere);
	tcase_add_test(t, overlong_values_do_not_fit);
	suite_add_tcase(s, t);
	t = tcase_create("text");
	tcase_add_test(t, durations_have_two_units);
	tcase_add_test(t, escaping_leaves_nothing_for_a_terminal);
	suite_add_tcase(s, t);
	t = tcase_create("render");
	tcase_add_test(t, status_is_one_screen);
	tcase_add_test(t, an_empty_answer_harms_nobody);
	tcase_add_test(t, users_stand_in_columns);
	tcase_add_test(t, mappings_fit_the_terminal);
	tcase_add_test(t, an_empty_table_has_its_head);
	tcase_add_test(t, long_tables_come_in_blocks);
	tcase_add_test(t, explanations_name_rule_and_place);
	tcase_add_test(t, orders_are_confirmed);
	tcase_add_test(t, faults_bear_the_name_of_the_file_that_was_checked);
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
