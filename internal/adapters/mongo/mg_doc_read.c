/* mg_doc_read.c - documents as values: one pass over the fields, a table a kind of document. */
#include "adapters/mongo/mg_doc.h"

#include "base/rc.h"

/* ---- fields ---- */

static bool text_at(const bson_iter_t *at, struct bytes *out)
{
    uint32_t len = 0;
    const uint8_t *ptr = NULL;
    bson_subtype_t subtype;
    if (BSON_ITER_HOLDS_UTF8(at)) {
        ptr = (const uint8_t *)bson_iter_utf8(at, &len);
    } else if (BSON_ITER_HOLDS_BINARY(at)) {
        bson_iter_binary(at, &subtype, &len, &ptr);
    } else {
        return false;
    }
    *out = bytes_make(ptr, len);
    return true;
}

typedef enum rc read_fn(const bson_iter_t *at, struct arena *arena, void *out);

static enum rc read_text(const bson_iter_t *at, struct arena *arena, void *out)
{
    struct bytes text;
    if (!text_at(at, &text) || text.len == 0)
        return RC_OK;
    text = arena_copy(arena, text);
    if (!text.ptr)
        return RC_NOMEM;
    *(struct bytes *)out = text;
    return RC_OK;
}

static enum rc read_id(const bson_iter_t *at, struct arena *arena, void *out)
{
    struct bytes text;
    (void)arena;
    if (text_at(at, &text))
        (void)id_read(text, out); /* what is no id reads as none */
    return RC_OK;
}

static enum rc read_int(const bson_iter_t *at, struct arena *arena, void *out)
{
    (void)arena;
    if (BSON_ITER_HOLDS_INT64(at) || BSON_ITER_HOLDS_INT32(at))
        *(int64_t *)out = bson_iter_as_int64(at);
    return RC_OK;
}

static enum rc read_seq(const bson_iter_t *at, struct arena *arena, void *out)
{
    int64_t value = 0;
    (void)read_int(at, arena, &value);
    if (value > 0 && (uint64_t)value <= MG_SEQ_MAX)
        *(uint64_t *)out = (uint64_t)value;
    return RC_OK;
}

/* Twice a seq, and a bit. */
static enum rc read_pin(const bson_iter_t *at, struct arena *arena, void *out)
{
    int64_t value = 0;
    (void)read_int(at, arena, &value);
    if (value > 0 && (uint64_t)value / 2 <= MG_SEQ_MAX)
        *(uint64_t *)out = (uint64_t)value;
    return RC_OK;
}

static enum rc read_bool(const bson_iter_t *at, struct arena *arena, void *out)
{
    (void)arena;
    if (BSON_ITER_HOLDS_BOOL(at))
        *(bool *)out = bson_iter_bool(at);
    return RC_OK;
}

static enum rc read_status(const bson_iter_t *at, struct arena *arena, void *out)
{
    int64_t value = 0;
    (void)read_int(at, arena, &value);
    if (value >= 0 && value <= 999)
        *(int *)out = (int)value;
    return RC_OK;
}

/* Of body hash and request hash: 16 bytes. */
static enum rc read_hash(const bson_iter_t *at, struct arena *arena, void *out)
{
    struct bytes hash;
    (void)arena;
    if (BSON_ITER_HOLDS_BINARY(at) && text_at(at, &hash) && hash.len == BODY_HASH_BYTES)
        memcpy(out, hash.ptr, BODY_HASH_BYTES);
    return RC_OK;
}

/* A kind of a newer program reads as a void: this one can't show it. */
static enum rc read_kind(const bson_iter_t *at, struct arena *arena, void *out)
{
    struct bytes text;
    (void)arena;
    if (text_at(at, &text) && !event_kind_read(text, out))
        *(enum event_kind *)out = EVENT_VOID;
    return RC_OK;
}

static enum rc read_role(const bson_iter_t *at, struct arena *arena, void *out)
{
    struct bytes text;
    (void)arena;
    if (text_at(at, &text))
        (void)member_role_read(text, out); /* another word: the least */
    return RC_OK;
}

static enum rc read_type(const bson_iter_t *at, struct arena *arena, void *out)
{
    struct bytes text;
    (void)arena;
    if (text_at(at, &text))
        (void)conversation_type_read(text, out);
    return RC_OK;
}

