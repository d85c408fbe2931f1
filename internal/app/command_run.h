/* command_run.h - one command on its way; for command*.c only.
 *
 *   submit -> facts (from memory, or a job) -> its turn (command_lane.c) -> decide: refuse | answer
 * | events -> publish -> finish
 */
#ifndef APP_COMMAND_RUN_H
#define APP_COMMAND_RUN_H

#include "app/command.h"
#include "app/gateway_state.h"

enum { COMMAND_ARENA_BYTES = 64 << 20 };

/* One event to be published, and what became of it. */
struct outgoing {
    struct command_run *run;
    struct event event;
    struct bytes payload;
    struct publish_result result;
    bool is_guarded; /* stored only if the conversation's last event is still this one: */
    uint64_t expected_seq;
    bool is_founding; /* a member of the beginning: added once, whoever of two makes it */
    bool is_of_batch; /* one of several: its user is part of its message id */
    bool is_done;
};

/* What the rules need to know; filled by facts_*(). */
struct command_facts {
    enum rc rc; /* of view_open */
    bool is_store_away;
    struct conversation conversation;
    struct membership actor;
    struct membership *members; /* of command.members, in order */
    struct message_row target;
    enum rc target_rc;
    enum rc place_rc; /* replyTo, threadOf */
    bool has_found;   /* an earlier try under this id: the event is there */
    enum rc find_rc;
    struct event found;
    bool *was_done;       /* of command.members: the earlier try got as far as this one */
    struct event created; /* CREATE of what exists: how it was made */
    enum rc created_rc;
    uint64_t head;         /* the conversation's last seq when this was read */
    bool has_other_owner;  /* beside those whom the command names; LEAVE: beside the actor */
    bool has_other_member; /* LEAVE */
};

struct command_run {
    struct gateway_job base;
    struct gateway *g;
    struct command c; /* texts and members are in the arena */
    command_done_fn *done;
    void *closure;
    struct arena arena;
    struct command_facts facts;
    struct outgoing *out;
    size_t out_count, out_next, out_flying;
    struct command_result result;
    struct task task;
    uint8_t body_hash[BODY_HASH_BYTES];
    int64_t began_ms;
    struct list lane_node; /* in the connection's lane; by itself: not in one */
    bool is_in_lane, has_turn;
    bool is_loading, has_facts; /* a job reads the facts; it has */
    bool is_late;               /* a retry that must be looked up first */
    bool has_given_id; /* the client's, so this may be a repeat even if it doesn't say so */
    int reloads;       /* how often somebody else was faster */
    int64_t taken_ms;
    uint64_t duplicate_seq;
    enum rc duplicate_rc;
    bool is_same_body;
};

/* command_lane.c */
/* Nothing of the same connection and conversation is waiting. */
bool lane_is_clear(const struct command_run *run);
void lane_enter(struct command_run *run);
/* Gives the turn to the next one, on a later turn of the loop. Does nothing outside a lane. */
void lane_leave(struct command_run *run);

/* command_facts.c: worker thread */
void facts_load(struct command_run *run);

/* command_body.c: the hash of all that the client chose; tells a repeat from another request. */
void command_hash_body(struct command_run *run);
/* The operation of one member of a batch: the same for the same batch and user each time. */
struct id command_member_operation(const struct command_run *run, const struct id *user);
static inline bool command_is_batch(const struct command_run *run)
{
    return run->c.member_count > 1 &&
           (run->c.kind == COMMAND_MEMBER_PUT || run->c.kind == COMMAND_MEMBER_REMOVE);
}

/* command_rules.c: fills run->out, or returns why not; ERROR_NONE with no events: done already,
 * run->result says what. */
enum error_code command_decide(struct command_run *run);

/* ERROR_CONFLICT, with its fault: the id was used for another body. */
enum error_code command_other_body(struct command_run *run);

/* command_publish.c */
void command_publish(struct command_run *run);

/* command.c */
/* An attempt that went nowhere: with an earlier one about, that leaves the outcome unknown. */
void command_refuse_unsent(struct command_run *run, enum error_code code);
void command_refuse(struct command_run *run, enum error_code code);
void command_finish(struct command_run *run);
void command_load_facts(struct command_run *run);
void command_take_turn(struct command_run *run);

#endif
