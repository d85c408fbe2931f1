/* mongo_server.h - what the MongoDB store is tested on: two stand-ins, or the server that
 * MONGODB_URI names. Each stand-in runs in a folder and on ports of its own.
 *
 * FerretDB 1.24 over a PostgreSQL 15: what it acknowledged survives its kill -9, for PostgreSQL
 * lives on. It ignores write concern and reads without indexes: proof of correctness, not of speed.
 * mongo-java-server 1.47 in memory: other code for the same operations; forgets all when it ends.
 * Nothing here is a real mongod (docs/GUARANTEES.md).
 */
#ifndef TESTS_SUPPORT_MONGO_SERVER_H
#define TESTS_SUPPORT_MONGO_SERVER_H

#include "support/process.h"
#include "support/scratch.h"

enum mongo_kind { MONGO_FERRETDB, MONGO_JAVA, MONGO_GIVEN };

struct mongo_server {
    enum mongo_kind kind;
    struct scratch folder;
    int port, postgres_port;
    pid_t pid, postgres_pid;
};

/* Starts it and waits until it takes connections. MONGO_GIVEN: MONGODB_URI must be set. */
void mongo_server_start(struct mongo_server *server, enum mongo_kind kind);

/* A URL of a database on it. more: options, as "socketTimeoutMS=500", or NULL. port: 0 for its own
 * (a proxy has another). */
void mongo_server_url(const struct mongo_server *server, const char *database, int port,
                      const char *more, char *out, size_t room);

/* kill -9 of FerretDB (PostgreSQL lives on) or of the Java server (all is lost). */
void mongo_server_kill(struct mongo_server *server);
/* Starts a killed one again on its port. */
void mongo_server_restart(struct mongo_server *server);
/* SIGSTOP and SIGCONT. */
void mongo_server_freeze(struct mongo_server *server, bool is_frozen);

/* Ends it and removes its folder. One that was never started is fine. */
void mongo_server_stop(struct mongo_server *server);

#endif
