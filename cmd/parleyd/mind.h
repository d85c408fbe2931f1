/* mind.h - `parleyd mind`: a nats-server and the roles as children of one process.
 *
 *     start:  lock run/minder.pid -> nats-server -> (its port answers, or 5 s) -> roles
 *     child:  RUNNING --dies--> WAITING --delay--> RUNNING
 *             the delay is 0.2 s after a life of 10 s or more, else 1, 2, 4, ... 30 s
 *     stop:   SIGTERM to the roles, 25 s -> SIGTERM to nats-server, 10 s -> exit 0
 *
 * Children die with the minder, even if it is killed (PR_SET_PDEATHSIG). What they print goes line
 * by line to logs/<name>.log, and on to the minder's standard error unless that is a plain file.
 * A second minder of the same home is refused.
 *
 * In production systemd or Kubernetes does all this; then run `parleyd` itself.
 */
#ifndef PARLEYD_MIND_H
#define PARLEYD_MIND_H

#include "config/config.h"

/* Runs until SIGTERM or SIGINT. SIGHUP is passed on.
 *   flags    parleyd's own argv without "mind", given to the roles as well; flags[0] is the program
 *   returns  the exit code: 0 after a stop that was asked for, 1 if it can't start
 */
int mind_run(const struct config *config, int flag_count, char **flags);

#endif
