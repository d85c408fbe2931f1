/* cmd_verify.c - is every event of the log in the store exactly once, and the other way round?
 *
 * Partition by partition, the stream is read in parts from its first seq to the store's applied
 * (and the store is given some time to get to the stream's end first). For each part the store's
 * rows of the same seqs are listed, the two lists are merged, and each pair is compared:
 * conversation, kind, time, payload byte for byte, body hash, and prev, which must be the seq of
 * the conversation's event before. A void in the store stands for any record: garbage, a double,
 * what was erased; a double's first must be there with the same sender, id and body.
 *
 * What the stream has let go of (max_age) can't be compared; the rows are counted and their chain
 * of prev is still walked from the first compared one on.
 */
#include <stdlib.h>
#include <time.h>

#include "adapters/nats/nats_consumer.h"
#include "base/clock.h"
#include "base/rc.h"
#include "ctl_nats.h"
#include "store.h"
#include "verify_parts.h"

/* Seqs are below 2^53 (docs/PROTOCOL.md). */
#define SEQ_MAX ((UINT64_C(1) << 53) - 1)

enum {
    SHOWN_MAX = 100,
    WAIT_S_DEFAULT = 15,
};

static const char *const finding_names[FINDING_COUNT] = { "missing", "extra", "different", "chain",
                                                          "behind" };

/* The last row beyond a seq. */
struct beyond {
    uint64_t seq;
    struct id conversation;
};

void verify_find(struct verify *v, enum finding kind, uint64_t seq, const struct id *conversation,
                 const char *detail)
{
    v->tally.found[kind]++;
    if (json_array_size(v->findings) >= SHOWN_MAX)
        return;
    (void)json_array_append_new(
        v->findings, json_pack("{s:s,s:i,s:I,s:s,s:s}", "finding", finding_names[kind], "partition",
                               (int)v->partition, "seq", (json_int_t)seq, "conversationId",
                               conversation ? conversation->text : "", "detail", detail));
}

/* ---- one partition ---- */

static bool count_aged(void *closure, uint64_t seq, const struct id *conversation,
                       enum event_kind kind)
{
    struct verify *v = closure;

    (void)seq, (void)conversation, (void)kind;
    v->tally.aged++;
    return true;
}

static void pause_ms(long ms)
{
    const struct timespec span = { ms / 1000, ms % 1000 * 1000000 };
    (void)nanosleep(&span, NULL);
}

/* Where the store is; waits until it is where the stream ended when we began. */
static enum rc await_applied(struct verify *v, int64_t wait_s)
{
    int64_t until_ms = clock_monotonic_ms(clock_system()) + wait_s * 1000;

    for (;;) {
        TRY(v->store->applied(v->store->self, v->generation, v->partition, &v->tally.applied));
        if (v->tally.applied >= v->tally.last || clock_monotonic_ms(clock_system()) >= until_ms)
            return RC_OK;
        pause_ms(100);
    }
}

static bool take_beyond(void *closure, uint64_t seq, const struct id *conversation,
                        enum event_kind kind)
{
    struct beyond *beyond = closure;

    (void)kind;
    beyond->seq = seq;
    beyond->conversation = *conversation;
    return true;
}

/* Nothing in the store may be beyond the log's end. The store is asked first: it follows the log.
 */
static enum rc check_beyond(struct verify *v)
{
    struct beyond beyond = { .seq = 0 };
    struct log_state state;
    uint64_t applied;

    TRY(v->store->applied(v->store->self, v->generation, v->partition, &applied));
    TRY(v->store->scan(v->store->self, v->partition, v->tally.last, SEQ_MAX, take_beyond, &beyond));
    TRY(v->log.state(v->log.self, &state));
    if (beyond.seq > state.last_seq)
        verify_find(v, FOUND_EXTRA, beyond.seq, &beyond.conversation, "beyond the log's end");
    if (applied > state.last_seq && applied > log_floor(v->generation))
        verify_find(v, FOUND_EXTRA, applied, NULL, "applied is beyond the log's end");
    return RC_OK;
}

static enum rc verify_partition(struct verify *v, int64_t wait_s)
{
    struct log_state state;
    uint64_t floor = log_floor(v->generation);

    TRY(v->log.state(v->log.self, &state));
    v->tally.first = state.first_seq > floor ? state.first_seq : floor + 1;
    v->tally.last = state.last_seq > floor ? state.last_seq : floor;
    TRY(await_applied(v, wait_s));
    if (v->tally.applied < v->tally.last)
        verify_find(v, FOUND_BEHIND, v->tally.applied, NULL,
                    "the store hasn't got to the log's end");
    uint64_t until = v->tally.applied < v->tally.last ? v->tally.applied : v->tally.last;
    for (uint64_t from = v->tally.first; from <= until;)
        TRY(verify_part(v, from, until, &from));
    TRY(check_beyond(v));
    return v->store->scan(v->store->self, v->partition, 0, v->tally.first - 1, count_aged, v);
}

static json_t *tally_json(const struct verify *v)
{
    const struct tally *t = &v->tally;
    json_t *out = json_pack("{s:i,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "partition",
                            (int)v->partition, "firstSeq", (json_int_t)t->first, "lastSeq",
                            (json_int_t)t->last, "applied", (json_int_t)t->applied, "events",
                            (json_int_t)t->events, "feeds", (json_int_t)t->feeds, "voids",
                            (json_int_t)t->voids, "doubles", (json_int_t)t->doubles, "foreign",
                            (json_int_t)t->foreign, "agedOut", (json_int_t)t->aged);

    for (int f = 0; out && f < FINDING_COUNT; f++)
        (void)json_object_set_new(out, finding_names[f], json_integer((json_int_t)t->found[f]));
    return out;
}

