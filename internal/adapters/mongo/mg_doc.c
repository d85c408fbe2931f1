#include "adapters/mongo/mg_doc.h"

#include "base/encode.h"
#include "wire/subjects.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

/* ---- keys ---- */

void mg_place(char out[MG_PLACE_CHARS + 1], uint32_t partition, uint64_t seq)
{
    if (seq > MG_SEQ_MAX)
        seq = MG_SEQ_MAX;
    (void)snprintf(out, MG_PLACE_CHARS + 1, "%04u/%016" PRIu64, partition % 10000, seq);
}

void mg_pair(char out[MG_PAIR_CHARS + 1], const struct id *conversation, const struct id *user)
{
    (void)snprintf(out, MG_PAIR_CHARS + 1, "%s/%s", conversation->text, user->text);
}

void mg_claim(char out[MG_CLAIM_CHARS + 1], const struct event *event)
{
    static_assert(MG_CLAIM_CHARS == MSG_ID_CHARS + 1 + B64URL_CHARS(BODY_HASH_BYTES), "both fit");
    msg_id_write(out, event_kind_op(event->kind), &event->conversation, &event->actor,
                 &event->client_id);
    out[MSG_ID_CHARS] = ':';
    (void)b64url_write(bytes_make(event->body_hash, BODY_HASH_BYTES), out + MSG_ID_CHARS + 1);
}

void mg_claim_bounds(char from[MG_CLAIM_CHARS + 1], char to[MG_CLAIM_CHARS + 1], char op,
                     const struct id *conversation, const struct id *actor,
                     const struct id *client_id)
{
    char base[MSG_ID_CHARS + 1];
    msg_id_write(base, op, conversation, actor, client_id);
    (void)snprintf(from, MG_CLAIM_CHARS + 1, "%s:", base);
    (void)snprintf(to, MG_CLAIM_CHARS + 1, "%s;", base); /* ';' follows ':' */
}

/* ---- putting ---- */

/* Appending fails only above 2^31 bytes, which no caller's limits let through. */
void mg_put_text(bson_t *doc, const char *name, struct bytes text)
{
    const char *ptr = text.len ? (const char *)text.ptr : "";
    bool is_string = bytes_is_utf8(text) && !memchr(ptr, 0, text.len);
    if (is_string)
        (void)bson_append_utf8(doc, name, -1, ptr, (int)text.len);
    else
        (void)bson_append_binary(doc, name, -1, BSON_SUBTYPE_BINARY, text.ptr, (uint32_t)text.len);
}

static void put_text_if_any(bson_t *doc, const char *name, struct bytes text)
{
    if (text.len)
        mg_put_text(doc, name, text);
}

void mg_put_id(bson_t *doc, const char *name, const struct id *id)
{
    (void)bson_append_utf8(doc, name, -1, id->text, id->len);
}

static void put_id_if_any(bson_t *doc, const char *name, const struct id *id)
{
    if (id->len)
        mg_put_id(doc, name, id);
}

void mg_put_seq(bson_t *doc, const char *name, uint64_t seq)
{
    (void)bson_append_int64(doc, name, -1, (int64_t)(seq > INT64_MAX ? INT64_MAX : seq));
}

static void put_seq_if_any(bson_t *doc, const char *name, uint64_t seq)
{
    if (seq)
        mg_put_seq(doc, name, seq);
}

static void put_name(bson_t *doc, const char *name, const char *text)
{
    (void)bson_append_utf8(doc, name, -1, text, -1);
}

static bool has_hash(const struct event *e)
{
    static const uint8_t none[BODY_HASH_BYTES];
    return memcmp(e->body_hash, none, sizeof none) != 0;
}

/* Each kind has the settings that domain/event.h gives it. */
static void put_settings(bson_t *doc, const struct event *e)
{
    bool is_created = e->kind == EVENT_CONVERSATION_CREATED;
    if (e->kind == EVENT_MEMBER_ADDED || e->kind == EVENT_MEMBER_UPDATED)
        put_name(doc, "role", member_role_name(e->role));
    if (is_created)
        put_name(doc, "conversationType", conversation_type_name(e->type));
    if (is_created || e->kind == EVENT_CONVERSATION_UPDATED)
        put_name(doc, "history", history_rule_name(e->history));
    put_text_if_any(doc, "name", e->name);
}

