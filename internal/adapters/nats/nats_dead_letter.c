/* nats_dead_letter.c - a record that the persister gives up on, kept in CHAT_DLQ as it was.
 *
 * The original is read from the stream again, because a decoded record has lost its headers; a
 * dead letter is rare enough for that.
 */
#include "adapters/nats/nats_consumer_priv.h"
#include "wire/subjects.h"

#include <stdio.h>

enum { RECORD_BYTES_MAX = 1 << 20, ERROR_CHARS_MAX = 256 };

static void make_printable(char out[ERROR_CHARS_MAX], const char *text)
{
    size_t i = 0;
    for (; text && text[i] && i < ERROR_CHARS_MAX - 1; i++)
        out[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
    out[i] = 0;
}

struct dlq_headers {
    struct publish_header list[32];
    size_t count;
};

static void add_header(struct dlq_headers *headers, const char *name, struct bytes value)
{
    if (headers->count < COUNT_OF(headers->list) && value.ptr)
        headers->list[headers->count++] = (struct publish_header){ name, value };
}

/* The original's own headers. The server's are dropped (a Nats-Rollup or a Nats-Expected-… would
 * act again); its message id is kept under another name. What could not be sent is left out. */
static void add_original(struct dlq_headers *headers, struct bytes block, struct arena *arena)
{
    const char *at = (const char *)block.ptr, *end = at + block.len;
    while (at && at < end) {
        const char *eol = memchr(at, '\r', (size_t)(end - at));
        const char *stop = eol ? eol : end;
        const char *colon = memchr(at, ':', (size_t)(stop - at));
        if (colon && stop - colon < 900 && colon - at < 60) {
            struct bytes name = arena_copy(arena, bytes_make(at, (size_t)(colon - at)));
            const char *value = colon + 1 + (colon + 1 < stop && colon[1] == ' ');
            struct bytes text = arena_copy(arena, bytes_make(value, (size_t)(stop - value)));
            for (size_t i = 0; text.ptr && i < text.len; i++)
                if (text.ptr[i] < ' ' || text.ptr[i] > '~')
                    ((uint8_t *)(uintptr_t)text.ptr)[i] = '?'; /* the arena's own copy */
            if (name.ptr && bytes_is(name, HEADER_MSG_ID))
                add_header(headers, "Parley-Dlq-Msg-Id", text);
            else if (name.ptr && strncasecmp((const char *)name.ptr, "Nats-", 5) != 0)
                add_header(headers, (const char *)name.ptr, text);
        }
        at = eol ? eol + 2 : end;
    }
}

static enum rc outcome_rc(enum publish_outcome outcome)
{
    switch (outcome) {
    case PUBLISH_STORED:
    case PUBLISH_DUPLICATE:
        return RC_OK;
    case PUBLISH_FULL:
        return RC_FULL;
    case PUBLISH_TOO_LARGE:
    case PUBLISH_CONFLICT:
        return RC_INVALID;
    case PUBLISH_UNAVAILABLE:
        return RC_UNAVAILABLE;
    case PUBLISH_UNKNOWN:
        break;
    }
    return RC_TIMEOUT;
}

enum rc nats_dead_letter(struct nats_consumers *source, uint32_t partition,
                         const struct dead_letter *letter)
{
    SCOPED_ARENA(arena, RECORD_BYTES_MAX);
    const struct log_record *record = letter->record;
    struct dlq_headers headers = { .count = 0 };
    struct nats_original original = { .payload = record->payload };
    char stream[SUBJECT_CHARS_MAX], subject[SUBJECT_CHARS_MAX], id[64], error[ERROR_CHARS_MAX],
        at[RFC3339_CHARS];
    (void)subject_stream(stream, partition);
    (void)snprintf(subject, sizeof subject, "dlq.persister.%s", letter->reason);
    (void)snprintf(id, sizeof id, "CHAT_%u/%llu/%.20s", partition, (unsigned long long)record->seq,
                   letter->reason);
    make_printable(error, letter->error);
    rfc3339_write(record->at_us, at); /* its own time; the letter's is the stream's */
    enum rc rc = nats_leader_original(source->link, stream, record->seq, &arena, &original);
    if (rc != RC_OK && rc != RC_NOT_FOUND) /* gone by age: what we hold is what is left */
        return rc;
    add_header(&headers, "Parley-Dlq-Reason", bytes_of(letter->reason));
    add_header(&headers, "Parley-Dlq-Error", bytes_of(error));
    add_header(&headers, "Parley-Dlq-Consumer", bytes_of("persister"));
    add_header(&headers, "Parley-Dlq-Stream", bytes_of(stream));
    add_header(&headers, "Parley-Dlq-Subject", original.subject);
    add_header(&headers, "Parley-Dlq-Seq",
               arena_format(&arena, "%llu", (unsigned long long)record->seq));
    add_header(&headers, "Parley-Dlq-Deliveries",
               arena_format(&arena, "%llu", (unsigned long long)letter->deliveries));
    add_header(&headers, "Parley-Dlq-Time", bytes_of(at));
    add_original(&headers, original.headers, &arena);
    const struct publish_request request = { .subject = subject,
                                             .msg_id = id,
                                             .payload = original.payload,
                                             .headers = headers.list,
                                             .header_count = headers.count,
                                             .timeout_ms = source->timeout_ms };
    struct publish_result result;
    TRY(nats_publish_all(source, &request, 1, &result));
    return outcome_rc(result.outcome);
}
