/* streams_load.c - the folder of stream files, placeholders filled, as parsed configurations. */
#include "adapters/nats/streams_priv.h"
#include "base/buf.h"
#include "ports/log_consumer.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>

enum { FILES_MAX = 64, FILE_BYTES_MAX = 256 * 1024, PARTITIONS_MAX = 1024 };

struct placeholder {
    const char *name;
    uint64_t value;
};

/* Replaces {{name}} for the names in the table; other braces stay: {{wildcard(1)}} is NATS's. */
static void fill_text(struct buf *out, struct bytes text, const struct placeholder *table,
                      size_t count)
{
    size_t at = 0;
    while (at < text.len) {
        size_t used = 0;
        for (size_t i = 0; text.ptr[at] == '{' && i < count; i++) {
            char mark[64];
            int len = snprintf(mark, sizeof mark, "{{%s}}", table[i].name);
            if (!bytes_starts(bytes_make(text.ptr + at, text.len - at), mark))
                continue;
            buf_add_u64(out, table[i].value);
            used = (size_t)len;
            break;
        }
        if (used == 0) {
            buf_add_byte(out, text.ptr[at]);
            used = 1;
        }
        at += used;
    }
}

static enum rc copy_name(char out[STREAM_NAME_CHARS], const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    if (!text || !*text || strlen(text) >= STREAM_NAME_CHARS || strpbrk(text, " .*>/\\\t\r\n"))
        return RC_INVALID;
    (void)snprintf(out, STREAM_NAME_CHARS, "%s", text);
    return RC_OK;
}

static enum rc read_item(json_t *object, struct stream_item *item)
{
    json_t *config = json_object_get(object, "config");
    if (json_object_get(object, "name")) {
        item->config = json_incref(object);
        const char *storage = json_string_value(json_object_get(object, "storage"));
        item->is_memory = storage && strcmp(storage, "memory") == 0;
        return copy_name(item->stream, object, "name");
    }
    TRY(copy_name(item->stream, object, "stream_name"));
    if (!json_is_object(config))
        return RC_INVALID;
    item->config = json_incref(config);
    return copy_name(item->consumer, config, "name");
}

static enum rc add_item(struct stream_set *set, struct bytes text, const char *file,
                        struct fault *fault)
{
    json_error_t error;
    struct stream_item *items = realloc(set->items, (set->count + 1) * sizeof *items);
    if (!items)
        return RC_NOMEM;
    set->items = items;
    items[set->count] = (struct stream_item){ .config = NULL };
    json_t *object = json_loadb((const char *)text.ptr, text.len, JSON_REJECT_DUPLICATES, &error);
    if (!object) {
        fault_set(fault, file, "Not JSON: %s (line %d).", error.text, error.line);
        return RC_INVALID;
    }
    enum rc rc = json_is_object(object) ? read_item(object, &items[set->count]) : RC_INVALID;
    json_decref(object);
    if (items[set->count].config)
        set->count++;
    if (rc == RC_INVALID)
        fault_set(fault, file, "Neither a stream (name) nor a consumer (stream_name, config).");
    return rc;
}

static enum rc add_file(struct stream_set *set, const char *file, struct bytes text,
                        struct fault *fault)
{
    const struct stream_vars *vars = &set->vars;
    bool is_each = memmem(text.ptr, text.len, "{{p}}", 5) != NULL;
    for (uint32_t p = 0; p < (is_each ? vars->partitions : 1); p++) {
        SCOPED_BUF(filled, FILE_BYTES_MAX * 2);
        const struct placeholder table[] = {
            { "p", p },
            { "partitions", vars->partitions },
            { "generation", vars->generation },
            { "first_seq", log_floor(vars->generation) + 1 },
            { "replicas", vars->replicas },
            { "chat_max_bytes", vars->chat_max_bytes },
        };
        fill_text(&filled, text, table, COUNT_OF(table));
        if (filled.has_failed)
            return RC_NOMEM;
        TRY(add_item(set, buf_bytes(&filled), file, fault));
    }
    return RC_OK;
}

