/* nats_read.c - the three blocking questions to JetStream that others are made of. */
#include "adapters/nats/nats_headers.h"
#include "adapters/nats/nats_priv.h"
#include "base/encode.h"
#include "wire/subjects.h"

#include <jansson.h>

enum { MESSAGE_WAIT_MS = 2000, ERR_NO_MESSAGE = 10037, REPLY_BYTES_MAX = 1 << 20 };

/* What an empty message with a status is: an end marker, or nothing (200: a message). */
static int message_status(natsMsg *msg)
{
    uint64_t code;
    if (natsMsg_GetDataLength(msg) > 0)
        return 200;
    return bytes_to_u64(nats_header(msg, "Status"), 999, &code) ? (int)code : 200;
}

static enum rc read_end(int status, natsMsg *msg, struct nats_batch *batch)
{
    batch->pending = nats_header_u64(msg, "Nats-Num-Pending");
    batch->up_to = nats_header_u64(msg, "Nats-UpTo-Sequence");
    switch (status) {
    case 204:
        batch->end = NATS_BATCH_WHOLE;
        return RC_OK;
    case 404:
        batch->end = NATS_BATCH_NONE;
        return RC_OK;
    case 413:
        batch->end = NATS_BATCH_LIMIT;
        return RC_OK;
    case 408:
        return RC_INVALID; /* the request isn't one that the server takes */
    default:               /* 503: nobody answers for that stream */
        return RC_UNAVAILABLE;
    }
}

static enum rc read_messages(struct nats_call *call, struct nats_link *link, nats_each_fn *each,
                             void *closure, struct nats_batch *batch)
{
    for (;;) {
        natsMsg *msg = NULL;
        if (!nats_link_is_up(link))
            return RC_UNAVAILABLE;
        natsStatus s = nats_call_next(call, MESSAGE_WAIT_MS, &msg);
        if (s != NATS_OK)
            return nats_status_rc(s);
        int status = message_status(msg);
        if (status != 200) {
            enum rc rc = read_end(status, msg, batch);
            natsMsg_Destroy(msg);
            return rc;
        }
        batch->count++;
        bool goes_on = each(closure, msg);
        natsMsg_Destroy(msg);
        if (!goes_on) {
            batch->end = NATS_BATCH_LEFT;
            return RC_OK;
        }
    }
}

enum rc nats_direct_batch(struct nats_link *link, const char *stream, struct bytes request,
                          nats_each_fn *each, void *closure, struct nats_batch *out_batch)
{
    struct nats_batch batch = { .count = 0 };
    struct nats_call call;
    char subject[NATS_SUBJECT_MAX];

    if (!nats_link_is_up(link))
        return RC_UNAVAILABLE;
    (void)snprintf(subject, sizeof subject, "$JS.API.DIRECT.GET.%s", stream);
    nats_call_begin(&call, link);
    natsStatus s = natsConnection_PublishRequest(nats_link_connection(link), subject, call.inbox,
                                                 request.ptr, (int)request.len);
    enum rc rc =
        s == NATS_OK ? read_messages(&call, link, each, closure, &batch) : nats_status_rc(s);
    nats_call_end(&call);
    if (rc == RC_OK)
        *out_batch = batch;
    return rc;
}

/* ---- the leader's answers are JSON ---- */

static void drop_json(json_t **value)
{
    json_decref(*value);
}
#define SCOPED_REPLY __attribute__((cleanup(drop_json)))

static enum rc reply_error(const json_t *reply)
{
    const json_t *error = json_object_get(reply, "error");
    if (!error)
        return RC_OK;
    if (json_integer_value(json_object_get(error, "err_code")) == ERR_NO_MESSAGE)
        return RC_NOT_FOUND;
    return RC_UNAVAILABLE; /* no such stream, no leader, no quorum: nothing may be concluded */
}

static enum rc ask(struct nats_link *link, const char *subject, struct bytes request,
                   json_t **out_reply)
{
    natsMsg *msg = NULL;
    json_error_t error;
    TRY(nats_ask(link, subject, request, NATS_REPLY_TIMEOUT_MS, &msg));
    json_t *reply = json_loadb(natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg), 0, &error);
    natsMsg_Destroy(msg);
    if (!json_is_object(reply)) {
        json_decref(reply);
        return RC_UNAVAILABLE;
    }
    *out_reply = reply;
    return RC_OK;
}

