/* rig_log.c - the log, its live feed and the persister, all as the test says. */
#include "unit/gateway/rig.h"

#include "app/record.h"
#include "base/encode.h"

#include <stdio.h>
#include <stdlib.h>

static bool is_of(const struct log_record *record, char kind, const struct id *owner)
{
    return record->kind == kind && id_equal(&record->owner, owner);
}

static struct rig_stream *stream_of(struct rig *r, const struct id *owner)
{
    return &r->streams[subject_partition(owner, RIG_PARTITIONS)];
}

static uint64_t last_of(const struct rig_stream *s)
{
    return generation_base(RIG_GENERATION) + s->count;
}

/* ---- live copies ---- */

/* 'p': to the user's presence; else to all of a conversation's or a user's kinds. */
static bool is_subscribed(const struct rig_node *node, char kind, const struct id *owner)
{
    for (size_t i = 0; i < node->sub_count; i++)
        if ((node->subs[i].kind == 'p') == (kind == 'p') && id_equal(&node->subs[i].owner, owner))
            return true;
    return false;
}

static void deliver(struct rig *r, struct list *into, int to, uint32_t p, size_t index)
{
    struct rig_delivery *d = malloc(sizeof *d);
    CHECK(d != NULL);
    *d = (struct rig_delivery){
        .to = to, .partition = p, .index = index, .prev = r->streams[p].records[index].record.prev
    };
    list_add_last(into, &d->node);
}

static void republish(struct rig *r, uint32_t p, size_t index)
{
    const struct log_record *record = &r->streams[p].records[index].record;
    for (int i = 0; i < RIG_NODES; i++) {
        if (!is_subscribed(&r->nodes[i], record->kind, &record->owner) || r->live == LIVE_LOST)
            continue;
        deliver(r, r->live == LIVE_HELD ? &r->held : &r->deliveries, i, p, index);
        if (r->live == LIVE_TWICE)
            deliver(r, &r->deliveries, i, p, index);
    }
}

void rig_release_held(struct rig *r)
{
    while (!list_is_empty(&r->held)) {
        struct list *node = r->held.next;
        list_remove(node);
        list_add_last(&r->deliveries, node);
    }
}

/* ---- storing ---- */

static uint64_t store_record(struct rig *r, char kind, const struct id *owner,
                             const struct log_record *like, struct bytes payload,
                             const char *msg_id)
{
    struct rig_stream *s = stream_of(r, owner);
    if (s->count == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 64;
        s->records = realloc(s->records, s->cap * sizeof *s->records);
        CHECK(s->records != NULL);
    }
    struct rig_record *to = &s->records[s->count];
    *to = (struct rig_record){ .record = *like, .payload = malloc(payload.len + 1) };
    CHECK(to->payload != NULL);
    memcpy(to->payload, payload.ptr, payload.len);
    (void)snprintf(to->msg_id, sizeof to->msg_id, "%s", msg_id ? msg_id : "");
    to->record.partition = (uint32_t)(s - r->streams);
    to->record.kind = kind;
    to->record.owner = *owner;
    to->record.schema = 1;
    to->record.payload = bytes_make(to->payload, payload.len);
    to->record.seq = last_of(s) + 1;
    to->record.at_us = clock_wall_us(&r->clock.source);
    to->record.prev = 0;
    for (size_t i = s->count; i-- > 0;) {
        if (s->records[i].record.seq >= s->first_seq && is_of(&s->records[i].record, kind, owner)) {
            to->record.prev = s->records[i].record.seq;
            break;
        }
    }
    s->count++;
    republish(r, to->record.partition, s->count - 1);
    return to->record.seq;
}

uint64_t rig_append(struct rig *r, const struct event *event, const char *content)
{
    struct event e = *event;
    SCOPED_BUF(payload, 1 << 20);
    alloc_fault_pause();
    if (!e.client_id.len)
        e.client_id.len =
            (uint8_t)snprintf(e.client_id.text, sizeof e.client_id.text, "op%u", ++r->operations);
    event_write(&payload, &e, bytes_of(content));
    struct log_record like = { .op = event_kind_op(e.kind),
                               .actor = e.actor,
                               .client_id = e.client_id,
                               .has_body_hash = true };
    char msg_id[MSG_ID_CHARS + 1];
    body_hash_write(like.body_hash, bytes_of(content));
    msg_id_write(msg_id, like.op, &e.conversation, &e.actor, &e.client_id);
    uint64_t seq = store_record(r, 'c', &e.conversation, &like, buf_bytes(&payload), msg_id);
    alloc_fault_resume();
    return seq;
}

