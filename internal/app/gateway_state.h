/* gateway_state.h - the tables of a gateway, for the files that make it up and nobody else.
 *
 *   roster  one user with at least one connection here; its places are the memberships
 *   place   roster x room: a membership
 *   room    one conversation that somebody here follows; its ring holds the recent events
 *   conn    one socket
 *   sub     conn x room: how far this socket has been sent
 *
 * Invariants:
 *   1. room->last_seq: every event of the conversation up to it was seen, in order, none missing.
 *   2. sub->sent_seq: every event up to it that this connection may see is on its way, in order.
 *   3. A sub that is not lagging either has sent_seq == last_seq or its room is in the dirty list.
 *   4. partition->verified_to: every room here has seen all its events up to it.
 */
#ifndef APP_GATEWAY_STATE_H
#define APP_GATEWAY_STATE_H

#include "app/gateway.h"
#include "app/reading.h"
#include "base/list.h"
#include "base/map.h"
#include "wire/client_json.h"
#include "wire/cursor.h"
#include "wire/event_json.h"
#include "wire/subjects.h"

struct ring_entry {
    uint64_t seq, prev;
    struct frame *frame;
};

enum room_state {
    ROOM_JOINING, /* SUB sent, head not known yet; live events wait in the stash */
    ROOM_LIVE,
    ROOM_REPAIRING, /* a hole is being read; live events wait in the stash */
};

/* A live event that came while the room could not take it. */
struct stashed {
    struct list node;
    struct log_record record; /* payload points behind the struct */
};

/* A member event seen since the room's facts were loaded: for places made from older snapshots. */
struct member_change {
    struct id user;
    uint64_t seq;
    enum event_kind kind;
    enum member_role role;
};

struct room {
    struct gateway *g;
    struct id id;
    uint32_t p;
    enum room_state state;
    uint64_t feed; /* handle of the subscription */
    uint64_t last_seq;
    uint64_t loaded_seq; /* the facts and `changes` are whole from here on */
    uint64_t repair_to;  /* a seq that is known to exist; 0: none beyond last_seq is known */
    int repair_tries;
    struct timer retry;
    enum conversation_type type;
    enum history_rule history;
    bool is_missing;          /* counted in partition->missing: behind an announced head */
    bool is_known;            /* there is such a conversation, and its type is known */
    bool is_guessed;          /* … as far as can be told without the store; it is asked … */
    bool is_asking;           /* … by a job that is under way */
    uint64_t facts_seq;       /* the last event that changed type, history or deletion */
    const char *reset_reason; /* of the last room_reset; static storage */
    uint64_t deleted_seq;

    struct ring_entry *ring; /* ascending seq, chained by prev */
    uint32_t ring_head, ring_count, ring_cap;
    size_t ring_bytes;
    struct list ring_node; /* in g->rings, oldest use first */

    struct list stash;
    uint32_t stash_count;
    struct member_change *changes;
    uint32_t change_count, change_cap;

    struct list places;
    struct sub **subs;
    uint32_t sub_count, sub_cap;
    uint32_t fan_at;
    bool is_dirty, fan_again;
    struct list dirty_node;
    struct list blocks;          /* fetch.c's: what was read for those who catch up */
    struct list waiting, served; /* subs: for a read; from the last one */
    struct list serve_node;      /* in g->serving */
    struct fetch *fetching;      /* the read under way; NULL: none */
    struct timer fetch_retry;
    uint32_t watchers_waiting;
    struct list unknown_node; /* in g->unknown */
    int64_t idle_since_ms;    /* 0: in use */
};

struct place {
    struct list room_node;
    struct roster *roster;
    struct room *room;
    struct membership m;
    uint64_t
        snapshot_seq;  /* the membership was read as of this seq of the conversation's partition */
    uint64_t feed_at;  /* the newest user feed record about it … */
    uint64_t feed_of;  /* … and the member event that it names; 0: none is known */
    bool is_checking;  /* the membership is in doubt; a job reads it, or … */
    bool is_check_due; /* … could not begin: the next load begins it */
    /* The membership is as of the room's last_seq, and only the room's own events move it: one that
     * was read later may be ahead of what the subs have been sent, and hide an end between. */
    bool is_settled;
};

