/* nats_log.c - the event_log port: publishing is nats_publish.c's, reading is here.
 *
 * Direct Get is answered by any replica, which may not have a record yet that was acknowledged a
 * millisecond ago, and says "nothing there" as if it were true. So a read towards a known seq is
 * whole only when that seq itself came; it is asked again three times, then the leader is asked.
 */
#include "adapters/nats/nats_publish.h"
#include "ports/log_consumer.h"
#include "wire/subjects.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

enum {
    BATCH_RECORDS = 256,
    BATCH_BYTES = 1 << 20,
    DIRECT_TRIES = 3,
    HEADS_PAGE = 500,
    HEADS_TRIES = 4,
    READ_LIMIT_MS = 5000,
    RECORD_BYTES_MAX = 1 << 20,
};

static const int try_again_ms[DIRECT_TRIES] = { 5, 20, 80 };

struct nats_log {
    struct nats_link *read_link;
    struct nats_publisher *publisher; /* NULL: reads only */
    _Atomic uint64_t direct_gets, leader_gets, stale_reads;
};

static void pause_ms(int ms)
{
    const struct timespec span = { .tv_nsec = ms * 1000000L };
    (void)nanosleep(&span, NULL); /* worker threads only; an early end is harmless */
}

static int64_t now_ms(void)
{
    return clock_monotonic_ms(clock_system());
}

static enum rc log_publish(void *self, const struct publish_request *request, publish_done_fn *done,
                           void *closure)
{
    struct nats_log *log = self;
    if (!log->publisher)
        return RC_UNAVAILABLE;
    return nats_publisher_publish(log->publisher, request, done, closure);
}

static enum rc ask_leader(struct nats_log *log, uint32_t partition, struct arena *arena,
                          struct log_record *out, const char *request)
{
    char stream[SUBJECT_CHARS_MAX];
    (void)subject_stream(stream, partition);
    atomic_fetch_add(&log->leader_gets, 1);
    return nats_leader_get(log->read_link, stream, bytes_of(request), arena, out);
}

static enum rc log_head(void *self, uint32_t partition, char kind, const struct id *owner,
                        uint64_t *out_seq)
{
    SCOPED_ARENA(arena, RECORD_BYTES_MAX);
    struct log_record record;
    char subject[SUBJECT_CHARS_MAX], request[SUBJECT_CHARS_MAX + 32];
    (void)subject_chat(subject, partition, (enum subject_kind)kind, owner);
    (void)snprintf(request, sizeof request, "{\"last_by_subj\":\"%s\"}", subject);
    TRY(ask_leader(self, partition, &arena, &record, request));
    *out_seq = record.seq;
    return RC_OK;
}

static enum rc log_get(void *self, uint32_t partition, uint64_t seq, struct arena *arena,
                       struct log_record *out_record)
{
    char request[64];
    (void)snprintf(request, sizeof request, "{\"seq\":%llu}", (unsigned long long)seq);
    return ask_leader(self, partition, arena, out_record, request);
}

static enum rc log_state(void *self, uint32_t partition, struct log_state *out_state)
{
    struct nats_log *log = self;
    char stream[SUBJECT_CHARS_MAX];
    (void)subject_stream(stream, partition);
    return nats_stream_state(log->read_link, stream, out_state);
}

/* ---- read: towards a known seq ---- */

struct reading {
    struct nats_log *log;
    const struct log_range *range;
    char stream[SUBJECT_CHARS_MAX], subject[SUBJECT_CHARS_MAX];
    bool (*each)(void *closure, const struct log_record *record);
    void *closure;
    int64_t stop_at_ms;
    uint64_t after;  /* the last seq given out */
    size_t left;     /* records that may still be given out */
    bool is_begun;   /* a record was given: `after` is its seq */
    bool is_chained; /* nothing between range->after and the first record can have expired */
    bool is_over;    /* each() had enough, records_max, or `until` came: the answer is whole */
    bool is_broken;  /* the first record doesn't follow, or `until` isn't there */
};

/* A conversation's first event proves by itself that nothing is missing before it. */
static bool is_first_of_conversation(const struct log_record *record)
{
    return record->kind == SUBJECT_CONVERSATION &&
           record->op == event_kind_op(EVENT_CONVERSATION_CREATED);
}

static bool give(struct reading *r, struct log_record *record)
{
    if (record->seq <= r->after)
        return true;
    if (record->seq > r->range->until) {
        r->is_over = r->is_broken = true; /* past the target without it: it isn't there */
        return false;
    }
    if (!r->is_begun && !r->is_chained && !is_first_of_conversation(record)) {
        r->is_broken = r->is_over = true;
        return false;
    }
    record->prev = r->is_begun ? r->after : 0;
    r->is_begun = true;
    r->after = record->seq;
    r->left--;
    r->is_over = !r->each(r->closure, record) || r->left == 0 || record->seq == r->range->until;
    return !r->is_over;
}

