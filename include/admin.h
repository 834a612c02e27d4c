/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an admin sees of the engine and does to it.  Queries change nothing; the rest applies its
 * changes to the kernel before it returns, as a request's would be.  Times are the engine's.
 */
#ifndef TUNMAP_ADMIN_H
#define TUNMAP_ADMIN_H

#include "include/compiler.h"
#include "include/config.h"
#include "include/engine.h"
#include "include/identity.h"
#include "include/mapping.h"
#include "include/policy.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ADMIN_NAME_MAX                                                                             \
	CONFIG_USER_MAX /* octets of a user's name or a session's id with its NUL                  \
			 */

/* The mappings that match all that is given; with nothing given, every mapping. */
struct admin_selector {
	char user[ADMIN_NAME_MAX]; /* "": any */
	bool has_address;
	struct addr address; /* internal */
	uint16_t port;       /* external; 0: any */
	uint8_t protocol;    /* 0: any */
	bool has_external;
	struct addr external; /* as advertised */
};

struct admin_mapping {
	uint8_t protocol;
	struct addr internal;
	uint16_t internal_port;
	struct addr external; /* as advertised */
	uint16_t external_port;
	uint32_t lifetime_s;
	uint32_t remaining_s;
	const char *user;  /* valid during the call */
	const char *class; /* valid during the call */
	enum mapping_origin origin;
	enum pcp_opcode opcode;
};

struct admin_user {
	const char *name; /* valid during the call; an address for a user that no policy names */
	const char *class;
	uint32_t held; /* external ports */
	uint32_t allowed;
	bool banned;
	bool connected;                        /* an address is known to be this user's now */
	const struct config_prefix *addresses; /* the first few of his, by file, key or session */
	size_t addresses_len;
};

typedef void (*admin_mapping_fn)(void *arg, const struct admin_mapping *mapping);
typedef void (*admin_user_fn)(void *arg, const struct admin_user *user);

/*
 * Look at the next @max places of the table, from *@cursor on, which is 0 at first, and call @fn
 * for those that match.  Returns false when there are no more.  A mapping that stands all the
 * while is seen once; one that comes or goes between two calls may be or not.
 */
bool admin_next_mappings(const struct engine *e, const struct admin_selector *which,
	uint32_t *cursor, uint32_t max, int64_t now_ms, admin_mapping_fn fn, void *arg);

/*
 * Look at the next @max places of the table of users, from *@cursor on, which is 0 at first, and
 * call @fn for every user of the policy or of a session, every one who is banned, and every
 * address that holds a mapping.  Returns false when there are no more.  A user who stays all the
 * while is seen once; one who comes or goes between two calls may be or not.
 */
bool admin_next_users(const struct engine *e, uint32_t *cursor, uint32_t max, int64_t now_ms,
	admin_user_fn fn, void *arg);

/* End the mappings that match; static ones come back at once.  Returns how many ended. */
size_t admin_revoke(struct engine *e, const struct admin_selector *which, int64_t now_ms);

/*
 * End all mappings of an address, or of a user, and refuse requests: for @for_s seconds, or
 * until admin_unban() when that is 0.  Returns the mappings ended, or -ENOENT for a user
 * that nobody knows, -ENOSPC when too many are banned.  Bans are not kept over a restart.
 */
int admin_ban(struct engine *e, const struct admin_selector *who, uint32_t for_s, int64_t now_ms);
/* Returns 0, or -ENOENT when there was no such ban. */
int admin_unban(struct engine *e, const struct admin_selector *who, int64_t now_ms);

struct admin_session {
	struct addr address;
	char user[ADMIN_NAME_MAX];
	char class[ADMIN_NAME_MAX]; /* "": the user's own, or that of unknown users */
	char id[ADMIN_NAME_MAX];    /* "": none */
};

/*
 * @s->address is @s->user's from now on.  When it was another user's, or another session's,
 * that one's mappings and all flows of the address end first.  Returns 0, -EINVAL for an address
 * that no client can have or a name that reads as one, -ENOENT for an unknown class, -ENOSPC
 * when the table of users is full.
 */
