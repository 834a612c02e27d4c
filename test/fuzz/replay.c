/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs a fuzz target over the files in the folders named, so that what a fuzzer once found
 * stays found in builds without one.
 */
#include "test/fuzz/fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SEED_MAX (1 << 20)

/* Each seed in a heap block of exactly its length, where a sanitizer sees an overread. */
static int replay_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t *seed = NULL;
	int err = 0;
	long size;

	if (!file)
		return -errno;
	if (fseek(file, 0, SEEK_END) < 0 || (size = ftell(file)) < 0 || size > SEED_MAX) {
		err = -EFBIG;
		goto out;
	}
	rewind(file);
	seed = malloc((size_t)size);
	if ((!seed && size > 0) || fread(seed, 1, (size_t)size, file) != (size_t)size) {
		err = -EIO;
		goto out;
	}
	(void)LLVMFuzzerTestOneInput(seed, (size_t)size);
out:
	free(seed);
	(void)fclose(file);
	return err;
}

static int replay_entry(const char *folder, const char *name)
{
	char path[4096];
	int len = snprintf(path, sizeof(path), "%s/%s", folder, name);

	return len < 0 || (size_t)len >= sizeof(path) ? -ENAMETOOLONG : replay_file(path);
}

/* Returns how many files were replayed, or -errno. */
static int replay_folder(const char *folder)
{
	DIR *dir = opendir(folder);
	const struct dirent *entry;
	int count = 0, err = 0;

	if (!dir)
		return -errno;
	while (err == 0 && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		err = replay_entry(folder, entry->d_name);
		if (err < 0)
			(void)fprintf(stderr, "%s: %s\n", entry->d_name, strerror(-err));
		count++;
	}
	(void)closedir(dir);
	return err < 0 ? err : count;
}

int main(int argc, char **argv)
{
	int count = 0;

	for (int i = 1; i < argc; i++) {
		int n = replay_folder(argv[i]);

		if (n < 0) {
			(void)fprintf(stderr, "%s: %s\n", argv[i], strerror(-n));
			return EXIT_FAILURE;
		}
		count += n;
	}
	/* A test that finds no seeds would pass without having tested. */
	if (count == 0)
		(void)fprintf(stderr, "usage: %s folder-with-seeds...\n", argv[0]);
	return count > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