static bool give_message(void *closure, natsMsg *msg)
{
    struct log_record record;
    return nats_record_read(msg, &record) ? give(closure, &record) : true;
}

/* Direct Get batches until one brings nothing new. */
static enum rc read_direct(struct reading *r)
{
    char request[SUBJECT_CHARS_MAX + 128];
    struct nats_batch batch;
    uint64_t before;
    do {
        before = r->after;
        int len = snprintf(request, sizeof request,
                           "{\"seq\":%llu,\"next_by_subj\":\"%s\",\"batch\":%zu,\"max_bytes\":%d}",
                           (unsigned long long)r->after + 1, r->subject,
                           r->left < BATCH_RECORDS ? r->left : (size_t)BATCH_RECORDS, BATCH_BYTES);
        atomic_fetch_add(&r->log->direct_gets, 1);
        TRY(nats_direct_batch(r->log->read_link, r->stream, bytes_make(request, (size_t)len),
                              give_message, r, &batch));
    } while (!r->is_over && r->after != before && now_ms() < r->stop_at_ms);
    return RC_OK;
}

/* The leader's records, one request each: what no replica could give. */
static enum rc read_leader(struct reading *r)
{
    char request[SUBJECT_CHARS_MAX + 64];
    while (!r->is_over) {
        SCOPED_ARENA(arena, RECORD_BYTES_MAX);
        struct log_record record;
        if (now_ms() >= r->stop_at_ms)
            return RC_TIMEOUT;
        (void)snprintf(request, sizeof request, "{\"seq\":%llu,\"next_by_subj\":\"%s\"}",
                       (unsigned long long)r->after + 1, r->subject);
        TRY(ask_leader(r->log, r->range->partition, &arena, &record, request));
        (void)give(r, &record);
    }
    return RC_OK;
}

struct look {
    uint64_t seq;
    bool is_there;
};

static bool look_at(void *closure, natsMsg *msg)
{
    struct look *look = closure;
    look->is_there = nats_header_u64(msg, "Nats-Sequence") == look->seq;
    return true;
}

/* Whether nothing after `after` has left the log: the record behind it, of whatever subject, is
 * still there, or the leader says that the stream begins no later. */
static enum rc check_beginning(struct reading *r)
{
    char request[64];
    struct nats_batch batch;
    struct log_state state;
    int len = snprintf(request, sizeof request, "{\"seq\":%llu,\"batch\":1}",
                       (unsigned long long)r->range->after + 1);
    struct look next = { .seq = r->range->after + 1 };
    if (r->range->after > 0) {
        TRY(nats_direct_batch(r->log->read_link, r->stream, bytes_make(request, (size_t)len),
                              look_at, &next, &batch));
    }
    if (next.is_there) {
        r->is_chained = true;
        return RC_OK;
    }
    TRY(log_state(r->log, r->range->partition, &state));
    /* A generation's numbers begin above generation << 40: the first of the first one has nothing
     * before it, wherever one asks from. */
    r->is_chained = state.first_seq <= r->range->after + 1 ||
                    (state.generation == 1 && state.first_seq == log_floor(1) + 1);
    return RC_OK;
}

static enum rc log_read(void *self, const struct log_range *range,
                        bool (*each)(void *closure, const struct log_record *record), void *closure)
{
    struct reading r = { .log = self,
                         .range = range,
                         .each = each,
                         .closure = closure,
                         .after = range->after,
                         .left = range->records_max ? range->records_max : SIZE_MAX,
                         .stop_at_ms = now_ms() + READ_LIMIT_MS };
    if (range->until <= range->after)
        return RC_OK;
    (void)subject_stream(r.stream, range->partition);
    (void)subject_chat(r.subject, range->partition, (enum subject_kind)range->kind, range->owner);
    TRY(check_beginning(&r));
    TRY(read_direct(&r));
    for (int i = 0; !r.is_over && i < DIRECT_TRIES; i++) {
        atomic_fetch_add(&r.log->stale_reads, 1);
        pause_ms(try_again_ms[i]);
        TRY(read_direct(&r));
    }
    if (!r.is_over)
        TRY(read_leader(&r));
    return r.is_broken ? RC_NOT_FOUND : RC_OK;
}

/* ---- heads: the last seq of many subjects ---- */

struct heads_page {
    uint32_t partition;
    char kind;
    const struct id *owners;
    uint64_t *seqs;
    size_t count;
    size_t hint; /* answers come in no promised order; mostly it is rising seq */
};

