#include "adapters/nats/nats_bucket.h"

#include <stdio.h>

#include "wire/puback.h"

enum {
    ANSWER_MS = 4000,
    ERR_WRONG_LAST_SEQ = 10071,
    ERR_WRONG_LAST_SEQ_ALONE = 10164,
    ERR_STORE_FULL = 10077,
    ERR_RESOURCES = 10023,
};

static natsStatus set_headers(natsMsg *msg, const struct bucket_put *put)
{
    char text[32];
    natsStatus s = NATS_OK;
    if (put->has_revision) {
        (void)snprintf(text, sizeof text, "%llu", (unsigned long long)put->revision);
        s = natsMsgHeader_Set(msg, "Nats-Expected-Last-Subject-Sequence", text);
    }
    if (s == NATS_OK && put->ttl_s > 0) {
        (void)snprintf(text, sizeof text, "%llds", (long long)put->ttl_s);
        s = natsMsgHeader_Set(msg, "Nats-TTL", text);
    }
    return s;
}

static enum rc rc_of_ack(const struct puback *ack)
{
    switch (ack->error) {
    case 0:
        return RC_OK;
    case ERR_WRONG_LAST_SEQ:
    case ERR_WRONG_LAST_SEQ_ALONE:
        return RC_CONFLICT;
    case ERR_STORE_FULL:
    case ERR_RESOURCES:
        return RC_FULL;
    default:
        return RC_UNAVAILABLE; /* a definite no, for a reason that may pass */
    }
}

static enum rc read_answer(natsMsg *msg)
{
    struct puback ack;
    if (natsMsg_IsNoResponders(msg))
        return RC_UNAVAILABLE;
    if (!puback_read(bytes_make(natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg)), &ack))
        return RC_TIMEOUT;
    return rc_of_ack(&ack);
}

enum rc nats_bucket_put(struct nats_link *link, const struct bucket_put *put)
{
    char subject[NATS_SUBJECT_MAX];
    struct nats_call call;
    natsMsg *msg = NULL, *answer = NULL;
    enum rc rc = RC_NOMEM;

    if (!nats_link_is_up(link))
        return RC_UNAVAILABLE;
    (void)snprintf(subject, sizeof subject, "$KV.%s.%s", put->bucket, put->key);
    nats_call_begin(&call, link);
    if (natsMsg_Create(&msg, subject, call.inbox, (const char *)put->value.ptr,
                       (int)put->value.len) == NATS_OK &&
        set_headers(msg, put) == NATS_OK) {
        natsStatus s = natsConnection_PublishMsg(nats_link_connection(link), msg);
        rc = nats_status_rc(s);
        if (s == NATS_OK)
            rc = nats_call_next(&call, ANSWER_MS, &answer) == NATS_OK ? read_answer(answer)
                                                                      : RC_TIMEOUT;
    }
    nats_call_end(&call);
    natsMsg_Destroy(msg);
    natsMsg_Destroy(answer);
    return rc;
}

static enum rc take_value(natsMsg *msg, struct arena *arena, struct bytes *out_value,
                          uint64_t *out_revision)
{
    uint64_t status = 200;
    if (natsMsg_IsNoResponders(msg))
        return RC_UNAVAILABLE;
    if (natsMsg_GetDataLength(msg) == 0)
        (void)bytes_to_u64(nats_header(msg, "Status"), 999, &status);
    if (status == 404 || nats_header(msg, "Nats-Marker-Reason").ptr ||
        nats_header(msg, "KV-Operation").ptr)
        return RC_NOT_FOUND;
    if (status != 200)
        return RC_UNAVAILABLE;
    *out_value =
        arena_copy(arena, bytes_make(natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg)));
    *out_revision = nats_header_u64(msg, "Nats-Sequence");
    return out_value->ptr ? RC_OK : RC_NOMEM;
}

enum rc nats_bucket_get(struct nats_link *link, const char *bucket, const char *key,
                        struct arena *arena, struct bytes *out_value, uint64_t *out_revision)
{
    char subject[NATS_SUBJECT_MAX];
    natsMsg *msg = NULL;
    (void)snprintf(subject, sizeof subject, "$JS.API.DIRECT.GET.KV_%s.$KV.%s.%s", bucket, bucket,
                   key);
    TRY(nats_ask(link, subject, bytes_of(""), ANSWER_MS, &msg));
    enum rc rc = take_value(msg, arena, out_value, out_revision);
    natsMsg_Destroy(msg);
    return rc;
}
