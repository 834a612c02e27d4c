/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the compiler can check for us. */
#ifndef TUNMAP_COMPILER_H
#define TUNMAP_COMPILER_H

/* The caller must look at the returned error. */
#define MUST_CHECK __attribute__((warn_unused_result))

/* Argument @fmt is a printf format for the arguments from @first on. */
#define PRINTF_LIKE(fmt, first) __attribute__((format(printf, fmt, first)))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