uint64_t rig_feed(struct rig *r, const char *user, const char *conversation, uint64_t seq)
{
    SCOPED_BUF(payload, 1024);
    alloc_fault_pause();
    struct id owner = id_of(user);
    const struct user_feed_record feed = { id_of(conversation), seq };
    user_feed_write(&payload, &feed);
    uint64_t at =
        store_record(r, 'u', &owner, &(struct log_record){ .op = 'f' }, buf_bytes(&payload), NULL);
    alloc_fault_resume();
    return at;
}

uint64_t rig_member_only(struct rig *r, enum event_kind kind, const char *conversation,
                         const char *user)
{
    const struct event event = { .kind = kind,
                                 .conversation = id_of(conversation),
                                 .actor = id_of("root"),
                                 .user = id_of(user),
                                 .role = ROLE_MEMBER };
    return rig_append(r, &event, "");
}

uint64_t rig_member(struct rig *r, enum event_kind kind, const char *conversation, const char *user)
{
    uint64_t seq = rig_member_only(r, kind, conversation, user);
    (void)rig_feed(r, user, conversation, seq);
    return seq;
}

uint64_t rig_conversation(struct rig *r, const char *id, enum conversation_type type,
                          enum history_rule history, const char *owner, ...)
{
    struct event event = { .kind = EVENT_CONVERSATION_CREATED,
                           .conversation = id_of(id),
                           .actor = id_of(owner),
                           .type = type,
                           .history = history };
    va_list args;
    const char *user;
    (void)rig_append(r, &event, "");
    event = (struct event){ .kind = EVENT_MEMBER_ADDED,
                            .conversation = id_of(id),
                            .actor = id_of(owner),
                            .user = id_of(owner),
                            .role = ROLE_OWNER };
    uint64_t seq = rig_append(r, &event, "");
    (void)rig_feed(r, owner, id, seq);
    va_start(args, owner);
    while ((user = va_arg(args, const char *)) != NULL)
        seq = rig_member(r, EVENT_MEMBER_ADDED, id, user);
    va_end(args);
    return seq;
}

uint64_t rig_send(struct rig *r, const char *conversation, const char *sender, const char *text)
{
    SCOPED_BUF(content, 1 << 18);
    alloc_fault_pause();
    const struct event event = { .kind = EVENT_MESSAGE_NEW,
                                 .conversation = id_of(conversation),
                                 .actor = id_of(sender) };
    buf_add_text(&content, "\"kind\":\"text\",\"text\":");
    buf_add_json_string(&content, bytes_of(text));
    buf_add_byte(&content, 0);
    uint64_t seq = rig_append(r, &event, (const char *)content.ptr);
    alloc_fault_resume();
    return seq;
}

uint64_t rig_delete_conversation(struct rig *r, const char *conversation)
{
    const struct event event = { .kind = EVENT_CONVERSATION_DELETED,
                                 .conversation = id_of(conversation),
                                 .actor = id_of("root") };
    return rig_append(r, &event, "");
}

uint64_t rig_last_seq(const struct rig *r, const char *conversation)
{
    struct id id = id_of(conversation);
    const struct rig_stream *s = &r->streams[subject_partition(&id, RIG_PARTITIONS)];
    for (size_t i = s->count; i-- > 0;)
        if (is_of(&s->records[i].record, 'c', &id))
            return s->records[i].record.seq;
    return 0;
}

void rig_age_out(struct rig *r, const char *conversation, uint64_t below_seq)
{
    struct id id = id_of(conversation);
    stream_of(r, &id)->first_seq = below_seq;
}

void rig_forget_ids(struct rig *r)
{
    for (int p = 0; p < RIG_PARTITIONS; p++)
        for (size_t i = 0; i < r->streams[p].count; i++)
            r->streams[p].records[i].msg_id[0] = '\0';
}

/* ---- publishing ---- */

void rig_plan(struct rig *r, enum rig_publish outcome)
{
    CHECK(r->plan_count < COUNT_OF(r->plan));
    r->plan[r->plan_count++] = outcome;
}

