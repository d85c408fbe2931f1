/* mode_replay.c - plan, send, listen, compare, report. */
#include <stdio.h>
#include <stdlib.h>

#include "mode.h"
#include "replay.h"

static void on_progress(void *owner)
{
    struct replay *r = owner;
    fprintf(stderr,
            "%5.1f s  %zu of %zu done, %zu of %zu conversations, heard %llu, sockets %zu, "
            "errors %llu, again %llu, listeners %zu of %zu, wrong so far %llu\n",
            (double)(now_ns() - r->crowd.began_ns) / 1e9, r->ops_done, r->ops_total,
            r->threads_done, r->thread_count, (unsigned long long)r->deliveries, r->open_count,
            (unsigned long long)r->errors, (unsigned long long)r->retries, crowd_ready(&r->crowd),
            r->crowd.count,
            (unsigned long long)(tally_bad(&r->speaking.tally) + tally_bad(&r->crowd.swarm.tally)));
}

static bool is_sent(void *owner)
{
    const struct replay *r = owner;
    return r->threads_done == r->thread_count;
}

/* Runs until all is sent, as long as something moves within --grace. */
static void run_until_sent(struct replay *r)
{
    for (;;) {
        size_t before = r->ops_done;
        if (crowd_wait(&r->crowd, is_sent, r, (double)r->options->grace))
            break;
        if (r->ops_done == before) {
            fprintf(stderr, "nothing was answered for %ld s: giving up\n", r->options->grace);
            break;
        }
    }
    r->sent_ns = now_ns();
}

static void report_work(struct report *report, const struct replay *r)
{
    double took_s = (double)(r->sent_ns - r->start_ns) / 1e9, cpu_s = procs_cpu(&r->crowd.procs);
    report_group(report, "replay");
    report_count(report, "corpusEvents", r->corpus.count);
    report_count(report, "users", r->people.count);
    report_count(report, "conversations", r->thread_count);
    report_count(report, "messages", r->messages_total);
    report_count(report, "acknowledged", r->messages_acked);
    report_count(report, "joins", r->joins);
    report_count(report, "leaves", r->leaves);
    report_count(report, "listeners", r->crowd.count);
    report_count(report, "heardByListeners", r->deliveries);
    report_real(report, "sendingS", took_s);
    report_real(report, "messagesPerS", (double)r->messages_acked / took_s);
    report_real(report, "heardAfterS", (double)(r->heard_ns - r->sent_ns) / 1e9);
    report_real(report, "benchCpuSeconds", r->self_cpu_s);
    if (cpu_s > 0) {
        report_real(report, "serverCpuSeconds", cpu_s);
        report_real(report, "messagesPerCpuSecond", (double)r->messages_acked / cpu_s);
    }
    report_hist(report, "sendToOk", &r->ack);
    report_hist(report, "connect", &r->speaking.connect);
    if (r->crowd.swarm.resume.count)
        report_hist(report, "resume", &r->crowd.swarm.resume);
    report_end_group(report);
}

static void report_trouble(struct report *report, const struct replay *r)
{
    report_group(report, "trouble");
    report_count(report, "errors", r->errors);
    report_count(report, "refused", r->refused);
    report_count(report, "sentAgain", r->retries);
    report_count(report, "duplicateAcks", r->duplicates);
    report_count(report, "listenersTorn", r->crowd.swarm.cut);
    report_count(report, "socketsLost", r->crowd.swarm.closes + r->speaking.closes);
    report_count(report, "attemptsFailed", r->crowd.swarm.failures + r->speaking.failures);
    report_count(report, "resumedWithAll", r->crowd.swarm.recovered);
    report_count(report, "resumedWithResets", r->crowd.swarm.not_recovered);
    report_count(report, "restRetries", r->crowd.http.retries);
    if (r->last_error[0])
        report_text(report, "lastError", r->last_error);
    report_end_group(report);
}

/* All records, or it says which one was not to be had. */
static bool has_all_records(const struct replay *r)
{
    bool has_stream = r->records.results[SOURCE_STREAM].was_read;
    bool has_store = r->records.results[SOURCE_STORE].was_read;
    if (r->options->public_only || (has_stream && has_store))
        return true;
    fprintf(stderr, "not compared:%s%s (--nats, --store; or --public-only)\n",
            has_stream ? "" : " the stream", has_store ? "" : " the store");
    return false;
}

static int finish(struct replay *r)
{
    struct report report;
    struct tally sum = records_tally(&r->records);
    tally_merge(&sum, &r->crowd.swarm.tally);
    tally_merge(&sum, &r->speaking.tally);
    report_init(&report, r->options);
    report_work(&report, r);
    report_trouble(&report, r);
    report_records(&report, &r->records);
    report_tally(&report, &sum);
    report_procs(&report, &r->crowd.procs);
    bool is_good = tally_bad(&sum) == 0 && r->messages_acked == r->messages_total &&
                   r->refused <= (uint64_t)r->options->max_errors && has_all_records(r);
    return report_finish(&report, r->options, is_good);
}

int mode_replay(struct options *options)
{
    struct replay *r = xcalloc(1, sizeof *r);
    if (!options->corpus)
        die("replay wants --corpus FILE");
    if (options->listeners < 1)
        die("--listeners must be above 0");
    r->options = options;
    crowd_init(&r->crowd, options);
    r->crowd.on_progress = on_progress;
    r->crowd.owner = r;
    replay_plan(r);
    replay_listen_init(r);
    replay_make(r);
    replay_send_init(r);
    if (crowd_connect(&r->crowd, 50, 60) < r->crowd.count)
        die("the listeners could not connect: %s", r->crowd.swarm.last_failure);
    procs_sample(&r->crowd.procs, 1);
    procs_mark(&r->crowd.procs);
    replay_send_start(r);
    run_until_sent(r);
    (void)crowd_wait(&r->crowd, replay_is_heard, r, (double)options->grace); /* else: lost */
    r->heard_ns = now_ns();
    r->self_cpu_s = procs_self_cpu(&r->crowd.procs);
    procs_sample(&r->crowd.procs, 1);
    (void)crowd_wait(&r->crowd, NULL, NULL, 1.0); /* what is doubled late comes now */
    replay_send_stop(r);
    for (size_t l = 0; l < r->crowd.count; l++)
        client_stop(&r->crowd.clients[l]);
    replay_compare(r);
    int status = finish(r);
    records_fini(&r->records);
    replay_plan_fini(r);
    crowd_stop(&r->crowd);
    free(r);
    return status;
}
