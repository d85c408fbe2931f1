/* roster_load.c - reads which conversations are a user's: store, then what the user's feed names
 * beyond what the store has applied. See roster.c. */
#include "app/roster_parts.h"

#include "base/log.h"

#include <stdlib.h>

enum { PAGE = 500, FEED_MAX = 100000, LOAD_BYTES_MAX = 64 << 20 };

struct load_item {
    struct id conversation;
    struct membership m;
    uint64_t snapshot_seq;
    uint64_t feed_at, feed_of; /* as in struct place */
};

/* The newest feed record about a conversation, and the member event that it names. */
struct feed_place {
    uint64_t at, of;
};

struct load_job {
    struct gateway_job base;
    struct roster *roster;
    struct id user;
    uint32_t p;
    enum rc rc;
    struct arena arena;
    struct map by_id; /* conversation -> item */
    struct map hints; /* conversations to be read up to their head */
    struct map feed;  /* conversation -> feed_place */
    bool has_applied[PARTITIONS_MAX];
    uint64_t applied[PARTITIONS_MAX], emitted[PARTITIONS_MAX];
    uint64_t feed_seq;
};

static enum rc applied_of(struct load_job *j, uint32_t p, uint64_t *out)
{
    const struct gateway_deps *d = &j->base.g->d;
    if (!j->has_applied[p]) {
        TRY(d->store->applied(d->store->self, d->generation, p, &j->applied[p]));
        TRY(d->store->emitted(d->store->self, d->generation, p, &j->emitted[p]));
        j->has_applied[p] = true;
    }
    *out = j->applied[p];
    return RC_OK;
}

static enum rc put_item(struct load_job *j, const struct id *conversation,
                        const struct membership *m, uint64_t snapshot_seq)
{
    struct load_item *item = map_get(&j->by_id, id_bytes(conversation));
    if (!item) {
        item = arena_alloc(&j->arena, sizeof *item);
        if (!item)
            return RC_NOMEM;
        TRY(map_put(&j->by_id, id_bytes(conversation), item));
    }
    item->conversation = *conversation;
    item->m = *m;
    item->snapshot_seq = snapshot_seq;
    return RC_OK;
}

/* Where the feed speaks of a conversation; kept for the ones that turn out to be the user's. */
static enum rc keep_feed(struct load_job *j, const struct id *conversation, uint64_t feed_at,
                         uint64_t feed_of)
{
    struct feed_place *place = map_get(&j->feed, id_bytes(conversation));
    if (!place) {
        place = arena_alloc(&j->arena, sizeof *place);
        if (!place)
            return RC_NOMEM;
        TRY(map_put(&j->feed, id_bytes(conversation), place));
    }
    if (feed_of >= place->of)
        *place = (struct feed_place){ feed_at, feed_of };
    return RC_OK;
}

static enum rc read_list(struct load_job *j)
{
    const struct gateway_deps *d = &j->base.g->d;
    struct id after = { 0 };
    for (;;) {
        struct conversation_item *items;
        size_t count;
        SCOPED_ARENA(page, LOAD_BYTES_MAX);
        TRY(d->store->conversations_of(d->store->self, &j->user, after.len ? &after : NULL, PAGE,
                                       true, &page, &items, &count));
        for (size_t i = 0; i < count; i++) {
            uint64_t applied;
            const struct id *id = &items[i].conversation.id;
            TRY(applied_of(j, subject_partition(id, d->partitions), &applied));
            TRY(put_item(j, id, &items[i].membership, applied));
            after = *id;
        }
        if (count < PAGE)
            return RC_OK;
    }
}

static enum rc add_hint(struct load_job *j, const struct id *conversation)
{
    return map_put(&j->hints, id_bytes(conversation), j);
}

/* Rows that the store has of the feed: those beyond its own applied seq of the conversation must be
 * read from the log; the others, when they are not in the list, tell what was left. */
