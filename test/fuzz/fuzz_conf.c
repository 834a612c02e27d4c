/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "include/config.h"
#include "test/fuzz/fuzz.h"

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
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config_faults faults;
	struct config *config = config_parse("fuzz", (const char *)data, size, &faults);

	/* A configuration or a fault, never both and never neither. */
	FUZZ_ASSERT((config == NULL) == (faults.len > 0));
	check_faults(&faults);
	if (config)
		check_config(config);
	config_free(config);
	config_faults_free(&faults);
	return 0;
}
