#include "contract/store/samples.h"

#include "base/buf.h"
#include "base/encode.h"

#include <inttypes.h>

enum { TEXT_BYTES_MAX = 1 << 20, LIST_MAX = 100000 };

struct id id_of(const char *text)
{
    struct id id = { 0 };
    if (!text || !id_read(bytes_of(text), &id))
        CHECK(!text || !text[0]);
    return id;
}

int64_t at_of(uint64_t seq)
{
    return 1700000000000000 + (int64_t)(seq % (1ULL << 40)) * 1000000; /* within 64 bits */
}

static struct event an_event(enum event_kind kind, uint64_t seq, const char *actor)
{
    return (struct event){ .kind = kind,
                           .conversation = id_of("room"),
                           .seq = seq,
                           .at_us = at_of(seq),
                           .actor = id_of(actor) };
}

/* Stands for BLAKE2b: all that matters is that other texts give other bytes. */
static void hash_text(struct event *event, const char *text)
{
    uint32_t hash = fnv1a32(bytes_of(text));
    for (int i = 0; i < BODY_HASH_BYTES; i++)
        event->body_hash[i] = (uint8_t)((hash >> (i % 4 * 8)) + (uint32_t)i + 1);
    event->payload = bytes_of(text);
}

struct event a_message(uint64_t seq, const char *sender, const char *client_id, const char *text)
{
    struct event event = an_event(EVENT_MESSAGE_NEW, seq, sender);
    event.client_id = id_of(client_id);
    hash_text(&event, text);
    return event;
}

struct event an_edit(uint64_t seq, uint64_t target, const char *text)
{
    struct event event = an_event(EVENT_MESSAGE_EDITED, seq, "ann");
    event.target_seq = target;
    hash_text(&event, text);
    return event;
}

struct event a_deletion(uint64_t seq, uint64_t target)
{
    struct event event = an_event(EVENT_MESSAGE_DELETED, seq, "ann");
    event.target_seq = target;
    hash_text(&event, "{}");
    return event;
}

struct event a_pin(uint64_t seq, uint64_t target, bool is_pinned)
{
    struct event event =
        an_event(is_pinned ? EVENT_MESSAGE_PINNED : EVENT_MESSAGE_UNPINNED, seq, "ann");
    event.target_seq = target;
    return event;
}

struct event a_withdrawal(uint64_t seq, uint64_t target, uint64_t of)
{
    struct event event = an_event(EVENT_MESSAGE_WITHDRAWN, seq, NULL);
    event.target_seq = target;
    event.of_seq = of;
    return event;
}

struct event a_void(uint64_t seq, const char *reason)
{
    struct event event = an_event(EVENT_VOID, seq, NULL);
    event.reason = bytes_of(reason);
    return event;
}

struct event a_creation(uint64_t seq, enum conversation_type type, enum history_rule history,
                        const char *name)
{
    struct event event = an_event(EVENT_CONVERSATION_CREATED, seq, "ann");
    event.type = type;
    event.history = history;
    event.name = bytes_of(name);
    return event;
}

struct event an_update(uint64_t seq, enum history_rule history, const char *name)
{
    struct event event = an_event(EVENT_CONVERSATION_UPDATED, seq, "ann");
    event.history = history;
    event.name = bytes_of(name);
    return event;
}

struct event an_end(uint64_t seq)
{
    return an_event(EVENT_CONVERSATION_DELETED, seq, "ann");
}

struct event a_joining(uint64_t seq, const char *user, enum member_role role)
{
    struct event event = an_event(EVENT_MEMBER_ADDED, seq, "ann");
    event.user = id_of(user);
    event.role = role;
    return event;
}

struct event a_leaving(uint64_t seq, const char *user)
{
    struct event event = an_event(EVENT_MEMBER_REMOVED, seq, "ann");
    event.user = id_of(user);
    event.reason = bytes_of("left");
    return event;
}

struct event a_role(uint64_t seq, const char *user, enum member_role role)
{
    struct event event = an_event(EVENT_MEMBER_UPDATED, seq, "ann");
    event.user = id_of(user);
    event.role = role;
    return event;
}

struct event in(const char *conversation, struct event event)
{
    event.conversation = id_of(conversation);
    return event;
}

void apply(struct bench *bench, const struct event *events, size_t count,
           struct applied_result *results)
{
    struct store_batch batch = { .generation = 1, .events = events, .event_count = count };
    CHECK_RC(RC_OK, bench->m->apply(bench->m->self, &batch, results));
}

struct applied_result apply_one(struct bench *bench, struct event event)
{
    struct applied_result result = { .of_seq = 99 };
    apply(bench, &event, 1, &result);
    return result;
}

/* seq, the operation's letter, then what it names: ">target", "=first", "(reason)", and the prev.
 */
const char *events_of(struct bench *bench, const char *conversation)
{
    SCOPED_BUF(text, TEXT_BYTES_MAX);
    struct id id = id_of(conversation);
    struct event *events;
    size_t count;
    CHECK_RC(RC_OK, bench->m->events(bench->m->self, &id, 0, UINT64_MAX, LIST_MAX, &bench->arena,
                                     &events, &count));
    for (size_t i = 0; i < count; i++) {
        const struct event *e = &events[i];
        buf_add_format(&text, "%s%" PRIu64 "%c", i ? " " : "", e->seq, event_kind_op(e->kind));
        if (e->target_seq)
            buf_add_format(&text, ">%" PRIu64, e->target_seq);
        if (e->of_seq)
            buf_add_format(&text, "=%" PRIu64, e->of_seq);
        buf_add_format(&text, "<%" PRIu64, e->prev);
    }
    return (const char *)arena_copy(&bench->arena, buf_bytes(&text)).ptr;
}

/* seq:text, then "/edit seq:edited text", "-deletion's seq", "!" for a pin. */
const char *messages_of(struct bench *bench, const char *conversation)
{
    SCOPED_BUF(text, TEXT_BYTES_MAX);
    struct message_query query = { .conversation = id_of(conversation),
                                   .way = MESSAGES_AFTER,
                                   .last_seq = UINT64_MAX,
                                   .limit = LIST_MAX };
    struct message_row *rows;
    size_t count;
    CHECK_RC(RC_OK, bench->m->messages(bench->m->self, &query, &bench->arena, &rows, &count));
    for (size_t i = 0; i < count; i++) {
        const struct message_row *row = &rows[i];
        buf_add_format(&text, "%s%" PRIu64 ":%.*s", i ? " " : "", row->event.seq,
                       BYTES_ARG(row->event.payload));
        if (row->edit_seq)
            buf_add_format(&text, "/%" PRIu64 ":%.*s", row->edit_seq, BYTES_ARG(row->edit_payload));
        if (row->delete_seq)
            buf_add_format(&text, "-%" PRIu64, row->delete_seq);
        if (row->is_pinned)
            buf_add_byte(&text, '!');
    }
    return (const char *)arena_copy(&bench->arena, buf_bytes(&text)).ptr;
}

struct message_row message_at(struct bench *bench, uint64_t seq)
{
    struct message_row row;
    struct id id = id_of("room");
    CHECK_RC(RC_OK, bench->m->message(bench->m->self, &id, seq, &bench->arena, &row));
    return row;
}

struct membership membership_of(struct bench *bench, const char *user)
{
    struct membership m;
    struct id id = id_of("room"), user_id = id_of(user);
    CHECK_RC(RC_OK, bench->m->membership(bench->m->self, &id, &user_id, &m));
    return m;
}