static enum rc load_file(struct stream_set *set, const char *folder, const char *file,
                         struct fault *fault)
{
    char path[1024];
    (void)snprintf(path, sizeof path, "%s/%s", folder, file);
    char *text = malloc(FILE_BYTES_MAX);
    FILE *in = fopen(path, "re");
    enum rc rc = text ? RC_INVALID : RC_NOMEM;
    if (text && in) {
        size_t len = fread(text, 1, FILE_BYTES_MAX, in);
        if (len < FILE_BYTES_MAX && !ferror(in))
            rc = add_file(set, file, bytes_make(text, len), fault);
        else
            fault_set(fault, file, "Can't be read, or is larger than %d bytes.", FILE_BYTES_MAX);
    } else if (text) {
        fault_set(fault, file, "Can't be opened: %s.", strerror(errno));
    }
    if (in)
        (void)fclose(in); /* it was only read */
    free(text);
    return rc;
}

static int is_json_file(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);
    return len > 5 && entry->d_name[0] != '.' && strcmp(entry->d_name + len - 5, ".json") == 0;
}

static int by_kind(const void *left, const void *right)
{
    const struct stream_item *a = left, *b = right;
    if ((a->consumer[0] == 0) != (b->consumer[0] == 0))
        return a->consumer[0] ? 1 : -1;
    int order = strverscmp(a->stream, b->stream);
    return order ? order : strcmp(a->consumer, b->consumer);
}

static enum rc load_files(struct stream_set *set, const char *folder, struct dirent **files,
                          int count, struct fault *fault)
{
    for (int i = 0; i < count; i++)
        TRY(load_file(set, folder, files[i]->d_name, fault));
    if (set->count == 0) {
        fault_set(fault, "streams.dir", "No stream files (*.json) in the folder.");
        return RC_NOT_FOUND;
    }
    qsort(set->items, set->count, sizeof *set->items, by_kind);
    return RC_OK;
}

enum rc streams_load(const char *folder, const struct stream_vars *vars,
                     struct stream_set **out_set, struct fault *fault)
{
    struct dirent **files = NULL;
    if (vars->partitions == 0 || vars->partitions > PARTITIONS_MAX || vars->generation == 0 ||
        vars->replicas == 0) {
        fault_set(fault, "streams", "partitions, generation and replicas must be 1 or more.");
        return RC_INVALID;
    }
    int count = scandir(folder, &files, is_json_file, alphasort);
    if (count < 0) {
        fault_set(fault, "streams.dir", "The folder can't be read: %s.", strerror(errno));
        return RC_NOT_FOUND;
    }
    struct stream_set *set = calloc(1, sizeof *set);
    enum rc rc = RC_NOMEM;
    if (set) {
        set->vars = *vars;
        rc = load_files(set, folder, files, count, fault);
    }
    for (int i = 0; i < count; i++)
        free(files[i]);
    free(files);
    if (rc != RC_OK) {
        streams_destroy(set);
        return rc;
    }
    *out_set = set;
    return RC_OK;
}

void streams_destroy(struct stream_set *set)
{
    if (!set)
        return;
    for (size_t i = 0; i < set->count; i++)
        json_decref(set->items[i].config);
    free(set->items);
    free(set);
}

int64_t streams_chat_max_age_ms(const struct stream_set *set)
{
    int64_t shortest_ns = 0;
    for (size_t i = 0; i < set->count; i++) {
        const struct stream_item *item = &set->items[i];
        bool is_chat = !item->consumer[0] && strncmp(item->stream, "CHAT_", 5) == 0 &&
                       item->stream[5] >= '0' && item->stream[5] <= '9';
        int64_t ns = is_chat ? json_integer_value(json_object_get(item->config, "max_age")) : 0;
        if (ns > 0 && (shortest_ns == 0 || ns < shortest_ns))
            shortest_ns = ns;
    }
    return shortest_ns / 1000000;
}