static void answer(struct rig *r, publish_done_fn *done, void *closure,
                   enum publish_outcome outcome, uint64_t seq)
{
    struct rig_ack *ack = malloc(sizeof *ack);
    CHECK(ack != NULL);
    *ack = (struct rig_ack){ .done = done, .closure = closure, .result = { outcome, seq } };
    list_add_last(&r->acks, &ack->node);
}

/* What is stored is noted: subject and watermark. */
static enum rc publish_receipt(struct rig *r, const struct publish_request *request,
                               publish_done_fn *done, void *closure)
{
    if (r->receipt_plan == PUB_REFUSED)
        return RC_FULL;
    bool is_stored = r->receipt_plan == PUB_GOOD;
    r->receipts++;
    if (is_stored && r->noted_count < RIG_RECEIPTS_NOTED) {
        struct rig_receipt *noted = &r->noted[r->noted_count++];
        (void)snprintf(noted->subject, sizeof noted->subject, "%s", request->subject);
        CHECK_RC(RC_OK, receipt_parse(request->payload, &noted->seq));
    }
    alloc_fault_pause();
    answer(r, done, closure, is_stored ? PUBLISH_STORED : PUBLISH_UNAVAILABLE, 1);
    LIST_ENTRY(r->acks.prev, struct rig_ack, node)->is_receipt = true;
    alloc_fault_resume();
    if (++r->receipts_open > r->receipts_open_max)
        r->receipts_open_max = r->receipts_open;
    return RC_OK;
}

static struct log_record record_of(const struct publish_request *request)
{
    struct log_record record = { .op = 0 };
    for (size_t i = 0; i < request->header_count; i++) {
        const struct publish_header *h = &request->headers[i];
        size_t len;
        if (strcmp(h->name, HEADER_OP) == 0)
            record.op = (char)h->value.ptr[0];
        else if (strcmp(h->name, HEADER_SENDER) == 0)
            CHECK(id_read(h->value, &record.actor));
        else if (strcmp(h->name, HEADER_CLIENT_ID) == 0)
            CHECK(id_read(h->value, &record.client_id));
        else if (strcmp(h->name, HEADER_BODY_HASH) == 0)
            record.has_body_hash = b64url_read(h->value, record.body_hash, &len);
    }
    return record;
}

static const struct rig_record *find_msg_id(const struct rig_stream *s, const char *msg_id)
{
    for (size_t i = s->count; i-- > 0;)
        if (s->records[i].msg_id[0] && strcmp(s->records[i].msg_id, msg_id) == 0)
            return &s->records[i];
    return NULL;
}

static enum rc publish(void *self, const struct publish_request *request, publish_done_fn *done,
                       void *closure)
{
    struct rig *r = self;
    enum subject_kind kind;
    struct id owner;
    uint32_t p;
    if (strncmp(request->subject, "receipt.", 8) == 0)
        return publish_receipt(r, request, done, closure);
    CHECK(subject_split(bytes_of(request->subject), &p, &kind, &owner));
    CHECK_U64(subject_partition(&owner, RIG_PARTITIONS), p);
    enum rig_publish plan = PUB_GOOD;
    if (kind == SUBJECT_USER) {
        r->feed_publishes++;
        plan = r->are_feeds_lost ? PUB_UNKNOWN_LOST : PUB_GOOD;
    } else {
        r->publishes++;
        if (r->plan_at < r->plan_count)
            plan = r->plan[r->plan_at++];
    }
    if (plan == PUB_REFUSED)
        return RC_FULL;
    alloc_fault_pause();
    struct rig_stream *s = &r->streams[p];
    static const enum publish_outcome outcomes[] = {
        [PUB_GOOD] = PUBLISH_STORED,          [PUB_UNKNOWN_STORED] = PUBLISH_UNKNOWN,
        [PUB_UNKNOWN_LOST] = PUBLISH_UNKNOWN, [PUB_FULL] = PUBLISH_FULL,
        [PUB_TOO_LARGE] = PUBLISH_TOO_LARGE,  [PUB_UNAVAILABLE] = PUBLISH_UNAVAILABLE,
        [PUB_CONFLICT] = PUBLISH_CONFLICT,
    };
    enum publish_outcome outcome = outcomes[plan];
    uint64_t seq = 0;
    if (plan == PUB_GOOD || plan == PUB_UNKNOWN_STORED) {
        const struct rig_record *earlier = find_msg_id(s, request->msg_id);
        uint64_t last = 0;
        for (size_t i = 0; i < s->count; i++)
            if (s->records[i].record.seq >= s->first_seq &&
                is_of(&s->records[i].record, (char)kind, &owner))
                last = s->records[i].record.seq;
        if (earlier) {
            outcome = plan == PUB_GOOD ? PUBLISH_DUPLICATE : outcome;
            seq = earlier->record.seq;
        } else if (request->has_expected_last_seq && last != request->expected_last_seq) {
            outcome = PUBLISH_CONFLICT;
        } else {
            struct log_record like = record_of(request);
            seq = store_record(r, (char)kind, &owner, &like, request->payload, request->msg_id);
        }
    }
    answer(r, done, closure, outcome, seq);
    alloc_fault_resume();
    return RC_OK;
}

