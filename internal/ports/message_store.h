/* message_store.h - the history: a projection of the log, made by persisters and read by gateways.
 *
 * Blocking; worker and persister threads only, any number at once (the adapter serialises writers).
 * Reads that are to be completed from the log's tail first ask `applied`, then the data: data that
 * is newer than the answer is harmless, data that is older would not be.
 * Text in results is in the caller's arena.
 * errors of all: RC_UNAVAILABLE (away, busy, disk full), RC_NOMEM (also: the arena is full)
 *
 * What is kept: a row for every seq of a conversation, so that the chain of prev holds.
 *   - A second message with the same (conversation, sender, clientMessageId) and body hash is a
 *     double: the lowest seq is the message; the others are voids (reason "duplicate", of_seq the
 *     first; ids and hash stay, the payload doesn't), and what names a double counts for the first.
 *     A message.withdrawn makes its target one too, should the first have left the log.
 *   - Same ids, other body: both are messages, as both were acknowledged; the one with the lowest
 *     seq is found by the client's id.
 *   - The lowest conversation.created counts; others are voids of the same form.
 *   - Edits: the highest seq counts. Deletions: the lowest, and no edit undoes it. Pins: the last
 *     of pin and unpin. Each may come before what it names.
 *   - prev of an event that carries 0 is the seq of the row before it in the conversation.
 *   - An EVENT_VOID is kept without its payload. With actor and client id (a dead letter's) it is
 *     found by event_by_client_id under every operation letter that has no other match.
 */
#ifndef PORTS_MESSAGE_STORE_H
#define PORTS_MESSAGE_STORE_H

#include "ports/event_log.h"

/* A run of the log to be applied. Applying twice, or runs in another order, ends the same. */
struct store_batch {
    uint32_t generation, partition;
    const struct event *events; /* ascending seq; poison and hidden ones as EVENT_VOID */
    size_t event_count;
    const struct user_feed_entry *feed; /* user feed records among them */
    size_t feed_count;
    uint64_t from,
        to; /* the whole run is seq from…to without a hole: applied moves to `to` only
               when it is from - 1 (or within) now, and never back; 0, 0: moves nothing */
};

struct user_feed_entry {
    struct id user;
    uint64_t feed_seq;      /* the entry's own place in the log */
    struct id conversation; /* whose membership changed */
    uint64_t conversation_seq;
};

/* What became of each event, in the same order; may be NULL for the caller who doesn't ask. */
enum applied_as {
    APPLIED_NEW,
    APPLIED_AGAIN,  /* was there */
    APPLIED_DOUBLE, /* a message whose (conversation, sender, clientMessageId) has a lower seq with
                       the same body: kept as a void row; of_seq in the result. Said
                       again whenever it is applied again: the withdrawal hangs on it */
    APPLIED_DISPLACED, /* this one is the first; a higher one became the double: of_seq names that
                        */
};
struct applied_result {
    enum applied_as as;
    uint64_t of_seq;
};

/* A message as it is now: its event, its last edit, its deletion. */
struct message_row {
    struct event event; /* kind MESSAGE_NEW, payload as published */
    uint64_t edit_seq;  /* 0: never edited */
    int64_t edited_at_us;
    struct bytes edit_payload; /* payload of the message.edited event */
    uint64_t delete_seq;       /* 0: not deleted */
    int64_t deleted_at_us;
    bool is_pinned;
};

struct message_query {
    struct id conversation;
    enum message_way {
        MESSAGES_BEFORE,
        MESSAGES_AFTER,
        MESSAGES_AROUND
    } way;        /* BEFORE: newest
                    first */
    uint64_t seq; /* 0 with BEFORE: from the newest */
    bool by_time; /* then at_us instead of seq: strictly before / after */
    int64_t at_us;
    uint64_t first_seq; /* nothing below this one is shown (membership) */
    uint64_t last_seq;  /* nothing above this one; UINT64_MAX: no bound */
    size_t limit;
};

struct conversation_item {
    struct conversation conversation;
    struct membership membership;
    bool has_last_message;
    struct message_row last_message; /* newest not void and not deleted that the member may read */
    uint32_t unread;   /* messages of others, not deleted, after the highest of read mark, join, and
                          the user's own last message; at most 100 */
    uint64_t read_seq; /* the read mark: 0 until receipts are kept */
    struct id direct_peer; /* the other one of a direct conversation, else empty */
};

struct message_store {
    void *self;

