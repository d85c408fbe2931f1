/* mem_feed.c - live feeds and presence of the log in memory. */
#include "adapters/mem/mem_log_priv.h"

#include <stdio.h>

enum { PRESENCE_AGE_MS = 60000 };

struct mem_sub {
    bool is_presence;
    uint32_t partition;
    struct id owner;
};

/* What a feed hears, with copies of all that it points to. */
enum heard {
    HEARD_RECORD,
    HEARD_SIGNAL,
    HEARD_PRESENCE,
    HEARD_ANNOUNCEMENT,
    HEARD_BOUNDARY,
    HEARD_LINK
};

struct feed_call {
    struct mem_call call; /* first: it is freed as one when it never runs */
    struct mem_feed *feed;
    enum heard heard;
    bool is_up;
    uint32_t partition;
    struct id owner, session;
    struct log_record record;
    bool is_gone;
    uint64_t revision;
    char subject[SUBJECT_CHARS_MAX];
    size_t len;
    uint8_t payload[];
};

static void tell_announcement(const struct live_feed_events *on, const struct feed_call *c,
                              struct bytes json)
{
    uint64_t partition = 0;
    const char *tail = strchr(c->subject, '.') + 1;
    (void)bytes_to_u64(bytes_of(tail), UINT32_MAX, &partition);
    if (strncmp(c->subject, "heads.", 6) == 0 && on->on_heads)
        on->on_heads(on->closure, (uint32_t)partition, json);
    else if (strncmp(c->subject, "applied.", 8) == 0 && on->on_applied)
        on->on_applied(on->closure, (uint32_t)partition, json);
    else if (strncmp(c->subject, "ctl.", 4) == 0 && on->on_control)
        on->on_control(on->closure, bytes_of(tail), json);
}

static void run_heard(struct mem_call *call)
{
    struct feed_call *c = (struct feed_call *)(void *)call;
    const struct live_feed_events *on = &c->feed->events;
    struct bytes payload = bytes_make(c->payload, c->len);
    const struct live_signal signal = {
        .partition = c->partition, .kind = SUBJECT_SIGNAL, .owner = c->owner, .payload = payload
    };
    const struct presence_record presence = { c->owner, c->session, c->is_gone, payload,
                                              c->revision };
    switch (c->heard) {
    case HEARD_RECORD:
        c->record.payload = payload;
        if (on->on_record)
            on->on_record(on->closure, &c->record);
        break;
    case HEARD_SIGNAL:
        if (on->on_signal)
            on->on_signal(on->closure, &signal);
        break;
    case HEARD_PRESENCE:
        if (on->on_presence)
            on->on_presence(on->closure, &presence);
        break;
    case HEARD_ANNOUNCEMENT:
        tell_announcement(on, c, payload);
        break;
    case HEARD_BOUNDARY:
        if (on->on_boundary)
            on->on_boundary(on->closure);
        break;
    case HEARD_LINK:
        if (on->on_link)
            on->on_link(on->closure, c->is_up);
        break;
    }
    free(c);
}

static struct feed_call *post(struct mem_feed *feed, enum heard heard, struct bytes payload)
{
    struct feed_call *c = calloc(1, sizeof *c + payload.len + 1);
    if (!c)
        abort();
    c->feed = feed;
    c->heard = heard;
    c->len = payload.len;
    if (payload.len > 0)
        memcpy(c->payload, payload.ptr, payload.len);
    mem_post(feed->log, &c->call, run_heard);
    return c;
}

static bool listens(const struct mem_feed *feed, bool is_presence, uint32_t partition,
                    const struct id *owner)
{
    const struct mem_sub *sub;
    size_t at = 0;
    while ((sub = map_next(&feed->subs, &at, NULL))) {
        if (sub->is_presence != is_presence || !id_equal(&sub->owner, owner))
            continue;
        if (is_presence || sub->partition == partition) /* live.<p>.*.<id> takes every kind */
            return true;
    }
    return false;
}

void mem_feed_record(struct mem_log *log, const struct log_record *record)
{
    for (struct mem_feed *feed = log->feeds; feed && !log->is_down; feed = feed->next)
        if (listens(feed, false, record->partition, &record->owner))
            post(feed, HEARD_RECORD, record->payload)->record = *record;
}

void mem_feed_announce(struct mem_log *log, const char *subject, struct bytes json)
{
    for (struct mem_feed *feed = log->feeds; feed && !log->is_down; feed = feed->next) {
        struct feed_call *c = post(feed, HEARD_ANNOUNCEMENT, json);
        (void)snprintf(c->subject, sizeof c->subject, "%s", subject);
    }
}