/* ---- reading ---- */

static bool is_away(struct rig *r)
{
    r->log_calls++;
    bool is_failing = r->fail_log_at && r->log_calls >= r->fail_log_at &&
                      r->log_calls < r->fail_log_at + r->fail_log_count;
    return r->is_log_away || is_failing;
}

static uint64_t head_of(const struct rig_stream *s, char kind, const struct id *owner)
{
    for (size_t i = s->count; i-- > 0;) {
        const struct log_record *record = &s->records[i].record;
        if (record->seq >= s->first_seq && is_of(record, kind, owner))
            return record->seq;
    }
    return 0;
}

static enum rc log_head(void *self, uint32_t partition, char kind, const struct id *owner,
                        uint64_t *out_seq)
{
    struct rig *r = self;
    if (is_away(r))
        return RC_UNAVAILABLE;
    uint64_t seq = head_of(&r->streams[partition], kind, owner);
    if (!seq)
        return RC_NOT_FOUND;
    *out_seq = seq;
    return RC_OK;
}

static enum rc log_read(void *self, const struct log_range *range,
                        bool (*each)(void *closure, const struct log_record *record), void *closure)
{
    struct rig *r = self;
    const struct rig_stream *s = &r->streams[range->partition];
    size_t given = 0;
    bool has_end = false;
    r->reads++;
    if (is_away(r))
        return RC_UNAVAILABLE;
    uint64_t base = generation_base(RIG_GENERATION);
    size_t from = range->after > base ? (size_t)(range->after - base) : 0;
    for (size_t i = from; i < s->count && given < range->records_max; i++) {
        struct log_record record = s->records[i].record;
        if (!is_of(&record, range->kind, range->owner) || record.seq > range->until)
            continue;
        if (record.seq < s->first_seq)
            return RC_NOT_FOUND;
        has_end = has_end || record.seq == range->until;
        if (given == 0 || record.prev < s->first_seq)
            record.prev = 0; /* the first of a read: event_log.h */
        given++;
        if (!each(closure, &record))
            return RC_OK;
    }
    return has_end || given == range->records_max ? RC_OK : RC_NOT_FOUND;
}

static enum rc log_get(void *self, uint32_t partition, uint64_t seq, struct arena *arena,
                       struct log_record *out)
{
    struct rig *r = self;
    const struct rig_stream *s = &r->streams[partition];
    if (is_away(r))
        return RC_UNAVAILABLE;
    for (size_t i = 0; i < s->count; i++) {
        if (s->records[i].record.seq != seq || seq < s->first_seq)
            continue;
        *out = s->records[i].record;
        out->payload = arena_copy(arena, out->payload);
        return out->payload.ptr ? RC_OK : RC_NOMEM;
    }
    return RC_NOT_FOUND;
}

static enum rc log_heads(void *self, uint32_t partition, char kind, const struct id *owners,
                         size_t count, uint64_t *out_seqs, uint64_t *out_as_of)
{
    struct rig *r = self;
    r->heads_asked++;
    if (is_away(r))
        return RC_UNAVAILABLE;
    for (size_t i = 0; i < count; i++)
        out_seqs[i] = head_of(&r->streams[partition], kind, &owners[i]);
    *out_as_of = last_of(&r->streams[partition]);
    return RC_OK;
}

