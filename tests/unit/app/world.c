#include "unit/app/world.h"

#include <stdlib.h>

#include "app/record.h"
#include "support/check.h"
#include "wire/event_json.h"
#include "wire/subjects.h"

struct id id_of(const char *text)
{
    struct id id = { .len = 0 };
    CHECK(id_read(bytes_of(text), &id));
    return id;
}

static struct world_stream *stream_of(struct world *w, const struct id *owner)
{
    return &w->streams[subject_partition(owner, WORLD_PARTITIONS)];
}

static bool is_of(const struct log_record *record, char kind, const struct id *owner)
{
    return record->kind == kind && id_equal(&record->owner, owner);
}

/* ---- the port ---- */

static enum rc log_head(void *self, uint32_t partition, char kind, const struct id *owner,
                        uint64_t *out_seq)
{
    struct world *w = self;
    const struct world_stream *s = &w->streams[partition];
    w->heads_asked++;
    if (w->is_log_away)
        return RC_UNAVAILABLE;
    for (size_t i = s->count; i-- > 0;) {
        const struct log_record *r = &s->records[i].record;
        if (r->seq >= s->first_seq && is_of(r, kind, owner)) {
            *out_seq = r->seq;
            return RC_OK;
        }
    }
    return RC_NOT_FOUND;
}

static enum rc log_read(void *self, const struct log_range *range,
                        bool (*each)(void *closure, const struct log_record *record), void *closure)
{
    struct world *w = self;
    const struct world_stream *s = &w->streams[range->partition];
    w->reads_asked++;
    if (w->is_log_away)
        return RC_UNAVAILABLE;
    for (size_t i = 0; i < s->count; i++) {
        struct log_record r = s->records[i].record;
        if (!is_of(&r, range->kind, range->owner) || r.seq <= range->after || r.seq > range->until)
            continue;
        if (r.seq < s->first_seq)
            return RC_NOT_FOUND;
        if (r.prev < s->first_seq)
            r.prev = 0; /* as Nats-Last-Sequence is once the predecessor has expired */
        if (!each(closure, &r))
            return RC_OK;
    }
    return RC_OK;
}

static enum rc log_get(void *self, uint32_t partition, uint64_t seq, struct arena *arena,
                       struct log_record *out_record)
{
    struct world *w = self;
    const struct world_stream *s = &w->streams[partition];
    for (size_t i = 0; i < s->count && !w->is_log_away; i++) {
        if (s->records[i].record.seq != seq || seq < s->first_seq)
            continue;
        *out_record = s->records[i].record;
        out_record->payload = arena_copy(arena, out_record->payload);
        return RC_OK;
    }
    return w->is_log_away ? RC_UNAVAILABLE : RC_NOT_FOUND;
}

static enum rc log_heads(void *self, uint32_t partition, char kind, const struct id *owners,
                         size_t count, uint64_t *out_seqs, uint64_t *out_as_of)
{
    for (size_t i = 0; i < count; i++) {
        out_seqs[i] = 0;
        enum rc rc = log_head(self, partition, kind, &owners[i], &out_seqs[i]);
        if (rc != RC_OK && rc != RC_NOT_FOUND)
            return rc;
    }
    *out_as_of = 0;
    return RC_OK;
}

static enum rc log_state(void *self, uint32_t partition, struct log_state *out)
{
    struct world *w = self;
    const struct world_stream *s = &w->streams[partition];
    if (w->is_log_away)
        return RC_UNAVAILABLE;
    *out = (struct log_state){ .first_seq = s->first_seq,
                               .generation = WORLD_GENERATION,
                               .partitions = WORLD_PARTITIONS };
    return RC_OK;
}

struct world *world_create(void)
{
    struct world *w = calloc(1, sizeof *w);
    CHECK(w != NULL);
    fake_clock_init(&w->clock);
    w->mem = mem_store_create();
    w->store = *mem_store_messages(w->mem);
    w->directory = *mem_store_directory(w->mem);
    w->log = (struct event_log){ .self = w,
                                 .head = log_head,
                                 .read = log_read,
                                 .get = log_get,
                                 .heads = log_heads,
                                 .state = log_state };
    w->reading = (struct reading){ .log = &w->log,
                                   .store = &w->store,
                                   .partitions = WORLD_PARTITIONS,
                                   .generation = WORLD_GENERATION };
    for (size_t p = 0; p < WORLD_PARTITIONS; p++)
        w->streams[p].first_seq = ((uint64_t)WORLD_GENERATION << 40) + 1;
    return w;
}

void world_destroy(struct world *w)
{
    for (size_t p = 0; p < WORLD_PARTITIONS; p++)
        for (size_t i = 0; i < w->streams[p].count; i++)
            free(w->streams[p].records[i].payload);
    mem_store_destroy(w->mem);
    free(w);
}

/* ---- facts ---- */

static uint64_t append(struct world *w, char kind, const struct id *owner,
                       const struct log_record *like, struct bytes payload)
{
    struct world_stream *s = stream_of(w, owner);
    CHECK(s->count < WORLD_RECORDS_MAX);
    struct world_record *to = &s->records[s->count];
    to->payload = malloc(payload.len + 1);
    CHECK(to->payload != NULL);
    memcpy(to->payload, payload.ptr, payload.len);
    to->record = *like;
    to->record.partition = subject_partition(owner, WORLD_PARTITIONS);
    to->record.kind = kind;
    to->record.owner = *owner;
    to->record.schema = 1;
    to->record.payload = bytes_make(to->payload, payload.len);
    to->record.seq = ((uint64_t)WORLD_GENERATION << 40) + 1 + s->count;
    to->record.at_us = clock_wall_us(&w->clock.source);
    for (size_t i = 0; i < s->count; i++) {
        if (is_of(&s->records[i].record, kind, owner))
            to->record.prev = s->records[i].record.seq;
    }
    fake_clock_advance(&w->clock, 1);
    return s->records[s->count++].record.seq;
}

