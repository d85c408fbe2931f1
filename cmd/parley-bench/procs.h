/* procs.h - CPU seconds and memory of the server's processes, from /proc.
 *
 * Watched are --pid NAME=PID and $PARLEY_HOME/run/<name>.pid. The pid files are read again at each
 * sample: a process that was restarted in mid-run goes on being counted under its name.
 */
#ifndef BENCH_PROCS_H
#define BENCH_PROCS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PROCS_MAX 64

struct proc {
    char name[64];
    pid_t pid;
    double cpu_s;      /* used so far by this pid */
    double cpu_mark_s; /* at the start of the window */
    unsigned starts;   /* of a merged one: restarts seen */
    uint64_t pss_kib, rss_kib, rss_max_kib, pss_mark_kib;
};

struct procs {
    struct proc list[PROCS_MAX];
    size_t count;
    double self_mark_s; /* the bench's own CPU seconds at the mark */
    char run_dir[256];
};

/* extra: --pid arguments, "NAME=PID". */
void procs_init(struct procs *procs, const char *home, const char *const *extra,
                size_t extra_count);

/* Reads CPU and RSS; with_pss also PSS, which is slow. */
void procs_sample(struct procs *procs, int with_pss);

/* Starts the window: later figures are the difference to now. */
void procs_mark(struct procs *procs);

/* CPU seconds used in the window by all. */
double procs_cpu(const struct procs *procs);

/* CPU seconds that the bench itself used since the mark: it shares the machine. */
double procs_self_cpu(const struct procs *procs);

/* The sum of PSS now, and at the mark, of processes whose name starts with prefix. */
uint64_t procs_pss(const struct procs *procs, const char *prefix, int at_mark);

#endif
