/* nats_run.c - every record of a stretch of a stream, both kinds, in order.
 *
 * A replica that lags ends its answer early and says nothing of it; so the stretch is whole only
 * when its last seq came, or when the leader, asked for the next record, is past it.
 */
#include "adapters/nats/nats_consumer_priv.h"
#include "wire/subjects.h"

#include <stdio.h>
#include <time.h>

enum { BATCH_RECORDS = 256, BATCH_BYTES = 2 << 20, TRIES = 3, RECORD_BYTES_MAX = 1 << 20 };

struct run {
    struct nats_link *link;
    char stream[SUBJECT_CHARS_MAX];
    uint64_t next, to;
    bool (*each)(void *closure, const struct log_record *record);
    void *closure;
    bool is_over;
};

static bool give(struct run *run, const struct log_record *record)
{
    if (record->seq < run->next)
        return true;
    if (record->seq <= run->to) {
        run->next = record->seq + 1;
        run->is_over = !run->each(run->closure, record) || run->next > run->to;
    } else {
        run->is_over = true; /* what lay before it was deleted by hand */
    }
    return !run->is_over;
}

static bool give_message(void *closure, natsMsg *msg)
{
    struct log_record record;
    return nats_record_read(msg, &record) ? give(closure, &record) : true;
}

static enum rc read_direct(struct run *run)
{
    char request[96];
    struct nats_batch batch;
    uint64_t before;
    do {
        before = run->next;
        int len = snprintf(request, sizeof request, "{\"seq\":%llu,\"batch\":%d,\"max_bytes\":%d}",
                           (unsigned long long)run->next, BATCH_RECORDS, BATCH_BYTES);
        TRY(nats_direct_batch(run->link, run->stream, bytes_make(request, (size_t)len),
                              give_message, run, &batch));
    } while (!run->is_over && run->next != before);
    return RC_OK;
}

static enum rc read_leader(struct run *run)
{
    char request[96];
    while (!run->is_over) {
        SCOPED_ARENA(arena, RECORD_BYTES_MAX);
        struct log_record record;
        (void)snprintf(request, sizeof request, "{\"seq\":%llu,\"next_by_subj\":\">\"}",
                       (unsigned long long)run->next);
        enum rc rc = nats_leader_get(run->link, run->stream, bytes_of(request), &arena, &record);
        if (rc == RC_NOT_FOUND)
            return RC_OK; /* the leader has nothing from here on */
        TRY(rc);
        (void)give(run, &record);
    }
    return RC_OK;
}

static void pause_ms(int ms)
{
    const struct timespec span = { .tv_nsec = ms * 1000000L };
    (void)nanosleep(&span, NULL); /* a thread of the persister's; an early end is harmless */
}

enum rc nats_read_run(struct nats_link *link, uint32_t partition, uint64_t from, uint64_t to,
                      bool (*each)(void *closure, const struct log_record *record), void *closure)
{
    static const int wait_ms[TRIES] = { 5, 20, 80 };
    struct run run = { .link = link, .next = from, .to = to, .each = each, .closure = closure };
    struct log_state state;
    if (to < from)
        return RC_OK;
    (void)subject_stream(run.stream, partition);
    TRY(nats_stream_state(link, run.stream, &state));
    if (state.first_seq > from)
        return RC_NOT_FOUND;
    TRY(read_direct(&run));
    for (int i = 0; !run.is_over && i < TRIES; i++) {
        pause_ms(wait_ms[i]);
        TRY(read_direct(&run));
    }
    return run.is_over ? RC_OK : read_leader(&run);
}