static enum rc read_feed_rows(struct load_job *j)
{
    const struct gateway_deps *d = &j->base.g->d;
    struct user_feed_entry *rows;
    size_t count;
    TRY(d->store->user_feed(d->store->self, &j->user, 0, FEED_MAX, &j->arena, &rows, &count));
    for (size_t i = 0; i < count; i++) {
        uint64_t applied;
        struct membership m;
        const struct id *id = &rows[i].conversation;
        TRY(applied_of(j, subject_partition(id, d->partitions), &applied));
        if (rows[i].feed_seq > j->feed_seq)
            j->feed_seq = rows[i].feed_seq;
        TRY(keep_feed(j, id, rows[i].feed_seq, rows[i].conversation_seq));
        if (rows[i].conversation_seq > applied)
            TRY(add_hint(j, id));
        else if (!map_get(&j->by_id, id_bytes(id)) &&
                 d->store->membership(d->store->self, id, &j->user, &m) == RC_OK)
            TRY(put_item(j, id, &m, applied));
    }
    return RC_OK;
}

static bool hint_of_record(void *closure, const struct log_record *record)
{
    struct load_job *j = closure;
    struct user_feed_record feed;
    j->feed_seq = record->seq;
    if (user_feed_parse(record->payload, &feed) == RC_OK &&
        (add_hint(j, &feed.conversation) != RC_OK ||
         keep_feed(j, &feed.conversation, record->seq, feed.seq) != RC_OK))
        j->rc = RC_NOMEM;
    return j->rc == RC_OK;
}

static enum rc read_feed_tail(struct load_job *j)
{
    const struct gateway_deps *d = &j->base.g->d;
    uint64_t head, applied;
    TRY(applied_of(j, j->p, &applied));
    enum rc rc = d->log->head(d->log->self, j->p, 'u', &j->user, &head);
    if (rc == RC_NOT_FOUND || (rc == RC_OK && head <= applied)) {
        if (rc == RC_OK && head > j->feed_seq)
            j->feed_seq = head;
        return RC_OK;
    }
    TRY(rc);
    struct log_range range = { j->p, 'u', &j->user, applied, head, FEED_MAX };
    TRY(d->log->read(d->log->self, &range, hint_of_record, j));
    return j->rc;
}

static enum rc read_hints(struct load_job *j)
{
    size_t at = 0;
    struct bytes key;
    while (map_next(&j->hints, &at, &key)) {
        struct conversation_view view;
        struct membership m;
        struct id id;
        SCOPED_ARENA(arena, LOAD_BYTES_MAX);
        if (!id_read(key, &id))
            continue;
        enum rc rc = view_open(&j->base.g->reading, &id, &arena, &view);
        if (rc == RC_OK)
            rc = view_membership(&view, &j->user, &m);
        if (rc == RC_NOT_FOUND)
            continue;
        TRY(rc);
        uint64_t as_of = view.head > view.applied ? view.head : view.applied;
        TRY(put_item(j, &id, &m, as_of));
    }
    return RC_OK;
}

/* Says of each membership where the feed told of it. One without a record whose persister has got
 * past it was told long ago, and the record has left the log. */
static void settle_feed(struct load_job *j)
{
    const struct gateway_deps *d = &j->base.g->d;
    size_t at = 0;
    struct load_item *item;
    while ((item = map_next(&j->by_id, &at, NULL)) != NULL) {
        const struct feed_place *place = map_get(&j->feed, id_bytes(&item->conversation));
        uint32_t p = subject_partition(&item->conversation, d->partitions);
        if (place) {
            item->feed_at = place->at;
            item->feed_of = place->of;
        } else if (j->has_applied[p] && j->emitted[p] >= item->m.changed_seq) {
            item->feed_of = item->m.changed_seq;
        }
    }
}

static enum rc load_all(struct load_job *j)
{
    TRY(read_list(j));
    TRY(read_feed_rows(j));
    TRY(read_feed_tail(j));
    TRY(read_hints(j));
    settle_feed(j);
    return RC_OK;
}

static void load_run(struct job *job)
{
    struct load_job *j = CONTAINER_OF(job, struct load_job, base.job);
    enum rc rc = load_all(j);
    j->rc = rc;
}

