/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A policy of several files. */
#include "test/unit/conf_check.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <check.h>

/* A directory of its own for each test, in which names are relative. */
static char folder[32];

static void enter_folder(void)
{
	(void)snprintf(folder, sizeof(folder), "/tmp/test_conf_XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	ck_assert_int_eq(chdir(folder), 0);
	ck_assert_int_eq(mkdir("users.d", 0700), 0);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void leave_folder(void)
{
	ck_assert_int_eq(chdir("/"), 0);
	ck_assert_int_eq(nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static void put(const char *name, const char *text)
{
	FILE *out = fopen(name, "w");

	ck_assert_ptr_nonnull(out);
	(void)fputs(text, out);
	ck_assert_int_eq(fclose(out), 0);
}

/* The configuration of a file without faults. */
static struct config *loaded(const char *path)
{
	struct config_faults faults;
	struct config *config = config_load(path, &faults);

	for (size_t i = 0; i < faults.len; i++)
		(void)fprintf(stderr, "%s\n", faults.fault[i].message);
	ck_assert_ptr_nonnull(config);
	ck_assert_uint_eq(faults.len, 0);
	config_faults_free(&faults);
	return config;
}

/* @want: "FILE:LINE:COL: MESSAGE\n" of every fault. */
static void assert_refused(struct config *config, struct config_faults *faults, const char *want)
{
	size_t size = 0;
	char *text = NULL;
	FILE *out = open_memstream(&text, &size);

	ck_assert_ptr_nonnull(out);
	for (size_t i = 0; i < faults->len; i++) {
		const struct config_fault *f = &faults->fault[i];

		(void)fprintf(out, "%s:%lu:%lu: %s\n", f->file, f->line, f->column, f->message);
	}
	(void)fclose(out);
	ck_assert_str_eq(text, want);
	ck_assert_ptr_null(config);
	free(text);
	config_faults_free(faults);
}

static void assert_load_faults(const char *path, const char *want)
{
	struct config_faults faults;
	struct config *config = config_load(path, &faults);

	assert_refused(config, &faults, want);
}

START_TEST(classes_and_users_come_from_every_file)
{
	struct config *c;

	put("policy.yaml", TUNNEL "include: [users.d/*.yaml, classes.yaml]\n"
				  "users: {zoe: {class: gold}}\n");
	put("users.d/b.yaml", "users:\n  alice: {class: iron}\n");
	put("users.d/a.yaml", "users: {bob: {addresses: [10.9.0.2],\n"
			      "  static: [\n    {port: 20000}]}}\n"
			      "classes: {iron: {rate: 1}}\n");
	put("users.d/.hidden.yaml", "nonsense\n");
	put("users.d/empty.yaml", "# nobody yet\n");
	put("users.d/other.txt", "nonsense\n");
	put("classes.yaml", "classes:\n  default: {mappings: 1}\n  gold: {}\n");
	c = loaded("policy.yaml");
	ck_assert_uint_eq(c->files_len, 5);
	ck_assert_str_eq(c->files[0], "policy.yaml");
	ck_assert_str_eq(c->files[1], "users.d/a.yaml");
	ck_assert_str_eq(c->files[2], "users.d/b.yaml");
	ck_assert_str_eq(c->files[3], "users.d/empty.yaml");
	ck_assert_str_eq(c->files[4], "classes.yaml");
	ck_assert_uint_eq(c->classes_len, 3);
	ck_assert_uint_eq(c->classes[0].mappings, 1);
	assert_mark(&c->classes[0].mark, 4, 2);
	assert_mark(&c->classes[2].mark, 1, 4);
	assert_mark(&c->classes[2].key_mark[CONFIG_CLASS_RATE], 1, 4);
	ck_assert_uint_eq(c->users_len, 3);
	assert_mark(&config_user(c, "zoe")->mark, 0, 3);
	assert_mark(&config_user(c, "alice")->mark, 2, 2);
	ck_assert_uint_eq(config_user(c, "alice")->class, 2);
	assert_mark(&config_user(c, "bob")->mark, 1, 1);
	assert_mark(&config_user(c, "bob")->statics[0].mark, 1, 3);
	config_free(c);
}
END_TEST

START_TEST(names_are_relative_to_the_including_file)
{
	char path[128], text[256];
	struct config *c;

	ck_assert_int_eq(mkdir("a[b]*", 0700), 0);
	put("a[b]*/policy.yaml", TUNNEL "include: [u.yaml, '*.d.yaml', no*.yaml]\n");
	put("a[b]*/u.yaml", "users: {alice: {}}\n");
	put("a[b]*/x.d.yaml", "users: {bob: {}}\n");
	c = loaded("a[b]*/policy.yaml");
	ck_assert_uint_eq(c->users_len, 2);
	ck_assert_str_eq(c->files[1], "a[b]*/u.yaml");
	ck_assert_str_eq(c->files[2], "a[b]*/x.d.yaml");
	config_free(c);

	(void)snprintf(text, sizeof(text), TUNNEL "include: [\"%s/users.d/*\"]\n", folder);
	put("policy.yaml", text);
	put("users.d/u", "users: {carol: {}}\n");
	(void)snprintf(path, sizeof(path), "%s/policy.yaml", folder);
	c = loaded(path);
	ck_assert_uint_eq(c->users_len, 1);
	ck_assert_uint_eq(c->files_len, 2);
	config_free(c);
}
END_TEST

START_TEST(a_glob_may_match_nothing_but_a_name_must_be_there)
{
	put("policy.yaml", TUNNEL "include: [none.d/*.yaml, policy.yaml/*, none.yaml, users.d,\n"
				  "  [x], none.d/x]\n");
	assert_load_faults("policy.yaml",
		"policy.yaml:2:41: include: \"none.yaml\" cannot be read: No such file or "
		"directory\n"
		"policy.yaml:2:52: include: \"users.d\" cannot be read: Is a directory\n"
		"policy.yaml:3:3: include: a list stands where a single value belongs\n"
		"policy.yaml:3:8: include: \"none.d/x\" cannot be read: No such file or "
		"directory\n");
	ck_assert_int_eq(mkdir("users.d/d", 0700), 0);
	put("policy.yaml", TUNNEL "include: [users.d/*]\n");
	assert_load_faults("policy.yaml", "policy.yaml:2:11: include: \"users.d/*\" takes in "
					  "users.d/d, which cannot be read: Is a directory\n");
}
END_TEST

START_TEST(a_file_is_read_once)
{
	put("policy.yaml", TUNNEL "include: ['*.yaml', a.yaml, ./a.yaml]\n");
	put("a.yaml", "users: {alice: {}}\n");
	assert_load_faults("policy.yaml",
		"policy.yaml:2:11: include: \"*.yaml\" takes in policy.yaml, which is read "
		"already\n"
		"policy.yaml:2:21: include: \"a.yaml\" takes in a.yaml, which is read already\n"
		"policy.yaml:2:29: include: \"./a.yaml\" takes in ./a.yaml, which is read "
		"already\n");
}
END_TEST

START_TEST(included_files_hold_classes_and_users_only)
{
	put("policy.yaml", TUNNEL "include: [users.d/*]\n");
	put("users.d/1", "tunnels: []\nnat: {}\ninclude: [x]\nunknown-users: default\nuser: {}\n");
	put("users.d/2", "- alice\n");
	put("users.d/3", "alice\n");
	assert_load_faults("policy.yaml",
		"users.d/1:1:1: \"tunnels\" is not a key here; there are: classes, users\n"
		"users.d/1:2:1: \"nat\" is not a key here; there are: classes, users\n"
		"users.d/1:3:1: \"include\" is not a key here; there are: classes, users\n"
		"users.d/1:4:1: \"unknown-users\" is not a key here; there are: classes, users\n"
		"users.d/1:5:1: \"user\" is not a key here; did you mean users?\n"
		"users.d/2:1:1: a list stands where a mapping belongs\n"
		"users.d/3:1:1: \"alice\" stands where a mapping belongs\n");
}
END_TEST

START_TEST(clashes_between_files_name_the_other_file)
{
	put("policy.yaml", TUNNEL "include: [users.d/*]\n"
				  "classes: {gold: {}}\n"
				  "users: {alice: {addresses: [10.9.0.2],\n"
				  "  static: [{port: 20000}]}}\n");
	put("users.d/1", "users:\n"
			 "  alice: {}\n"
			 "  bob: {addresses: [10.9.0.0/24, 10.8.0.1], static: [{port: 20000}],\n"
			 "    wireguard: [AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=]}\n");
	put("users.d/2\x1b", "classes: {gold: {}}\n"
			     "users:\n"
			     "  bob: {}\n"
			     "  alice: {}\n"
			     "  carol: {class: gold, addresses: [10.8.0.1]}\n");
	put("users.d/3", "users: {dave: {addresses: [10.7.0.1],\n"
			 "  wireguard: [AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=]},\n"
			 "  carol: {}}\n");
	assert_load_faults("policy.yaml",
		"users.d/1:2:3: users: \"alice\" is repeated; it stands in policy.yaml:4 already\n"
		"users.d/1:3:21: users.bob.addresses: \"10.9.0.0/24\" overlaps 10.9.0.2 of alice, "
		"in policy.yaml:4\n"
		"users.d/1:3:61: users.bob.static.port: \"20000\" is a static port of alice "
		"already, in policy.yaml:5\n"
		"users.d/2\x1b:1:11: classes: \"gold\" is repeated; it stands in policy.yaml:3 "
		"already\n"
		"users.d/2\x1b:3:3: users: \"bob\" is repeated; it stands in users.d/1:3 already\n"
		"users.d/2\x1b:4:3: users: \"alice\" is repeated; it stands in policy.yaml:4 "
		"already\n"
		"users.d/2\x1b:5:36: users.carol.addresses: \"10.8.0.1\" is an address of bob "
		"already, in users.d/1:3\n"
		"users.d/3:2:15: users.dave.wireguard: "
		"\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\" is a key of bob already, in "
		"users.d/1:4\n"
		"users.d/3:3:3: users: \"carol\" is repeated; it stands in users.d/2\\x1b:5 "
		"already\n");
}
END_TEST

/* What the broken file would define is not missed in the others. */
START_TEST(a_broken_file_does_not_hide_faults_of_others)
{
	put("policy.yaml", TUNNEL "include: [users.d/*]\nlog: {level: x}\nunknown-users: gold\n");
	put("users.d/1", "users: {alice: {class: gold, colour: red}}\n");
	put("users.d/2", "classes: {gold: &a {}, gold: {\n");
	put("users.d/3", "users: {alice: {}, bob: {class: gold, static: [{port: 1}]}}\n");
	assert_load_faults("policy.yaml",
		"policy.yaml:3:14: log.level: \"x\" is unknown; write error, warning, info or "
		"debug\n"
		"users.d/1:1:30: users.alice: \"colour\" is not a key here; there are: class, "
		"addresses, wireguard, static\n"
		"users.d/2:2:1: not valid YAML: did not find expected node content, while parsing "
		"a flow node\n"
		"users.d/3:1:9: users: \"alice\" is repeated; it stands in users.d/1:1 already\n"
		"users.d/3:1:55: users.bob.static.port: \"1\" is outside nat.ports, which are "
		"10240-32767\n");
}
END_TEST

START_TEST(faults_beyond_a_hundred_are_counted_over_all_files)
{
	struct config_faults faults;
	FILE *out;

	put("policy.yaml", TUNNEL "include: [users.d/*]\nunknown-users: x\n");
	for (int f = 0; f < 4; f++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "users.d/%d", f);
		out = fopen(name, "w");
		ck_assert_ptr_nonnull(out);
		(void)fprintf(out, "users:\n");
		for (int i = 0; i < 60; i++)
			(void)fprintf(out, "  u%d_%d: {class: x}\n", f, i);
		if (f == 2)
			(void)fputs("{", out);
		ck_assert_int_eq(fclose(out), 0);
	}
	/* The second of them is broken: its single fault is the 102nd. */
	ck_assert_int_eq(rename("users.d/2", "users.d/1b"), 0);
	ck_assert_ptr_null(config_load("policy.yaml", &faults));
	ck_assert_uint_eq(faults.len, 1);
	config_faults_free(&faults);
	ck_assert_int_eq(unlink("users.d/1b"), 0);
	ck_assert_ptr_null(config_load("policy.yaml", &faults));
	ck_assert_uint_eq(faults.len, 101);
	ck_assert_str_eq(faults.fault[0].file, "policy.yaml");
	ck_assert_str_eq(faults.fault[60].file, "users.d/0");
	ck_assert_str_eq(faults.fault[61].file, "users.d/1");
	ck_assert_str_eq(faults.fault[100].file, "users.d/1");
	ck_assert_uint_eq(faults.fault[100].line, 40);
	ck_assert_str_eq(faults.fault[100].message, "and 81 more");
	config_faults_free(&faults);
}
END_TEST

#define OUTSIDE "is outside the policy's directory, which only the daemon's own file may leave\n"

START_TEST(a_text_reaches_no_file_outside_its_directory)
{
	static const char text[] = TUNNEL "include: [users.d/*, /etc/passwd, ../etc/passwd,\n"
					  "  users.d/../../x, 'users.d/..', x..y/../z]\n";
	struct config_faults faults;
	struct config *c;
	char name[64];

	put("users.d/u.yaml", "users: {alice: {}}\n");
	c = config_parse("policy.yaml", text, strlen(text), &faults);
	assert_refused(c, &faults,
		"policy.yaml:2:22: include: \"/etc/passwd\" " OUTSIDE
		"policy.yaml:2:35: include: \"../etc/passwd\" " OUTSIDE
		"policy.yaml:3:3: include: \"users.d/../../x\" " OUTSIDE
		"policy.yaml:3:20: include: \"users.d/..\" " OUTSIDE
		"policy.yaml:3:34: include: \"x..y/../z\" " OUTSIDE);
	c = config_parse("policy.yaml", TUNNEL "include: [users.d/u.yaml]\n",
		strlen(TUNNEL "include: [users.d/u.yaml]\n"), &faults);
	ck_assert_ptr_nonnull(c);
	ck_assert_uint_eq(c->users_len, 1);
	config_free(c);
	config_faults_free(&faults);
	(void)snprintf(name, sizeof(name), "%s/policy.yaml", folder);
	c = config_parse(name, TUNNEL "include: [/etc/passwd]\n",
		strlen(TUNNEL "include: [/etc/passwd]\n"), &faults);
	ck_assert_ptr_null(c);
	ck_assert_uint_eq(faults.len, 1);
	config_faults_free(&faults);
}
END_TEST

#define NOT_YAML "ends neither in .yaml nor in .yml, as only in the daemon's own file it may\n"

START_TEST(a_text_reaches_no_file_that_is_not_a_policy)
{
	static const char named[] = TUNNEL "include: [sticky.key, users.d/no.yaml, yml, a.yamlx,\n"
					   "  'x/y.yaml/']\n";
	static const char globs[] = TUNNEL "include: ['*.key', 'stick?.ke[y]', '*', users.d/*]\n";
	struct config_faults faults;
	struct config *c;

	put("sticky.key", "00112233445566778899aabbccddeeff\n");
	put("users.d/sticky.key", "00112233445566778899aabbccddeeff\n");
	put("users.d/u.yaml", "users: {alice: {}}\n");
	put("users.d/v.yml", "users: {bob: {}}\n");
	c = config_parse("policy.yaml", named, strlen(named), &faults);
	assert_refused(c, &faults,
		"policy.yaml:2:11: include: \"sticky.key\" " NOT_YAML
		"policy.yaml:2:23: include: \"users.d/no.yaml\" cannot be read: No such file or "
		"directory\n"
		"policy.yaml:2:40: include: \"yml\" " NOT_YAML
		"policy.yaml:2:45: include: \"a.yamlx\" " NOT_YAML
		"policy.yaml:3:3: include: \"x/y.yaml/\" " NOT_YAML);
	c = config_parse("policy.yaml", globs, strlen(globs), &faults);
	ck_assert_ptr_nonnull(c);
	ck_assert_uint_eq(c->users_len, 2);
	ck_assert_uint_eq(c->files_len, 3);
	config_free(c);
	config_faults_free(&faults);
}
END_TEST

START_TEST(no_more_entries_are_followed_than_anybody_needs)
{
	size_t len;
	char *text = repeated(TUNNEL "include: [", "x,", 257, &len);
	char *ended = realloc(text, len + 1);

	ck_assert_ptr_nonnull(ended);
	ended[len] = ']';
	assert_faults(
		ended, len + 1, "2:10: include: 257 entries are too many; the limit is 256\n");
	free(ended);
}
END_TEST

START_TEST(a_thousand_users_of_a_hundred_files_are_all_there)
{
	struct config *c;
	char name[32];

	put("policy.yaml", TUNNEL "include: [users.d/*.yaml]\n");
	for (int f = 0; f < 100; f++) {
		FILE *out;

		(void)snprintf(name, sizeof(name), "users.d/%02d.yaml", f);
		out = fopen(name, "w");
		ck_assert_ptr_nonnull(out);
		(void)fputs("users:\n", out);
		for (int i = 0; i < 10; i++)
			(void)fprintf(out, "  u%d_%d: {addresses: [10.9.%d.%d]}\n", i, f, f, i);
		ck_assert_int_eq(fclose(out), 0);
	}
	c = loaded("policy.yaml");
	ck_assert_uint_eq(c->files_len, 101);
	ck_assert_uint_eq(c->users_len, 1000);
	for (unsigned i = 0; i < 1000; i++) {
		(void)snprintf(name, sizeof(name), "u%u_%u", i % 10, i / 10);
		assert_mark(&config_user(c, name)->mark, i / 10 + 1, i % 10 + 2);
	}
	config_free(c);
}
END_TEST

static TCase *files_case(void)
{
	TCase *tc = tcase_create("files");

	tcase_add_checked_fixture(tc, enter_folder, leave_folder);
	tcase_add_test(tc, classes_and_users_come_from_every_file);
	tcase_add_test(tc, names_are_relative_to_the_including_file);
	tcase_add_test(tc, a_glob_may_match_nothing_but_a_name_must_be_there);
	tcase_add_test(tc, a_file_is_read_once);
	tcase_add_test(tc, included_files_hold_classes_and_users_only);
	tcase_add_test(tc, clashes_between_files_name_the_other_file);
	tcase_add_test(tc, a_broken_file_does_not_hide_faults_of_others);
	tcase_add_test(tc, faults_beyond_a_hundred_are_counted_over_all_files);
	tcase_add_test(tc, a_text_reaches_no_file_outside_its_directory);
	tcase_add_test(tc, a_text_reaches_no_file_that_is_not_a_policy);
	tcase_add_test(tc, no_more_entries_are_followed_than_anybody_needs);
	tcase_add_test(tc, a_thousand_users_of_a_hundred_files_are_all_there);
	return tc;
}

int main(void)
{
	Suite *suite = suite_create("conf_include");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, files_case());
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