enum roster_state { ROSTER_LOADING, ROSTER_READY };

struct left_conversation {
    struct id conversation;
    uint64_t removed_seq;
};

struct roster {
    struct gateway *g;
    struct id user;
    uint32_t p;
    enum roster_state state;
    bool is_loading, load_again;
    bool is_missing; /* counted in partition->missing */
    uint64_t feed;
    uint64_t feed_seq;     /* of the newest user feed record seen */
    uint64_t need_seq;     /* announced: such a record exists */
    uint32_t checks;       /* jobs that hold this roster */
    int64_t away_since_ms; /* since when it can't be read; 0: it can */
    uint32_t leaving;      /* sessions that do: presence_own.c */
    struct timer retry;
    int retries;
    struct place **places;
    uint32_t place_count, place_cap;
    uint32_t unsettled; /* places whose membership isn't known yet */
    struct left_conversation *left;
    uint32_t left_count;
    struct list conns;
    uint32_t conn_count;
};

struct sub {
    struct conn *conn;
    struct room *room;
    uint64_t sent_seq;
    uint64_t until_seq; /* the last one it may see; UINT64_MAX: no end */
    uint64_t acked_seq; /* delivered watermark of this device; receipts.c has it for longer */
    uint32_t room_index;
    bool is_lagging, is_watch;
    bool is_held;           /* after a reset: nothing flows until the membership was read again */
    struct list lag_node;   /* in conn->lagging */
    struct list fetch_node; /* in room->waiting or room->served */
};

/* An answer's least buffer: a request id of 64 control characters is written as 384 bytes. */
enum { ANSWER_BYTES = 1024 };

/* A sync brings no more events of one conversation than this; more is a sync.reset. */
enum { SYNC_EVENTS_MAX = 1000 };

enum conn_state { CONN_HELD, CONN_FLOWING, CONN_CLOSING };

/* A sync that is under way: its ok is sent when nothing lags any more. */
struct sync_wait {
    struct bytes request_id; /* owned */
    uint64_t events, resets;
    bool has_recovered;
};

struct watch {
    struct id conversation;
    struct bytes request_id; /* owned; ptr NULL once answered */
    struct sub *sub;
    bool is_waiting; /* for the room: not answered yet */
};

struct conn {
    struct gateway *g;
    struct link_id link;
    struct roster *roster;
    struct list roster_node;
    struct list held_node; /* in g->held while CONN_HELD */
    struct list flush_node;
    enum conn_state state;
    bool is_open, is_paused, is_blocked, has_synced, has_bad_cursor, is_told_goodbye, is_told_away;
    struct id session, connection;
    unsigned roles;          /* of this connection's token: enum user_role, or-ed */
    struct id token_session; /* of the token in force: auth.refresh may bring another session's */
    int64_t expires_s, issued_s;
    int64_t opened_ms;
    int64_t cursor_ms;   /* when the last cursor was sent */
    int64_t behind_ms;   /* since when it could not be fed live; 0: it is */
    int64_t progress_ms; /* when the socket last took something while the outbox had more */
    struct frame **outbox;
    uint32_t out_head, out_count, out_cap;
    size_t out_bytes;
    bool has_events_queued;
    struct sub **subs;
    uint32_t sub_count, sub_cap;
    struct list lagging;
    struct cursor *start; /* where the flow starts; NULL once every place has its sub */
    struct sync_wait *sync;
    struct list waits; /* requests whose answer comes later */
    struct list lane;  /* commands that are not published yet: command_lane.c */
    struct watch *watches;
    uint32_t watch_count;
    uint32_t in_flight;
    int64_t bad_since_ms;
    uint32_t bad_count;
    struct presence_link *presence; /* presence.c's; NULL without any subscription */
    enum presence_status status;
    struct bytes status_text; /* owned */
    int64_t presence_due_ms;
    bool has_key;          /* the session's key may be there, and this one answers for it */
    bool has_set_status;   /* somebody chose the session's status, here or at another gateway */
    bool is_session_told;  /* the other gateways know that it is here too */
    struct typing *typing; /* typing.c's */
    struct claim *claim;   /* ticket.c's: a ticket that is being used up; nothing is said before */
    struct buf *early;     /* what came meanwhile; NULL: nothing */
    bool is_waiting_open;  /* the socket is open, and hello waits for the claim */
    uint16_t refused_code; /* the claim failed before the socket was open; 0: it didn't */
};

