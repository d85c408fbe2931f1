/* nats_message.c - a publish request as a message, and what the server's answer to it means. */
#include "adapters/nats/nats_publish.h"
#include "wire/subjects.h"

static natsStatus set_headers(natsMsg *msg, const struct publish_request *request)
{
    char value[PUBLISH_HEADER_BYTES_MAX + 1];
    natsStatus s = NATS_OK;
    if (request->msg_id)
        s = natsMsgHeader_Set(msg, HEADER_MSG_ID, request->msg_id);
    for (size_t i = 0; s == NATS_OK && i < request->header_count; i++) {
        (void)snprintf(value, sizeof value, "%.*s", BYTES_ARG(request->headers[i].value));
        s = natsMsgHeader_Set(msg, request->headers[i].name, value);
    }
    if (s == NATS_OK && request->has_expected_last_seq) {
        (void)snprintf(value, sizeof value, "%llu", (unsigned long long)request->expected_last_seq);
        s = natsMsgHeader_Set(msg, HEADER_EXPECT_LAST_SUBJECT_SEQ, value);
    }
    return s;
}

enum rc nats_publish_message(const struct publish_request *request, const char *reply,
                             natsMsg **out_msg)
{
    natsMsg *msg = NULL;
    TRY(publish_request_check(request));
    natsStatus s = natsMsg_Create(&msg, request->subject, reply, (const char *)request->payload.ptr,
                                  (int)request->payload.len);
    if (s == NATS_OK)
        s = set_headers(msg, request);
    if (s != NATS_OK) {
        natsMsg_Destroy(msg);
        return s == NATS_NO_MEMORY ? RC_NOMEM : RC_INVALID;
    }
    *out_msg = msg;
    return RC_OK;
}

/* The errors of a publish that certainly stored nothing and never will (nats-server's
 * errors.json). Any other leaves the outcome open; 10158, "message id is in process", does so
 * most of all: the first copy may be stored in a moment. */
static const struct {
    uint32_t error;
    enum publish_outcome outcome;
} definite_errors[] = {
    { 10077, PUBLISH_FULL },        /* maximum messages, bytes (per subject) exceeded */
    { 10023, PUBLISH_FULL },        /* insufficient resources */
    { 10109, PUBLISH_UNAVAILABLE }, /* sealed: streams of a new generation are being made */
    { 10054, PUBLISH_TOO_LARGE },   /* message size exceeds maximum allowed */
    { 10071, PUBLISH_CONFLICT },    /* wrong last sequence (of the subject) */
};

bool nats_publish_is_final(enum nats_answer_kind kind, const struct puback *ack, uint32_t attempts,
                           struct publish_result *out_result)
{
    *out_result = (struct publish_result){ .outcome = PUBLISH_UNKNOWN };
    if (kind == NATS_ANSWER_ACK && ack->error == 0) {
        out_result->outcome = ack->is_duplicate ? PUBLISH_DUPLICATE : PUBLISH_STORED;
        out_result->seq = ack->seq;
        return true;
    }
    if (attempts > 1) /* an earlier one may be stored yet */
        return false;
    if (kind == NATS_ANSWER_NOBODY) {
        out_result->outcome = PUBLISH_UNAVAILABLE;
        return true;
    }
    for (size_t i = 0; kind == NATS_ANSWER_ACK && i < COUNT_OF(definite_errors); i++) {
        if (definite_errors[i].error != ack->error)
            continue;
        out_result->outcome = definite_errors[i].outcome;
        return true;
    }
    return false;
}