static enum rc read_history(const bson_iter_t *at, struct arena *arena, void *out)
{
    struct bytes text;
    (void)arena;
    if (text_at(at, &text))
        (void)history_rule_read(text, out); /* another word: the narrower one */
    return RC_OK;
}

/* ---- documents ---- */

struct field {
    const char *name;
    read_fn *read;
    size_t offset;
};

#define IN_EVENT(member) offsetof(struct mg_event, event.member)
static const struct field event_fields[] = {
    { "conversationId", read_id, IN_EVENT(conversation) },
    { "seq", read_seq, IN_EVENT(seq) },
    { "prev", read_seq, IN_EVENT(prev) },
    { "atUs", read_int, IN_EVENT(at_us) },
    { "type", read_kind, IN_EVENT(kind) },
    { "was", read_kind, offsetof(struct mg_event, was) },
    { "senderId", read_id, IN_EVENT(actor) },
    { "clientId", read_id, IN_EVENT(client_id) },
    { "targetSeq", read_seq, IN_EVENT(target_seq) },
    { "of", read_seq, IN_EVENT(of_seq) },
    { "threadOf", read_seq, IN_EVENT(thread_of) },
    { "userId", read_id, IN_EVENT(user) },
    { "role", read_role, IN_EVENT(role) },
    { "conversationType", read_type, IN_EVENT(type) },
    { "history", read_history, IN_EVENT(history) },
    { "name", read_text, IN_EVENT(name) },
    { "emoji", read_text, IN_EVENT(emoji) },
    { "reason", read_text, IN_EVENT(reason) },
    { "bodyHash", read_hash, IN_EVENT(body_hash) },
    { "payload", read_text, IN_EVENT(payload) },
};

static const struct field mark_fields[] = {
    { "seq", read_seq, offsetof(struct mg_mark, seq) },
    { "first", read_seq, offsetof(struct mg_mark, first) },
    { "editSeq", read_seq, offsetof(struct mg_mark, edit_seq) },
    { "deleteSeq", read_seq, offsetof(struct mg_mark, delete_seq) },
    { "pin", read_pin, offsetof(struct mg_mark, pin) },
};

static const struct field conversation_fields[] = {
    { "_id", read_id, offsetof(struct conversation, id) },
    { "conversationType", read_type, offsetof(struct conversation, type) },
    { "history", read_history, offsetof(struct conversation, history) },
    { "name", read_text, offsetof(struct conversation, name) },
    { "createdBy", read_id, offsetof(struct conversation, created_by) },
    { "createdAtUs", read_int, offsetof(struct conversation, created_at_us) },
    { "createdSeq", read_seq, offsetof(struct conversation, created_seq) },
    { "updatedSeq", read_seq, offsetof(struct conversation, updated_seq) },
    { "deletedSeq", read_seq, offsetof(struct conversation, deleted_seq) },
    { "lastSeq", read_seq, offsetof(struct conversation, last_seq) },
};

#define IN_MEMBERSHIP(member) offsetof(struct mg_membership, membership.member)
static const struct field membership_fields[] = {
    { "conversationId", read_id, offsetof(struct mg_membership, conversation) },
    { "userId", read_id, IN_MEMBERSHIP(user) },
    { "isMember", read_bool, IN_MEMBERSHIP(is_member) },
    { "role", read_role, IN_MEMBERSHIP(role) },
    { "joinedSeq", read_seq, IN_MEMBERSHIP(joined_seq) },
    { "removedSeq", read_seq, IN_MEMBERSHIP(removed_seq) },
    { "changedSeq", read_seq, IN_MEMBERSHIP(changed_seq) },
};

static const struct field feed_fields[] = {
    { "userId", read_id, offsetof(struct user_feed_entry, user) },
    { "conversationId", read_id, offsetof(struct user_feed_entry, conversation) },
    { "feedSeq", read_seq, offsetof(struct user_feed_entry, feed_seq) },
    { "conversationSeq", read_seq, offsetof(struct user_feed_entry, conversation_seq) },
};

static const struct field user_fields[] = {
    { "_id", read_id, offsetof(struct user, id) },
    { "name", read_text, offsetof(struct user, name) },
    { "createdAtUs", read_int, offsetof(struct user, created_at_us) },
    { "updatedAtUs", read_int, offsetof(struct user, updated_at_us) },
    { "isDeleted", read_bool, offsetof(struct user, is_deleted) },
};

