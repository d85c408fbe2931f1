/* nats_server.h - real nats-servers for tests: one, or a cluster of three, each in a folder and on
 * ports of its own. Ends the program with a message when no nats-server is to be found: a test
 * that needs one must not pass without it.
 *
 * Looked for in $PARLEY_NATS_SERVER, .cache/bin of the checkout, PATH.
 */
#ifndef TESTS_SUPPORT_NATS_SERVER_H
#define TESTS_SUPPORT_NATS_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

#include "support/scratch.h"

struct nats_server {
    struct scratch folder;
    char name[16];
    int port, monitor_port, cluster_port;
    char url[64], monitor_url[64];
    char routes[256]; /* empty: alone */
    char extra[2048]; /* more configuration */
    pid_t pid;        /* 0: not running */
};

/* Starts one with sync_interval: always and waits until it takes connections. extra: more lines of
 * configuration, or NULL. */
void nats_server_start(struct nats_server *server, const char *extra);

/* Starts three that form one cluster; waits until it has a meta leader. */
void nats_cluster_start(struct nats_server servers[3]);

/* kill -9, and waits for its end. */
void nats_server_kill(struct nats_server *server);

/* SIGSTOP and SIGCONT. */
void nats_server_freeze(struct nats_server *server, bool is_frozen);

/* Starts a killed one again on its folder and ports. */
void nats_server_restart(struct nats_server *server);

/* Waits until a server of a cluster says that it has caught up. */
void nats_server_wait_healthy(const struct nats_server *server);

/* Ends it and removes its folder. A server that was never started is fine. */
void nats_server_stop(struct nats_server *server);

#endif
