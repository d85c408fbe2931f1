/* wiring.h - builds the adapters that the roles need, hands them to app, and runs the loop. */
#ifndef PARLEYD_WIRING_H
#define PARLEYD_WIRING_H

#include "config/config.h"

/* Runs the roles until SIGTERM or SIGINT has been obeyed. Returns the exit code: 0 after a clean
 * drain. */
int wiring_run(const struct config *config);

#endif
