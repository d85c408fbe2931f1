/* nats_presence.c - the bucket KV_PRESENCE: one key per (user, session), gone 60 s after its last
 * put. nats.c's own KV calls report an expiry as a put, so the bucket is spoken to by subjects. */
#include "adapters/nats/nats_feed_priv.h"

#include <stdio.h>

enum { USERS_A_PAGE = 100, SUBJECTS_A_REPLY = 1024, REQUEST_BYTES_MAX = 64 * 1024 };

bool nats_presence_split(struct bytes subject, const char *prefix, struct presence_record *record)
{
    if (!bytes_starts(subject, prefix))
        return false;
    size_t skip = strlen(prefix);
    struct bytes rest = bytes_make(subject.ptr + skip, subject.len - skip);
    const uint8_t *dot = rest.len ? memchr(rest.ptr, '.', rest.len) : NULL;
    if (!dot)
        return false;
    size_t user_len = (size_t)(dot - rest.ptr);
    return id_read(bytes_make(rest.ptr, user_len), &record->user) &&
           id_read(bytes_make(dot + 1, rest.len - user_len - 1), &record->session);
}

void nats_presence_read(natsMsg *msg, struct presence_record *record)
{
    record->revision = nats_header_u64(msg, "Nats-Sequence");
    record->payload = bytes_make(natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg));
    record->is_gone =
        nats_header(msg, "Nats-Marker-Reason").ptr || nats_header(msg, "KV-Operation").ptr;
}

struct listing {
    void (*each)(void *closure, const struct presence_record *record);
    void *closure;
};

static bool list_message(void *closure, natsMsg *msg)
{
    const struct listing *listing = closure;
    struct presence_record record;
    if (!nats_presence_split(nats_header(msg, "Nats-Subject"), "$KV.PRESENCE.", &record))
        return true;
    nats_presence_read(msg, &record);
    if (!record.is_gone)
        listing->each(listing->closure, &record);
    return true;
}

/* RC_FULL: more keys than one answer may have. */
static enum rc list_page(struct nats_link *link, const struct id *users, size_t count,
                         struct listing *listing)
{
    SCOPED_BUF(request, REQUEST_BYTES_MAX);
    struct nats_batch batch;
    buf_add_text(&request, "{\"multi_last\":[");
    for (size_t i = 0; i < count; i++)
        buf_add_format(&request, "%s\"$KV.PRESENCE.%s.*\"", i ? "," : "", users[i].text);
    buf_add_format(&request, "],\"batch\":%d}", SUBJECTS_A_REPLY);
    if (request.has_failed)
        return RC_NOMEM;
    TRY(nats_direct_batch(link, "KV_PRESENCE", buf_bytes(&request), list_message, listing, &batch));
    return batch.end == NATS_BATCH_LIMIT ? RC_FULL : RC_OK;
}

/* Halves the page while it has more keys than an answer takes; the server says so before the
 * first of them. */
static enum rc list_some(struct nats_link *link, const struct id *users, size_t count,
                         struct listing *listing)
{
    enum rc rc = list_page(link, users, count, listing);
    if (rc != RC_FULL || count <= 1)
        return rc == RC_FULL ? RC_UNAVAILABLE : rc;
    TRY(list_some(link, users, count / 2, listing));
    return list_some(link, users + count / 2, count - count / 2, listing);
}

enum rc nats_presence_list(struct nats_link *link, const struct id *users, size_t count,
                           void (*each)(void *closure, const struct presence_record *record),
                           void *closure)
{
    struct listing listing = { each, closure };
    for (size_t at = 0; at < count; at += USERS_A_PAGE) {
        size_t left = count - at;
        enum rc rc = list_some(link, users + at, left < USERS_A_PAGE ? left : (size_t)USERS_A_PAGE,
                               &listing);
        if (rc != RC_OK)
            return rc == RC_NOMEM ? rc : RC_UNAVAILABLE; /* the answer is "unknown" */
    }
    return RC_OK;
}
