/* mem_audit.h - the port audit_log within one process: the newest events, for tests. Thread: any.
 */
#ifndef ADAPTERS_MEM_MEM_AUDIT_H
#define ADAPTERS_MEM_MEM_AUDIT_H

#include <stddef.h>

#include "ports/audit_log.h"

enum { MEM_AUDIT_MAX = 1024 };

struct mem_audit;

struct mem_audit *mem_audit_create(void); /* NULL if memory is short */
struct audit_log mem_audit_port(struct mem_audit *audit);
/* How many there are, and the i-th of them, the oldest first. More than MEM_AUDIT_MAX are dropped.
 */
size_t mem_audit_count(struct mem_audit *audit);
struct audit_event mem_audit_at(struct mem_audit *audit, size_t i);
void mem_audit_destroy(struct mem_audit *audit);

#endif
