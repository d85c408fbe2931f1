/* mode_connect.c - idle sockets: how fast they come, what they cost. */
#include <stdio.h>

#include "crowd.h"
#include "mode.h"
#include "report.h"

static void on_progress(void *owner)
{
    struct crowd *crowd = owner;
    fprintf(stderr, "%5.1f s  ready %zu of %zu, refused or lost %llu, lost later %llu\n",
            (double)(now_ns() - crowd->began_ns) / 1e9, crowd_ready(crowd), crowd->count,
            (unsigned long long)crowd->swarm.failures, (unsigned long long)crowd->swarm.closes);
}

static void report_run(struct report *report, struct crowd *crowd, size_t ready, double took_s,
                       double connect_cpu_s)
{
    uint64_t before =
        procs_pss(&crowd->procs, "gateway", 1) + procs_pss(&crowd->procs, "parleyd", 1);
    uint64_t after =
        procs_pss(&crowd->procs, "gateway", 0) + procs_pss(&crowd->procs, "parleyd", 0);
    uint64_t all_before = procs_pss(&crowd->procs, "", 1), all = procs_pss(&crowd->procs, "", 0);
    report_count(report, "sockets", crowd->count);
    report_count(report, "ready", ready);
    report_count(report, "attemptsFailed", crowd->swarm.failures);
    report_count(report, "lostLater", crowd->swarm.closes);
    if (crowd->swarm.last_failure[0])
        report_text(report, "lastFailure", crowd->swarm.last_failure);
    report_real(report, "allReadyAfterS", took_s);
    report_hist(report, "connect", &crowd->swarm.connect);
    if (crowd->procs.count == 0 || ready == 0)
        return;
    report_real(report, "gatewayPssKibEach", (double)(after - before) / (double)ready);
    report_real(report, "serverPssKibEach", (double)(all - all_before) / (double)ready);
    report_real(report, "connectCpuSeconds", connect_cpu_s);
    report_real(report, "connectsPerCpuSecond",
                connect_cpu_s > 0 ? (double)ready / connect_cpu_s : 0);
    report_real(report, "holdCpuSeconds", procs_cpu(&crowd->procs) - connect_cpu_s);
}

int mode_connect(struct options *options)
{
    struct crowd crowd;
    struct report report;
    crowd_init(&crowd, options);
    crowd.swarm.has_sync = false;
    crowd.swarm.keeps_rows = false;
    crowd.on_progress = on_progress;
    crowd.owner = &crowd;
    people_make(&crowd.people, options, "c", options->users ? (size_t)options->users : 1000);
    crowd_populate(&crowd);
    procs_sample(&crowd.procs, 1);
    procs_mark(&crowd.procs);
    crowd.began_ns = now_ns();
    size_t ready = crowd_connect(&crowd, (size_t)options->wave, 60);
    double took_s = (double)(now_ns() - crowd.began_ns) / 1e9;
    procs_sample(&crowd.procs, 0);
    double connect_cpu_s = procs_cpu(&crowd.procs);
    (void)crowd_wait(&crowd, NULL, NULL, (double)options->hold);
    procs_sample(&crowd.procs, 1);
    report_init(&report, options);
    report_run(&report, &crowd, ready, took_s, connect_cpu_s);
    report_procs(&report, &crowd.procs);
    bool is_good = ready == crowd.count && crowd_ready(&crowd) == crowd.count &&
                   crowd.swarm.failures + crowd.swarm.closes <= (uint64_t)options->max_errors;
    int status = report_finish(&report, options, is_good);
    crowd_stop(&crowd);
    return status;
}