static void use_item(struct roster *roster, const struct load_item *item)
{
    struct room *room = room_find(roster->g, &item->conversation);
    struct place *place = room ? roster_place(roster, room) : NULL;
    /* Nothing to follow, a sync will say that it was left. A room that is here keeps the place all
     * the same: it may be behind, and its older events must not make the user a member again. */
    if (!room && !item->m.is_member) {
        struct left_conversation *grown =
            realloc(roster->left, (roster->left_count + 1) * sizeof *grown);
        if (grown) {
            roster->left = grown;
            grown[roster->left_count++] =
                (struct left_conversation){ item->conversation, item->m.changed_seq };
        }
        return;
    }
    room = room ? room : room_hold(roster->g, &item->conversation);
    place = room && !place ? place_make(roster, room) : place;
    if (!place) { /* no memory: nothing else would bring it */
        roster->load_again = true;
        return;
    }
    place_keep_feed(place, item->feed_at, item->feed_of);
    if (place->is_settled)
        room_need(room, item->m.changed_seq);
    if (place->is_settled || place->is_checking)
        return;
    place->m = item->m;
    place->m.user = roster->user;
    place->snapshot_seq = item->snapshot_seq;
    place_settle(place);
}

static void free_job(struct load_job *j)
{
    map_fini(&j->by_id);
    map_fini(&j->hints);
    map_fini(&j->feed);
    arena_fini(&j->arena);
    free(j);
}

static void use_result(struct roster *roster, struct load_job *j)
{
    size_t at = 0;
    const struct load_item *item;
    roster->retries = 0;
    free(roster->left);
    roster->left = NULL;
    roster->left_count = 0;
    if (j->feed_seq > roster->feed_seq)
        roster->feed_seq = j->feed_seq;
    while ((item = map_next(&j->by_id, &at, NULL)) != NULL)
        use_item(roster, item);
    roster_check_due(roster);
    roster->state = ROSTER_READY;
    roster_is_back(roster);
    for (struct list *n = roster->conns.next; n != &roster->conns; n = n->next)
        conn_attach(LIST_ENTRY(n, struct conn, roster_node));
    partitions_roster_moved(roster);
}

static void load_ended(struct job *job)
{
    struct load_job *j = CONTAINER_OF(job, struct load_job, base.job);
    struct roster *roster = j->roster;
    gateway_job_ended(&j->base);
    roster->is_loading = false;
    if (j->rc == RC_OK) {
        use_result(roster, j);
        bool is_behind = roster->need_seq > roster->feed_seq;
        if (is_behind || roster->load_again)
            roster_load_later(roster, is_behind ? 50 : 20);
    } else {
        log_warn_every(1000, "roster.load_failed", LOG_RC(j->rc));
        roster_load_later(roster, roster->retries++ < 5 ? 200 : 2000);
        roster_is_away(roster);
    }
    free_job(j);
    roster_release_if_idle(roster);
}

static void load_flushed(void *closure, enum rc rc)
{
    struct roster *roster = closure;
    struct load_job *j = rc == RC_OK ? calloc(1, sizeof *j) : NULL;
    if (j) {
        j->roster = roster;
        j->user = roster->user;
        j->p = roster->p;
        arena_init(&j->arena, LOAD_BYTES_MAX);
        map_init(&j->by_id);
        map_init(&j->hints);
        map_init(&j->feed);
        if (gateway_submit(roster->g, &j->base, load_run, load_ended) == RC_OK)
            return;
        free_job(j);
    }
    roster->is_loading = false;
    if (roster->conn_count == 0)
        roster_release_if_idle(roster);
    else
        roster_load_later(roster, 200);
}

void roster_load(struct roster *roster)
{
    const struct live_feed *feed = roster->g->d.feed;
    if (roster->is_loading) {
        roster->load_again = true;
        return;
    }
    roster->is_loading = true;
    roster->load_again = false;
    if (!roster->feed)
        roster->feed = feed->subscribe(feed->self, roster->p, &roster->user);
    if (!roster->feed || feed->flush(feed->self, load_flushed, roster) != RC_OK) {
        roster->is_loading = false;
        roster_load_later(roster, 200);
    }
}

void roster_load_timer(struct timer *timer)
{
    roster_load(CONTAINER_OF(timer, struct roster, retry));
}

void roster_load_later(struct roster *roster, uint64_t delay_ms)
{
    timer_start(roster->g->d.timers, &roster->retry, delay_ms, 0);
}
