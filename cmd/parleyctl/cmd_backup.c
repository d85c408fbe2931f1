/* cmd_backup.c - store and streams into a folder, while everything runs.
 *
 * The store first, the streams after it: so whatever the copied store lacks is in the copied
 * streams (they are the log of it, and longer), and the two together have all that was acknowledged
 * when the store's copy was made, and more. The other way round the store could be ahead of its
 * log. That the log's copy begins no later than where the store's copy ends is checked.
 */
#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "adapters/sqlite/sqlite_copy.h"
#include "adapters/sqlite/sqlite_store.h"
#include "archive.h"
#include "base/clock.h"
#include "base/rc.h"
#include "ports/log_consumer.h"
#include "ports/message_store.h"

struct backup {
    const struct ctl *ctl;
    const char *folder;
    bool is_store_only, is_streams_only;
    json_t *manifest, *streams, *applied;
};

/* Where the copied store stands in each partition. */
static int note_applied(struct backup *b, const char *path)
{
    const struct sqlite_store_options options = { .path = path, .readers_max = 1 };
    const struct config *c = b->ctl->config;
    struct sqlite_store *store = NULL;
    struct fault fault = { .text = "" };
    enum rc rc = sqlite_store_open(&options, &store, &fault);
    const struct message_store *messages = rc == RC_OK ? sqlite_store_messages(store) : NULL;

    for (int64_t p = 0; rc == RC_OK && p < c->streams.partitions; p++) {
        uint64_t seq = 0;
        rc = messages->applied(messages->self, (uint32_t)c->streams.generation, (uint32_t)p, &seq);
        (void)json_array_append_new(b->applied, json_integer((json_int_t)seq));
    }
    sqlite_store_close(store);
    if (rc == RC_OK)
        rc = sqlite_close_up(path, &fault);
    return rc == RC_OK ? CTL_OK
                       : ctl_fail("%s: %s", path, fault.text[0] ? fault.text : rc_name(rc));
}

static int save_store(struct backup *b)
{
    const char *from = sqlite_store_path(b->ctl->config->store.url);
    char path[ARCHIVE_PATH_MAX];
    struct fault fault = { .text = "" };

    if (!from)
        return ctl_fail(
            "store.url: only SQLite is copied by this command; for MongoDB run mongodump "
            "first, then parleyctl backup --streams-only (docs/OPERATIONS.md)");
    (void)snprintf(path, sizeof path, "%s/" ARCHIVE_STORE, b->folder);
    enum rc rc = sqlite_copy(from, path, &fault);
    if (rc == RC_OK)
        rc = sqlite_examine(path, &fault);
    if (rc != RC_OK)
        return ctl_fail("the store: %s", fault.text[0] ? fault.text : rc_name(rc));
    if (note_applied(b, path) != CTL_OK)
        return CTL_FAILED;
    json_t *entry = archive_entry(b->folder, ARCHIVE_STORE);
    if (!entry)
        return CTL_FAILED;
    (void)json_object_set_new(entry, "kind", json_string("sqlite"));
    (void)json_object_set(entry, "applied", b->applied);
    (void)json_object_set_new(b->manifest, "store", entry);
    return CTL_OK;
}

/* The copied log must go on where the copied store ends. */
static int check_together(const struct backup *b, int64_t p)
{
    const json_t *stream = json_array_get(b->streams, (size_t)p);
    json_int_t applied = json_integer_value(json_array_get(b->applied, (size_t)p));
    json_int_t first = json_integer_value(json_object_get(stream, "firstSeq"));
    json_int_t last = json_integer_value(json_object_get(stream, "lastSeq"));
    json_int_t floor = (json_int_t)log_floor((uint32_t)b->ctl->config->streams.generation);

    if (b->is_streams_only)
        return CTL_OK;
    if (last < applied && applied > floor)
        return ctl_fail(
            "CHAT_%lld ends at %lld, but the store has %lld: this log isn't the store's "
            "(parleyctl streams renew)",
            (long long)p, (long long)last, (long long)applied);
    if (first > applied + 1)
        return ctl_fail(
            "CHAT_%lld begins at %lld, after what the store has (%lld): what is between "
            "them is in neither",
            (long long)p, (long long)first, (long long)applied);
    return CTL_OK;
}

