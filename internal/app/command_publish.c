/* command_publish.c - a command's events into the log, a bounded number under way, and what the log
 * answered as the client's answer. No success before the PubAck. */
#include "app/command_run.h"

#include "base/encode.h"
#include "base/log.h"

#include <stdlib.h>

enum { FLYING_MAX = 32, PAYLOAD_BYTES_MAX = 256 << 10, RELOADS_MAX = 16 };

static void publish_more(struct command_run *run);
static void one_landed(struct command_run *run);

/* ---- the user feed: a wake-up for gateways that don't follow the conversation yet ----
 *
 * The command is answered after the feed's PubAck too: who was told `ok` finds the conversation in
 * the next list, and that is made from the feed's tail (reading_list.c). Whether it was stored
 * changes nothing: the persister repeats it with the same id. */

static void feed_stored(void *closure, const struct publish_result *result)
{
    struct command_run *run = closure;
    (void)result;
    run->out_flying--;
    one_landed(run);
}

static void publish_feed(struct command_run *run, const struct event *event, uint64_t seq)
{
    struct gateway *g = run->g;
    const struct user_feed_record record = { event->conversation, seq };
    uint32_t p = subject_partition(&event->user, g->d.partitions);
    char subject[SUBJECT_CHARS_MAX], msg_id[MSG_ID_CHARS + 1];
    struct id seq_id = { 0 };
    SCOPED_BUF(payload, 1024);
    seq_id.len =
        (uint8_t)snprintf(seq_id.text, sizeof seq_id.text, "%llu", (unsigned long long)seq);
    (void)subject_chat(subject, p, SUBJECT_USER, &event->user);
    msg_id_write(msg_id, 'f', &event->conversation, &event->user, &seq_id);
    user_feed_write(&payload, &record);
    const struct publish_header headers[] = { { HEADER_OP, bytes_of("f") },
                                              { HEADER_SCHEMA, bytes_of(PARLEY_SCHEMA_TEXT) } };
    const struct publish_request request = {
        .partition = p,
        .subject = subject,
        .msg_id = msg_id,
        .payload = buf_bytes(&payload),
        .headers = headers,
        .header_count = COUNT_OF(headers),
        .timeout_ms = g->d.limits.publish_timeout_ms,
    };
    if (g->d.log->publish(g->d.log->self, &request, feed_stored, run) == RC_OK)
        run->out_flying++;
    else
        log_debug("feed.not_published"); /* the persister repeats it */
}

static bool is_member_event(enum event_kind kind)
{
    return kind == EVENT_MEMBER_ADDED || kind == EVENT_MEMBER_REMOVED ||
           kind == EVENT_MEMBER_UPDATED;
}

/* ---- a duplicate: the same body, or another one? ---- */

static void finish_stored(struct command_run *run)
{
    const struct outgoing *first = &run->out[0];
    if (!run->result.seq)
        run->result.seq = first->result.seq;
    if (first->result.outcome == PUBLISH_DUPLICATE)
        run->result.is_duplicate = true;
    command_finish(run);
}

/* The members of a beginning are the same whoever of two requests adds them: no body to compare. */
static const struct outgoing *find_duplicate(const struct command_run *run)
{
    for (size_t i = 0; i < run->out_count; i++) {
        const struct outgoing *o = &run->out[i];
        if (o->result.outcome == PUBLISH_DUPLICATE && !o->is_founding)
            return o;
    }
    return NULL;
}

static void compare_run(struct job *job)
{
    struct command_run *run = CONTAINER_OF(job, struct command_run, base.job);
    const struct event_log *log = run->g->d.log;
    uint32_t p = subject_partition(&run->c.conversation, run->g->d.partitions);
    struct log_record record;
    run->duplicate_rc = log->get(log->self, p, run->duplicate_seq, &run->arena, &record);
    if (run->duplicate_rc != RC_OK)
        return;
    run->is_same_body =
        record.has_body_hash && memcmp(record.body_hash, run->body_hash, BODY_HASH_BYTES) == 0;
    run->result.at_us = record.at_us;
}

