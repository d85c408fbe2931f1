/* stream_snapshot.c - see stream_snapshot.h.
 *
 * Saving: the server sends parts to an inbox; each carries a reply subject, and an empty message to
 * it opens the window for one more. An empty part is the end; a status in it says that it failed.
 * Restoring: the server names an inbox; each part is a request, answered when it was taken; an
 * empty one ends it, and its answer says whether the stream is there.
 */
#include "adapters/nats/stream_snapshot.h"

#include "adapters/nats/nats_priv.h"

#include <jansson.h>

enum {
    PART_BYTES = 64 * 1024, /* below max_payload of deploy/nats-server.conf, with room to spare */
    PART_WAIT_MS = 30000,
    END_WAIT_MS = 300000, /* the server checks and loads all of it before it answers */
    REPLY_BYTES_MAX = 1 << 20,
};

static void drop_json(json_t **value)
{
    json_decref(*value);
}
#define SCOPED_REPLY __attribute__((cleanup(drop_json)))

/* JetStream's answer as JSON; an error in it becomes a code and a text. */
static enum rc read_reply(struct bytes text, json_t **out, struct fault *fault)
{
    json_error_t error;
    json_t *reply = json_loadb((const char *)text.ptr, text.len, 0, &error);
    const json_t *refusal = json_object_get(reply, "error");

    if (json_is_object(reply) && !refusal) {
        *out = reply;
        return RC_OK;
    }
    const char *why = json_string_value(json_object_get(refusal, "description"));
    bool is_missing = json_integer_value(json_object_get(refusal, "code")) == 404;
    fault_set(fault, "", "%s", why ? why : "not an answer of JetStream");
    json_decref(reply);
    return is_missing ? RC_NOT_FOUND : RC_CONFLICT;
}

/* ---- saving ---- */

/* The last message is empty: with status 204 or none it is the good end, 408 and 500 are others. */
static enum rc read_end(natsMsg *msg, struct fault *fault)
{
    struct bytes status = nats_header(msg, "Status");
    struct bytes text = nats_header(msg, "Description");

    if (!status.len || bytes_is(status, "204"))
        return RC_OK;
    fault_set(fault, "", "the server ended the snapshot: %.*s %.*s", BYTES_ARG(status),
              BYTES_ARG(text));
    return RC_UNAVAILABLE;
}

static enum rc take_parts(natsSubscription *sub, struct nats_link *link, snapshot_write_fn *write,
                          void *closure, struct fault *fault)
{
    for (;;) {
        natsMsg *msg = NULL;
        natsStatus s = natsSubscription_NextMsg(&msg, sub, PART_WAIT_MS);
        if (s != NATS_OK) {
            fault_set(fault, "", "no part of the snapshot came for %d s", PART_WAIT_MS / 1000);
            return nats_status_rc(s);
        }
        size_t len = (size_t)natsMsg_GetDataLength(msg);
        enum rc rc =
            len > 0 ? write(closure, bytes_make(natsMsg_GetData(msg), len)) : read_end(msg, fault);
        const char *reply = natsMsg_GetReply(msg);
        if (rc == RC_OK && len > 0 && reply)
            rc = nats_status_rc(natsConnection_Publish(nats_link_connection(link), reply, "", 0));
        natsMsg_Destroy(msg);
        if (rc != RC_OK || len == 0)
            return rc;
    }
}

static enum rc ask_for_snapshot(struct nats_link *link, const char *stream, const char *inbox,
                                struct arena *arena, struct bytes *out_meta, struct fault *fault)
{
    SCOPED_REPLY json_t *reply = NULL;
    char subject[NATS_SUBJECT_MAX], request[NATS_SUBJECT_MAX + 128];

    (void)snprintf(subject, sizeof subject, "$JS.API.STREAM.SNAPSHOT.%s", stream);
    (void)snprintf(request, sizeof request,
                   "{\"deliver_subject\":\"%s\",\"chunk_size\":%d,\"no_consumers\":false}", inbox,
                   PART_BYTES);
    TRY(nats_link_request(link, subject, bytes_of(request), PART_WAIT_MS, arena, out_meta));
    return read_reply(*out_meta, &reply, fault);
}

/* The parts come to a subscription of that very subject: for a wildcard, as answers have it, the
 * server doesn't see the interest and waits two seconds for it. */
static enum rc subscribe(struct nats_link *link, char inbox[NATS_SUBJECT_MAX],
                         natsSubscription **out_sub)
{
    natsInbox *made = NULL;
    natsStatus s = natsInbox_Create(&made);
    if (s != NATS_OK)
        return nats_status_rc(s);
    (void)snprintf(inbox, NATS_SUBJECT_MAX, "%s", made);
    natsInbox_Destroy(made);
    return nats_status_rc(natsConnection_SubscribeSync(out_sub, nats_link_connection(link), inbox));
}

enum rc stream_snapshot_save(struct nats_link *link, const char *stream, snapshot_write_fn *write,
                             void *closure, struct arena *arena, struct bytes *out_meta,
                             struct fault *fault)
{
    natsSubscription *sub = NULL;
    char inbox[NATS_SUBJECT_MAX];

    if (!nats_link_is_up(link))
        return RC_UNAVAILABLE;
    enum rc rc = subscribe(link, inbox, &sub);
    if (rc == RC_OK)
        rc = ask_for_snapshot(link, stream, inbox, arena, out_meta, fault);
    if (rc == RC_OK)
        rc = take_parts(sub, link, write, closure, fault);
    natsSubscription_Destroy(sub);
    return rc;
}

/* ---- restoring ---- */

static enum rc send_parts(struct nats_link *link, const char *inbox, snapshot_read_fn *read,
                          void *closure, uint8_t *part, struct fault *fault)
{
    for (;;) {
        SCOPED_ARENA(arena, REPLY_BYTES_MAX);
        SCOPED_REPLY json_t *reply = NULL;
        struct bytes answer;
        size_t len;
        TRY(read(closure, part, PART_BYTES, &len));
        TRY(nats_link_request(link, inbox, bytes_make(part, len), len ? PART_WAIT_MS : END_WAIT_MS,
                              &arena, &answer));
        if (answer.len > 0) /* nothing: go on. Else the end, or an early refusal */
            return read_reply(answer, &reply, fault);
        if (len == 0) {
            fault_set(fault, "", "the server didn't say whether the stream is there");
            return RC_UNAVAILABLE;
        }
    }
}

enum rc stream_snapshot_restore(struct nats_link *link, const char *stream, struct bytes meta,
                                snapshot_read_fn *read, void *closure, struct fault *fault)
{
    SCOPED_ARENA(arena, REPLY_BYTES_MAX);
    SCOPED_REPLY json_t *reply = NULL;
    struct bytes answer;
    char subject[NATS_SUBJECT_MAX];

    (void)snprintf(subject, sizeof subject, "$JS.API.STREAM.RESTORE.%s", stream);
    TRY(nats_link_request(link, subject, meta, PART_WAIT_MS, &arena, &answer));
    TRY(read_reply(answer, &reply, fault));
    const char *inbox = json_string_value(json_object_get(reply, "deliver_subject"));
    uint8_t *part = malloc(PART_BYTES);
    if (!part || !inbox) {
        free(part);
        return part ? RC_UNAVAILABLE : RC_NOMEM;
    }
    enum rc rc = send_parts(link, inbox, read, closure, part, fault);
    free(part);
    return rc;
}