static int save_streams(struct backup *b, struct nats_link *link)
{
    static const char *const others[] = { "CHAT_DLQ", "RECEIPTS" };
    char name[32];

    for (int64_t p = 0; p < b->ctl->config->streams.partitions; p++) {
        (void)snprintf(name, sizeof name, "CHAT_%lld", (long long)p);
        enum rc rc = archive_save_stream(link, b->folder, name, b->streams);
        if (rc == RC_NOT_FOUND)
            return ctl_fail("stream %s isn't there", name);
        if (rc != RC_OK || check_together(b, p) != CTL_OK)
            return CTL_FAILED;
    }
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        enum rc rc = archive_save_stream(link, b->folder, others[i], b->streams);
        if (rc != RC_OK && rc != RC_NOT_FOUND)
            return CTL_FAILED;
    }
    (void)json_object_set(b->manifest, "streams", b->streams);
    return CTL_OK;
}

static int save_all(struct backup *b)
{
    struct nats_link *link = b->is_store_only ? NULL : ctl_nats_open(b->ctl);
    int code = b->is_store_only || link ? CTL_OK : CTL_FAILED;

    if (code == CTL_OK && !archive_begin(b->folder)) {
        nats_link_destroy(link);
        return CTL_FAILED; /* it said why; what is in the folder isn't this backup's */
    }
    if (code == CTL_OK && !b->is_streams_only)
        code = save_store(b);
    if (code == CTL_OK && link)
        code = save_streams(b, link);
    nats_link_destroy(link);
    if (code == CTL_OK &&
        !archive_write_json(b->folder, ARCHIVE_MANIFEST, json_incref(b->manifest)))
        code = CTL_FAILED;
    if (code != CTL_OK)
        return ctl_fail("the backup isn't whole; %s has no manifest and can be removed", b->folder);
    return CTL_OK;
}

static json_int_t bytes_in(const json_t *manifest)
{
    json_int_t bytes =
        json_integer_value(json_object_get(json_object_get(manifest, "store"), "bytes"));
    size_t at, nth;
    const json_t *stream, *file;
    json_array_foreach(json_object_get(manifest, "streams"), at, stream)
        json_array_foreach(json_object_get(stream, "files"), nth, file) bytes +=
        json_integer_value(json_object_get(file, "bytes"));
    return bytes;
}

int cmd_backup(const struct ctl *ctl, int argc, char **argv)
{
    struct backup b = { .ctl = ctl };
    const struct ctl_option options[] = { { "store-only", NULL, &b.is_store_only },
                                          { "streams-only", NULL, &b.is_streams_only } };
    char made[RFC3339_CHARS];
    int64_t began_ms = clock_monotonic_ms(clock_system());

    if (!ctl_options(options, COUNT_OF(options), &argc, argv))
        return CTL_USAGE;
    if (argc != 2 || (b.is_store_only && b.is_streams_only))
        return ctl_usage("backup DIR [--store-only | --streams-only]");
    b.folder = argv[1];
    rfc3339_write(clock_wall_us(clock_system()), made);
    b.streams = json_array();
    b.applied = json_array();
    b.manifest =
        json_pack("{s:i,s:s,s:s,s:I,s:I}", "format", ARCHIVE_FORMAT, "made", made, "version",
                  PARLEY_VERSION, "generation", (json_int_t)ctl->config->streams.generation,
                  "partitions", (json_int_t)ctl->config->streams.partitions);
    int code = save_all(&b);
    long long took_ms = clock_monotonic_ms(clock_system()) - began_ms;
    if (code == CTL_OK && ctl->is_json)
        code = ctl_print_json(json_incref(b.manifest));
    else if (code == CTL_OK)
        (void)printf("backed up to %s: %lld bytes in %lld ms, checksums in its manifest\n",
                     b.folder, (long long)bytes_in(b.manifest), took_ms);
    json_decref(b.streams);
    json_decref(b.applied);
    json_decref(b.manifest);
    return code;
}
