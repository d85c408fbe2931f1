/* cmd_restore.c - a backup's folder back into store and streams.
 *
 * Everything is checked before anything is touched. Streams come back sealed: what was written to
 * them after the backup had seqs that clients may have seen, so nothing may be written under these
 * numbers again; `streams renew` makes the streams that are written to (--as-is: it is known that
 * nothing was written after the backup). Then the log's copy is projected into the store.
 * A living store or stream is in the way unless --force; an old store's file is moved aside, never
 * deleted. Killed half-way it is run again with --force.
 */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapters/sqlite/sqlite_copy.h"
#include "adapters/sqlite/sqlite_store.h"
#include "archive.h"
#include "base/clock.h"
#include "base/rc.h"
#include "project.h"
#include "store.h"

struct restore {
    const struct ctl *ctl;
    const char *folder, *path; /* path: the store's file */
    json_t *manifest;
    struct nats_link *link;
    bool is_store_only, is_streams_only, is_forced, is_as_is;
    char aside[ARCHIVE_PATH_MAX];
    json_t *parts;
};

static uint32_t number_at(const json_t *object, const char *key)
{
    return (uint32_t)json_integer_value(json_object_get(object, key));
}

static bool has_store(const struct restore *r)
{
    return json_is_object(json_object_get(r->manifest, "store")) && !r->is_streams_only;
}

static const json_t *streams_of(const struct restore *r)
{
    return r->is_store_only ? NULL : json_object_get(r->manifest, "streams");
}

/* ---- may it be done? ---- */

static int check_store(const struct restore *r)
{
    struct stat there;
    struct fault fault = { .text = "" };

    if (!has_store(r))
        return CTL_OK;
    if (!r->path)
        return ctl_fail(
            "store.url: the backup has an SQLite store, the settings name another kind");
    if (stat(r->path, &there) != 0 || there.st_size == 0)
        return CTL_OK;
    if (!r->is_forced)
        return ctl_fail("%s is there; --force moves it aside and puts the backup in its place",
                        r->path);
    enum rc rc = sqlite_close_up(r->path, &fault);
    if (rc == RC_CONFLICT)
        return ctl_fail("%s", fault.text);
    return CTL_OK; /* one that can't even be opened is no reason not to restore */
}

static enum rc stream_is_there(const struct restore *r, const char *name)
{
    SCOPED_CTL_JSON json_t *info = NULL;
    char call[96];
    (void)snprintf(call, sizeof call, "STREAM.INFO.%s", name);
    return ctl_js(r->link, call, NULL, &info);
}

static int check_streams(struct restore *r)
{
    size_t at;
    const json_t *stream;

    if (!streams_of(r))
        return CTL_OK;
    r->link = ctl_nats_open(r->ctl);
    if (!r->link)
        return CTL_FAILED;
    json_array_foreach(streams_of(r), at, stream)
    {
        const char *name = json_string_value(json_object_get(stream, "name"));
        enum rc rc = stream_is_there(r, name);
        if (rc == RC_OK && !r->is_forced)
            return ctl_fail("stream %s is there; --force deletes it and puts the backup's in its "
                            "place; --store-only leaves the streams alone",
                            name);
        if (rc != RC_OK && rc != RC_NOT_FOUND)
            return CTL_FAILED;
    }
    return CTL_OK;
}

/* ---- doing it ---- */

static bool is_log(const char *name)
{
    return strncmp(name, "CHAT_", 5) == 0 && name[5] >= '0' && name[5] <= '9';
}

static int put_stream(struct restore *r, const char *name)
{
    SCOPED_CTL_JSON json_t *reply = NULL;
    char call[96];

    (void)snprintf(call, sizeof call, "STREAM.DELETE.%s", name);
    enum rc rc = stream_is_there(r, name);
    if (rc == RC_OK)
        rc = ctl_js(r->link, call, NULL, &reply);
    if (rc != RC_OK && rc != RC_NOT_FOUND)
        return CTL_FAILED;
    bool is_sealed = is_log(name) && !r->is_as_is;
    return archive_restore_stream(r->link, r->folder, name, is_sealed) ? CTL_OK : CTL_FAILED;
}

