/* gateway.c - the gateway as a whole: made, fed, ticked, drained, asked how it is. */
#include "app/gateway_parts.h"

#include "base/log.h"

#include <stdlib.h>

enum { TICK_MS = 250, GOODBYE_SPREAD_MS = 5000, RECEIPT_ROOM_MAX = 200 };

/* ---- jobs ---- */

enum rc gateway_submit(struct gateway *g, struct gateway_job *job, job_fn *run, job_fn *done)
{
    job->g = g;
    job->job.run = run;
    job->job.done = done;
    TRY(executor_submit(g->d.executor, &job->job));
    g->jobs++;
    return RC_OK;
}

void gateway_job_ended(struct gateway_job *job)
{
    job->g->jobs--;
}

/* ---- what the feed says ---- */

static void on_record(void *closure, const struct log_record *record)
{
    struct gateway *g = closure;
    struct room *room;
    lag_saw(g, record->partition, record->seq);
    if (record->kind == 'u')
        roster_take_feed(g, record);
    else if ((room = room_find(g, &record->owner)) != NULL)
        room_take(room, record);
}

static void signal_room(struct room *room, const struct id *from, struct frame *frame)
{
    for (uint32_t i = 0; frame && i < room->sub_count; i++) {
        struct conn *conn = room->subs[i]->conn;
        bool is_ending = room->subs[i]->until_seq != UINT64_MAX; /* removed; still to see it */
        if (is_ending || id_equal(&conn->roster->user, from))
            continue;
        conn_send_signal(conn, frame);
    }
    frame_unref(frame);
}

static void on_receipt(struct room *room, const struct live_signal *signal)
{
    uint64_t seq;
    SCOPED_BUF(out, 512);
    if (room->sub_count > RECEIPT_ROOM_MAX || receipt_parse(signal->payload, &seq) != RC_OK)
        return;
    receipt_write(&out, "delivered", &room->id, &signal->user, seq);
    signal_room(room, &signal->user, frame_copy(buf_bytes(&out)));
}

static void on_signal(void *closure, const struct live_signal *signal)
{
    struct gateway *g = closure;
    struct room *room = room_find(g, &signal->owner);
    struct id user;
    bool is_start;
    SCOPED_BUF(out, 512);
    if (signal->kind == 's' && presence_signal(g, &signal->owner, signal->payload))
        return;
    if (!room || room->state == ROOM_JOINING)
        return;
    if (signal->kind == 'r') {
        on_receipt(room, signal);
        return;
    }
    if (typing_parse(signal->payload, &user, &is_start) != RC_OK)
        return;
    typing_write(&out, is_start, &room->id, &user);
    signal_room(room, &user, frame_copy(buf_bytes(&out)));
}

static void on_heads(void *closure, uint32_t partition, struct bytes json)
{
    partitions_heads(closure, partition, json);
}

static void on_applied(void *closure, uint32_t partition, struct bytes json)
{
    lag_heard(closure, partition, json);
}

static void on_presence(void *closure, const struct presence_record *record)
{
    presence_record(closure, record);
}

static void on_boundary(void *closure)
{
    struct gateway *g = closure;
    g->stats.boundaries++;
    log_info("gateway.boundary");
    partitions_check_all(g);
    presence_boundary(g);
}

static void on_link(void *closure, bool is_up)
{
    struct gateway *g = closure;
    g->is_link_up = is_up;
}

static void on_control(void *closure, struct bytes name, struct bytes json)
{
    (void)closure, (void)name, (void)json; /* nothing listens yet: sessions are revoked later */
}

struct live_feed_events gateway_feed_events(struct gateway *g)
{
    return (struct live_feed_events){
        .closure = g,
        .on_record = on_record,
        .on_signal = on_signal,
        .on_heads = on_heads,
        .on_applied = on_applied,
        .on_presence = on_presence,
        .on_boundary = on_boundary,
        .on_link = on_link,
        .on_control = on_control,
    };
}

struct client_sink gateway_sink(struct gateway *g)
{
    return (struct client_sink){
        .app = g,
        .on_upgrade = conn_upgrade,
        .on_open = conn_opened,
        .on_message = conn_message,
        .on_writable = conn_writable,
        .on_close = conn_closed,
    };
}

void gateway_set_links(struct gateway *g, struct client_links *links)
{
    g->links = links;
}

/* ---- time ---- */

/* A stop of the whole process for longer than this is a boundary: what came meanwhile may have
 * been dropped on the way. */
enum { FREEZE_MS = 2000, THAW_MS = 5000 };

/* What the kernel kept while the process stood still is read in the first turns after it, some of
 * it before the tick has noticed. Its senders may have sent it again elsewhere, and been answered.
 */
int64_t gateway_came_ms(const struct gateway *g)
{
    int64_t now = clock_monotonic_ms(g->d.clock);
    if (g->ticked_ms && now - g->ticked_ms > FREEZE_MS)
        return g->ticked_ms;
    return g->thawed_ms && now - g->thawed_ms < THAW_MS ? g->frozen_since_ms : now;
}

static void let_rooms_go(struct gateway *g, int64_t now)
{
    struct room *room, *idle[256];
    uint32_t count = 0;
    while (count < COUNT_OF(idle) && (room = map_next(&g->rooms, &g->walk_at, NULL)) != NULL)
        idle[count++] = room;
    if (count < COUNT_OF(idle))
        g->walk_at = 0;
    /* The table must not change under the walk, so a bounded run is looked at after it. */
    for (uint32_t i = 0; i < count; i++)
        room_release_if_idle(idle[i], now);
}

