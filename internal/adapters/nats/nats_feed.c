/* nats_feed.c - subscriptions, flushes, signals and presence; what is heard goes by
 * nats_feed_messages.c.
 *
 * 1. A subscription is made and ended by the sender thread, in the order of the calls; the loop
 *    only knows its handle. Every callback has the feed for a closure and goes by the subject, so
 *    a message that comes after the end of its subscription is harmless.
 * 2. Answers to flush have a mailbox of their own: a flood of messages can't push one out.
 */
#include "adapters/nats/nats_feed_priv.h"

#include "adapters/uv/mailbox.h"
#include "base/log.h"
#include "base/map.h"
#include "wire/subjects.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>

enum { LETTERS_MAX = 65536, ANSWERS_MAX = 1 << 19 };

/* ---- subscriptions ---- */

struct feed_sub {
    struct nats_op begin, end;
    struct nats_feed *feed;
    natsSubscription *sub; /* sender thread */
    char subject[];
};

static void begin_sub(struct nats_op *op, natsConnection *nc, natsStatus flushed)
{
    struct feed_sub *fs = CONTAINER_OF(op, struct feed_sub, begin);
    (void)flushed;
    natsStatus s =
        nats_subs_add(&fs->feed->subs, nc, fs->subject, nats_feed_on_message, fs->feed, &fs->sub);
    if (s == NATS_OK)
        return;
    fs->sub = NULL;
    log_warn("nats.subscribe_failed", LOG_STR("status", natsStatus_GetText(s)));
    nats_link_raise_boundary(fs->feed->link);
}

static void end_sub(struct nats_op *op, natsConnection *nc, natsStatus flushed)
{
    struct feed_sub *fs = CONTAINER_OF(op, struct feed_sub, end);
    (void)nc, (void)flushed;
    nats_link_bury(fs->feed->link, fs->sub);
    free(fs);
}

static struct bytes handle_key(const uint64_t *handle)
{
    return bytes_make(handle, sizeof *handle);
}

static uint64_t add_sub(struct nats_feed *feed, const char *subject)
{
    size_t len = strlen(subject) + 1;
    struct feed_sub *fs = calloc(1, sizeof *fs + len);
    uint64_t handle = feed->last_handle + 1;
    if (!fs || feed->is_closing) {
        free(fs);
        return 0;
    }
    fs->begin.run = begin_sub;
    fs->end.run = end_sub;
    fs->feed = feed;
    memcpy(fs->subject, subject, len);
    if (map_put(&feed->by_handle, handle_key(&handle), fs) != RC_OK) {
        free(fs);
        return 0;
    }
    if (nats_link_send(feed->link, &fs->begin) != RC_OK) {
        (void)map_remove(&feed->by_handle, handle_key(&handle));
        free(fs);
        return 0;
    }
    return feed->last_handle = handle;
}

static uint64_t feed_subscribe(void *self, uint32_t partition, const struct id *owner)
{
    char subject[SUBJECT_CHARS_MAX];
    (void)subject_live_any(subject, partition, owner);
    return add_sub(self, subject);
}

static uint64_t feed_watch_presence(void *self, const struct id *user)
{
    char subject[SUBJECT_CHARS_MAX];
    (void)snprintf(subject, sizeof subject, "live.presence.%s.*", user->text);
    return add_sub(self, subject);
}

static void feed_unsubscribe(void *self, uint64_t handle)
{
    struct nats_feed *feed = self;
    struct feed_sub *fs =
        feed->is_closing ? NULL : map_remove(&feed->by_handle, handle_key(&handle));
    if (!fs)
        return;
    if (nats_link_send(feed->link, &fs->end) == RC_OK)
        return;
    /* The queue is at its bound: the subscription stays until the feed ends. */
    if (map_put(&feed->by_handle, handle_key(&handle), fs) != RC_OK)
        log_warn("nats.subscription_leaked");
}

/* ---- flush ---- */

struct flush {
    struct nats_op op;
    struct mail mail;
    struct nats_feed *feed;
    void (*done)(void *closure, enum rc rc);
    void *closure;
    enum rc rc;
};

static void tell_flushed(struct mail *mail)
{
    struct flush *flush = CONTAINER_OF(mail, struct flush, mail);
    flush->done(flush->closure, flush->rc);
    free(flush);
}

