/* record_stream.c - what the streams hold: every CHAT stream from its first message to its last.
 *
 * By batched Direct Get, which is cheap and needs no consumer. prev is taken from what stood before
 * in the same conversation, so what is checked here is which rows there are, and what they say.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "nats_text.h"
#include "records.h"

#define BATCH 1000

struct reading {
    struct records *records;
    struct hmap by_id; /* hash of the conversation id → struct record */
    struct nats_text nats;
    uint64_t last; /* stream sequence read last */
};

static uint64_t to_number(struct bytes text)
{
    uint64_t value = 0;
    for (size_t i = 0; i < text.len; i++)
        value = value * 10 + (uint64_t)(text.ptr[i] - '0');
    return value;
}

/* chat.<p>.c.<conversation> → the conversation */
static struct bytes conversation_of(struct bytes subject)
{
    const uint8_t *dot = memrchr(subject.ptr, '.', subject.len);
    bool is_event = dot && dot - subject.ptr > 2 && dot[-1] == 'c' && dot[-2] == '.';
    if (!is_event)
        return bytes_of(NULL);
    return bytes_make(dot + 1, subject.len - (size_t)(dot + 1 - subject.ptr));
}

static void take_record(struct reading *reading, const struct nats_reply *reply)
{
    struct tally *tally = &reading->records->results[SOURCE_STREAM].tally;
    struct bytes conversation = conversation_of(nats_header(reply, "Nats-Subject"));
    struct event ev;
    reading->last = to_number(nats_header(reply, "Nats-Sequence"));
    if (conversation.len == 0)
        return;
    struct record *record = hmap_get(&reading->by_id, key_of(conversation));
    if (!record)
        return; /* another run's */
    if (!scan_event(reply->payload, &ev)) {
        tally->malformed++;
        return;
    }
    ev.seq = reading->last;
    struct row row = row_of(&ev);
    /* The order of a stream is its own: what stood before is prev. */
    (void)trail_see(&record->stream, tally, record->stream.last, &row);
}

/* One batch.
 *   returns  1 there may be more, 0 that was all, -1 it can't be read
 */
static int read_batch(struct reading *reading, const char *stream)
{
    char subject[128], body[128];
    struct nats_reply reply;
    uint64_t before = reading->last;
    snprintf(subject, sizeof subject, "$JS.API.DIRECT.GET.%s", stream);
    snprintf(body, sizeof body, "{\"seq\":%" PRIu64 ",\"batch\":%d,\"next_by_subj\":\"chat.>\"}",
             reading->last + 1, BATCH);
    nats_text_ask(&reading->nats, subject, body);
    for (;;) {
        if (!nats_text_next(&reading->nats, &reply))
            return -1;
        if (reply.status == 404)
            return 0;
        if (reply.status == 204)
            return reading->last > before;
        if (reply.status) {
            fprintf(stderr, "stream %s answers %u\n", stream, reply.status);
            return -1;
        }
        take_record(reading, &reply);
    }
}

static bool read_stream(struct reading *reading, const char *stream)
{
    int more = 1;
    reading->last = 0;
    while (more > 0)
        more = read_batch(reading, stream);
    if (more < 0)
        fprintf(stderr, "stream %s could not be read to its end\n", stream);
    return more == 0;
}

/* The streams that hold conversations, as the server lists them. */
static bool read_all(struct reading *reading)
{
    struct nats_reply reply;
    struct bytes name;
    size_t at = 0, count = 0;
    nats_text_ask(&reading->nats, "$JS.API.STREAM.NAMES", "{\"subject\":\"chat.>\"}");
    if (!nats_text_next(&reading->nats, &reply))
        return false;
    char *text = xstrndup((const char *)reply.payload.ptr, reply.payload.len);
    struct bytes names = scan_field(bytes_of(text), "streams");
    bool is_whole = true;
    while (is_whole && scan_next(names, &at, &name)) {
        char stream[64];
        snprintf(stream, sizeof stream, "%.*s", BYTES_ARG(name));
        is_whole = read_stream(reading, stream);
        count++;
    }
    if (count == 0)
        fprintf(stderr, "no stream holds chat.>: %s\n", text);
    free(text);
    return is_whole && count > 0;
}

bool records_read_stream(struct records *records)
{
    struct reading reading = { .records = records };
    const char *url = records->options->nats;
    if (!url || !url[0])
        return false;
    for (size_t i = 0; i < records->count; i++)
        hmap_put(&reading.by_id, key_of(bytes_of(records->list[i].id)), &records->list[i]);
    bool is_whole = nats_text_open(&reading.nats, url) && read_all(&reading);
    if (!is_whole)
        records->results[SOURCE_STREAM].tally.lost++; /* asked for, not had: no pass */
    nats_text_close(&reading.nats);
    hmap_fini(&reading.by_id);
    return true;
}