static void compare_ended(struct job *job)
{
    struct command_run *run = CONTAINER_OF(job, struct command_run, base.job);
    gateway_job_ended(&run->base);
    if (run->duplicate_rc != RC_OK) {
        command_refuse(run, ERROR_TIMEOUT);
        return;
    }
    if (!run->is_same_body) {
        command_refuse(run, command_other_body(run));
        return;
    }
    finish_stored(run);
}

static void compare(struct command_run *run, uint64_t seq)
{
    run->duplicate_seq = seq;
    if (gateway_submit(run->g, &run->base, compare_run, compare_ended) != RC_OK)
        command_refuse(run, ERROR_TIMEOUT);
}

/* ---- what the log answered ---- */

static enum error_code error_of(const struct command_run *run, enum publish_outcome outcome)
{
    bool has_earlier_attempt = run->c.is_retry;
    switch (outcome) {
    case PUBLISH_STORED:
    case PUBLISH_DUPLICATE:
        return ERROR_NONE;
    case PUBLISH_CONFLICT:
        return ERROR_CONFLICT;
    case PUBLISH_FULL:
        return has_earlier_attempt ? ERROR_TIMEOUT : ERROR_STORAGE_FULL;
    case PUBLISH_TOO_LARGE:
        return ERROR_PAYLOAD_TOO_LARGE;
    case PUBLISH_UNAVAILABLE:
        return has_earlier_attempt ? ERROR_TIMEOUT : ERROR_UNAVAILABLE;
    case PUBLISH_UNKNOWN:
        return ERROR_TIMEOUT;
    }
    return ERROR_TIMEOUT;
}

/* Several events: what is stored is stored, so a later failure of a sure kind is still an unknown
 * outcome of the whole; the client asks again and gets the rest done. Those that were never tried
 * say nothing: one of the others failed. */
static enum error_code worst(const struct command_run *run)
{
    enum error_code code = ERROR_NONE;
    bool has_stored = false;
    for (size_t i = 0; i < run->out_count; i++) {
        if (!run->out[i].is_done)
            continue;
        enum error_code one = error_of(run, run->out[i].result.outcome);
        has_stored = has_stored || one == ERROR_NONE;
        if (one == ERROR_TIMEOUT || (one != ERROR_NONE && code != ERROR_TIMEOUT))
            code = one;
    }
    return code != ERROR_NONE && has_stored ? ERROR_TIMEOUT : code;
}

/* Somebody else's event came first: decided anew from what it made, a bounded number of times. */
static bool decide_again(struct command_run *run)
{
    const struct outgoing *first = &run->out[0];
    bool is_beaten = first->is_guarded && first->result.outcome == PUBLISH_CONFLICT;
    if (!is_beaten || run->reloads == RELOADS_MAX)
        return false;
    run->reloads++;
    run->out_count = run->out_next = 0;
    run->result.seq = 0;
    run->result.is_duplicate = false;
    command_load_facts(run);
    return true;
}

static void all_done(struct command_run *run)
{
    enum error_code code = worst(run);
    if (decide_again(run))
        return;
    if (code == ERROR_CONFLICT) /* too busy a conversation; nothing was stored */
        command_refuse_unsent(run, ERROR_OVERLOADED);
    else if (code != ERROR_NONE)
        command_refuse(run, code);
    else if (find_duplicate(run))
        compare(run, find_duplicate(run)->result.seq);
    else
        finish_stored(run);
}

