/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/nft/pass.h"

#include "include/log.h"
#include "src/nft/family.h"

#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <netinet/in.h>
#include <string.h>

void pass_add(struct pass *p, const struct mapping *m)
{
	const struct port_range port = {m->external_port, m->external_port};
	int err = p->forgetful ? -ENOMEM : ended_add(&p->ended, m);

	if (!err)
		return;
	log_warning("ending the flows at a port, whosever they are: %s", strerror(-err));
	sweep_add_ports(&p->sweep, port, &m->external);
}

void pass_add_addr(struct pass *p, const struct addr *internal)
{
	int err;

	if (!family_of(internal))
		return;
	err = p->forgetful ? -ENOMEM : ended_add_addr(&p->ended, internal);
	if (!err)
		return;
	log_warning("ending the flows of a range of addresses: %s", strerror(-err));
	sweep_add_addr(&p->sweep, internal);
}

void pass_add_pool(struct pass *p, struct port_range pool, const struct gateway *gateway)
{
	for (size_t i = 0; i < gateway->addresses_len; i++)
		sweep_add_ports(&p->sweep, pool, &gateway->addresses[i].addr);
}

void pass_adopt(struct pass *p, const struct mapping *m)
{
	int err;

	if (m->protocol != IPPROTO_UDP)
		return;
	err = p->forgetful ? -ENOMEM : ended_adopt(&p->ended, m);
	if (err)
		log_warning("older flows keep away from their mapping: %s", strerror(-err));
}

static bool is_ended_addr(const struct pass *p, const struct flow_end *end)
{
	return ended_has_addr(&p->ended, &end->addr) || sweep_has_addr(&p->sweep, &end->addr);
}

/* Translated or not, an address of a tunnel's stands in one of the four places. */
static bool is_of_ended_addr(const struct pass *p, const struct flow *flow)
{
	return is_ended_addr(p, &flow->from) || is_ended_addr(p, &flow->to) ||
	       is_ended_addr(p, &flow->reply_from) || is_ended_addr(p, &flow->reply_to);
}

/* It came in through a mapping, or left through one. */
static bool is_of_ended_mapping(const struct pass *p, const struct flow *flow)
{
	return flow->status & IPS_NAT_MASK &&
	       (ended_has(&p->ended, flow->protocol, &flow->reply_from, &flow->to) ||
		       ended_has(&p->ended, flow->protocol, &flow->from, &flow->reply_to));
}

/*
 * The same, whosever the mapping was.  And what came in while there was no table to keep it out:
 * it captures the packets to a port that is mapped later.  The gateway's own listeners, which may
 * have ports there, answer theirs.
 */
static bool is_swept(const struct pass *p, const struct flow *flow)
{
	if (flow->status & IPS_DST_NAT || !(flow->status & IPS_SEEN_REPLY))
		if (sweep_has_end(&p->sweep, &flow->to))
			return true;
	return flow->status & IPS_SRC_NAT && sweep_has_end(&p->sweep, &flow->reply_to);
}

/*
 * A flow that began before its mapping and left elsewhere.  While it stands its peer's packets to
 * the mapping have to be given another source port, to tell them from answers; a flow so changed
 * keeps that, so it ends too.
 */
static bool is_adopted(const struct pass *p, const struct flow *flow)
{
	if (flow->protocol != IPPROTO_UDP)
		return false;
	if (ended_is_adopting(&p->ended, &flow->from))
		return !ended_is_adopted(&p->ended, &flow->from, &flow->reply_to);
	return ended_is_adopted(&p->ended, &flow->reply_from, &flow->to) &&
	       flow->reply_to.port != flow->from.port &&
	       addr_equal(&flow->reply_to.addr, &flow->from.addr);
}

bool pass_ends(const struct pass *p, const struct flow *flow)
{
	return is_of_ended_mapping(p, flow) || is_swept(p, flow) || is_of_ended_addr(p, flow) ||
	       is_adopted(p, flow);
}

bool pass_is_wanted(const struct pass *p)
{
	return p->ended.len || sweep_wanted(&p->sweep);
}

void pass_clear(struct pass *p)
{
	ended_clear(&p->ended);
	p->sweep = (struct sweep){0};
}
