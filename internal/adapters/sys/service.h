/* service.h - what a service owes the system that runs it.
 *
 * service_notify speaks the datagram protocol of sd_notify(3) without its library: a few lines, and
 * nothing happens where no manager listens.
 *
 * Thread: any, after start-up; the others at start-up only.
 */
#ifndef SYS_SERVICE_H
#define SYS_SERVICE_H

#include "base/bytes.h"
#include "base/rc.h"

/* Tells the manager, if there is one: "READY=1", "STOPPING=1", "WATCHDOG=1", "STATUS=...". */
void service_notify(const char *state);

/* How often "WATCHDOG=1" is due, in ms: half of what the manager waits; 0 for never. */
int64_t service_watchdog_ms(void);

/* Raises the soft limit of open files to the hard one. Returns the limit now. */
uint64_t service_raise_open_files(void);

/* Makes SIGPIPE harmless: a write to a closed socket then fails with EPIPE. */
void service_ignore_sigpipe(void);

/* Blocks the signals and returns a descriptor that reads them (signalfd(2)), close-on-exec and
 * non-blocking; -1 on failure. list ends in 0. */
int service_signals_open(const int *list);

/* The next signal waiting on the descriptor, 0 if there is none. */
int service_signals_next(int fd);

#endif
