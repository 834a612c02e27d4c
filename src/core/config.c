/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "include/config.h"

const struct config_user *config_user(const struct config *config, const char *name)
{
	size_t first = 0;
	size_t len = config->users_len;

	while (len > 0) {
		size_t half = len / 2;
		int order = strcmp(name, config->users[first + half].name);

		if (order == 0)
			return &config->users[first + half];
		if (order > 0) {
			first += half + 1;
			len -= half + 1;
		} else {
			len = half;
		}
	}
	return NULL;
}
