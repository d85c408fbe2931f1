#include "wire/event_json.h"
#include "wire/json_read.h"

static enum rc read_u64(const json_t *object, const char *key, uint64_t *out)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return RC_INVALID;
    *out = (uint64_t)json_integer_value(value);
    return RC_OK;
}

static enum rc add_entries(json_t *map, char kind, struct heads_entry *entries, size_t *count)
{
    const char *key;
    json_t *value;
    json_object_foreach(map, key, value)
    {
        struct heads_entry *entry = &entries[*count];
        if (!id_read(bytes_of(key), &entry->owner) || json_integer_value(value) <= 0)
            return RC_INVALID;
        entry->kind = kind;
        entry->seq = (uint64_t)json_integer_value(value);
        (*count)++;
    }
    return RC_OK;
}

enum rc heads_parse(struct bytes json, struct arena *arena, struct heads *out)
{
    SCOPED_JSON json_t *object = NULL;
    struct heads heads = { .count = 0 };
    uint64_t generation;
    TRY(json_read_object(json, &object, NULL));
    TRY(read_u64(object, "gen", &generation));
    if (generation > UINT32_MAX)
        return RC_INVALID;
    TRY(read_u64(object, "from", &heads.from));
    TRY(read_u64(object, "to", &heads.to));
    json_t *conversations = json_object_get(object, "heads");
    json_t *users = json_object_get(object, "users");
    size_t total = json_object_size(conversations) + json_object_size(users);
    struct heads_entry *entries = arena_alloc(arena, (total + 1) * sizeof *entries);
    if (!entries)
        return RC_NOMEM;
    TRY(add_entries(conversations, 'c', entries, &heads.count));
    TRY(add_entries(users, 'u', entries, &heads.count));
    heads.generation = (uint32_t)generation;
    heads.entries = entries;
    *out = heads;
    return RC_OK;
}

static void write_entries(struct buf *out, const struct heads *heads, char kind)
{
    bool is_first = true;
    for (size_t i = 0; i < heads->count; i++) {
        if (heads->entries[i].kind != kind)
            continue;
        buf_add_format(out, "%s\"%s\":", is_first ? "" : ",", heads->entries[i].owner.text);
        buf_add_u64(out, heads->entries[i].seq);
        is_first = false;
    }
}

void heads_write(struct buf *out, const struct heads *heads)
{
    buf_add_format(out, "{\"gen\":%u,\"from\":%llu,\"to\":%llu,\"heads\":{", heads->generation,
                   (unsigned long long)heads->from, (unsigned long long)heads->to);
    write_entries(out, heads, 'c');
    buf_add_text(out, "},\"users\":{");
    write_entries(out, heads, 'u');
    buf_add_text(out, "}}");
}

enum rc applied_parse(struct bytes json, struct applied *out)
{
    SCOPED_JSON json_t *object = NULL;
    struct applied applied = { .has_lag = false };
    uint64_t generation, lag_ms;
    TRY(json_read_object(json, &object, NULL));
    TRY(read_u64(object, "gen", &generation));
    if (generation > UINT32_MAX)
        return RC_INVALID;
    TRY(read_u64(object, "seq", &applied.seq));
    applied.generation = (uint32_t)generation;
    if (json_object_get(object, "lagMs")) {
        TRY(read_u64(object, "lagMs", &lag_ms));
        TRY(read_u64(object, "pending", &applied.pending));
        applied.lag_ms = (int64_t)lag_ms;
        applied.has_lag = true;
    }
    *out = applied;
    return RC_OK;
}

void applied_write(struct buf *out, const struct applied *applied)
{
    buf_add_format(out, "{\"gen\":%u,\"seq\":%llu", applied->generation,
                   (unsigned long long)applied->seq);
    if (applied->has_lag)
        buf_add_format(out, ",\"lagMs\":%lld,\"pending\":%llu", (long long)applied->lag_ms,
                       (unsigned long long)applied->pending);
    buf_add_byte(out, '}');
}
