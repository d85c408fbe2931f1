/* records.h - where a conversation can be read again, and holding it against the books.
 *
 * What senders were told (a struct book each conversation) is compared with up to six records of
 * the same conversations: sockets, REST three times, the stream, the store. Two of them are read
 * past the server: the stream over NATS's own protocol, the store by the stock sqlite3 program.
 */
#ifndef BENCH_RECORDS_H
#define BENCH_RECORDS_H

#include "checker.h"
#include "http.h"
#include "report.h"

enum source {
    SOURCE_SOCKETS,
    SOURCE_EVENTS,
    SOURCE_FORWARD,
    SOURCE_BACKWARD,
    SOURCE_STREAM,
    SOURCE_STORE,
    SOURCE_COUNT
};

struct source_result {
    bool was_read;
    uint64_t rows, messages;
    struct tally tally;
};

/* One conversation to be compared; book is the caller's. */
struct record {
    const char *id;
    const char *token; /* of a member, for REST */
    struct book *book;
    struct trail log, stream, store; /* filled by records_read and records_judge_rest */
};

struct records {
    const struct options *options;
    struct http *http;
    struct record *list;
    size_t count;
    struct source_result results[SOURCE_COUNT];
};

void records_init(struct records *records, const struct options *options, struct http *http,
                  size_t count);
void records_fini(struct records *records);

/* Reads the stream and the store for all of them, as far as they are configured. What is configured
 * and can't be read counts as lost. */
void records_read(struct records *records);

/* Reads REST's raw log (and its pages of messages) of one and judges it, the stream and the store.
 */
void records_judge(struct records *records, struct record *record, bool with_pages);

/* Judges what one observer saw: against the book, and row by row against REST's log if it was read.
 */
void records_judge_observer(struct records *records, struct record *record,
                            const struct trail *trail, const char *observer);

/* The sum of all findings. */
struct tally records_tally(const struct records *records);
void report_records(struct report *report, const struct records *records);

/* record_stream.c, record_store.c: fill the trails.
 *   returns  false when nothing is configured
 */
bool records_read_stream(struct records *records);
bool records_read_store(struct records *records);

#endif
