/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/daemon/sticky.h"

#include "include/log.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_DIGITS 32
#define HALF       (KEY_DIGITS / 2)

/* Of our own, so that nothing shows the machine's identity. */
static const struct hash_key derivation = {
	UINT64_C(0x74756e6d61706420), UINT64_C(0x737469636b792031)};

/* Read 32 hexadecimal digits as a key.  Returns 0, -errno of the file, or -EINVAL. */
static int read_digits(const char *path, struct hash_key *out)
{
	char text[KEY_DIGITS + 1] = {0};
	FILE *file = fopen(path, "re");
	size_t len;

	if (!file)
		return -errno;
	len = fread(text, 1, KEY_DIGITS, file);
	(void)fclose(file);
	if (len != KEY_DIGITS || strspn(text, "0123456789abcdefABCDEF") != KEY_DIGITS)
		return -EINVAL;
	out->k1 = strtoull(text + HALF, NULL, 16);
	text[HALF] = '\0';
	out->k0 = strtoull(text, NULL, 16);
	return 0;
}

static int read_beside(const char *path, struct hash_key *out)
{
	const char *slash = strrchr(path, '/');
	char name[PATH_MAX];
	int len = snprintf(
		name, sizeof(name), "%.*ssticky.key", slash ? (int)(slash - path + 1) : 0, path);
	int err;

	if (len < 0 || (size_t)len >= sizeof(name))
		return -ENAMETOOLONG;
	err = read_digits(name, out);
	if (err == -EINVAL)
		log_warning("%s does not begin with 32 hexadecimal digits; not used", name);
	return err;
}

void sticky_key_read(const char *path, struct hash_key *out)
{
	struct hash_key machine = {0};
	uint64_t word[2];

	if (read_beside(path, out) == 0)
		return;
	if (read_digits("/etc/machine-id", &machine) < 0)
		log_debug("no machine-id; sticky ports are those of any such machine");
	memcpy(word, &machine, sizeof(word));
	out->k0 = hash_words(&derivation, word, 2);
	out->k1 = hash_words(&derivation, &out->k0, 1);
}