struct partition {
    uint64_t verified_to;
    uint64_t heads_to;   /* `to` of the newest announcement */
    uint64_t waiting_to; /* becomes verified_to when nothing is missing any more */
    uint64_t doubt_to;   /* announcements up to here were missed, and the heads not asked since */
    uint32_t missing;    /* rooms and rosters behind an announced head */
    int64_t heard_ms;    /* when the newest announcement came; 0: never */
    bool is_checking, check_again;
    bool has_newcomers; /* rooms or rosters since the check began */
    /* lag.c: the persister's word and when it came; the newest record known, how far the store is,
     * and the record beyond it that is waited for (0: none) with the time it was seen */
    int64_t lag_ms, lag_heard_ms;
    uint64_t newest_seq, applied_seq, unstored_seq;
    int64_t unstored_since_ms;
};

struct gateway {
    struct gateway_deps d;
    struct client_links *links;
    struct reading reading;
    struct map rooms, rosters;
    struct map known_users, unwritten_users; /* users.c's, as the list */
    struct list new_users;
    struct map receipts; /* receipts.c's, as the two lists; flying: publishes under way */
    struct list receipts_waiting, receipts_idle;
    uint32_t receipts_flying;
    struct map budgets; /* limits.c's, as the list */
    struct list budget_list;
    struct partition parts[PARTITIONS_MAX];
    struct list dirty, flush, rings, held;
    struct list unknown;         /* watch.c's: rooms that turned out to be none */
    struct list blocks, serving; /* fetch.c's */
    struct task fan_task, flush_task, serve_task;
    struct timer tick;
    size_t ring_bytes, block_bytes;
    uint32_t jobs, commands; /* under way */
    uint32_t checks;         /* of partitions, among the jobs */
    bool is_draining, is_link_up, is_log_right, has_revocations;
    bool is_refusing_sends; /* the age guard: see lag.c */
    const char *log_why;
    struct gateway_stats stats;
    bool is_putting_users;
    int64_t users_due_ms;
    char log_text[256];
    int64_t began_ms; /* when this gateway was made */
    int64_t ticked_ms;
    int64_t frozen_since_ms, thawed_ms; /* the last stop of the whole process; 0: none yet */
    uint64_t opened_seen;               /* conn.c's: stats.opened at the last tick */
    size_t walk_at;                     /* where the tick's walk over the rooms goes on */
    char refusal[1024]; /* body of the last refused handshake, until the adapter has copied it */
    struct map watched_users; /* presence.c's */
    struct id self;           /* this run of this gateway, towards the others */
    struct map leaving;       /* presence_own.c's, as the list: sessions that may have ended */
    struct list leaving_list;
    uint32_t ticks;
};

/* room.c, room_live.c */
struct frame *event_frame(const struct event *event);     /* as clients get it; NULL: no memory */
void room_accept(struct room *room, struct event *event); /* the next one of the chain */
void room_join_done(struct room *room);
void room_drain_stash(struct room *room);
void room_clear_ring(struct room *room);
void room_clear_stash(struct room *room);
void room_push_ring(struct room *room, const struct event *event, struct frame *frame);
struct room *room_find(struct gateway *g, const struct id *id);
struct room *room_hold(struct gateway *g,
                       const struct id *id); /* finds or makes; NULL: no memory */
void room_take(struct room *room, const struct log_record *record);
void room_need(struct room *room, uint64_t seq); /* this seq is known to exist */
/* Continuity can't be had: joins anew, reads the memberships again, says sync.reset, goes on. */
void room_reset(struct room *room, const char *reason);
void room_join_again(struct room *room);
void room_release_if_idle(struct room *room, int64_t now_ms);
void room_destroy(struct room *room);
bool room_is_behind(const struct room *room);
/* The ring's first entry after `sent`, when no event between is missing; -1 otherwise. */
int room_ring_find(const struct room *room, uint64_t sent);
static inline const struct ring_entry *room_ring_at(const struct room *room, int i)
{
    return &room->ring[(room->ring_head + (uint32_t)i) % room->ring_cap];
}
void rings_trim(struct gateway *g);

