/* loop.h - the event loop of one process: libuv, its timers, its signals.
 *
 * Everything that says "loop thread" runs inside loop_run. Other threads reach it by a mailbox
 * (mailbox.h) and by nothing else.
 */
#ifndef ADAPTERS_UV_LOOP_H
#define ADAPTERS_UV_LOOP_H

#include "base/rc.h"
#include "ports/timer.h"

struct loop;

typedef void loop_signal_fn(void *arg, int signal_number);

/* Makes a loop.
 *   returns  a loop the caller owns (loop_destroy); NULL if the system refuses one
 */
struct loop *loop_create(void);

/* Runs until loop_stop. May be run again after that. Makes the calling thread the loop thread. */
void loop_run(struct loop *loop);

/* Makes loop_run return after this turn. Loop thread, or before loop_run. */
void loop_stop(struct loop *loop);

/* The loop's time, timers and tasks (ports/timer.h). Lives as long as the loop. */
struct timers *loop_timers(struct loop *loop);

/* Whether this is the thread that runs the loop; true when nobody runs it. For assertions. */
bool loop_is_own_thread(const struct loop *loop);

/* Calls fn on the loop thread when the signal comes. SIGPIPE is ignored by every loop.
 *   errors  RC_FULL more than 8 signals, RC_INVALID the system refuses this signal
 */
MUST_CHECK enum rc loop_on_signal(struct loop *loop, int signal_number, loop_signal_fn *fn,
                                  void *arg);

/* The uv_loop_t, for adapters that put their own handles on it. They close them before
 * loop_destroy. */
void *loop_handle(struct loop *loop);

/* Frees the loop. Mailboxes, workers and servers on it must have been destroyed before. Timers that
 * still run are forgotten. NULL is fine. */
void loop_destroy(struct loop *loop);

#endif