static void print_tally(const struct verify *v)
{
    const struct tally *t = &v->tally;

    (void)printf("partition %u: %llu events, %llu user feeds, %llu voids (%llu doubles)",
                 v->partition, (unsigned long long)t->events, (unsigned long long)t->feeds,
                 (unsigned long long)t->voids, (unsigned long long)t->doubles);
    if (t->aged)
        (void)printf(", %llu older than the log", (unsigned long long)t->aged);
    for (int f = 0; f < FINDING_COUNT; f++)
        if (t->found[f])
            (void)printf("; %llu %s", (unsigned long long)t->found[f], finding_names[f]);
    (void)puts("");
}

struct totals {
    json_t *partitions, *findings;
    uint64_t events, differences;
};

static enum rc run_partition(const struct ctl *ctl, const struct message_store *store,
                             const struct log_consumer_source *source, uint32_t partition,
                             int64_t wait_s, struct totals *totals)
{
    struct verify v = { .ctl = ctl,
                        .store = store,
                        .partition = partition,
                        .partitions = (uint32_t)ctl->config->streams.partitions,
                        .generation = (uint32_t)ctl->config->streams.generation,
                        .findings = totals->findings };

    TRY(source->open(source->self, partition, &v.log));
    map_init(&v.last_of);
    arena_init(&v.chains, 1 << 30);
    enum rc rc = verify_partition(&v, wait_s);
    map_fini(&v.last_of);
    arena_fini(&v.chains);
    v.log.close(v.log.self);
    TRY(rc);
    totals->events += v.tally.events;
    for (int f = 0; f < FINDING_COUNT; f++)
        totals->differences += v.tally.found[f];
    (void)json_array_append_new(totals->partitions, tally_json(&v));
    if (!ctl->is_json)
        print_tally(&v);
    return RC_OK;
}

static void print_findings(const json_t *findings)
{
    size_t at;
    const json_t *one;

    json_array_foreach(findings, at, one)
    {
        const char *kind, *conversation, *detail;
        int partition;
        json_int_t seq;
        if (json_unpack((json_t *)one, "{s:s,s:i,s:I,s:s,s:s}", "finding", &kind, "partition",
                        &partition, "seq", &seq, "conversationId", &conversation, "detail",
                        &detail) == 0)
            (void)printf("  %s: partition %d seq %lld %s: %s\n", kind, partition, (long long)seq,
                         conversation, detail);
    }
}

static json_t *report_json(const struct totals *totals, enum rc rc)
{
    return json_pack("{s:b,s:b,s:I,s:I,s:O,s:O}", "isSame", rc == RC_OK && totals->differences == 0,
                     "isWhole", rc == RC_OK, "events", (json_int_t)totals->events, "differences",
                     (json_int_t)totals->differences, "partitions", totals->partitions, "findings",
                     totals->findings);
}

static int report(const struct ctl *ctl, struct totals *totals, enum rc rc, json_t **out_report)
{
    bool is_same = rc == RC_OK && totals->differences == 0;
    int code = is_same ? CTL_OK : CTL_FAILED;

    if (rc != RC_OK)
        (void)ctl_fail("verify: stopped before the end: %s", rc_name(rc));
    if (out_report)
        *out_report = report_json(totals, rc);
    else if (ctl->is_json)
        (void)ctl_print_json(report_json(totals, rc));
    else {
        print_findings(totals->findings);
        (void)printf("%s: %llu events compared, %llu differences\n",
                     is_same ? "the same" : "NOT the same", (unsigned long long)totals->events,
                     (unsigned long long)totals->differences);
    }
    json_decref(totals->partitions);
    json_decref(totals->findings);
    return code;
}

int verify_store(const struct ctl *ctl, const struct message_store *store, int64_t wait_s,
                 json_t **out_report)
{
    const struct nats_consumers_options options = { .url = ctl->config->nats.url,
                                                    .user = ctl->config->nats.operator_user,
                                                    .password = ctl->config->nats.operator_password,
                                                    .name = "parleyctl" };
    struct totals totals = { .partitions = json_array(), .findings = json_array() };
    struct nats_consumers *consumers = NULL;
    struct fault fault = { .text = "" };
    enum rc rc = RC_OK;

    if (nats_consumers_create(&options, &consumers, &fault) != RC_OK)
        return ctl_fail("nats: %s", fault.text);
    struct log_consumer_source source = nats_consumers_port(consumers);
    for (int64_t p = 0; p < ctl->config->streams.partitions && rc == RC_OK; p++)
        rc = run_partition(ctl, store, &source, (uint32_t)p, wait_s, &totals);
    nats_consumers_stop(consumers);
    nats_consumers_destroy(consumers);
    return report(ctl, &totals, rc, out_report);
}

int cmd_verify(const struct ctl *ctl, int argc, char **argv)
{
    const char *wait = NULL;
    int64_t wait_s = WAIT_S_DEFAULT;
    const struct ctl_option options[] = { { "wait", &wait, NULL } };
    const struct message_store *messages;
    struct store *store;

    if (!ctl_options(options, COUNT_OF(options), &argc, argv) || argc > 1)
        return CTL_USAGE;
    if (wait && !ctl_read_span(wait, &wait_s))
        return ctl_usage("--wait: \"%s\" is no span of time such as 30s", wait);
    struct nats_link *link = ctl_nats_open(ctl); /* says at once when nobody is there */
    if (!link)
        return CTL_FAILED;
    nats_link_destroy(link);
    if (!ctl_store_open(ctl, &store, &messages))
        return CTL_FAILED;
    int code = verify_store(ctl, messages, wait_s, NULL);
    store_close(store);
    return code;
}