/* fanout.c */
void room_set_dirty(struct room *room);
void fan_run(struct task *task);
struct sub *sub_create(struct conn *conn, struct room *room, uint64_t sent_seq);
void sub_destroy(struct sub *sub);
struct sub *conn_sub(const struct conn *conn, const struct room *room);
void sub_advance(struct sub *sub);                   /* sends what it can; begins or ends lagging */
void sub_reset(struct sub *sub, const char *reason); /* says sync.reset; goes on after last_seq */
void sub_release(struct sub *sub,
                 const struct membership *m); /* one that a reset holds; NULL: watch */

/* fetch.c */
void fetch_for(struct sub *sub); /* reads what comes after its sent_seq; the sub waits */
/* The event after `sent` in a block that was read lately, when none between is missing.
 *   out_left  how many the block has from there on */
const struct ring_entry *fetch_find(struct room *room, uint64_t sent, size_t *out_left);
void serve_run(struct task *task);
void fetches_init(struct room *room);
bool fetches_are_in_use(const struct room *room);
void fetches_expire(struct room *room, int64_t now_ms);
void fetches_destroy(struct room *room);

/* outbox.c */
void conn_send(struct conn *conn, struct frame *frame); /* takes the reference */
void conn_send_buf(struct conn *conn, const struct buf *buf);
/* Borrows. Signals are the first to be dropped: one for who is behind is worth less than its room.
 */
void conn_send_signal(struct conn *conn, struct frame *frame);
bool conn_has_room(const struct conn *conn, size_t len);
void conn_flush(struct conn *conn);
void flush_run(struct task *task);
void outbox_clear(struct conn *conn);

/* conn.c */
void conn_close(struct conn *conn, uint16_t code, const char *reason);
void conn_start_flow(struct conn *conn, const struct cursor *start); /* NULL: where hello said */
void conn_attach(struct conn *conn); /* makes the subs of all active places that have none */
void conn_attach_one(struct conn *conn, const struct place *place); /* the same of this one */
void conn_caught_up(struct conn *conn);                  /* nothing lags: answers a waiting sync */
void conn_answer(struct conn *conn, struct buf *answer); /* counts one request as answered */
void conns_tick(struct gateway *g, int64_t now_ms);

void conn_begin(struct conn *conn); /* says hello: the socket is open and paid for */

/* ticket.c */
/* Who a ticket names. Its use is claimed by ticket_claim, once there is a conn. */
enum token_error ticket_read(struct gateway *g, struct bytes ticket, struct identity *out_who,
                             struct id *out_ticket);
void ticket_claim(struct conn *conn, const struct id *ticket);
bool ticket_holds_open(struct conn *conn);                       /* hello has to wait */
bool ticket_holds_message(struct conn *conn, struct bytes text); /* kept for later */
void ticket_forget(struct conn *conn);

/* requests.c */
void requests_take(struct conn *conn, struct bytes frame);
void conn_fail(struct conn *conn, struct bytes request_id, const struct error *error);
void conn_bad_request(struct conn *conn);
void conn_settled(struct conn *conn); /* one request less under way, answered or not */
/* A request whose answer comes later: kept until request_end, which gives the connection that wants
 * the answer, or NULL when it has ended. */
struct waiting_request *request_keep(struct conn *conn, const struct client_request *r);
struct conn *request_end(struct waiting_request *w, struct buf *out_ok);

/* watch.c */
void watch_begin(struct conn *conn, const struct client_request *request);
void watch_end(struct conn *conn, const struct client_request *request);
void watches_room_live(struct room *room);
void watches_end_in(struct room *room, uint64_t at_seq); /* turned private or deleted */
void watches_clear(struct conn *conn);
void watches_tick(struct gateway *g, int64_t now_ms); /* lets go of rooms that are none */