static enum rc log_state(void *self, uint32_t partition, struct log_state *out)
{
    struct rig *r = self;
    const struct rig_stream *s = &r->streams[partition];
    if (is_away(r))
        return RC_UNAVAILABLE;
    *out = (struct log_state){ s->first_seq, last_of(s), RIG_GENERATION, RIG_PARTITIONS, 1 };
    return RC_OK;
}

void rig_log_init(struct rig *r)
{
    r->log = (struct event_log){ r, publish, log_head, log_read, log_get, log_heads, log_state };
    list_init(&r->deliveries);
    list_init(&r->held);
    list_init(&r->acks);
    list_init(&r->said_signals);
    for (int p = 0; p < RIG_PARTITIONS; p++) {
        r->streams[p].first_seq = generation_base(RIG_GENERATION) + 1;
        r->streams[p].announced = r->streams[p].applied = generation_base(RIG_GENERATION);
    }
    for (int i = 0; i < RIG_NODES; i++)
        list_init(&r->nodes[i].flushes);
}

/* ---- the feed of one node ---- */

static uint64_t add_sub(struct rig_node *node, char kind, const struct id *owner)
{
    static uint64_t handles;
    if (node->is_subscribe_failing)
        return 0;
    alloc_fault_pause();
    if (node->sub_count == node->sub_cap) {
        node->sub_cap = node->sub_cap ? node->sub_cap * 2 : 16;
        node->subs = realloc(node->subs, node->sub_cap * sizeof *node->subs);
        CHECK(node->subs != NULL);
    }
    alloc_fault_resume();
    node->subs[node->sub_count++] = (struct rig_sub){ ++handles, kind, *owner };
    return handles;
}

static uint64_t subscribe(void *self, uint32_t partition, const struct id *owner)
{
    (void)partition;
    return add_sub(self, '*', owner);
}

static void unsubscribe(void *self, uint64_t handle)
{
    struct rig_node *node = self;
    for (size_t i = 0; i < node->sub_count; i++) {
        if (node->subs[i].handle == handle) {
            node->subs[i] = node->subs[--node->sub_count];
            return;
        }
    }
    CHECK(false); /* unsubscribed twice */
}

static enum rc flush(void *self, void (*done)(void *closure, enum rc rc), void *closure)
{
    struct rig_node *node = self;
    alloc_fault_pause();
    struct rig_flush *f = malloc(sizeof *f);
    CHECK(f != NULL);
    alloc_fault_resume();
    *f = (struct rig_flush){ .done = done, .closure = closure };
    list_add_last(&node->flushes, &f->node);
    return RC_OK;
}

static enum rc signal_others(void *self, uint32_t partition, const struct id *owner,
                             struct bytes json)
{
    struct rig_node *node = self;
    node->signals++;
    alloc_fault_pause();
    for (int i = 0; i < RIG_NODES && !node->rig->loses_signals; i++) {
        struct rig_signal *s = malloc(sizeof *s + json.len);
        CHECK(s != NULL);
        *s = (struct rig_signal){
            .to = i, .partition = partition, .owner = *owner, .len = json.len
        };
        memcpy(s->json, json.ptr, json.len);
        list_add_last(&node->rig->said_signals, &s->node);
    }
    alloc_fault_resume();
    return RC_OK;
}

static uint64_t watch_presence(void *self, const struct id *user)
{
    return add_sub(self, 'p', user);
}

static struct presence_record presence_of(const struct rig_session *s)
{
    return (struct presence_record){ s->user, s->session, s->is_gone, bytes_of(s->payload),
                                     s->revision };
}

/* payload NULL: purged. All who watch hear of it. */
static void change_presence(struct rig *r, const struct id *user, const struct id *session,
                            const char *payload)
{
    static uint64_t revision;
    struct rig_session *s = r->sessions;
    while (s < r->sessions + r->session_count &&
           (!id_equal(&s->user, user) || !id_equal(&s->session, session)))
        s++;
    CHECK(s < r->sessions + RIG_SESSIONS);
    r->session_count += s == r->sessions + r->session_count;
    *s = (struct rig_session){ *user, *session, "", ++revision, !payload };
    if (payload)
        (void)snprintf(s->payload, sizeof s->payload, "%s", payload);
    const struct presence_record record = presence_of(s);
    for (int i = 0; i < RIG_NODES; i++)
        if (is_subscribed(&r->nodes[i], 'p', user))
            r->nodes[i].events.on_presence(r->nodes[i].events.closure, &record);
}

