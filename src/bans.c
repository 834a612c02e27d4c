/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Users and addresses that get nothing until further notice. */
#include "src/state.h"

#include <errno.h>

#define MS_PER_S 1000

bool engine_address_is_banned(const struct engine *e, const struct addr *addr, int64_t now_ms)
{
	for (size_t i = 0; i < e->bans; i++)
		if (e->ban[i].until_ms > now_ms && addr_equal(&e->ban[i].addr, addr))
			return true;
	return false;
}

static void note_ban(struct engine *e, int64_t until_ms, int64_t now_ms)
{
	if (until_ms > now_ms && until_ms < e->unban_ms)
		e->unban_ms = until_ms;
}

void engine_lift_bans(struct engine *e, int64_t now_ms)
{
	e->unban_ms = INT64_MAX;
	for (uint32_t n = 0; n < e->users.used; n++)
		note_ban(e, e->users.user[n].banned_until_ms, now_ms);
	for (size_t i = 0; i < e->bans; i++)
		note_ban(e, e->ban[i].until_ms, now_ms);
	engine_hold_statics(e, now_ms);
}

static struct ban *find_ban(struct engine *e, const struct addr *addr)
{
	for (size_t i = 0; i < e->bans; i++)
		if (addr_equal(&e->ban[i].addr, addr))
			return &e->ban[i];
	return NULL;
}

/* Bans that have run out make room. */
static void forget_old_bans(struct engine *e, int64_t now_ms)
{
	size_t kept = 0;

	for (size_t i = 0; i < e->bans; i++)
		if (e->ban[i].until_ms > now_ms)
			e->ban[kept++] = e->ban[i];
	e->bans = kept;
}

static int ban_address(struct engine *e, const struct addr *addr, int64_t until_ms, int64_t now_ms)
{
	struct ban *ban = find_ban(e, addr);

	if (!ban) {
		forget_old_bans(e, now_ms);
		if (e->bans == STATE_BANS_MAX)
			return -ENOSPC;
		ban = &e->ban[e->bans++];
	}
	*ban = (struct ban){.addr = *addr, .until_ms = until_ms};
	/* As a user of its own it shows among the users. */
	(void)users_take_address(&e->users, addr, now_ms);
	return 0;
}

static int ban_user(struct engine *e, const char *name, int64_t until_ms)
{
	uint32_t user = users_find_name(&e->users, name);

	if (user == USER_NONE)
		return -ENOENT;
	e->users.user[user].banned_until_ms = until_ms;
	return 0;
}

static void tell_ban(struct engine *e, enum admin_event_kind kind, const struct admin_selector *who)
{
	engine_tell(e, (struct admin_event){
			       .kind = kind,
			       .user = who->user[0] ? who->user : NULL,
			       .address = who->has_address ? &who->address : NULL,
		       });
}

int admin_ban(struct engine *e, const struct admin_selector *who, uint32_t for_s, int64_t now_ms)
{
	int64_t until_ms = for_s ? now_ms + (int64_t)for_s * MS_PER_S : INT64_MAX;
	int err = who->has_address ? ban_address(e, &who->address, until_ms, now_ms)
				   : ban_user(e, who->user, until_ms);

	if (err)
		return err;
	if (until_ms < e->unban_ms)
		e->unban_ms = until_ms;
	tell_ban(e, ADMIN_EVENT_BANNED, who);
	return (int)engine_end_meant(e, who, now_ms);
}

static int unban_user(struct engine *e, const char *name, int64_t now_ms)
{
	uint32_t user = users_find_name(&e->users, name);

	if (user == USER_NONE || !user_is_banned(&e->users.user[user], now_ms))
		return -ENOENT;
	e->users.user[user].banned_until_ms = 0;
	return 0;
}

static int unban_address(struct engine *e, const struct addr *addr, int64_t now_ms)
{
	struct ban *ban = find_ban(e, addr);

	if (!ban || ban->until_ms <= now_ms)
		return -ENOENT;
	*ban = e->ban[--e->bans];
	return 0;
}

int admin_unban(struct engine *e, const struct admin_selector *who, int64_t now_ms)
{
	int err = who->has_address ? unban_address(e, &who->address, now_ms)
				   : unban_user(e, who->user, now_ms);

	if (err)
		return err;
	tell_ban(e, ADMIN_EVENT_UNBANNED, who);
	engine_hold_statics(e, now_ms);
	return 0;
}
