/* records.c - the books of the senders against the records of the same conversations. */
#include "records.h"

#include <stdio.h>
#include <stdlib.h>

#include "pages.h"

static const char *const source_names[SOURCE_COUNT] = {
    "sockets", "REST events", "REST messages forward", "REST messages backward", "stream", "store",
};

void records_init(struct records *records, const struct options *options, struct http *http,
                  size_t count)
{
    *records = (struct records){ .options = options, .http = http, .count = count };
    records->list = xcalloc(count, sizeof *records->list);
    for (size_t i = 0; i < count; i++)
        records->list[i].log.keeps_rows = records->list[i].stream.keeps_rows =
            records->list[i].store.keeps_rows = true;
}

void records_fini(struct records *records)
{
    for (size_t i = 0; i < records->count; i++) {
        trail_fini(&records->list[i].log);
        trail_fini(&records->list[i].stream);
        trail_fini(&records->list[i].store);
    }
    free(records->list);
}

void records_read(struct records *records)
{
    records->results[SOURCE_STREAM].was_read = records_read_stream(records);
    records->results[SOURCE_STORE].was_read = records_read_store(records);
}

static uint64_t count_messages(const struct trail *trail)
{
    uint64_t count = 0;
    for (size_t i = 0; i < trail->len; i++)
        count += trail->rows[i].who != 0;
    return count;
}

/* A member of a group reads from the joining on, a listener from the connection on: what both saw
 * begins where the later one began. */
static uint64_t later_start(const struct trail *a, const struct trail *b)
{
    return a->rows[0].seq > b->rows[0].seq ? a->rows[0].seq : b->rows[0].seq;
}

static void judge(struct records *records, enum source source, struct record *record,
                  const struct trail *trail, bool has_all_events, const char *observer)
{
    struct source_result *result = &records->results[source];
    char label[200];
    snprintf(label, sizeof label, "%s in %s%s%s", record->id, source_names[source],
             observer ? " of " : "", observer ? observer : "");
    result->was_read = true;
    result->rows += trail->len;
    result->messages += count_messages(trail);
    book_compare(record->book, trail, 0, &result->tally, label, stderr);
    if (has_all_events && trail->len && record->log.len)
        trail_compare(trail, &record->log, later_start(trail, &record->log), UINT64_MAX,
                      &result->tally, label, stderr);
}

static void judge_pages(struct records *records, struct record *record)
{
    for (int backward = 0; backward < 2; backward++) {
        enum source source = backward ? SOURCE_BACKWARD : SOURCE_FORWARD;
        struct trail trail = { .keeps_rows = true, .has_messages_only = true };
        struct tally *tally = &records->results[source].tally;
        tally->lost +=
            !pages_messages(records->http, record->id, record->token, backward, &trail, tally);
        judge(records, source, record, &trail, false, NULL);
        trail_fini(&trail);
    }
}

void records_judge(struct records *records, struct record *record, bool with_pages)
{
    struct tally *tally = &records->results[SOURCE_EVENTS].tally;
    if (!records->options->no_rest) {
        tally->lost +=
            !pages_events(records->http, record->id, record->token, 0, &record->log, tally);
        judge(records, SOURCE_EVENTS, record, &record->log, false, NULL);
        if (with_pages)
            judge_pages(records, record);
    }
    if (records->results[SOURCE_STREAM].was_read)
        judge(records, SOURCE_STREAM, record, &record->stream, true, NULL);
    if (records->results[SOURCE_STORE].was_read)
        judge(records, SOURCE_STORE, record, &record->store, true, NULL);
}

void records_judge_observer(struct records *records, struct record *record,
                            const struct trail *trail, const char *observer)
{
    judge(records, SOURCE_SOCKETS, record, trail, true, observer);
}

struct tally records_tally(const struct records *records)
{
    struct tally sum = { 0 };
    for (int s = 0; s < SOURCE_COUNT; s++)
        tally_merge(&sum, &records->results[s].tally);
    return sum;
}

void report_records(struct report *report, const struct records *records)
{
    static const char *const columns[] = { "rows",       "messages",    "lost",    "doubled",
                                           "outOfOrder", "brokenChain", "unknown", "changed",
                                           "different",  NULL };
    static const char *const names[SOURCE_COUNT] = { "sockets",      "restEvents", "restForward",
                                                     "restBackward", "stream",     "store" };
    report_table(report, "records", columns);
    for (int s = 0; s < SOURCE_COUNT; s++) {
        const struct source_result *result = &records->results[s];
        const struct tally *t = &result->tally;
        const uint64_t cells[] = { result->rows, result->messages, t->lost,
                                   t->doubled,   t->out_of_order,  t->broken_chain,
                                   t->unknown,   t->changed,       t->different };
        report_row(report, names[s], columns, result->was_read ? cells : NULL);
    }
    report_end_group(report);
}