uint64_t world_append(struct world *w, const struct event *event, const char *content)
{
    struct event e = *event;
    SCOPED_BUF(payload, 1 << 20);
    if (!e.client_id.len)
        e.client_id.len =
            (uint8_t)snprintf(e.client_id.text, sizeof e.client_id.text, "op%u", ++w->operations);
    event_write(&payload, &e, bytes_of(content));
    struct log_record like = { .op = event_kind_op(e.kind),
                               .actor = e.actor,
                               .client_id = e.client_id,
                               .has_body_hash = true };
    body_hash_write(like.body_hash, bytes_of(content));
    return append(w, 'c', &e.conversation, &like, buf_bytes(&payload));
}

void world_feed(struct world *w, const char *user, const char *conversation, uint64_t seq)
{
    SCOPED_BUF(payload, 4096);
    struct id owner = id_of(user);
    struct user_feed_record entry = { id_of(conversation), seq };
    struct log_record like = { .op = 'f' };
    user_feed_write(&payload, &entry);
    (void)append(w, 'u', &owner, &like, buf_bytes(&payload));
}

uint64_t world_member(struct world *w, enum event_kind kind, const char *conversation,
                      const char *user, enum member_role role)
{
    struct event e = { .kind = kind,
                       .conversation = id_of(conversation),
                       .actor = id_of("root"),
                       .user = id_of(user),
                       .role = role };
    uint64_t seq = world_append(w, &e, "");
    world_feed(w, user, conversation, seq);
    return seq;
}

uint64_t world_conversation(struct world *w, const char *id, enum conversation_type type,
                            enum history_rule history, const char *owner)
{
    struct event e = { .kind = EVENT_CONVERSATION_CREATED,
                       .conversation = id_of(id),
                       .actor = id_of(owner),
                       .type = type,
                       .history = history,
                       .name = bytes_of("a name") };
    uint64_t seq = world_append(w, &e, "");
    (void)world_member(w, EVENT_MEMBER_ADDED, id, owner, ROLE_OWNER);
    return seq;
}

uint64_t world_send(struct world *w, const char *conversation, const char *sender,
                    const char *client_id, const char *text)
{
    SCOPED_BUF(content, 1 << 20);
    struct event e = { .kind = EVENT_MESSAGE_NEW,
                       .conversation = id_of(conversation),
                       .actor = id_of(sender),
                       .client_id = id_of(client_id) };
    buf_add_text(&content, "\"kind\":\"text\",\"text\":");
    buf_add_json_string(&content, bytes_of(text));
    buf_add_byte(&content, 0);
    return world_append(w, &e, (const char *)content.ptr);
}

uint64_t world_change(struct world *w, enum event_kind kind, const char *conversation,
                      const char *by, uint64_t target, const char *text)
{
    SCOPED_BUF(content, 1 << 20);
    struct event e = {
        .kind = kind, .conversation = id_of(conversation), .actor = id_of(by), .target_seq = target
    };
    if (text) {
        buf_add_text(&content, "\"text\":");
        buf_add_json_string(&content, bytes_of(text));
    }
    buf_add_byte(&content, 0);
    return world_append(w, &e, (const char *)content.ptr);
}

uint64_t world_garbage(struct world *w, const char *conversation, const char *payload)
{
    struct id owner = id_of(conversation);
    return append(w, 'c', &owner, &(struct log_record){ .op = 'm' }, bytes_of(payload));
}

/* ---- the persister ---- */

static void apply_one(struct world *w, uint32_t p, const struct log_record *record)
{
    SCOPED_ARENA(arena, 1 << 20);
    struct event event;
    struct user_feed_entry entry;
    struct user_feed_record feed;
    struct store_batch batch = {
        .generation = WORLD_GENERATION, .partition = p, .from = record->seq, .to = record->seq
    };
    if (record->kind == 'c') {
        event = record_to_event(record, &arena);
        batch.events = &event;
        batch.event_count = 1;
    } else {
        CHECK_RC(RC_OK, user_feed_parse(record->payload, &feed));
        entry = (struct user_feed_entry){ record->owner, record->seq, feed.conversation, feed.seq };
        batch.feed = &entry;
        batch.feed_count = 1;
    }
    CHECK_RC(RC_OK, w->store.apply(w->store.self, &batch, NULL));
}

static void apply_stream(struct world *w, uint32_t p, uint64_t until)
{
    uint64_t applied;
    CHECK_RC(RC_OK, w->store.applied(w->store.self, WORLD_GENERATION, p, &applied));
    for (size_t i = 0; i < w->streams[p].count; i++) {
        const struct log_record *record = &w->streams[p].records[i].record;
        if (record->seq > applied && record->seq <= until)
            apply_one(w, p, record);
    }
}

void world_apply(struct world *w)
{
    for (uint32_t p = 0; p < WORLD_PARTITIONS; p++)
        apply_stream(w, p, UINT64_MAX);
}

void world_apply_until(struct world *w, const char *conversation, uint64_t seq)
{
    struct id id = id_of(conversation);
    apply_stream(w, subject_partition(&id, WORLD_PARTITIONS), seq);
}

void world_forget(struct world *w, const char *conversation, uint64_t seq)
{
    struct id id = id_of(conversation);
    stream_of(w, &id)->first_seq = seq + 1;
}

void world_set_store_away(struct world *w, bool is_away)
{
    mem_store_set_away(w->mem, is_away);
}
