/* reading.h - a conversation as it is now: the store up to its applied seq, the log's tail after
 * it.
 *
 * So who got `ok` finds the message at once, and the recent past can be read while the store is
 * away. Every reader of history, live or not, goes through here, so that the rules of who may read
 * what stand in one place. Blocking; worker threads; a view belongs to one thread and one arena.
 *
 * Why nothing is missed: `applied` is asked first, then the leader's head of the conversation, then
 * the log between the two. What the store applies meanwhile shows up twice and is merged; nothing
 * can fall between. A store that answers with more than `applied` is cut back to it.
 */
#ifndef APP_READING_H
#define APP_READING_H

#include "app/record.h"
#include "domain/error.h"
#include "ports/message_store.h"

/* What an arena must be able to hold for a view and one page of it. */
enum { VIEW_ARENA_BYTES = 96 * 1024 * 1024 };

struct reading {
    const struct event_log *log;
    const struct message_store *store;
    uint32_t partitions, generation;
    bool does_without_log; /* pages of what the store has while the log is away: for readers only,
                              who may then miss the newest; never for what is decided or joined */
};

struct conversation_view {
    const struct reading *reading;
    struct arena *arena;
    uint32_t partition;
    uint64_t applied;    /* the store knows everything up to here */
    uint64_t head;       /* the leader's last seq of this conversation; 0: none in the log */
    bool is_log_away;    /* then the store up to `applied` is all there is */
    bool is_store_away;  /* then only the tail is here, from first_seq of the log */
    bool begins_in_tail; /* conversation.created is in the tail: nothing lies before it */
    bool is_page_cut;    /* the last page ended where the log does; more may be in the store */
    struct conversation conversation; /* tail applied */
    struct event *tail;               /* decoded, ascending, applied < seq <= head */
    size_t tail_count;
    uint64_t tail_from;       /* applied, or more when the tail was too long: between the two only
                                 events about members and settings are in it */
    struct message_row *rows; /* the tail's messages, its edits and deletions applied */
    size_t row_count;
};

/* Opens the view. errors: RC_NOT_FOUND no such conversation; RC_UNAVAILABLE (also: the store is
 * away and the log does not tell), RC_TIMEOUT, RC_NOMEM */
MUST_CHECK enum rc view_open(const struct reading *reading, const struct id *conversation,
                             struct arena *arena, struct conversation_view *out);

/* The same when applied and head were asked already, in this order. */
MUST_CHECK enum rc view_open_at(const struct reading *reading, const struct id *conversation,
                                uint64_t applied, uint64_t head, struct arena *arena,
                                struct conversation_view *out);

/* The user's membership with the tail applied; RC_NOT_FOUND when never a member; RC_UNAVAILABLE
 * when the store is away and the log does not tell. */
MUST_CHECK enum rc view_membership(struct conversation_view *view, const struct id *user,
                                   struct membership *out);

/* Present members by user id after `after` (NULL: from the start), at most limit. */
MUST_CHECK enum rc view_members(struct conversation_view *view, const struct id *after,
                                size_t limit, struct membership **out, size_t *out_count);

/* The other one of a direct conversation; len 0 if it is not one, or there is none. */
MUST_CHECK enum rc view_direct_peer(struct conversation_view *view, const struct id *user,
                                    struct id *out_peer);

/* May this user read, and from which seq on? A member from membership_first_readable; a non-member
 * of a channel reads nothing by REST but may watch: ERROR_NOT_MEMBER for channels, ERROR_NOT_FOUND
 * for all else, ERROR_UNAVAILABLE while the store is away. ERROR_GONE when it was deleted: to its
 * members, and to all if it was a channel. m  NULL: never a member */
enum error_code view_authorize_read(struct conversation_view *view, const struct membership *m,
                                    uint64_t *out_first_seq);

/* A page of messages, as message_store has them (voids and doubles left out). RC_UNAVAILABLE when
 * the store is away and the page lies before the log; a page that lies there in part is given as
 * far as it goes, with view->is_page_cut set. */
MUST_CHECK enum rc view_messages(struct conversation_view *view, const struct message_query *query,
                                 struct message_row **out, size_t *out_count);
MUST_CHECK enum rc view_message(struct conversation_view *view, uint64_t seq,
                                struct message_row *out);
/* The message that this seq means to who names it: of a withdrawn double the first one, whose seq
 * is then in out->event.seq. errors as view_message */
MUST_CHECK enum rc view_message_meant(struct conversation_view *view, uint64_t seq,
                                      struct message_row *out);
/* Raw events after < seq, ascending, prev filled in, at most limit; pages as view_messages. */
MUST_CHECK enum rc view_events(struct conversation_view *view, uint64_t after, size_t limit,
                               struct event **out, size_t *out_count);
/* The event of this operation letter, actor and client's id, wherever it is: for late retries.
 * RC_NOT_FOUND is certain; RC_UNAVAILABLE when the store is away and the tail doesn't have it. */
MUST_CHECK enum rc view_find(struct conversation_view *view, char op, const struct id *actor,
                             const struct id *client_id, struct event *out);

/* Lays an edit, a deletion or a pin over a message, if it is about this one. In any order. */
void message_row_apply(struct message_row *row, const struct event *event);

/* Where a page of a user's conversations begins. */
struct list_place {
    struct id after;     /* len 0: from the start; of a next page: the list ends here */
    uint64_t feed_floor; /* what the user's feed names up to here is in the store, as an earlier
                            page found: it isn't gone through again. 0: not known */
};

/* A user's conversations by id, at most limit; a create or a join that was acknowledged is in it
 * (see reading_list.c for why).
 *   out_next  where the next page starts, after.len 0: this was the last
 *   errors    RC_UNAVAILABLE also when the store is away: a list from the log alone would lie */
MUST_CHECK enum rc reading_conversations(const struct reading *reading, const struct id *user,
                                         const struct list_place *from, size_t limit,
                                         struct arena *arena, struct conversation_item **out,
                                         size_t *out_count, struct list_place *out_next);

#endif