/* ---- the port ---- */

static struct bytes handle_key(const uint64_t *handle)
{
    return bytes_make(handle, sizeof *handle);
}

static uint64_t add_sub(struct mem_feed *feed, const struct mem_sub *sub)
{
    struct mem_sub *copy = malloc(sizeof *copy);
    if (!copy)
        return 0;
    *copy = *sub;
    pthread_mutex_lock(&feed->log->lock);
    uint64_t handle = ++feed->log->last_handle;
    if (map_put(&feed->subs, handle_key(&handle), copy) != RC_OK) {
        free(copy);
        handle = 0;
    }
    pthread_mutex_unlock(&feed->log->lock);
    return handle;
}

static uint64_t feed_subscribe(void *self, uint32_t partition, const struct id *owner)
{
    return add_sub(self, &(struct mem_sub){ false, partition, *owner });
}

static uint64_t feed_watch_presence(void *self, const struct id *user)
{
    return add_sub(self, &(struct mem_sub){ .is_presence = true, .owner = *user });
}

static void feed_unsubscribe(void *self, uint64_t handle)
{
    struct mem_feed *feed = self;
    pthread_mutex_lock(&feed->log->lock);
    free(map_remove(&feed->subs, handle_key(&handle)));
    pthread_mutex_unlock(&feed->log->lock);
}

struct flush_call {
    struct mem_call call; /* first */
    void (*done)(void *closure, enum rc rc);
    void *closure;
    enum rc rc;
};

static void run_flush(struct mem_call *call)
{
    struct flush_call *f = (struct flush_call *)(void *)call;
    f->done(f->closure, f->rc);
    free(f);
}

static enum rc feed_flush(void *self, void (*done)(void *closure, enum rc rc), void *closure)
{
    struct mem_feed *feed = self;
    struct flush_call *f = calloc(1, sizeof *f);
    if (!f)
        return RC_NOMEM;
    pthread_mutex_lock(&feed->log->lock);
    f->done = done;
    f->closure = closure;
    f->rc = feed->log->is_down ? RC_UNAVAILABLE : RC_OK;
    mem_post(feed->log, &f->call, run_flush);
    pthread_mutex_unlock(&feed->log->lock);
    return RC_OK;
}

static enum rc feed_signal(void *self, uint32_t partition, const struct id *owner,
                           struct bytes json)
{
    struct mem_feed *feed = self;
    struct mem_log *log = feed->log;
    pthread_mutex_lock(&log->lock);
    enum rc rc = log->is_down ? RC_UNAVAILABLE : RC_OK;
    for (struct mem_feed *at = log->feeds; at && rc == RC_OK; at = at->next) {
        if (!listens(at, false, partition, owner))
            continue;
        struct feed_call *c = post(at, HEARD_SIGNAL, json);
        c->partition = partition;
        c->owner = *owner;
    }
    pthread_mutex_unlock(&log->lock);
    return rc;
}

static struct mem_presence *find_presence(struct mem_log *log, const struct id *user,
                                          const struct id *session)
{
    for (size_t i = 0; i < log->presence_count; i++)
        if (id_equal(&log->presence[i].user, user) && id_equal(&log->presence[i].session, session))
            return &log->presence[i];
    log->presence = realloc(log->presence, (log->presence_count + 1) * sizeof *log->presence);
    if (!log->presence)
        abort();
    struct mem_presence *made = &log->presence[log->presence_count++];
    *made = (struct mem_presence){ .user = *user, .session = *session };
    return made;
}

static void change_presence(struct mem_log *log, struct mem_presence *p, bool is_gone,
                            struct bytes json)
{
    uint8_t *copy = malloc(json.len + 1);
    if (!copy)
        abort();
    if (json.len > 0)
        memcpy(copy, json.ptr, json.len);
    free((void *)(uintptr_t)p->payload.ptr);
    p->payload = bytes_make(copy, json.len);
    p->is_gone = is_gone;
    p->revision = ++log->last_revision;
    p->put_at_ms = mem_now_ms(log);
    for (struct mem_feed *feed = log->feeds; feed; feed = feed->next) {
        if (!listens(feed, true, 0, &p->user))
            continue;
        struct feed_call *c = post(feed, HEARD_PRESENCE, p->payload);
        c->owner = p->user;
        c->session = p->session;
        c->is_gone = is_gone;
        c->revision = p->revision;
    }
}

