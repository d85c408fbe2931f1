/* mg_doc.h - documents as values and back. Pure functions over BSON; nothing here asks a server.
 *
 * Names of fields are those of the protocol where it has one, so that a person who looks with a
 * shell reads what clients read. Numbers are int64; seqs are below 2^53, so that a server that
 * compares numbers as doubles compares them right. Text is a string when it is UTF-8 without NUL,
 * else binary: what comes back is the same bytes.
 *
 * What is read may be anything: a field of another type or range reads as if it weren't there, and
 * a document that lacks what makes it one of ours is RC_UNAVAILABLE.
 */
#ifndef ADAPTERS_MONGO_MG_DOC_H
#define ADAPTERS_MONGO_MG_DOC_H

#include "ports/directory_store.h"
#include "ports/message_store.h"

#include <bson/bson.h>

enum {
    MG_SEQ_BITS = 53,
    MG_PARTITIONS_MAX = 1024,
    MG_PLACE_CHARS = 4 + 1 + 16,          /* "0003/0000000000000042": sorts like the numbers */
    MG_PAIR_CHARS = 2 * ID_CHARS_MAX + 1, /* "conversation/user" */
    MG_CLAIM_CHARS = 22 + 1 + 22,         /* hash of an operation's ids ":" hash of its body */
};
#define MG_SEQ_MAX ((UINT64_C(1) << MG_SEQ_BITS) - 1)

/* The key of an event. */
void mg_place(char out[MG_PLACE_CHARS + 1], uint32_t partition, uint64_t seq);
void mg_pair(char out[MG_PAIR_CHARS + 1], const struct id *conversation, const struct id *user);
/* The key of "this client asked for this with this id", with and without what exactly. */
void mg_claim(char out[MG_CLAIM_CHARS + 1], const struct event *event);
void mg_claim_bounds(char from[MG_CLAIM_CHARS + 1], char to[MG_CLAIM_CHARS + 1], char op,
                     const struct id *conversation, const struct id *actor,
                     const struct id *client_id);

/* Appending. Text: see above. */
void mg_put_text(bson_t *doc, const char *name, struct bytes text);
void mg_put_id(bson_t *doc, const char *name, const struct id *id);
void mg_put_seq(bson_t *doc, const char *name, uint64_t seq);

/* An event as it is kept. prev: 0 leaves it to whoever reads; of: it is born as the double of that
 * first one, unless 0. */
void mg_put_event(bson_t *doc, uint32_t partition, const struct event *event, uint64_t prev,
                  uint64_t of);
/* The fields of a void in the place of a double or a second creation: $set and $unset of them. */
void mg_put_voiding(bson_t *update, enum event_kind kind, uint64_t of);

/* An event as it was read. Text is copied into the arena. */
struct mg_event {
    struct event event;
    enum event_kind was; /* of a double or second creation: its first kind; else the event's */
};
MUST_CHECK enum rc mg_get_event(const bson_t *doc, struct arena *arena, struct mg_event *out);

/* What edits, deletions, pins and doubles make of a seq. */
struct mg_mark {
    uint64_t seq, first;
    uint64_t edit_seq, delete_seq; /* 0: none */
    uint64_t pin;                  /* the seq of the last pin or unpin, twice, and 1 if it pins */
};
MUST_CHECK enum rc mg_get_mark(const bson_t *doc, struct mg_mark *out);

MUST_CHECK enum rc mg_get_conversation(const bson_t *doc, struct arena *arena,
                                       struct conversation *out);
/* The $set of a conversation made of `fact_count` facts. */
void mg_put_conversation(bson_t *set, const struct conversation *c, uint64_t fact_count);

struct mg_membership {
    struct id conversation;
    struct membership membership;
};
MUST_CHECK enum rc mg_get_membership(const bson_t *doc, struct mg_membership *out);
void mg_put_membership(bson_t *set, const struct id *conversation, const struct membership *m,
                       uint64_t fact_count);

MUST_CHECK enum rc mg_get_feed(const bson_t *doc, struct user_feed_entry *out);
MUST_CHECK enum rc mg_get_user(const bson_t *doc, struct arena *arena, struct user *out);

struct mg_request {
    uint8_t hash[16];
    int status;
    struct bytes body;
    int64_t expires_at_us;
};
MUST_CHECK enum rc mg_get_request(const bson_t *doc, struct arena *arena, struct mg_request *out);

/* One number or text of a document; 0 or empty if it isn't there. Text is borrowed. */
uint64_t mg_get_seq(const bson_t *doc, const char *name);
struct bytes mg_peek_text(const bson_t *doc, const char *name);
struct id mg_get_id(const bson_t *doc, const char *name);

#endif