void mg_put_event(bson_t *doc, uint32_t partition, const struct event *e, uint64_t prev,
                  uint64_t of)
{
    char place[MG_PLACE_CHARS + 1];
    mg_place(place, partition, e->seq);
    put_name(doc, "_id", place);
    mg_put_id(doc, "conversationId", &e->conversation);
    mg_put_seq(doc, "seq", e->seq);
    put_seq_if_any(doc, "prev", prev);
    (void)bson_append_int64(doc, "atUs", -1, e->at_us);
    put_name(doc, "type", event_kind_name(of ? EVENT_VOID : e->kind));
    if (of)
        put_name(doc, "was", event_kind_name(e->kind));
    put_id_if_any(doc, "senderId", &e->actor);
    put_id_if_any(doc, "clientId", &e->client_id);
    put_seq_if_any(doc, "targetSeq", e->target_seq);
    put_seq_if_any(doc, "of", of ? of : e->of_seq);
    put_seq_if_any(doc, "threadOf", of ? 0 : e->thread_of);
    put_id_if_any(doc, "userId", &e->user);
    if (!of)
        put_settings(doc, e);
    put_text_if_any(doc, "emoji", e->emoji);
    put_text_if_any(doc, "reason", of ? bytes_of("duplicate") : e->reason);
    if (has_hash(e))
        (void)bson_append_binary(doc, "bodyHash", -1, BSON_SUBTYPE_BINARY, e->body_hash,
                                 sizeof e->body_hash);
    if (!of && e->kind != EVENT_VOID)
        put_text_if_any(doc, "payload", e->payload);
}

void mg_put_voiding(bson_t *update, enum event_kind kind, uint64_t of)
{
    static const char *const dropped[] = { "threadOf", "conversationType", "history", "name",
                                           "payload" };
    bson_t part;
    (void)bson_append_document_begin(update, "$set", -1, &part);
    put_name(&part, "type", event_kind_name(EVENT_VOID));
    put_name(&part, "was", event_kind_name(kind));
    put_name(&part, "reason", "duplicate");
    (void)bson_append_document_end(update, &part);
    (void)bson_append_document_begin(update, "$min", -1, &part);
    mg_put_seq(&part, "of", of);
    (void)bson_append_document_end(update, &part);
    (void)bson_append_document_begin(update, "$unset", -1, &part);
    for (size_t i = 0; i < COUNT_OF(dropped); i++)
        (void)bson_append_int32(&part, dropped[i], -1, 1);
    (void)bson_append_document_end(update, &part);
}

void mg_put_conversation(bson_t *set, const struct conversation *c, uint64_t fact_count)
{
    mg_put_seq(set, "factCount", fact_count);
    mg_put_seq(set, "createdSeq", c->created_seq);
    mg_put_seq(set, "updatedSeq", c->updated_seq);
    mg_put_seq(set, "deletedSeq", c->deleted_seq);
    mg_put_text(set, "name", c->name);
    if (c->created_seq || c->updated_seq)
        put_name(set, "history", history_rule_name(c->history));
    if (!c->created_seq)
        return;
    put_name(set, "conversationType", conversation_type_name(c->type));
    mg_put_id(set, "createdBy", &c->created_by);
    (void)bson_append_int64(set, "createdAtUs", -1, c->created_at_us);
}

void mg_put_membership(bson_t *set, const struct id *conversation, const struct membership *m,
                       uint64_t fact_count)
{
    mg_put_seq(set, "factCount", fact_count);
    mg_put_id(set, "conversationId", conversation);
    mg_put_id(set, "userId", &m->user);
    (void)bson_append_bool(set, "isMember", -1, m->is_member);
    put_name(set, "role", member_role_name(m->role));
    mg_put_seq(set, "joinedSeq", m->joined_seq);
    mg_put_seq(set, "removedSeq", m->removed_seq);
    mg_put_seq(set, "changedSeq", m->changed_seq);
}
