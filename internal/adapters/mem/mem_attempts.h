/* mem_attempts.h - the port attempts within one process. Thread: any. */
#ifndef ADAPTERS_MEM_MEM_ATTEMPTS_H
#define ADAPTERS_MEM_MEM_ATTEMPTS_H

#include "ports/attempts.h"

struct mem_attempts;

struct mem_attempts *mem_attempts_create(void); /* NULL if memory is short */
struct attempts mem_attempts_port(struct mem_attempts *attempts);
void mem_attempts_set_away(struct mem_attempts *attempts, bool is_away); /* all: RC_UNAVAILABLE */
void mem_attempts_destroy(struct mem_attempts *attempts);

#endif