static void on_flushed(struct nats_op *op, natsConnection *nc, natsStatus flushed)
{
    struct flush *flush = CONTAINER_OF(op, struct flush, op);
    (void)nc;
    flush->rc = flushed == NATS_OK ? RC_OK : RC_UNAVAILABLE;
    enum rc rc = mailbox_post(flush->feed->answers, &flush->mail);
    assert(rc == RC_OK); /* the link's queue is smaller than this box */
    (void)rc;
}

static enum rc feed_flush(void *self, void (*done)(void *closure, enum rc rc), void *closure)
{
    struct nats_feed *feed = self;
    struct flush *flush = feed->is_closing ? NULL : calloc(1, sizeof *flush);
    if (!flush)
        return feed->is_closing ? RC_UNAVAILABLE : RC_NOMEM;
    *flush = (struct flush){ .op = { .run = on_flushed, .is_flush = true },
                             .mail = { .run = tell_flushed },
                             .feed = feed,
                             .done = done,
                             .closure = closure };
    enum rc rc = nats_link_send(feed->link, &flush->op);
    if (rc != RC_OK)
        free(flush);
    return rc;
}

/* ---- signals and presence ---- */

struct sending {
    struct nats_op op;
    natsMsg *msg;
};

static void send_one(struct nats_op *op, natsConnection *nc, natsStatus flushed)
{
    struct sending *sending = CONTAINER_OF(op, struct sending, op);
    (void)flushed;
    (void)natsConnection_PublishMsg(nc, sending->msg); /* at most once, by nature */
    natsMsg_Destroy(sending->msg);
    free(sending);
}

enum rc nats_send_message(struct nats_link *link, natsMsg *msg)
{
    struct sending *sending = nats_link_is_up(link) ? calloc(1, sizeof *sending) : NULL;
    enum rc rc = nats_link_is_up(link) ? RC_NOMEM : RC_UNAVAILABLE;
    if (sending) {
        *sending = (struct sending){ .op = { .run = send_one }, .msg = msg };
        rc = nats_link_send(link, &sending->op);
    }
    if (rc != RC_OK) {
        natsMsg_Destroy(msg);
        free(sending);
    }
    return rc;
}

static enum rc feed_signal(void *self, uint32_t partition, const struct id *owner,
                           struct bytes json)
{
    struct nats_feed *feed = self;
    char subject[SUBJECT_CHARS_MAX];
    natsMsg *msg = NULL;
    (void)subject_live(subject, partition, SUBJECT_SIGNAL, owner);
    if (natsMsg_Create(&msg, subject, NULL, (const char *)json.ptr, (int)json.len) != NATS_OK)
        return RC_NOMEM;
    return nats_send_message(feed->link, msg);
}

static void presence_key(char out[SUBJECT_CHARS_MAX], const struct id *user,
                         const struct id *session)
{
    (void)snprintf(out, SUBJECT_CHARS_MAX, "$KV.PRESENCE.%s.%s", user->text, session->text);
}

static enum rc feed_put_presence(void *self, const struct id *user, const struct id *session,
                                 struct bytes json)
{
    struct nats_feed *feed = self;
    char subject[SUBJECT_CHARS_MAX];
    natsMsg *msg = NULL;
    presence_key(subject, user, session);
    if (natsMsg_Create(&msg, subject, NULL, (const char *)json.ptr, (int)json.len) != NATS_OK)
        return RC_NOMEM;
    return nats_send_message(feed->link, msg);
}

/* A PURGE with a TTL: a DEL would be followed by a second marker one max_age later. */
static enum rc feed_end_presence(void *self, const struct id *user, const struct id *session)
{
    struct nats_feed *feed = self;
    char subject[SUBJECT_CHARS_MAX];
    natsMsg *msg = NULL;
    presence_key(subject, user, session);
    natsStatus s = natsMsg_Create(&msg, subject, NULL, NULL, 0);
    if (s == NATS_OK)
        s = natsMsgHeader_Set(msg, "KV-Operation", "PURGE");
    if (s == NATS_OK)
        s = natsMsgHeader_Set(msg, "Nats-Rollup", "sub");
    if (s == NATS_OK)
        s = natsMsgHeader_Set(msg, "Nats-TTL", "5s");
    if (s != NATS_OK) {
        natsMsg_Destroy(msg);
        return RC_NOMEM;
    }
    return nats_send_message(feed->link, msg);
}

