/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/ctl/handlers.h"
#include "src/ctl/json.h"
#include "src/ctl/words.h"

#define MS_PER_S 1000

static uint64_t seconds_since(int64_t now_ms, int64_t then_ms)
{
	return now_ms > then_ms ? (uint64_t)(now_ms - then_ms) / MS_PER_S : 0;
}

static json_t *json_tunnels(const struct gateway *g)
{
	json_t *out = json_array();

	for (size_t i = 0; i < g->listens_len; i++) {
		json_t *listen = json_object();

		object_set(listen, "interface", json_text(g->listens[i].interface));
		object_set(listen, "address", json_addr(&g->listens[i].addr));
		array_add(out, listen);
	}
	return out;
}

static json_t *json_externals(const struct gateway *g)
{
	json_t *out = json_array();

	for (size_t i = 0; i < g->addresses_len; i++) {
		json_t *external = json_object();

		object_set(external, "address", json_addr(&g->addresses[i].addr));
		object_set(external, "advertised", json_addr(&g->addresses[i].advertise));
		array_add(out, external);
	}
	return out;
}

static json_t *json_counters(const struct engine_counters *c)
{
	json_t *out = json_object(), *dropped = json_object(), *results = json_object();

	for (unsigned i = 0; i < ENGINE_DROPS; i++)
		object_set(dropped, word_of_drop((enum engine_drop)i), json_number(c->dropped[i]));
	for (unsigned i = 0; i < ARRAY_LEN(c->results); i++)
		if (word_of_result(i))
			object_set(results, word_of_result(i), json_number(c->results[i]));
	object_set(out, "requests", json_number(c->requests));
	object_set(out, "granted", json_number(c->granted));
	object_set(out, "renewed", json_number(c->renewed));
	object_set(out, "ended", json_number(c->ended));
	object_set(out, "kernel_refused", json_number(c->kernel_refused));
	object_set(out, "dropped", dropped);
	object_set(out, "results", results);
	return out;
}

static json_t *json_reload(const struct ctl_status *st, int64_t now_ms)
{
	json_t *out;

	if (!st->reloaded)
		return json_null();
	out = json_object();
	object_set(out, "ok", json_boolean(!st->reload_failed));
	object_set(out, "ago", json_number(seconds_since(now_ms, st->reload_ms)));
	return out;
}

static json_t *json_warnings(const struct ctl_status *st)
{
	json_t *out = json_array();

	for (size_t i = 0; i < st->warnings_len; i++)
		array_add(out, json_text(st->warnings[i]));
	return out;
}

/* Its range is every external address's; the ports in use and free are those of all of them. */
static json_t *json_pool(const struct ctl_status *st, const struct engine *engine)
{
	json_t *out = json_range(&st->pool);
	uint32_t taken, free;

	engine_pool_use(engine, &taken, &free);
	object_set(out, "ports", json_integer(st->pool.last - st->pool.first + 1));
	object_set(out, "taken", json_number(taken));
	object_set(out, "free", json_number(free));
	return out;
}

void handle_status(const struct call *call, struct api_reply *reply)
{
	const struct api *api = call->api;
	int64_t now_ms = call_now_ms(call);
	struct ctl_status st = {0};
	json_t *out = json_object();

	api->ops->status(api->arg, &st);
	object_set(out, "version", json_string(TUNMAP_VERSION));
	object_set(out, "uptime", json_number(seconds_since(now_ms, st.started_ms)));
	object_set(out, "epoch", json_number(st.epoch_s));
	object_set(out, "kernel", st.kernel ? json_text(st.kernel) : json_null());
	object_set(out, "policy",
		st.config && st.config->files_len > 0 ? json_text(st.config->files[0])
						      : json_null());
	object_set(out, "tunnels", st.gateway ? json_tunnels(st.gateway) : json_array());
	object_set(out, "external", st.gateway ? json_externals(st.gateway) : json_array());
	object_set(out, "pool", json_pool(&st, api->engine));
	object_set(out, "masquerade_ports",
		st.masquerade_ports.first ? json_range(&st.masquerade_ports) : json_null());
	object_set(out, "mappings", json_number(engine_mappings(api->engine)));
	object_set(out, "counters", json_counters(engine_counters(api->engine)));
	object_set(out, "reload", json_reload(&st, now_ms));
	object_set(out, "warnings", json_warnings(&st));
	reply->json = out;
}
