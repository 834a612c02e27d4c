/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Counters in Prometheus' text format 0.0.4.  No label carries a user, an address or a key:
 * whoever may read metrics need not know who is served.
 */
#include "src/ctl/handlers.h"
#include "src/ctl/words.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define MS_PER_S 1000

static void put_head(FILE *out, const char *name, const char *type, const char *help)
{
	(void)fprintf(out, "# HELP tunmap_%s %s\n# TYPE tunmap_%s %s\n", name, help, name, type);
}

static void put_gauge(FILE *out, const char *name, const char *help, uint64_t value)
{
	put_head(out, name, "gauge", help);
	(void)fprintf(out, "tunmap_%s %" PRIu64 "\n", name, value);
}

static void put_counter(FILE *out, const char *name, const char *help, uint64_t value)
{
	put_head(out, name, "counter", help);
	(void)fprintf(out, "tunmap_%s %" PRIu64 "\n", name, value);
}

static void put_labelled(
	FILE *out, const char *name, const char *label, const char *word, uint64_t value)
{
	(void)fprintf(out, "tunmap_%s{%s=\"%s\"} %" PRIu64 "\n", name, label, word, value);
}

static void put_counters(FILE *out, const struct engine_counters *c)
{
	put_counter(out, "requests_total", "Requests that clients sent.", c->requests);
	put_head(out, "requests_dropped_total", "counter", "Requests that got no answer.");
	for (unsigned i = 0; i < ENGINE_DROPS; i++)
		put_labelled(out, "requests_dropped_total", "reason",
			word_of_drop((enum engine_drop)i), c->dropped[i]);
	put_head(out, "replies_total", "counter", "Answers by their result.");
	for (unsigned i = 0; i < ARRAY_LEN(c->results); i++)
		if (word_of_result(i))
			put_labelled(
				out, "replies_total", "result", word_of_result(i), c->results[i]);
	put_counter(out, "mappings_granted_total", "Mappings that began.", c->granted);
	put_counter(out, "mappings_renewed_total", "Mappings that were prolonged.", c->renewed);
	put_counter(out, "mappings_ended_total", "Mappings that ended.", c->ended);
	put_counter(out, "kernel_refused_total", "Edits that the kernel would not make.",
		c->kernel_refused);
}

static void put_status(FILE *out, const struct ctl_status *st, int64_t now_ms)
{
	uint64_t uptime_s =
		now_ms > st->started_ms ? (uint64_t)(now_ms - st->started_ms) / MS_PER_S : 0;

	put_gauge(out, "uptime_seconds", "Time since the start.", uptime_s);
	put_gauge(out, "epoch_seconds", "Age of the state, as clients are told.", st->epoch_s);
	put_gauge(out, "pool_ports", "External ports in the pool.",
		(uint64_t)st->pool.last - st->pool.first + 1);
	put_gauge(out, "external_addresses", "External addresses that are used.",
		st->gateway ? st->gateway->addresses_len : 0);
	put_gauge(out, "tunnel_addresses", "Tunnel addresses on which requests are answered.",
		st->gateway ? st->gateway->listens_len : 0);
	put_gauge(out, "policy_refused", "1 when the last reload was refused.",
		st->reloaded && st->reload_failed);
	put_gauge(out, "warnings", "Things that an admin should mend; see tunmapctl status.",
		st->warnings_len);
}

static void put_use(FILE *out, const struct engine *engine)
{
	uint32_t taken, free;

	engine_pool_use(engine, &taken, &free);
	put_gauge(out, "pool_ports_taken",
		"External ports that are held or rest, on all external addresses.", taken);
	put_gauge(out, "pool_ports_free",
		"External ports that are free, on all external addresses.", free);
	put_gauge(out, "mappings", "Mappings that stand.", engine_mappings(engine));
}

void handle_metrics(const struct call *call, struct api_reply *reply)
{
	const struct api *api = call->api;
	struct ctl_status st = {0};
	size_t size = 0;
	FILE *out = open_memstream(&reply->text, &size);

	reply->kind = API_TEXT;
	if (!out)
		return;
	api->ops->status(api->arg, &st);
	put_head(out, "build_info", "gauge", "The version that runs.");
	(void)fprintf(out, "tunmap_build_info{version=\"%s\"} 1\n", TUNMAP_VERSION);
	put_status(out, &st, call_now_ms(call));
	put_use(out, api->engine);
	put_counters(out, engine_counters(api->engine));
	if (fclose(out) != 0) {
		free(reply->text);
		reply->text = NULL;
	}
}
