/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine's state, for the files that share it: engine.c (the way of a request), admin.c
 * (what an admin sees and orders), bans.c, reload.c, sessions.c, peers.c, statics.c and
 * externals.c (policies, clients and addresses that come and go).
 */
#ifndef TUNMAP_STATE_H
#define TUNMAP_STATE_H

#include "include/admin.h"
#include "include/backend.h"
#include "include/bindings.h"
#include "include/engine.h"
#include "include/exchange.h"
#include "include/lease.h"
#include "include/natpmp.h"
#include "include/pcp.h"
#include "include/policy.h"
#include "include/request.h"
#include "include/users.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STATE_RANDOM_WORDS 64
#define STATE_BANS_MAX     1024 /* addresses banned at once; users are banned without limit */

enum plan_kind {
	PLAN_REQUEST, /* what a client asks */
	PLAN_END,     /* a lease ends without a request */
	PLAN_HOLD,    /* a static mapping begins, or lasts on */
};

/* One caller's part of a batch. */
struct plan {
	enum plan_kind kind;
	enum admin_reason reason; /* of mappings that end */
	struct exchange *x;       /* of PLAN_REQUEST */
	uint32_t user;
	uint32_t lease;  /* that the plan is about; LEASE_NONE: none yet */
	bool answered;   /* @x has its reply, or none is due; nothing is left to decide */
	bool unfinished; /* the transaction had no room for all of it */
	union {
		struct natpmp_request natpmp;
		struct pcp_request pcp;
	} wire;
	struct request rq;
	struct answer answer;
	size_t first, len; /* its part of what is staged */
};

struct ban {
	struct addr addr;
	int64_t until_ms; /* INT64_MAX: until lifted */
};

struct engine {
	const struct config *config;
	struct backend backend;
	struct users users;
	struct bindings bindings;
	struct lease_table leases;
	struct staging staged;
	struct plan plan[EXCHANGE_BATCH_MAX];
	size_t plans;   /* in this batch */
	size_t settled; /* of them, the kernel has agreed to or refused */
	int64_t epoch_start_ms;
	int64_t quiet_until_ms; /* no line about refusals before */
	uint64_t random[STATE_RANDOM_WORDS];
	size_t random_used;
	struct engine_counters counters;
	struct port_set static_ports;  /* of the policy's users */
	struct port_set gateway_ports; /* those that the gateway itself listens on */
	struct ban ban[STATE_BANS_MAX];
	size_t bans;
	int64_t unban_ms;        /* when the next ban ends; INT64_MAX: none is timed */
	admin_event_fn event_fn; /* NULL: nobody listens */
	void *event_arg;
	void *lease_memory;
	void *user_memory;
	void *binding_memory;
};

/*
 * Changes that no request made: begin a batch, plan any number of them, finish.  A batch that
 * is full is settled on the way.
 */
void engine_begin(struct engine *e);
void engine_plan_end(struct engine *e, uint32_t lease, enum admin_reason reason, int64_t now_ms);
/* A static mapping of @rq's internal tuple, on the port that @rq suggests. */
void engine_plan_static(struct engine *e, uint32_t user, const struct request *rq, int64_t now_ms);
void engine_finish(struct engine *e, int64_t now_ms);

/* The user of an address; USER_NONE: it is nobody's yet. */
uint32_t engine_user_of(const struct engine *e, const struct addr *addr);

/* The class of a user; USER_NONE and users without a name have that of unknown users. */
const struct config_class *engine_class_of(const struct engine *e, uint32_t user);

/* Everything about a request that the tables know; @lease is LEASE_NONE or what it is about. */
struct policy_facts engine_facts(const struct engine *e, const struct request *rq, uint32_t user,
	uint32_t lease, int64_t now_ms);

/* The client's lease that a request is about, or LEASE_NONE. */
uint32_t engine_find_lease(const struct engine *e, const struct request *rq, uint32_t user);

/* End the mappings that match; static ones are not made again.  Returns how many ended. */
size_t engine_end_meant(struct engine *e, const struct admin_selector *which, int64_t now_ms);

/* Bans have run out: static mappings come back. */
void engine_lift_bans(struct engine *e, int64_t now_ms);

bool engine_address_is_banned(const struct engine *e, const struct addr *addr, int64_t now_ms);

/* The terms of a new mapping, without its random choice. */
struct lease_terms engine_terms(
	const struct engine *e, const struct request *rq, uint32_t user, uint32_t lifetime_s);

/* Tell who listens. */
void engine_tell(struct engine *e, struct admin_event event);
/* Static mappings of all users, or of one, become what the policy says. */
void engine_hold_statics(struct engine *e, int64_t now_ms);
void engine_hold_statics_of(struct engine *e, uint32_t user, int64_t now_ms);

/* Is @l a static mapping that @u has by the policy, at @home?  Either may be NULL. */
bool engine_is_static_of(
	const struct config_user *u, const struct addr *home, const struct lease *l);

/* The end of a client: his mappings, and every flow of his address. */
void engine_end_client(struct engine *e, const struct addr *addr, int64_t now_ms);

/* The index of a class, or the number of classes when there is none of that name. */
uint32_t engine_class_named(const struct config *config, const char *name);

/* A named user's class follows from the latest session that gives one, else from the policy. */
void engine_settle_class(struct engine *e, uint32_t user);

/* End what the policy does not allow, of one user's mappings or of all; give to a user what was
 * nobody's. */
void engine_judge_user(struct engine *e, uint32_t user, int64_t now_ms);
void engine_judge_all(struct engine *e, int64_t now_ms);

#endif
