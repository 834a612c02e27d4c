/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of mappings and the time each is leased for.  Pure: no clock, no allocation, no
 * system call; times are milliseconds of one monotonic clock that the caller reads.
 *
 * Changes are staged: each is made in the table at once, so that the next request of the
 * same batch sees it, and noted in a `struct staging` together with the edit that the kernel
 * must make of it.  When the kernel has agreed, staging_clear() forgets the notes; when it has
 * not, lease_abandon() undoes them, the latest first.  Nothing else may look at the table in
 * between.
 */
#ifndef TUNMAP_LEASE_H
#define TUNMAP_LEASE_H

#include "include/addr.h"
#include "include/compiler.h"
#include "include/config.h"
#include "include/gateway.h"
#include "include/hash.h"
#include "include/mapping.h"
#include "include/ports.h"
#include "include/request.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LEASE_NONE        UINT32_MAX /* no lease; also the end of a chain */
#define LEASE_GRACE_S     30         /* the kernel's timeout outlasts the lease by so much */
#define LEASE_TIME_WAIT_S 120        /* late packets may come for a port that was used until now */

enum lease_state {
	LEASE_FREE = 0,
	LEASE_LIVE,    /* a mapping stands in the kernel */
	LEASE_RESTING, /* it has ended; nobody else may have its port yet */
};

struct lease {
	struct addr internal;
	int64_t ends_ms; /* end of the lease; of the rest, when resting */
	uint32_t user;   /* index into the table of users */
	uint32_t lifetime_s;
	struct pcp_nonce nonce;
	uint16_t internal_port;
	uint16_t external_port;
	uint8_t external; /* index of the external address */
	uint8_t protocol;
	uint8_t state;   /* enum lease_state */
	uint8_t origin;  /* enum mapping_origin */
	bool zero_port;  /* asked for with internal port 0: external = internal port */
	bool rests_free; /* resting, and not by its client's doing: the quota does not count it */
};

/* A lease and the indices it hangs in. */
struct lease_node {
	struct lease lease;
	uint32_t next_of_key;  /* same hash of the internal tuple; of free nodes, the next free */
	uint32_t next_of_port; /* same external address and port number */
	uint32_t next_of_user, prev_of_user;
	uint32_t heap_at; /* place in the heap of ends */
};

/* What one staged change did to the table. */
struct lease_change {
	uint32_t lease;
	struct lease before;
};

/* Changes made in the table that the kernel has not agreed to yet, in order. */
struct staging {
	struct edit *edit;
	struct lease_change *change; /* one for each edit */
	size_t len;
	size_t size;
};

static inline void staging_clear(struct staging *s)
{
	s->len = 0;
}

struct users;

struct lease_table {
	struct lease_node *node;
	uint32_t *heap;    /* nodes by end, the earliest first */
	uint32_t *by_key;  /* heads of hash chains */
	uint32_t *by_port; /* heads by external address and port number */
	uint32_t capacity;
	uint32_t key_mask;
	uint32_t used; /* nodes that were ever in use */
	uint32_t free; /* head of the chain of nodes used before */
	uint32_t heap_len;
	uint32_t live; /* leases that are LEASE_LIVE */
	struct hash_key hash_key;
	struct hash_key sticky_key; /* see lease_terms.sticky_id */
	struct users *users;
	struct gateway_external external[GATEWAY_EXTERNALS_MAX];
	bool external_present[GATEWAY_EXTERNALS_MAX];
	struct port_pool pool[GATEWAY_EXTERNALS_MAX];
};

/* Octets of memory that a table for @capacity leases needs beside its struct. */
size_t lease_table_memory(uint32_t capacity);

/*
 * Make @t empty over the lease_table_memory(@capacity) octets at @memory, which must be zero.
 * Both @memory and @users are borrowed for as long as the table is used.
 */
void lease_table_init(struct lease_table *t, void *memory, uint32_t capacity,
	const struct hash_key *hash_key, struct users *users);

/*
 * The ports of every external address, present and future.  Those of @reserved are nobody's,
 * but for a static mapping's owner the other half of its port.
 */
void lease_table_open_ports(
	struct lease_table *t, struct port_range pool, const struct port_set *reserved);

/*
 * The live lease of an internal tuple, or LEASE_NONE.  A lease that was asked for with
 * internal port 0 is found by the port it got.
 */
uint32_t lease_find(const struct lease_table *t, const struct addr *internal, uint8_t protocol,
	uint16_t internal_port);

/* The live lease that @internal asked for with internal port 0, or LEASE_NONE. */
uint32_t lease_find_zero_port(
	const struct lease_table *t, uint32_t user, const struct addr *internal, uint8_t protocol);