static void tick(struct timer *timer)
{
    struct gateway *g = CONTAINER_OF(timer, struct gateway, tick);
    int64_t now = now_ms(g);
    if (g->ticked_ms && now - g->ticked_ms > FREEZE_MS) {
        log_warn("gateway.frozen", LOG_INT("ms", now - g->ticked_ms));
        g->frozen_since_ms = g->ticked_ms;
        g->thawed_ms = now;
        on_boundary(g);
    }
    g->ticked_ms = now;
    g->ticks++;
    users_tick(g, now);
    partitions_tick(g, now);
    lag_tick(g, now);
    receipts_tick(g);
    budgets_tick(g, now);
    watches_tick(g, now);
    conns_tick(g, now);
    presence_check(g);
    if (g->ticks % 8 == 0)
        let_rooms_go(g, now);
}

/* ---- asked ---- */

bool gateway_is_ready(const struct gateway *g, const char **out_why)
{
    *out_why = NULL;
    if (g->is_draining)
        *out_why = "draining";
    else if (!g->is_link_up)
        *out_why = "the link to nats-server is down";
    else if (!g->is_log_right)
        *out_why = g->log_why ? g->log_why : "streams and server settings are not checked yet";
    else if (g->d.waits_for_revocations && !g->has_revocations)
        *out_why = "revoked sessions were not read yet";
    for (uint32_t p = 0; !*out_why && p < g->d.partitions; p++)
        if (!g->parts[p].heard_ms)
            *out_why = "heads of some partition were not heard yet (is a persister running?)";
    return !*out_why;
}

void gateway_set_log_state(struct gateway *g, bool is_right, const char *why)
{
    g->is_log_right = is_right;
    (void)snprintf(g->log_text, sizeof g->log_text, "%s", why ? why : "");
    g->log_why = why ? g->log_text : NULL;
}

void gateway_revocations_current(struct gateway *g)
{
    g->has_revocations = true;
}

void gateway_stats(const struct gateway *g, struct gateway_stats *out)
{
    *out = g->stats;
    out->ring_bytes = g->ring_bytes;
    out->commands = g->commands;
}

bool gateway_is_quiet(const struct gateway *g)
{
    return g->jobs == 0 && g->commands == 0 && g->receipts_flying == 0;
}

void gateway_drain(struct gateway *g)
{
    size_t at = 0;
    struct roster *roster;
    g->is_draining = true;
    while ((roster = map_next(&g->rosters, &at, NULL)) != NULL) {
        for (struct list *n = roster->conns.next; n != &roster->conns; n = n->next) {
            struct conn *conn = LIST_ENTRY(n, struct conn, roster_node);
            struct cursor cursor;
            char text[CURSOR_TEXT_MAX + 1];
            SCOPED_BUF(out, 2048);
            if (conn->is_told_goodbye || conn->state == CONN_CLOSING)
                continue;
            conn->is_told_goodbye = true;
            if (conn->state == CONN_FLOWING && cursor_of_conn(conn, &cursor)) {
                cursor_frame_write(&out, bytes_make(text, cursor_write(&cursor, text)));
                buf_add_byte(&out, '\n');
            }
            goodbye_write(&out, "drain",
                          100 + (int64_t)(conn->link.index * 7919u) % GOODBYE_SPREAD_MS);
            conn_send_buf(conn, &out);
        }
    }
}

/* ---- begin and end ---- */

struct gateway *gateway_create(const struct gateway_deps *deps)
{
    struct gateway *g = calloc(1, sizeof *g);
    if (!g || deps->partitions == 0 || deps->partitions > PARTITIONS_MAX) {
        free(g);
        return NULL;
    }
    g->d = *deps;
    g->began_ms = now_ms(g);
    g->reading = (struct reading){ .log = deps->log,
                                   .store = deps->store,
                                   .partitions = deps->partitions,
                                   .generation = deps->generation };
    map_init(&g->rooms);
    map_init(&g->rosters);
    users_init(g);
    map_init(&g->budgets);
    list_init(&g->budget_list);
    map_init(&g->watched_users);
    map_init(&g->leaving);
    list_init(&g->leaving_list);
    g->self = id_make(deps->clock);
    map_init(&g->receipts);
    list_init(&g->receipts_waiting);
    list_init(&g->receipts_idle);
    list_init(&g->dirty);
    list_init(&g->flush);
    list_init(&g->rings);
    list_init(&g->held);
    list_init(&g->unknown);
    list_init(&g->blocks);
    list_init(&g->serving);
    g->fan_task.run = fan_run;
    g->flush_task.run = flush_run;
    g->serve_task.run = serve_run;
    g->tick.run = tick;
    for (uint32_t p = 0; p < deps->partitions; p++)
        g->parts[p].verified_to = generation_base(deps->generation);
    timer_start(deps->timers, &g->tick, TICK_MS, TICK_MS);
    return g;
}

void gateway_destroy(struct gateway *g)
{
    size_t at = 0;
    struct room *room;
    struct roster *roster;
    if (!g)
        return;
    timer_stop(g->d.timers, &g->tick);
    task_cancel(g->d.timers, &g->fan_task);
    task_cancel(g->d.timers, &g->flush_task);
    task_cancel(g->d.timers, &g->serve_task);
    while ((roster = map_next(&g->rosters, &at, NULL)) != NULL) {
        roster_destroy(roster);
        at = 0;
    }
    at = 0; /* the walk above left it at the end */
    while ((room = map_next(&g->rooms, &at, NULL)) != NULL) {
        room_destroy(room);
        at = 0;
    }
    presence_fini(g);
    receipts_fini(g);
    map_fini(&g->rooms);
    map_fini(&g->rosters);
    users_fini(g);
    budgets_fini(g);
    free(g);
}