int admin_session_up(struct engine *e, const struct admin_session *s, int64_t now_ms) MUST_CHECK;

/*
 * The session on @address is over: its mappings and flows end.  With an @id that is not "",
 * only if that is the session's: a late message must not end a newer session (-ESTALE).
 * -ENOENT when there is no session.
 */
int admin_session_down(
	struct engine *e, const struct addr *address, const char *id, int64_t now_ms) MUST_CHECK;

/* What adopting a configuration changes, or would. */
struct admin_changes {
	size_t users_added, users_removed;
	size_t classes_added, classes_removed;
	size_t revoked; /* mappings that the new policy does not allow */
	size_t kept;
};

/* What admin_reload() would change.  Returns 0 or -ENOMEM. */
int admin_compare(const struct engine *e, const struct config *config, int64_t now_ms,
	struct admin_changes *out) MUST_CHECK;

/*
 * Adopt @config, which the engine borrows from now on in place of the old one.  What it does
 * not allow ends with its flows; what it allows is not touched.
 */
struct admin_changes admin_reload(struct engine *e, const struct config *config, int64_t now_ms);

/*
 * The tunnels' WireGuard peers are @now, and were @before the last time.  Users are bound to the
 * allowed addresses of their keys; what a peer has lost, or lost to another, ends with its
 * flows.  After admin_reload() to be called again, with @now for both.  Returns 0 or -ENOMEM.
 */
int admin_set_peers(struct engine *e, const struct wireguard_peers *before,
	const struct wireguard_peers *now, int64_t now_ms) MUST_CHECK;

struct admin_query {
	struct addr address;
	uint8_t protocol;
	uint16_t internal_port;
	uint16_t external_port; /* 0: no suggestion */
	uint32_t lifetime_s;    /* 0: the class's default */
	enum mapping_origin origin;
};

/* The answer that a request would get at this moment, and why. */
struct admin_explanation {
	enum pcp_result result;
	uint32_t lifetime_s;
	uint16_t external_port;  /* 0: one of the class's choice */
	enum policy_rule rule;   /* what decided; policy_rule_text() */
	struct config_mark mark; /* where the rule stands in the policy; line 0: a default */
	char user[ADMIN_NAME_MAX];
	const char *class;
};

void admin_explain(const struct engine *e, const struct admin_query *q, int64_t now_ms,
	struct admin_explanation *out);

enum admin_event_kind {
	ADMIN_EVENT_GRANTED,
	ADMIN_EVENT_ENDED,
	ADMIN_EVENT_REFUSED,
	ADMIN_EVENT_SESSION_UP,
	ADMIN_EVENT_SESSION_DOWN,
	ADMIN_EVENT_BANNED,
	ADMIN_EVENT_UNBANNED,
	ADMIN_EVENT_RELOADED,
	ADMIN_EVENT_EXTERNAL, /* the external addresses changed */
};

/* Why a mapping ended. */
enum admin_reason {
	ADMIN_REASON_REQUEST, /* its client deleted it */
	ADMIN_REASON_EXPIRED,
	ADMIN_REASON_REVOKED, /* by the admin, or with a ban */
	ADMIN_REASON_SESSION, /* its session ended, or its peer went */
	ADMIN_REASON_POLICY,  /* a new policy does not allow it */
	ADMIN_REASON_NETWORK, /* its external address went */
};

/* Something that happened.  What does not belong to the kind is NULL or 0. */
struct admin_event {
	enum admin_event_kind kind;
	enum admin_reason reason;            /* of ENDED */
	const struct admin_mapping *mapping; /* of GRANTED and ENDED */
	enum pcp_result result;              /* of REFUSED */
	const char *user;                    /* of REFUSED, sessions and bans */
	const struct addr *address;          /* of REFUSED, sessions and bans */
};

typedef void (*admin_event_fn)(void *arg, const struct admin_event *event);

/* Call @fn with @arg for whatever happens from now on; one listener at a time, NULL for none. */
void admin_listen(struct engine *e, admin_event_fn fn, void *arg);

#endif