static bool take_head(void *closure, natsMsg *msg)
{
    struct heads_page *page = closure;
    struct log_record record;
    if (!nats_record_read(msg, &record))
        return true;
    for (size_t i = 0; i < page->count; i++) {
        if (!id_equal(&page->owners[i], &record.owner))
            continue;
        if (page->seqs[i] < record.seq)
            page->seqs[i] = record.seq;
        break;
    }
    return true;
}

static void write_page(struct buf *request, const struct heads_page *page)
{
    buf_add_text(request, "{\"multi_last\":[");
    for (size_t i = 0; i < page->count; i++)
        buf_add_format(request, "%s\"chat.%u.%c.%s\"", i ? "," : "", page->partition, page->kind,
                       page->owners[i].text);
    buf_add_format(request, "],\"batch\":%zu}", page->count);
}

/* Each subject from the leader, one at a time: when no replica answers, or all say "none". */
static enum rc read_heads_of_leader(struct nats_log *log, struct heads_page *page)
{
    for (size_t i = 0; i < page->count; i++) {
        uint64_t seq = 0;
        enum rc rc = log_head(log, page->partition, page->kind, &page->owners[i], &seq);
        if (rc != RC_OK && rc != RC_NOT_FOUND)
            return rc;
        page->seqs[i] = rc == RC_OK ? seq : 0;
    }
    return RC_OK;
}

static enum rc read_heads_page(struct nats_log *log, struct heads_page *page, uint64_t as_of)
{
    SCOPED_BUF(request, 256 * 1024);
    char stream[SUBJECT_CHARS_MAX];
    (void)subject_stream(stream, page->partition);
    write_page(&request, page);
    if (request.has_failed)
        return RC_NOMEM;
    for (int i = 0; i < HEADS_TRIES; i++) {
        struct nats_batch batch;
        memset(page->seqs, 0, page->count * sizeof *page->seqs);
        atomic_fetch_add(&log->direct_gets, 1);
        TRY(nats_direct_batch(log->read_link, stream, buf_bytes(&request), take_head, page,
                              &batch));
        /* A page that was cut short by its bytes has more pending; a 404 carries no proof. */
        if (batch.end == NATS_BATCH_WHOLE && batch.pending == 0 && batch.up_to >= as_of)
            return RC_OK;
        if (batch.end == NATS_BATCH_LIMIT)
            break;
        atomic_fetch_add(&log->stale_reads, 1);
        if (i < DIRECT_TRIES)
            pause_ms(try_again_ms[i]);
    }
    return read_heads_of_leader(log, page);
}

static enum rc log_heads(void *self, uint32_t partition, char kind, const struct id *owners,
                         size_t count, uint64_t *out_seqs, uint64_t *out_as_of)
{
    struct log_state state;
    TRY(log_state(self, partition, &state));
    for (size_t at = 0; at < count; at += HEADS_PAGE) {
        size_t left = count - at;
        struct heads_page page = { .partition = partition,
                                   .kind = kind,
                                   .owners = owners + at,
                                   .seqs = out_seqs + at,
                                   .count = left < HEADS_PAGE ? left : (size_t)HEADS_PAGE };
        TRY(read_heads_page(self, &page, state.last_seq));
    }
    *out_as_of = state.last_seq;
    return RC_OK;
}

/* ---- making and ending ---- */

struct nats_log *nats_log_create(const struct nats_log_options *options)
{
    struct nats_log *log = calloc(1, sizeof *log);
    if (!log)
        return NULL;
    log->read_link = options->read_link ? options->read_link : options->link;
    if (options->loop) {
        log->publisher = nats_publisher_create(
            options->link, options->loop,
            &(struct nats_publisher_options){ .in_flight_max = options->in_flight_max,
                                              .hold_ms = options->hold_ms,
                                              .clock = options->clock });
        if (!log->publisher) {
            free(log);
            return NULL;
        }
    }
    return log;
}

struct event_log nats_log_port(struct nats_log *log)
{
    return (struct event_log){
        .self = log,
        .publish = log_publish,
        .head = log_head,
        .read = log_read,
        .get = log_get,
        .heads = log_heads,
        .state = log_state,
    };
}

void nats_log_hold_no_more(struct nats_log *log)
{
    if (log->publisher)
        nats_publisher_hold_no_more(log->publisher);
}

struct nats_log_counts nats_log_counts(const struct nats_log *log)
{
    struct nats_log_counts counts = {
        .direct_gets = atomic_load(&log->direct_gets),
        .leader_gets = atomic_load(&log->leader_gets),
        .stale_reads = atomic_load(&log->stale_reads),
    };
    if (log->publisher)
        nats_publisher_count(log->publisher, &counts);
    return counts;
}

void nats_log_destroy(struct nats_log *log)
{
    if (!log)
        return;
    nats_publisher_destroy(log->publisher);
    free(log);
}