void rig_presence(struct rig *r, const char *user, const char *session, const char *status)
{
    struct id user_id = id_of(user), session_id = id_of(session);
    char payload[128];
    (void)snprintf(payload, sizeof payload,
                   "{\"status\":\"%s\",\"at\":\"2026-01-01T00:00:00.000Z\"}", status ? status : "");
    change_presence(r, &user_id, &session_id, status ? payload : NULL);
}

static enum rc put_presence(void *self, const struct id *user, const struct id *session,
                            struct bytes json)
{
    struct rig_node *node = self;
    char payload[256];
    node->presence_puts++;
    (void)snprintf(payload, sizeof payload, "%.*s", BYTES_ARG(json));
    if (node->rig->keeps_puts)
        change_presence(node->rig, user, session, payload);
    return RC_OK;
}

static enum rc end_presence(void *self, const struct id *user, const struct id *session)
{
    struct rig_node *node = self;
    node->presence_ends++;
    if (node->rig->keeps_puts)
        change_presence(node->rig, user, session, NULL);
    return RC_OK;
}

static enum rc list_presence(void *self, const struct id *users, size_t count,
                             void (*each)(void *closure, const struct presence_record *record),
                             void *closure)
{
    const struct rig *r = ((struct rig_node *)self)->rig;
    if (r->is_bucket_away)
        return RC_UNAVAILABLE;
    for (size_t i = 0; i < r->session_count * count; i++) {
        const struct rig_session *s = &r->sessions[i / count];
        const struct presence_record record = presence_of(s);
        if (!s->is_gone && id_equal(&s->user, &users[i % count]))
            each(closure, &record);
    }
    return RC_OK;
}

static bool feed_is_up(void *self)
{
    (void)self;
    return true;
}

void rig_feed_init(struct rig_node *node)
{
    node->feed = (struct live_feed){ node,          subscribe,      unsubscribe,  flush,
                                     signal_others, watch_presence, put_presence, end_presence,
                                     list_presence, feed_is_up };
}

static bool run_flushes(struct rig_node *node)
{
    bool any = false;
    while (!node->is_flush_held && !list_is_empty(&node->flushes)) {
        struct rig_flush *f = LIST_ENTRY(node->flushes.next, struct rig_flush, node);
        list_remove(&f->node);
        f->done(f->closure, RC_OK);
        free(f);
        any = true;
    }
    return any;
}

static bool run_deliveries(struct rig *r)
{
    bool any = false;
    while (!list_is_empty(&r->deliveries)) {
        struct rig_delivery *d = LIST_ENTRY(r->deliveries.next, struct rig_delivery, node);
        struct rig_node *node = &r->nodes[d->to];
        list_remove(&d->node);
        struct log_record record = r->streams[d->partition].records[d->index].record;
        record.prev = d->prev;
        if (node->g && is_subscribed(node, record.kind, &record.owner))
            node->events.on_record(node->events.closure, &record);
        free(d);
        any = true;
    }
    return any;
}

static bool run_signals(struct rig *r)
{
    bool any = false;
    struct list *n;
    while ((n = list_take_first(&r->said_signals)) != NULL) {
        struct rig_signal *s = LIST_ENTRY(n, struct rig_signal, node);
        struct rig_node *node = &r->nodes[s->to];
        const struct live_signal signal = { .partition = s->partition,
                                            .kind = 's',
                                            .owner = s->owner,
                                            .payload = bytes_make(s->json, s->len) };
        if (node->g && is_subscribed(node, 's', &s->owner))
            node->events.on_signal(node->events.closure, &signal);
        free(s);
        any = true;
    }
    return any;
}

bool rig_log_turn(struct rig *r)
{
    bool any = run_deliveries(r);
    any |= run_signals(r);
    while (!r->are_acks_held && !list_is_empty(&r->acks)) {
        struct rig_ack *ack = LIST_ENTRY(r->acks.next, struct rig_ack, node);
        list_remove(&ack->node);
        r->receipts_open -= ack->is_receipt;
        ack->done(ack->closure, &ack->result);
        free(ack);
        any = true;
    }
    for (int i = 0; i < RIG_NODES; i++)
        if (r->nodes[i].g)
            any |= run_flushes(&r->nodes[i]);
    return any;
}