static enum rc feed_list_presence(void *self, const struct id *users, size_t count,
                                  void (*each)(void *closure, const struct presence_record *record),
                                  void *closure)
{
    struct nats_feed *feed = self;
    return nats_presence_list(feed->read_link, users, count, each, closure);
}

static bool feed_is_up(void *self)
{
    struct nats_feed *feed = self;
    return nats_link_is_up(feed->link);
}

/* ---- making and ending ---- */

static void on_link(void *closure, bool is_up)
{
    struct nats_feed *feed = closure;
    if (feed->events.on_link)
        feed->events.on_link(feed->events.closure, is_up);
}

static void on_boundary(void *closure)
{
    struct nats_feed *feed = closure;
    if (feed->events.on_boundary)
        feed->events.on_boundary(feed->events.closure);
}

static enum rc subscribe_fixed(struct nats_feed *feed)
{
    static const char *const subjects[FIXED_SUBS] = { "heads.*", "applied.*", "ctl.>" };
    for (size_t i = 0; i < FIXED_SUBS; i++) {
        natsStatus s = nats_subs_add(&feed->subs, nats_link_connection(feed->link), subjects[i],
                                     nats_feed_on_message, feed, &feed->fixed[i]);
        if (s != NATS_OK)
            return nats_status_rc(s);
    }
    return RC_OK;
}

struct nats_feed *nats_feed_create(const struct nats_feed_options *options)
{
    struct nats_feed *feed = calloc(1, sizeof *feed);
    if (!feed)
        return NULL;
    feed->link = options->link;
    feed->read_link = options->read_link ? options->read_link : options->link;
    feed->events = options->events;
    map_init(&feed->by_handle);
    nats_subs_init(&feed->subs);
    feed->box = mailbox_create(options->loop,
                               &(struct mailbox_options){ .letters_max = options->letters_max
                                                                             ? options->letters_max
                                                                             : LETTERS_MAX });
    feed->answers =
        mailbox_create(options->loop, &(struct mailbox_options){ .letters_max = ANSWERS_MAX });
    feed->listener = (struct nats_link_listener){ .closure = feed,
                                                  .on_link = on_link,
                                                  .on_boundary = on_boundary };
    nats_link_listen(feed->link, &feed->listener);
    if (!feed->box || !feed->answers || subscribe_fixed(feed) != RC_OK) {
        nats_feed_destroy(feed);
        return NULL;
    }
    return feed;
}

struct live_feed nats_feed_port(struct nats_feed *feed)
{
    return (struct live_feed){
        .self = feed,
        .subscribe = feed_subscribe,
        .unsubscribe = feed_unsubscribe,
        .flush = feed_flush,
        .signal = feed_signal,
        .watch_presence = feed_watch_presence,
        .put_presence = feed_put_presence,
        .end_presence = feed_end_presence,
        .list_presence = feed_list_presence,
        .is_up = feed_is_up,
    };
}

struct nats_feed_counts nats_feed_counts(const struct nats_feed *feed)
{
    return (struct nats_feed_counts){
        .records = feed->records,
        .signals = feed->signals,
        .presence = feed->presence,
        .dropped = atomic_load(&feed->dropped),
        .refused = atomic_load(&feed->refused),
        .subscriptions = feed->by_handle.count,
    };
}

static void end_all_subs(struct nats_feed *feed)
{
    struct feed_sub *fs;
    size_t at = 0;
    nats_link_drain_ops(feed->link);
    while ((fs = map_next(&feed->by_handle, &at, NULL)))
        end_sub(&fs->end, NULL, NATS_OK);
    for (size_t i = 0; i < FIXED_SUBS; i++)
        nats_link_bury(feed->link, feed->fixed[i]);
    nats_subs_wait(&feed->subs);
}

void nats_feed_stop(struct nats_feed *feed)
{
    if (!feed || feed->is_closing)
        return;
    feed->is_closing = true;
    nats_link_unlisten(&feed->listener);
    end_all_subs(feed);
    mailbox_destroy(feed->box);
    mailbox_destroy(feed->answers); /* runs the answers that are left */
}

void nats_feed_destroy(struct nats_feed *feed)
{
    if (!feed)
        return;
    nats_feed_stop(feed);
    map_fini(&feed->by_handle);
    nats_subs_fini(&feed->subs);
    free(feed);
}
