/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/conf/fault.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int fault_init(struct config_fault *fault, const char *file, unsigned long line,
	unsigned long column, const char *message)
{
	fault->file = strdup(file);
	fault->line = line;
	fault->column = column;
	fault->message = strdup(message);
	if (fault->file && fault->message)
		return 0;
	fault_fini(fault);
	return -ENOMEM;
}

void fault_fini(struct config_fault *fault)
{
	free(fault->file);
	free(fault->message);
}

void config_faults_free(struct config_faults *faults)
{
	for (size_t i = 0; i < faults->len; i++)
		fault_fini(&faults->fault[i]);
	free(faults->fault);
	faults->fault = NULL;
	faults->len = 0;
}
