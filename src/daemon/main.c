/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "include/compiler.h"
#include "include/config.h"
#include "include/log.h"
#include "src/daemon/daemon.h"

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define DEFAULT_CONFIG "/etc/tunmap/tunmap.yaml"

enum exit_status {
	EXIT_DONE = 0,
	EXIT_CANNOT_RUN = 1,
	EXIT_USAGE = 2
};

struct options {
	const char *config;
	bool check;
	bool has_log_level;
	enum log_level log_level;
};

static void print_usage(FILE *to)
{
	(void)fputs("Usage: tunmapd [-c FILE] [--log-level LEVEL] [--check]\n"
		    "\n"
		    "Answers NAT-PMP and PCP requests from the clients of a VPN gateway.\n"
		    "\n"
		    "  -c, --config FILE    policy file (default " DEFAULT_CONFIG ")\n"
		    "      --check          validate the policy file, print every fault, and exit\n"
		    "      --log-level LEVEL  error, warning, info or debug; overrides the file\n"
		    "      --version        print the version and exit\n"
		    "      --help           print this text and exit\n",
		to);
}

static int parse_level(const char *text, enum log_level *out)
{
	static const char *const name[] = {"error", "warning", "info", "debug"};

	for (size_t i = 0; i < ARRAY_LEN(name); i++) {
		if (strcmp(text, name[i]) == 0) {
			*out = (enum log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

/* Returns the exit status when there is nothing more to do, else -1. */
static int parse_options(int argc, char **argv, struct options *o)
{
	enum {
		OPT_CHECK = 256,
		OPT_LEVEL,
		OPT_VERSION,
		OPT_HELP
	};
	static const struct option known[] = {
		{"config", required_argument, NULL, 'c'},
		{"check", no_argument, NULL, OPT_CHECK},
		{"log-level", required_argument, NULL, OPT_LEVEL},
		{"version", no_argument, NULL, OPT_VERSION},
		{"help", no_argument, NULL, OPT_HELP},
		{NULL, 0, NULL, 0},
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "c:", known, NULL)) != -1) {
		switch (opt) {
		case 'c':
			o->config = optarg;
			break;
		case OPT_CHECK:
			o->check = true;
			break;
		case OPT_LEVEL:
			if (parse_level(optarg, &o->log_level) < 0) {
				(void)fprintf(stderr,
					"tunmapd: log level \"%s\" is none of error, warning, "
					"info, debug\n",
					optarg);
				return EXIT_USAGE;
			}
			o->has_log_level = true;
			break;
		case OPT_VERSION:
			(void)puts("tunmapd " TUNMAP_VERSION);
			return EXIT_DONE;
		case OPT_HELP:
			print_usage(stdout);
			return EXIT_DONE;
		default:
			(void)fputs("Try 'tunmapd --help'.\n", stderr);
			return EXIT_USAGE;
		}
	}
	if (optind < argc) {
		(void)fprintf(stderr,
			"tunmapd: unexpected argument \"%s\"\nTry 'tunmapd --help'.\n",
			argv[optind]);
		return EXIT_USAGE;
	}
	return -1;
}

static struct config *load(const char *path)
{
	struct config_faults faults;
	struct config *config = config_load(path, &faults);

	for (size_t i = 0; i < faults.len; i++)
		(void)fprintf(stderr, "%s:%lu:%lu: %s\n", faults.fault[i].file,
			faults.fault[i].line, faults.fault[i].column, faults.fault[i].message);
	config_faults_free(&faults);
	return config;
}

static int run(const struct options *options, struct config *config)
{
	struct daemon *d = daemon_new(options->config, config, options->has_log_level);
	int err;

	if (!d)
		return EXIT_CANNOT_RUN;
	err = daemon_run(d);
	daemon_free(d);
	if (err) {
		log_error("stopped: %s", strerror(-err));
		return EXIT_CANNOT_RUN;
	}
	return EXIT_DONE;
}

int main(int argc, char **argv)
{
	struct options options = {.config = DEFAULT_CONFIG};
	int status = parse_options(argc, argv, &options);
	struct config *config;

	if (status >= 0)
		return status;
	config = load(options.config);
	if (!config)
		return EXIT_USAGE;
	log_set_level(options.has_log_level ? options.log_level : config->log_level);
	if (!options.check)
		return run(&options, config);
	config_free(config);
	return EXIT_DONE;
}
