/* world.h - a log, a store and a persister that does as it is told: for tests of readers.
 *
 * Facts are appended to the log by one call each and reach the store when world_apply says so. Both
 * can be away, and the log can forget its beginning. One thread.
 */
#ifndef TESTS_UNIT_APP_WORLD_H
#define TESTS_UNIT_APP_WORLD_H

#include "adapters/mem/mem_store.h"
#include "app/reading.h"
#include "support/fake_clock.h"

enum { WORLD_PARTITIONS = 2, WORLD_GENERATION = 1, WORLD_RECORDS_MAX = 20000 };

struct world_record {
    struct log_record record;
    uint8_t *payload;
};

struct world_stream {
    struct world_record records[WORLD_RECORDS_MAX];
    size_t count;
    uint64_t first_seq; /* what came before was forgotten */
};

struct world {
    struct fake_clock clock;
    struct mem_store *mem;
    struct message_store store;       /* of mem */
    struct directory_store directory; /* of mem */
    struct event_log log;
    struct reading reading;
    struct world_stream streams[WORLD_PARTITIONS];
    bool is_log_away;
    unsigned heads_asked, reads_asked;
    unsigned operations;
};

struct world *world_create(void);
void world_destroy(struct world *w);

struct id id_of(const char *text);

/* Appends an event to its conversation; seq, prev and time are the log's. Returns its seq. */
uint64_t world_append(struct world *w, const struct event *event, const char *content);
/* The user feed's record of a member event. world_member appends it by itself. */
void world_feed(struct world *w, const char *user, const char *conversation, uint64_t seq);

/* conversation.created and the owner's member.added. Returns the seq of the former. */
uint64_t world_conversation(struct world *w, const char *id, enum conversation_type type,
                            enum history_rule history, const char *owner);
uint64_t world_member(struct world *w, enum event_kind kind, const char *conversation,
                      const char *user, enum member_role role);
uint64_t world_send(struct world *w, const char *conversation, const char *sender,
                    const char *client_id, const char *text);
/* An edit (with a new text), a deletion or a pin of a message. */
uint64_t world_change(struct world *w, enum event_kind kind, const char *conversation,
                      const char *by, uint64_t target, const char *text);
/* A payload that is no event of ours. */
uint64_t world_garbage(struct world *w, const char *conversation, const char *payload);

/* The persister does its work up to here: everything, or one conversation's seq and all before it.
 */
void world_apply(struct world *w);
void world_apply_until(struct world *w, const char *conversation, uint64_t seq);

/* The log forgets everything up to this seq of that conversation's partition. */
void world_forget(struct world *w, const char *conversation, uint64_t seq);
void world_set_store_away(struct world *w, bool is_away);

#endif