void rig_log_fini(struct rig *r)
{
    rig_release_held(r);
    while (!list_is_empty(&r->deliveries)) {
        struct rig_delivery *d = LIST_ENTRY(r->deliveries.next, struct rig_delivery, node);
        list_remove(&d->node);
        free(d);
    }
    struct list *n;
    while ((n = list_take_first(&r->said_signals)) != NULL)
        free(LIST_ENTRY(n, struct rig_signal, node));
    for (int p = 0; p < RIG_PARTITIONS; p++) {
        for (size_t i = 0; i < r->streams[p].count; i++)
            free(r->streams[p].records[i].payload);
        free(r->streams[p].records);
    }
    for (int i = 0; i < RIG_NODES; i++) {
        CHECK(!r->nodes[i].g || r->nodes[i].sub_count == 0); /* every SUB was given back */
        free(r->nodes[i].subs);
    }
}

/* ---- persister ---- */

static void apply_one(struct rig *r, uint32_t p, const struct log_record *record)
{
    SCOPED_ARENA(arena, 1 << 20);
    struct event event;
    struct user_feed_entry entry;
    struct user_feed_record feed;
    struct store_batch batch = {
        .generation = RIG_GENERATION, .partition = p, .from = record->seq, .to = record->seq
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
    CHECK_RC(RC_OK, r->store.apply(r->store.self, &batch, NULL));
}

void rig_apply(struct rig *r)
{
    alloc_fault_pause();
    for (uint32_t p = 0; p < RIG_PARTITIONS; p++) {
        struct rig_stream *s = &r->streams[p];
        for (size_t i = 0; i < s->count; i++)
            if (s->records[i].record.seq > s->applied)
                apply_one(r, p, &s->records[i].record);
        s->applied = last_of(s);
        CHECK_RC(RC_OK, r->store.set_emitted(r->store.self, RIG_GENERATION, p, s->applied));
    }
    alloc_fault_resume();
}

void rig_heads_of(struct rig *r, uint32_t p, uint64_t from, uint64_t to, int node)
{
    const struct rig_stream *s = &r->streams[p];
    struct heads heads = { .generation = RIG_GENERATION, .from = from, .to = to };
    struct rig_node *n = &r->nodes[node];
    SCOPED_BUF(json, 1 << 24);
    if (!n->g)
        return;
    alloc_fault_pause();
    struct heads_entry *entries = calloc(s->count + 1, sizeof *entries);
    CHECK(entries != NULL);
    for (size_t i = 0; i < s->count; i++) {
        const struct log_record *record = &s->records[i].record;
        size_t at = 0;
        if (record->seq <= from || record->seq > to)
            continue;
        while (at < heads.count &&
               (entries[at].kind != record->kind || !id_equal(&entries[at].owner, &record->owner)))
            at++;
        if (at == heads.count)
            heads.count++;
        entries[at] = (struct heads_entry){ record->owner, record->kind, record->seq };
    }
    heads.entries = entries;
    heads_write(&json, &heads);
    free(entries);
    alloc_fault_resume();
    n->events.on_heads(n->events.closure, p, buf_bytes(&json));
}

void rig_heads(struct rig *r)
{
    for (uint32_t p = 0; p < RIG_PARTITIONS; p++) {
        uint64_t from = r->streams[p].announced, to = last_of(&r->streams[p]);
        r->streams[p].announced = to;
        for (int i = 0; i < RIG_NODES; i++)
            rig_heads_of(r, p, from, to, i);
    }
}

void rig_applied(struct rig *r, uint32_t p, const char *json)
{
    for (int i = 0; i < RIG_NODES; i++)
        if (r->nodes[i].g)
            r->nodes[i].events.on_applied(r->nodes[i].events.closure, p, bytes_of(json));
}

void rig_boundary(struct rig *r, int node)
{
    r->nodes[node].events.on_boundary(r->nodes[node].events.closure);
}

void rig_link_up(struct rig *r, int node, bool is_up)
{
    r->nodes[node].events.on_link(r->nodes[node].events.closure, is_up);
}