static void published(void *closure, const struct publish_result *result)
{
    struct outgoing *o = closure;
    struct command_run *run = o->run;
    bool is_stored = result->outcome == PUBLISH_STORED || result->outcome == PUBLISH_DUPLICATE;
    o->result = *result;
    if (is_stored && result->seq >> 40 != run->g->d.generation) {
        /* Streams of another generation took it, perhaps in another partition than theirs. */
        gateway_set_log_state(run->g, false,
                              "the streams are of another generation: restart with its settings");
        o->result.outcome = PUBLISH_UNKNOWN;
        is_stored = false;
    }
    o->is_done = true;
    run->out_flying--;
    if (is_stored && is_member_event(o->event.kind))
        publish_feed(run, &o->event, result->seq);
    if (!is_stored)
        run->out_next = run->out_count; /* no more of them */
    one_landed(run);
}

static void one_landed(struct command_run *run)
{
    if (run->out_flying == 0 && run->out_next >= run->out_count)
        all_done(run);
    else
        publish_more(run);
}

/* Each member of a batch has an id of its own, made from the batch's: a repeat begins wherever the
 * first try ended, and must not be taken for the event of another member. */
static void write_msg_id(char out[MSG_ID_CHARS + 1], const struct command_run *run,
                         const struct outgoing *o)
{
    const struct event *e = &o->event;
    if (o->is_founding) {
        msg_id_write(out, 'A', &e->conversation, &e->user, &e->user);
    } else if (o->is_of_batch) {
        struct id operation = command_member_operation(run, &e->user);
        msg_id_write(out, event_kind_op(e->kind), &e->conversation, &e->actor, &operation);
    } else {
        msg_id_write(out, event_kind_op(e->kind), &e->conversation, &e->actor, &e->client_id);
    }
}

static enum rc publish_one(struct command_run *run, struct outgoing *o)
{
    struct gateway *g = run->g;
    char subject[SUBJECT_CHARS_MAX], msg_id[MSG_ID_CHARS + 1], hash[B64URL_CHARS(16) + 1], op;
    uint32_t p = subject_partition(&o->event.conversation, g->d.partitions);
    SCOPED_BUF(payload, PAYLOAD_BYTES_MAX);
    op = event_kind_op(o->event.kind);
    event_write(&payload, &o->event, run->c.content);
    if (payload.has_failed)
        return RC_FULL;
    (void)subject_chat(subject, p, SUBJECT_CONVERSATION, &o->event.conversation);
    write_msg_id(msg_id, run, o);
    (void)b64url_write(bytes_make(run->body_hash, sizeof run->body_hash), hash);
    const struct publish_header headers[] = {
        { HEADER_OP, bytes_make(&op, 1) },
        { HEADER_SENDER, id_bytes(&o->event.actor) },
        { HEADER_CLIENT_ID, id_bytes(&o->event.client_id) },
        { HEADER_SCHEMA, bytes_of(PARLEY_SCHEMA_TEXT) },
        { HEADER_BODY_HASH, bytes_of(hash) },
    };
    const struct publish_request request = {
        .partition = p,
        .subject = subject,
        .msg_id = msg_id,
        .payload = buf_bytes(&payload),
        .headers = headers,
        .header_count = COUNT_OF(headers),
        .has_expected_last_seq = o->is_guarded,
        .expected_last_seq = o->expected_seq,
        .timeout_ms = g->d.limits.publish_timeout_ms,
    };
    return g->d.log->publish(g->d.log->self, &request, published, o);
}

static void publish_more(struct command_run *run)
{
    while (run->out_next < run->out_count && run->out_flying < FLYING_MAX) {
        struct outgoing *o = &run->out[run->out_next];
        bool must_wait = run->out_next == 1 && run->out[0].is_guarded && !run->out[0].is_done;
        if (must_wait)
            return;
        run->out_next++;
        if (publish_one(run, o) == RC_OK) {
            run->out_flying++;
            continue;
        }
        o->is_done = true; /* it never left */
        o->result.outcome = PUBLISH_UNAVAILABLE;
        run->out_next = run->out_count;
        if (run->out_flying == 0)
            all_done(run);
        return;
    }
}

void command_publish(struct command_run *run)
{
    run->out_next = run->out_flying = 0;
    publish_more(run);
}
