#include "contract/store/state_text.h"

#include "base/encode.h"
#include "contract/store/samples.h"

#include <inttypes.h>

enum { ARENA_BYTES = 64 << 20, LIMIT = 100000 };

static void add_event(struct buf *out, const struct event *e)
{
    char hash[B64URL_CHARS(BODY_HASH_BYTES) + 1];
    (void)b64url_write(bytes_make(e->body_hash, BODY_HASH_BYTES), hash);
    buf_add_format(out,
                   "%s/%" PRIu64 "<%" PRIu64 " @%" PRId64 " %s by '%s' id '%s' >%" PRIu64
                   " =%" PRIu64 " thread %" PRIu64 " user '%s' %d %d %d",
                   e->conversation.text, e->seq, e->prev, e->at_us, event_kind_name(e->kind),
                   e->actor.text, e->client_id.text, e->target_seq, e->of_seq, e->thread_of,
                   e->user.text, e->role, e->type, e->history);
    buf_add_format(out, " name '%.*s' emoji '%.*s' reason '%.*s' hash %s payload '%.*s'\n",
                   BYTES_ARG(e->name), BYTES_ARG(e->emoji), BYTES_ARG(e->reason), hash,
                   BYTES_ARG(e->payload));
}

static void add_row(struct buf *out, const struct message_row *row)
{
    buf_add_format(out,
                   "  edit %" PRIu64 " @%" PRId64 " '%.*s' deleted %" PRIu64 " @%" PRId64
                   " pinned %d of ",
                   row->edit_seq, row->edited_at_us, BYTES_ARG(row->edit_payload), row->delete_seq,
                   row->deleted_at_us, row->is_pinned);
    add_event(out, &row->event);
}

static void add_conversation(struct buf *out, const struct conversation *c)
{
    buf_add_format(out,
                   "%s type %d history %d name '%.*s' by '%s' @%" PRId64 " created %" PRIu64
                   " updated %" PRIu64 " deleted %" PRIu64 " last %" PRIu64 "\n",
                   c->id.text, c->type, c->history, BYTES_ARG(c->name), c->created_by.text,
                   c->created_at_us, c->created_seq, c->updated_seq, c->deleted_seq, c->last_seq);
}

static void add_membership(struct buf *out, const struct membership *m)
{
    buf_add_format(
        out, "  %s member %d role %d joined %" PRIu64 " removed %" PRIu64 " changed %" PRIu64 "\n",
        m->user.text, m->is_member, m->role, m->joined_seq, m->removed_seq, m->changed_seq);
}

static void add_events(struct buf *out, const struct message_store *s, const struct id *id)
{
    SCOPED_ARENA(arena, ARENA_BYTES);
    struct event *events;
    size_t count;
    CHECK_RC(RC_OK, s->events(s->self, id, 0, UINT64_MAX, LIMIT, &arena, &events, &count));
    buf_add_format(out, "events of %s\n", id->text);
    for (size_t i = 0; i < count; i++)
        add_event(out, &events[i]);
}

static void add_page(struct buf *out, const struct message_store *s, struct message_query query)
{
    SCOPED_ARENA(arena, ARENA_BYTES);
    struct message_row *rows;
    size_t count;
    CHECK_RC(RC_OK, s->messages(s->self, &query, &arena, &rows, &count));
    buf_add_format(out, "page way %d seq %" PRIu64 " time %d first %" PRIu64 " limit %zu\n",
                   query.way, query.seq, query.by_time, query.first_seq, query.limit);
    for (size_t i = 0; i < count; i++)
        add_row(out, &rows[i]);
}

static void add_pages(struct buf *out, const struct message_store *s, const struct id *id,
                      uint64_t seq_max)
{
    struct message_query query = { .conversation = *id, .last_seq = UINT64_MAX, .limit = LIMIT };
    add_page(out, s, query);
    for (int way = MESSAGES_BEFORE; way <= MESSAGES_AROUND; way++) {
        query.way = (enum message_way)way;
        query.limit = 5;
        query.seq = seq_max / 2;
        query.at_us = at_of(seq_max / 2);
        query.by_time = false;
        add_page(out, s, query);
        query.by_time = true;
        add_page(out, s, query);
        query.first_seq = seq_max / 3;
        query.last_seq = seq_max * 2 / 3;
        add_page(out, s, query);
        query.first_seq = 0;
        query.last_seq = UINT64_MAX;
    }
}

static void add_single(struct buf *out, const struct message_store *s, const struct id *id,
                       uint64_t seq)
{
    SCOPED_ARENA(arena, ARENA_BYTES);
    struct message_row row;
    enum rc rc = s->message(s->self, id, seq, &arena, &row);
    if (rc == RC_OK)
        add_row(out, &row);
    else
        CHECK_RC(RC_NOT_FOUND, rc);
}

