#include "app/record.h"

#include "wire/event_json.h"
#include "wire/subjects.h"

/* Without a header it is made of the payload: the same for every reader, event or void. */
static void write_hash(const struct log_record *record, uint8_t out[BODY_HASH_BYTES])
{
    if (record->has_body_hash)
        memcpy(out, record->body_hash, BODY_HASH_BYTES);
    else
        body_hash_write(out, record->payload);
}

struct event record_void(const struct log_record *record, const char *reason)
{
    struct event event = {
        .kind = EVENT_VOID,
        .conversation = record->owner,
        .seq = record->seq,
        .prev = record->prev,
        .at_us = record->at_us,
        .actor = record->actor,
        .client_id = record->client_id,
        .reason = bytes_of(reason),
    };
    write_hash(record, event.body_hash);
    return event;
}

/* Who wrote the payload named its conversation and operation twice: outside, where the log sorts by
 * it, and inside, where it is applied by. The two must agree. */
static enum rc check_place(const struct log_record *record, const struct event *event,
                           struct fault *fault)
{
    if (!id_equal(&event->conversation, &record->owner)) {
        fault_set(fault, "conversationId",
                  "The payload names another conversation than its subject.");
        return RC_INVALID;
    }
    if (record->op != 0 && record->op != event_kind_op(event->kind)) {
        fault_set(fault, "type", "The payload's type isn't the operation in Parley-Op.");
        return RC_INVALID;
    }
    return RC_OK;
}

enum rc record_decode(const struct log_record *record, struct arena *arena, struct event *out_event,
                      struct fault *fault)
{
    struct event event = { .kind = EVENT_VOID };
    *out_event = record_void(record, VOID_UNPARSEABLE);
    TRY(event_parse(record->payload, arena, &event, fault));
    TRY(check_place(record, &event, fault));
    event.seq = record->seq;
    event.prev = record->prev;
    event.at_us = record->at_us;
    write_hash(record, event.body_hash);
    *out_event = event;
    return RC_OK;
}

struct event record_to_event(const struct log_record *record, struct arena *arena)
{
    struct event event;
    if (record_decode(record, arena, &event, NULL) != RC_OK)
        return record_void(record, VOID_UNPARSEABLE);
    return event;
}
