/* sq_schema.h - the tables, and how older files get them. */
#ifndef ADAPTERS_SQLITE_SQ_SCHEMA_H
#define ADAPTERS_SQLITE_SQ_SCHEMA_H

#include "adapters/sqlite/sq_conn.h"
#include "base/fault.h"

/* Brings the file to this program's version, each step in a transaction of its own; harmless when
 * several processes do it at once. errors: RC_INVALID newer than this program, or another's file */
MUST_CHECK enum rc sq_schema_migrate(struct sq_conn *conn, struct fault *fault);

#endif