static void add_lookups(struct buf *out, const struct message_store *s, const struct id *id,
                        const struct id *user, const struct id *client_id)
{
    SCOPED_ARENA(arena, ARENA_BYTES);
    struct message_row row;
    struct event event;
    enum rc rc = s->message_by_client_id(s->self, id, user, client_id, &arena, &row);
    buf_add_format(out, "by client id %s %s %s: %s\n", id->text, user->text, client_id->text,
                   rc_name(rc));
    if (rc == RC_OK)
        add_row(out, &row);
    for (const char *op = "medpqwcuxalv0"; *op; op++) {
        rc = s->event_by_client_id(s->self, id, *op, user, client_id, &arena, &event);
        if (rc == RC_OK)
            add_event(out, &event);
        else
            CHECK_RC(RC_NOT_FOUND, rc);
    }
}

static void add_room(struct buf *out, const struct message_store *s, const struct id *id,
                     const struct state_names *names)
{
    SCOPED_ARENA(arena, ARENA_BYTES);
    struct conversation c;
    struct membership m, *members;
    size_t count;
    add_events(out, s, id);
    add_pages(out, s, id, names->seq_max);
    for (uint64_t seq = 1; seq <= names->seq_max; seq++)
        add_single(out, s, id, seq);
    if (s->conversation(s->self, id, &arena, &c) == RC_OK)
        add_conversation(out, &c);
    CHECK_RC(RC_OK, s->members(s->self, id, NULL, LIMIT, &arena, &members, &count));
    for (size_t i = 0; i < count; i++)
        add_membership(out, &members[i]);
    for (size_t i = 0; i < names->user_count; i++) {
        struct id user = id_of(names->users[i]);
        if (s->membership(s->self, id, &user, &m) == RC_OK)
            add_membership(out, &m);
        for (size_t j = 0; j < names->client_id_count; j++) {
            struct id client_id = id_of(names->client_ids[j]);
            add_lookups(out, s, id, &user, &client_id);
        }
    }
}

static void add_user(struct buf *out, const struct message_store *s, const struct id *user,
                     bool is_brief)
{
    SCOPED_ARENA(arena, ARENA_BYTES);
    struct conversation_item *items;
    struct user_feed_entry *feed;
    size_t count;
    CHECK_RC(RC_OK,
             s->conversations_of(s->self, user, NULL, LIMIT, is_brief, &arena, &items, &count));
    buf_add_format(out, "list of %s\n", user->text);
    for (size_t i = 0; i < count; i++) {
        add_conversation(out, &items[i].conversation);
        add_membership(out, &items[i].membership);
        buf_add_format(out, "  unread %u peer '%s' last %d\n", items[i].unread,
                       items[i].direct_peer.text, items[i].has_last_message);
        if (items[i].has_last_message)
            add_row(out, &items[i].last_message);
    }
    CHECK_RC(RC_OK, s->user_feed(s->self, user, 0, LIMIT, &arena, &feed, &count));
    for (size_t i = 0; i < count; i++)
        buf_add_format(out, "  feed %" PRIu64 " %s %" PRIu64 "\n", feed[i].feed_seq,
                       feed[i].conversation.text, feed[i].conversation_seq);
}

static bool add_scanned(void *closure, uint64_t seq, const struct id *conversation,
                        enum event_kind kind)
{
    buf_add_format(closure, "scan %" PRIu64 " %s %s\n", seq, conversation->text,
                   event_kind_name(kind));
    return true;
}

static void add_partition(struct buf *out, const struct message_store *s, uint32_t generation,
                          uint32_t partition)
{
    uint64_t applied;
    CHECK_RC(RC_OK, s->applied(s->self, generation, partition, &applied));
    buf_add_format(out, "partition %u applied %" PRIu64 "\n", partition, applied);
    CHECK_RC(RC_OK, s->scan(s->self, partition, 0, UINT64_MAX, add_scanned, out));
}

void state_text(struct buf *out, const struct message_store *s, const struct state_names *names)
{
    SCOPED_ARENA(arena, ARENA_BYTES);
    struct conversation *channels;
    size_t count;
    for (size_t i = 0; i < names->conversation_count; i++) {
        struct id id = id_of(names->conversations[i]);
        add_room(out, s, &id, names);
    }
    for (size_t i = 0; i < names->user_count * 2; i++) {
        struct id user = id_of(names->users[i / 2]);
        add_user(out, s, &user, i % 2);
    }
    CHECK_RC(RC_OK, s->channels(s->self, bytes_of(""), NULL, LIMIT, &arena, &channels, &count));
    for (size_t i = 0; i < count; i++)
        add_conversation(out, &channels[i]);
    for (uint32_t p = 0; p < names->partitions; p++)
        add_partition(out, s, names->generation, p);
    CHECK(!out->has_failed);
}
