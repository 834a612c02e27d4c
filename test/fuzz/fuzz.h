/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a fuzz target and its drivers, libFuzzer's or replay.c, agree on. */
#ifndef TUNMAP_FUZZ_H
#define TUNMAP_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* Feed one input to the code under test.  Returns 0; abort() is how it complains. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Like assert(), but no build leaves it out. */
#define FUZZ_ASSERT(claim)                                                                         \
	do {                                                                                       \
		if (!(claim))                                                                      \
			abort();                                                                   \
	} while (0)

#endif