static inline const struct lease *lease_at(const struct lease_table *t, uint32_t lease)
{
	return &t->node[lease].lease;
}

/* Seconds left, rounded up; 0 when the lease is over. */
uint32_t lease_left_s(const struct lease *l, int64_t now_ms);

/*
 * The external address that a client's next mapping would get: that of its other mappings
 * (paired pooling, RFC 4787 REQ-2), else one that follows from its own address.  Returns
 * its index, or LEASE_NONE when there is no external address.
 */
uint32_t lease_external_for(
	const struct lease_table *t, uint32_t user, const struct addr *internal);

/* What a grant needs to know beside the request. */
struct lease_terms {
	uint32_t user;
	uint32_t lifetime_s;
	struct port_range ports; /* external ports this user may get */
	enum config_port_choice port_choice;
	uint64_t sticky_id; /* of the user, the same on every gateway that shares a key */
	bool may_take_new;  /* false: the quota is used up, only the other half of a pair is left */
	bool strict_nonce;
	uint64_t random; /* uniform */
};

/*
 * Stage a new mapping for @rq; no live lease has its internal tuple.  The external port is the
 * suggested one where that can be, else the one this client holds for the other protocol, else the
 * one it had before, else one of our choice.  @staging must have room for one edit.
 *
 * Returns PCP_SUCCESS with *@lease set; PCP_NO_RESOURCES when no port or no memory is left;
 * PCP_USER_EX_QUOTA when only a new port would do and @terms forbids one;
 * PCP_CANNOT_PROVIDE_EXTERNAL when @rq prefers failure, with *@retry_s the seconds
 * after which the port may be free, or 0 when it never will.
 */
enum pcp_result lease_stage_new(struct lease_table *t, struct staging *staging,
	const struct request *rq, const struct lease_terms *terms, int64_t now_ms, uint32_t *lease,
	uint32_t *retry_s);

/*
 * Stage that a live lease lasts @lifetime_s from now and belongs to @rq's protocol and nonce
 * from here on.  @staging must have room for one edit.
 */
void lease_stage_renewal(struct lease_table *t, struct staging *staging, uint32_t lease,
	const struct request *rq, uint32_t lifetime_s, int64_t now_ms);

/*
 * Stage that a live lease ends and its port rests for @quarantine_s, 0 for not at all.  A rest
 * that is @free does not count towards the user's quota.  @staging must have room for one edit.
 */
void lease_stage_end(struct lease_table *t, struct staging *staging, uint32_t lease,
	uint32_t quarantine_s, bool free, int64_t now_ms);

/* Undo the staged changes from the @from-th on, the latest first. */
void lease_abandon(struct lease_table *t, struct staging *staging, size_t from);

/*
 * What lease_stage_new() would answer, without changing anything: PCP_SUCCESS with *@external
 * and *@port set.  @terms->user may be USER_NONE.
 */
enum pcp_result lease_preview(const struct lease_table *t, const struct request *rq,
	const struct lease_terms *terms, int64_t now_ms, uint32_t *external, uint16_t *port);

/*
 * Stage a static mapping of @rq's internal tuple on @port of an external address, whatever the
 * pool says.  No live lease has its internal tuple, and nobody else one on the port.  A rest
 * on the port is over.  @staging must have room for one edit.  Returns PCP_SUCCESS or
 * PCP_NO_RESOURCES.
 */
enum pcp_result lease_stage_static(struct lease_table *t, struct staging *staging,
	const struct request *rq, const struct lease_terms *terms, uint32_t external, uint16_t port,
	int64_t now_ms);

/* The first lease on a port number, live or resting, or LEASE_NONE; then lease_next_of_port(). */
uint32_t lease_first_of_port(const struct lease_table *t, uint32_t external, uint16_t port);
uint32_t lease_next_of_port(const struct lease_table *t, uint32_t lease);

/* A lease becomes another user's without a change in the kernel. */
void lease_give_to(struct lease_table *t, uint32_t lease, uint32_t user);

/*
 * The live lease that is overdue for the longest, or LEASE_NONE; ports whose rest is over are
 * released on the way.
 */
uint32_t lease_overdue(struct lease_table *t, int64_t now_ms);

/* Look at an overdue lease again in @delay_ms; for when the kernel would not end it now. */
void lease_postpone(struct lease_table *t, uint32_t lease, int64_t now_ms, int64_t delay_ms);

/* When the next lease or rest ends, or INT64_MAX. */
int64_t lease_next_end_ms(const struct lease_table *t);

#endif
