/* mind_child.h - one process under the minder: started, its output read, its end waited for. */
#ifndef PARLEYD_MIND_CHILD_H
#define PARLEYD_MIND_CHILD_H

#include <sys/types.h>

#include "mind_log.h"
#include "mind_plan.h"

struct mind_child {
    const struct mind_entry *entry; /* borrowed */
    pid_t pid;                      /* 0 when it isn't running */
    int output;                     /* what it prints; -1 when closed */
    int64_t started_ms;             /* 0: never yet */
    int64_t start_at_ms;            /* when to start it, if it isn't running */
    int64_t delay_ms;               /* the last wait before a start; 0 for none yet */
    char pid_path[4096];
    struct mind_log log;
};

/* Opens its log.
 *   home     borrowed for the call
 *   errors   RC_UNAVAILABLE
 */
MUST_CHECK enum rc mind_child_init(struct mind_child *child, const struct mind_entry *entry,
                                   const struct config *config, enum mind_passing passing);

void mind_child_fini(struct mind_child *child);

/* Starts it and writes run/<name>.pid. A program that can't be run ends at once with 127, its log
 * says why.
 *   errors  RC_UNAVAILABLE no process or pipe to be had
 */
MUST_CHECK enum rc mind_child_start(struct mind_child *child, int64_t now_ms);

/* Reads what it has printed, up to a budget. */
void mind_child_drain(struct mind_child *child);

/* Whether it has ended; then notes when it is to start again. */
bool mind_child_reap(struct mind_child *child, int64_t now_ms);

void mind_child_signal(const struct mind_child *child, int signal);

#endif