static int put_streams(struct restore *r)
{
    size_t at;
    const json_t *stream;
    int code = CTL_OK;

    json_array_foreach(streams_of(r), at, stream)
    {
        if (code == CTL_OK)
            code = put_stream(r, json_string_value(json_object_get(stream, "name")));
    }
    return code;
}

static int put_store(struct restore *r)
{
    struct stat there;
    struct fault fault = { .text = "" };

    if (!has_store(r))
        return CTL_OK;
    if (stat(r->path, &there) == 0) {
        (void)snprintf(r->aside, sizeof r->aside, "%.4000s.before-restore-%lld", r->path,
                       (long long)(clock_wall_us(clock_system()) / 1000000));
        if (rename(r->path, r->aside) != 0)
            return ctl_fail("%s: %s", r->path, strerror(errno));
    }
    char log[ARCHIVE_PATH_MAX];
    (void)snprintf(log, sizeof log, "%.4080s-wal", r->path);
    (void)unlink(log); /* of a store that was lost: it isn't this one's */
    (void)snprintf(log, sizeof log, "%.4080s-shm", r->path);
    (void)unlink(log);
    if (!archive_copy_out(r->folder, ARCHIVE_STORE, r->path))
        return CTL_FAILED;
    enum rc rc = sqlite_examine(r->path, &fault);
    return rc == RC_OK ? CTL_OK : ctl_fail("%s: %s", r->path, fault.text);
}

/* The copied store may lack what the copied log has. */
static int bring_up_to_date(struct restore *r)
{
    const struct message_store *messages;
    struct store *store;

    if (!has_store(r) || !streams_of(r))
        return CTL_OK;
    if (!ctl_store_open(r->ctl, &store, &messages))
        return CTL_FAILED;
    struct projection projection = { .ctl = r->ctl,
                                     .store = messages,
                                     .generation = number_at(r->manifest, "generation"),
                                     .partitions = number_at(r->manifest, "partitions"),
                                     .parts = r->parts };
    int code = project_all(&projection);
    store_close(store);
    return code;
}

static void say_what_next(const struct restore *r)
{
    if (r->aside[0])
        (void)printf("the old store is kept in %s\n", r->aside);
    if (has_store(r) && r->is_store_only)
        (void)printf("the store is the backup's; persisters bring it up to date from the log\n");
    if (streams_of(r) && !r->is_as_is)
        (void)printf("the streams are restored and sealed, nothing can be written to them. Next:\n"
                     "  parleyctl streams renew\n");
}

static int restore(struct restore *r)
{
    int code = check_store(r);
    if (code == CTL_OK)
        code = check_streams(r);
    if (code == CTL_OK)
        code = put_streams(r); /* first: sealed ones take nothing while the rest is done */
    if (code == CTL_OK)
        code = put_store(r);
    if (code == CTL_OK)
        code = bring_up_to_date(r);
    if (code == CTL_OK && r->ctl->is_json)
        code = ctl_print_json(json_pack("{s:s,s:s,s:b,s:O}", "restored", r->folder, "movedAside",
                                        r->aside, "isSealed", streams_of(r) && !r->is_as_is,
                                        "partitions", r->parts));
    else if (code == CTL_OK)
        say_what_next(r);
    return code;
}

int cmd_restore(const struct ctl *ctl, int argc, char **argv)
{
    struct restore r = { .ctl = ctl };
    const struct ctl_option options[] = { { "store-only", NULL, &r.is_store_only },
                                          { "streams-only", NULL, &r.is_streams_only },
                                          { "force", NULL, &r.is_forced },
                                          { "as-is", NULL, &r.is_as_is } };

    if (!ctl_options(options, COUNT_OF(options), &argc, argv))
        return CTL_USAGE;
    if (argc != 2 || (r.is_store_only && r.is_streams_only))
        return ctl_usage("restore DIR [--store-only | --streams-only] [--force] [--as-is]");
    r.folder = argv[1];
    r.path = sqlite_store_path(ctl->config->store.url);
    r.manifest = archive_open(r.folder);
    if (!r.manifest)
        return CTL_FAILED;
    r.parts = json_array();
    int code = restore(&r);
    nats_link_destroy(r.link);
    json_decref(r.parts);
    json_decref(r.manifest);
    return code;
}