static enum rc read_text(const json_t *object, const char *key, struct arena *arena,
                         struct bytes *out)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_string(value)) {
        *out = bytes_make("", 0);
        return RC_OK;
    }
    *out = nats_b64_read(bytes_of(json_string_value(value)), arena);
    return out->ptr ? RC_OK : RC_NOMEM;
}

static enum rc read_message(const json_t *message, struct arena *arena, struct log_record *out)
{
    struct log_record record = { .kind = 0 };
    struct bytes headers;
    enum subject_kind kind;
    const char *subject = json_string_value(json_object_get(message, "subject"));
    const char *time = json_string_value(json_object_get(message, "time"));
    record.seq = (uint64_t)json_integer_value(json_object_get(message, "seq"));
    if (!subject || !time || !rfc3339_read(bytes_of(time), &record.at_us) ||
        !subject_split(bytes_of(subject), &record.partition, &kind, &record.owner))
        return RC_NOT_FOUND; /* a subject that isn't ours: as good as nothing */
    record.kind = (char)kind;
    TRY(read_text(message, "hdrs", arena, &headers));
    nats_record_read_block(headers, &record);
    TRY(read_text(message, "data", arena, &record.payload));
    *out = record;
    return RC_OK;
}

enum rc nats_leader_get(struct nats_link *link, const char *stream, struct bytes request,
                        struct arena *arena, struct log_record *out_record)
{
    SCOPED_REPLY json_t *reply = NULL;
    char subject[NATS_SUBJECT_MAX];
    (void)snprintf(subject, sizeof subject, "$JS.API.STREAM.MSG.GET.%s", stream);
    TRY(ask(link, subject, request, &reply));
    TRY(reply_error(reply));
    return read_message(json_object_get(reply, "message"), arena, out_record);
}

enum rc nats_leader_original(struct nats_link *link, const char *stream, uint64_t seq,
                             struct arena *arena, struct nats_original *out)
{
    SCOPED_REPLY json_t *reply = NULL;
    char subject[NATS_SUBJECT_MAX], request[64];
    struct nats_original original;
    (void)snprintf(subject, sizeof subject, "$JS.API.STREAM.MSG.GET.%s", stream);
    (void)snprintf(request, sizeof request, "{\"seq\":%llu}", (unsigned long long)seq);
    TRY(ask(link, subject, bytes_of(request), &reply));
    TRY(reply_error(reply));
    const json_t *message = json_object_get(reply, "message");
    const char *text = json_string_value(json_object_get(message, "subject"));
    original.subject = arena_copy(arena, bytes_of(text));
    if (!original.subject.ptr)
        return RC_NOMEM;
    TRY(read_text(message, "hdrs", arena, &original.headers));
    TRY(read_text(message, "data", arena, &original.payload));
    *out = original;
    return RC_OK;
}

static uint32_t metadata_number(const json_t *config, const char *key)
{
    const char *text = json_string_value(json_object_get(json_object_get(config, "metadata"), key));
    uint64_t value;
    return bytes_to_u64(bytes_of(text), UINT32_MAX, &value) ? (uint32_t)value : 0;
}

enum rc nats_stream_state(struct nats_link *link, const char *stream, struct log_state *out_state)
{
    SCOPED_REPLY json_t *reply = NULL;
    char subject[NATS_SUBJECT_MAX];
    (void)snprintf(subject, sizeof subject, "$JS.API.STREAM.INFO.%s", stream);
    TRY(ask(link, subject, bytes_of(""), &reply));
    TRY(reply_error(reply));
    const json_t *state = json_object_get(reply, "state");
    const json_t *config = json_object_get(reply, "config");
    if (!state || !config)
        return RC_UNAVAILABLE;
    *out_state = (struct log_state){
        .first_seq = (uint64_t)json_integer_value(json_object_get(state, "first_seq")),
        .last_seq = (uint64_t)json_integer_value(json_object_get(state, "last_seq")),
        .generation = metadata_number(config, "parley.generation"),
        .partitions = metadata_number(config, "parley.partitions"),
        .schema = metadata_number(config, "parley.schema"),
    };
    return RC_OK;
}