static enum rc write_presence(struct mem_feed *feed, const struct id *user,
                              const struct id *session, bool is_gone, struct bytes json)
{
    struct mem_log *log = feed->log;
    pthread_mutex_lock(&log->lock);
    enum rc rc = log->is_down ? RC_UNAVAILABLE : RC_OK;
    if (rc == RC_OK && !log->presence_away) /* fire and forget: a missing bucket isn't noticed */
        change_presence(log, find_presence(log, user, session), is_gone, json);
    pthread_mutex_unlock(&log->lock);
    return rc;
}

static enum rc feed_put_presence(void *self, const struct id *user, const struct id *session,
                                 struct bytes json)
{
    return write_presence(self, user, session, false, json);
}

static enum rc feed_end_presence(void *self, const struct id *user, const struct id *session)
{
    return write_presence(self, user, session, true, bytes_make("", 0));
}

static enum rc feed_list_presence(void *self, const struct id *users, size_t count,
                                  void (*each)(void *closure, const struct presence_record *record),
                                  void *closure)
{
    struct mem_feed *feed = self;
    struct mem_log *log = feed->log;
    pthread_mutex_lock(&log->lock);
    enum rc rc = log->is_down || log->presence_away ? RC_UNAVAILABLE : RC_OK;
    for (size_t i = 0; rc == RC_OK && i < log->presence_count; i++) {
        const struct mem_presence *p = &log->presence[i];
        const struct presence_record record = { p->user, p->session, p->is_gone, p->payload,
                                                p->revision };
        for (size_t k = 0; k < count; k++)
            if (!p->is_gone && id_equal(&users[k], &p->user))
                each(closure, &record);
    }
    pthread_mutex_unlock(&log->lock);
    return rc;
}

static bool feed_is_up(void *self)
{
    struct mem_feed *feed = self;
    return !feed->log->is_down;
}

struct live_feed mem_log_feed(struct mem_log *log, const struct live_feed_events *events)
{
    struct mem_feed *feed = calloc(1, sizeof *feed);
    if (!feed)
        abort();
    feed->log = log;
    feed->events = *events;
    map_init(&feed->subs);
    pthread_mutex_lock(&log->lock);
    struct mem_feed **end = &log->feeds;
    while (*end)
        end = &(*end)->next;
    *end = feed; /* in the order they were made, so that runs are alike */
    post(feed, HEARD_LINK, bytes_make("", 0))->is_up = !log->is_down;
    pthread_mutex_unlock(&log->lock);
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

/* ---- what tests do to it ---- */

void mem_log_set_link(struct mem_log *log, bool is_up)
{
    pthread_mutex_lock(&log->lock);
    bool is_change = log->is_down == is_up;
    log->is_down = !is_up;
    for (struct mem_feed *feed = log->feeds; feed && is_change; feed = feed->next) {
        post(feed, HEARD_LINK, bytes_make("", 0))->is_up = is_up;
        if (is_up)
            (void)post(feed, HEARD_BOUNDARY, bytes_make("", 0));
    }
    pthread_mutex_unlock(&log->lock);
}

void mem_log_raise_boundary(struct mem_log *log)
{
    pthread_mutex_lock(&log->lock);
    for (struct mem_feed *feed = log->feeds; feed; feed = feed->next)
        (void)post(feed, HEARD_BOUNDARY, bytes_make("", 0));
    pthread_mutex_unlock(&log->lock);
}

void mem_log_set_presence(struct mem_log *log, bool is_available)
{
    log->presence_away = !is_available;
}

void mem_log_expire_presence(struct mem_log *log)
{
    pthread_mutex_lock(&log->lock);
    for (size_t i = 0; i < log->presence_count; i++) {
        struct mem_presence *p = &log->presence[i];
        if (!p->is_gone && mem_now_ms(log) - p->put_at_ms >= PRESENCE_AGE_MS)
            change_presence(log, p, true, bytes_make("", 0));
    }
    pthread_mutex_unlock(&log->lock);
}

void mem_feeds_destroy(struct mem_log *log)
{
    struct mem_feed *next;
    for (struct mem_feed *feed = log->feeds; feed; feed = next) {
        void *sub;
        size_t at = 0;
        next = feed->next;
        while ((sub = map_next(&feed->subs, &at, NULL)))
            free(sub);
        map_fini(&feed->subs);
        free(feed);
    }
    for (size_t i = 0; i < log->presence_count; i++)
        free((void *)(uintptr_t)log->presence[i].payload.ptr);
    free(log->presence);
}