    /* All of the batch is kept, or none of it; a store without transactions may have kept a part
     * after RC_UNAVAILABLE, RC_NOMEM or RC_CONFLICT, which is whole once the batch is applied again
     * and not covered by `applied` until then. Results are written on RC_OK only.
     * RC_INVALID: one of the events can't be kept as it is (no conversation, seq 0 or above 2^53,
     * member event without user, partition above 1023).
     * RC_CONFLICT: another event has one's place (partition, seq): not the log that was applied. */
    enum rc (*apply)(void *self, const struct store_batch *batch, struct applied_result *results);
    /* generation << 40 (the place before a generation's first record) while nothing is applied. */
    enum rc (*applied)(void *self, uint32_t generation, uint32_t partition, uint64_t *out_seq);
    /* Side effects have been made up to here; moves up only; begins like applied. */
    enum rc (*emitted)(void *self, uint32_t generation, uint32_t partition, uint64_t *out_seq);
    enum rc (*set_emitted)(void *self, uint32_t generation, uint32_t partition, uint64_t seq);

    /* Raw events with after < seq <= until, ascending, at most limit. *out points into the arena.
     */
    enum rc (*events)(void *self, const struct id *conversation, uint64_t after, uint64_t until,
                      size_t limit, struct arena *arena, struct event **out, size_t *out_count);
    /* Messages only (voids and doubles left out; deleted ones are given, with delete_seq). AROUND
     * and AFTER: oldest first. AROUND: limit / 2 from before seq, the rest from seq itself on. By
     * time: chosen and ordered by (at_us, seq). */
    enum rc (*messages)(void *self, const struct message_query *query, struct arena *arena,
                        struct message_row **out, size_t *out_count);
    enum rc (*message)(void *self, const struct id *conversation, uint64_t seq, struct arena *arena,
                       struct message_row *out); /* RC_NOT_FOUND, also for a double */
    /* The event of kind MESSAGE_NEW with this identity; RC_NOT_FOUND. */
    enum rc (*message_by_client_id)(void *self, const struct id *conversation,
                                    const struct id *sender, const struct id *client_id,
                                    struct arena *arena, struct message_row *out);
    /* Any event by its operation: (op letter, actor, client id) of edits, deletions, member
     * changes; for late retries. RC_NOT_FOUND. */
    enum rc (*event_by_client_id)(void *self, const struct id *conversation, char op,
                                  const struct id *actor, const struct id *client_id,
                                  struct arena *arena, struct event *out);
    enum rc (*conversation)(void *self, const struct id *id, struct arena *arena,
                            struct conversation *out); /* RC_NOT_FOUND: not created yet */
    enum rc (*membership)(void *self, const struct id *conversation, const struct id *user,
                          struct membership *out); /* RC_NOT_FOUND: never heard of */
    enum rc (*members)(void *self, const struct id *conversation, const struct id *after,
                       size_t limit, struct arena *arena, struct membership **out,
                       size_t *out_count); /* present members by user id; after may be NULL */
    /* Everything a user belongs to, with membership, ascending conversation id after `after` (may
     * be NULL). Deleted conversations are among them (deleted_seq). With is_brief the last message,
     * unread and read_seq are left out (for a gateway's own tables). */
    enum rc (*conversations_of)(void *self, const struct id *user, const struct id *after,
                                size_t limit, bool is_brief, struct arena *arena,
                                struct conversation_item **out, size_t *out_count);
    /* Public channels whose name contains the text (case-insensitive ASCII), by id after `after`
     * (may be NULL). Without deleted ones. An empty text finds all. */
    enum rc (*channels)(void *self, struct bytes query, const struct id *after, size_t limit,
                        struct arena *arena, struct conversation **out, size_t *out_count);
    /* The user's feed: newest entry of each conversation with feed_seq > after, ascending. */
    enum rc (*user_feed)(void *self, const struct id *user, uint64_t after, size_t limit,
                         struct arena *arena, struct user_feed_entry **out, size_t *out_count);
    /* For verify: every stored (seq, conversation) of a partition with after < seq <= until,
     * ascending, until each() returns false. each() must not call the store's writing functions. */
    enum rc (*scan)(void *self, uint32_t partition, uint64_t after, uint64_t until,
                    bool (*each)(void *closure, uint64_t seq, const struct id *conversation,
                                 enum event_kind kind),
                    void *closure);
    /* A cheap question whether the store answers. */
    enum rc (*ping)(void *self);
};

#endif