static const struct field request_fields[] = {
    { "hash", read_hash, offsetof(struct mg_request, hash) },
    { "status", read_status, offsetof(struct mg_request, status) },
    { "body", read_text, offsetof(struct mg_request, body) },
    { "expiresAtUs", read_int, offsetof(struct mg_request, expires_at_us) },
};

static enum rc read_field(const bson_iter_t *at, const struct field *fields, size_t count,
                          struct arena *arena, void *out)
{
    const char *name = bson_iter_key(at);
    for (size_t i = 0; i < count; i++)
        if (strcmp(fields[i].name, name) == 0)
            return fields[i].read(at, arena, (char *)out + fields[i].offset);
    return RC_OK; /* of a newer program, or nobody's */
}

static enum rc read_fields(const bson_t *doc, const struct field *fields, size_t count,
                           struct arena *arena, void *out)
{
    bson_iter_t at;
    if (!bson_iter_init(&at, doc))
        return RC_UNAVAILABLE;
    while (bson_iter_next(&at))
        TRY(read_field(&at, fields, count, arena, out));
    return RC_OK;
}

#define READ(doc, table, arena, out) read_fields((doc), (table), COUNT_OF(table), (arena), (out))

enum rc mg_get_event(const bson_t *doc, struct arena *arena, struct mg_event *out)
{
    struct mg_event read = { .event = { .kind = EVENT_VOID }, .was = EVENT_KIND_COUNT };
    TRY(READ(doc, event_fields, arena, &read));
    if (read.event.conversation.len == 0 || read.event.seq == 0)
        return RC_UNAVAILABLE;
    if (read.was == EVENT_KIND_COUNT)
        read.was = read.event.kind;
    *out = read;
    return RC_OK;
}

enum rc mg_get_mark(const bson_t *doc, struct mg_mark *out)
{
    struct mg_mark read = { 0 };
    TRY(READ(doc, mark_fields, NULL, &read));
    if (read.seq == 0 || read.first == 0)
        return RC_UNAVAILABLE;
    *out = read;
    return RC_OK;
}

enum rc mg_get_conversation(const bson_t *doc, struct arena *arena, struct conversation *out)
{
    struct conversation read = { 0 };
    TRY(READ(doc, conversation_fields, arena, &read));
    if (read.id.len == 0)
        return RC_UNAVAILABLE;
    *out = read;
    return RC_OK;
}

enum rc mg_get_membership(const bson_t *doc, struct mg_membership *out)
{
    struct mg_membership read = { 0 };
    TRY(READ(doc, membership_fields, NULL, &read));
    if (read.conversation.len == 0 || read.membership.user.len == 0)
        return RC_UNAVAILABLE;
    *out = read;
    return RC_OK;
}

enum rc mg_get_feed(const bson_t *doc, struct user_feed_entry *out)
{
    struct user_feed_entry read = { 0 };
    TRY(READ(doc, feed_fields, NULL, &read));
    if (read.user.len == 0 || read.conversation.len == 0)
        return RC_UNAVAILABLE;
    *out = read;
    return RC_OK;
}

enum rc mg_get_user(const bson_t *doc, struct arena *arena, struct user *out)
{
    struct user read = { 0 };
    TRY(READ(doc, user_fields, arena, &read));
    if (read.id.len == 0)
        return RC_UNAVAILABLE;
    *out = read;
    return RC_OK;
}

enum rc mg_get_request(const bson_t *doc, struct arena *arena, struct mg_request *out)
{
    struct mg_request read = { 0 };
    TRY(READ(doc, request_fields, arena, &read));
    if (read.status == 0)
        return RC_UNAVAILABLE;
    *out = read;
    return RC_OK;
}

/* ---- single fields ---- */

uint64_t mg_get_seq(const bson_t *doc, const char *name)
{
    bson_iter_t at;
    uint64_t seq = 0;
    if (bson_iter_init_find(&at, doc, name))
        (void)read_seq(&at, NULL, &seq);
    return seq;
}

struct bytes mg_peek_text(const bson_t *doc, const char *name)
{
    bson_iter_t at;
    struct bytes text = { NULL, 0 };
    if (bson_iter_init_find(&at, doc, name))
        (void)text_at(&at, &text); /* another type: none */
    return text;
}

struct id mg_get_id(const bson_t *doc, const char *name)
{
    struct id id = { 0 };
    (void)id_read(mg_peek_text(doc, name), &id); /* what is no id reads as none */
    return id;
}
