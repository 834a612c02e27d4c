/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "include/config.h"
#include "test/fuzz/fuzz.h"

#include <string.h>

static bool is_printable(const char *text)
{
	for (; *text; text++)
		if (*text < 0x20 || *text > 0x7e)
			return false;
	return true;
}

/* In the file's order, and fit for a terminal whatever stood in the file. */
static void check_faults(const struct config_faults *faults)
{
	for (size_t i = 0; i < faults->len; i++) {
		const struct config_fault *f = &faults->fault[i], *before = i > 0 ? f - 1 : f;

		FUZZ_ASSERT(f->line >= 1 && f->column >= 1);
		FUZZ_ASSERT(f->line >= before->line);
		FUZZ_ASSERT(f->line > before->line || f->column >= before->column);
		FUZZ_ASSERT(f->message[0] != '\0' && is_printable(f->message));
	}
}

static bool is_within(const struct port_range *inner, const struct port_range *outer)
{
	return outer->first <= inner->first && inner->first <= inner->last &&
	       inner->last <= outer->last;
}

static void check_class(const struct config *config, const struct config_class *class)
{
	FUZZ_ASSERT(is_within(&class->ports, &config->pool));
	FUZZ_ASSERT(class->internal_ports.first >= 1);
	FUZZ_ASSERT(class->protocols != 0 && class->mappings >= 1 && class->rate >= 1);
	FUZZ_ASSERT(class->lifetime_min_s >= 1);
	FUZZ_ASSERT(class->lifetime_min_s <= class->lifetime_default_s);
	FUZZ_ASSERT(class->lifetime_default_s <= class->lifetime_max_s);
	FUZZ_ASSERT(class->pcp_lifetime_min_s <= class->lifetime_max_s);
}

static void check_static(const struct config *config, const struct config_class *class,
	const struct config_static *s)
{
	const struct port_range port = {s->port, s->port};
	const struct port_range internal = {s->internal_port, s->internal_port};

	FUZZ_ASSERT(is_within(&port, &config->pool) && is_within(&port, &class->ports));
	FUZZ_ASSERT(is_within(&internal, &class->internal_ports));
	FUZZ_ASSERT(s->protocols != 0 && (s->protocols & ~class->protocols) == 0);
	FUZZ_ASSERT(s->mark.line >= 1 && s->mark.file < config->files_len);
}

static void check_user(const struct config *config, const struct config_user *user)
{
	FUZZ_ASSERT(user->name[0] != '\0' && strlen(user->name) < CONFIG_USER_MAX);
	FUZZ_ASSERT(config_user(config, user->name) == user);
	FUZZ_ASSERT(user->class < config->classes_len);
	FUZZ_ASSERT(user->mark.line >= 1 && user->mark.file < config->files_len);
	for (size_t i = 0; i < user->addresses_len; i++)
		FUZZ_ASSERT(
			!addr_is_any(&user->addresses[i].addr) && user->addresses[i].len <= 128);
	for (size_t i = 0; i < user->statics_len; i++)
		check_static(config, &config->classes[user->class], &user->statics[i]);
}

/* No number is two users'. */
static void check_static_owners(const struct config *config)
{
	uint32_t owner[UINT16_MAX + 1] = {0};

	for (size_t i = 0; i < config->users_len; i++) {
		for (size_t j = 0; j < config->users[i].statics_len; j++) {
			uint32_t *o = &owner[config->users[i].statics[j].port];

			FUZZ_ASSERT(*o == 0 || *o == i + 1);
			*o = (uint32_t)i + 1;
		}
	}
}

/* What the rest of the program relies on without looking. */
static void check_config(const struct config *config)
{
	FUZZ_ASSERT(config->tunnels_len >= 1 && config->externals_len >= 1);
	for (size_t i = 0; i < config->tunnels_len; i++)
		FUZZ_ASSERT(config->tunnels[i].interface[0] != '\0');
	FUZZ_ASSERT(config->pool.first >= 1 && config->pool.first <= config->pool.last);
	if (config->has_masquerade_ports)
		FUZZ_ASSERT(config->masquerade_ports.last < config->pool.first ||
			    config->masquerade_ports.first > config->pool.last);
	FUZZ_ASSERT(config->classes_len >= 1);
	for (size_t i = 0; i < config->classes_len; i++)
		check_class(config, &config->classes[i]);
	FUZZ_ASSERT(strcmp(config->classes[0].name, "default") == 0);
	FUZZ_ASSERT(config->unknown_class < config->classes_len);
	FUZZ_ASSERT(config->control_socket[0] == '/' && config->files_len >= 1);
	for (size_t i = 0; i < config->users_len; i++)
		check_user(config, &config->users[i]);
	check_static_owners(config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config_faults faults;
	/* A folder that is not there, so that nothing can be included. */
	struct config *config = config_parse("/nowhere/fuzz", (const char *)data, size, &faults);

	/* A configuration or a fault, never both and never neither. */
	FUZZ_ASSERT((config == NULL) == (faults.len > 0));
	check_faults(&faults);
	if (config)
		check_config(config);
	config_free(config);
	config_faults_free(&faults);
	return 0;
}
