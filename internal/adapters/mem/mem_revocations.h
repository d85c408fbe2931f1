/* mem_revocations.h - the port revocations within one process, for tests and programs without NATS.
 *
 * Thread: publish from any; the rest from the one that owns it.
 */
#ifndef ADAPTERS_MEM_MEM_REVOCATIONS_H
#define ADAPTERS_MEM_MEM_REVOCATIONS_H

#include "ports/revocations.h"

struct mem_revocations;

/* sink: may be NULL; told by mem_revocations_pump. NULL if memory is short. */
struct mem_revocations *mem_revocations_create(const struct revocation_sink *sink);
struct revocations mem_revocations_port(struct mem_revocations *revocations);

/* Tells the sink what was published since the last call; the first call ends with on_current.
 * Returns how many. */
size_t mem_revocations_pump(struct mem_revocations *revocations);

/* Every publish answers RC_UNAVAILABLE until it is set back. */
void mem_revocations_set_away(struct mem_revocations *revocations, bool is_away);

void mem_revocations_destroy(struct mem_revocations *revocations);

#endif