/* roster.c */
struct roster *roster_hold(struct gateway *g, const struct id *user);
void roster_release_if_idle(struct roster *roster);
void roster_take_feed(struct gateway *g, const struct log_record *record);
void roster_load(struct roster *roster);
void roster_member_event(struct room *room, const struct event *event);
void roster_room_live(struct room *room);
struct place *roster_place(const struct roster *roster, const struct room *room);
bool place_is_active(const struct place *place);
void place_set_settled(struct place *place, bool is_settled);
/* Whether a cursor may speak of this place: it covers the feed record of its join. */
bool place_is_covered(const struct place *place, const struct cursor *cursor);
void roster_destroy(struct roster *roster);

/* conn_away.c: what the roster's memberships are can't be read; it can again */
void roster_is_away(struct roster *roster);
void roster_is_back(struct roster *roster);

/* partitions.c */
void partitions_heads(struct gateway *g, uint32_t p, struct bytes json);
void partitions_check(struct gateway *g, uint32_t p);
void partitions_check_all(struct gateway *g);
/* It may have reached what was announced of it. */
void partitions_room_moved(struct room *room);
void partitions_roster_moved(struct roster *roster);
/* This record of its feed exists and was not seen. */
void partitions_roster_behind(struct roster *roster, uint64_t seq);
void partitions_tick(struct gateway *g, int64_t now_ms);

/* lag.c */
void lag_heard(struct gateway *g, uint32_t p, struct bytes json);
void lag_saw(struct gateway *g, uint32_t p, uint64_t seq); /* such a record exists */
void lag_tick(struct gateway *g, int64_t now_ms);

/* users.c */
void users_init(struct gateway *g);
void users_tick(struct gateway *g, int64_t now_ms);
void users_fini(struct gateway *g);

/* cursors.c */
void cursor_of_gateway(const struct gateway *g, struct cursor *out);
bool cursor_of_conn(const struct conn *conn, struct cursor *out); /* false: not now */

/* typing.c, presence.c, presence_own.c, receipts.c */
void typing_request(struct conn *conn, const struct client_request *request);
/* A message of this user was accepted here, by socket or REST: none of its devices types on. */
void typing_stopped_by_send(struct gateway *g, const struct id *user,
                            const struct id *conversation);
void typing_clear(struct conn *conn);
void presence_request(struct conn *conn, const struct client_request *request);
void presence_record(struct gateway *g, const struct presence_record *record);
void presence_looks_check(struct gateway *g);
void presence_looks_boundary(struct gateway *g);
void presence_looks_fini(struct gateway *g);
void presence_unlook_all(struct conn *conn);
void presence_opened(struct conn *conn);
void presence_started(struct conn *conn); /* the user's feed is subscribed */
void presence_set(struct conn *conn, const struct client_request *request);
void presence_clear(struct conn *conn);
void presence_tick(struct conn *conn, int64_t now_ms);
void presence_check(struct gateway *g);
void presence_boundary(struct gateway *g);
/* What another gateway says of this user's sessions; false: the signal is something else. */
bool presence_signal(struct gateway *g, const struct id *user, struct bytes json);
void presence_fini(struct gateway *g);
void receipt_request(struct conn *conn, const struct client_request *request);
void receipts_tick(struct gateway *g);
void receipts_fini(struct gateway *g);

/* limits.c */
bool user_may(struct gateway *g, const struct id *user, unsigned roles, bool is_send,
              int64_t *out_retry_ms);
void budgets_tick(struct gateway *g, int64_t now_ms);
void budgets_fini(struct gateway *g);

/* When a request that is taken now may have come: after a freeze, as long ago as that began. */
int64_t gateway_came_ms(const struct gateway *g);

static inline int64_t now_ms(const struct gateway *g)
{
    return (int64_t)timers_now_ms(g->d.timers);
}

/* A job that knows its gateway; counted so that a drain can wait for it. */
struct gateway_job {
    struct job job;
    struct gateway *g;
};
MUST_CHECK enum rc gateway_submit(struct gateway *g, struct gateway_job *job, job_fn *run,
                                  job_fn *done);
/* First line of every done. */
void gateway_job_ended(struct gateway_job *job);

#endif
