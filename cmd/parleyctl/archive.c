#include "archive.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapters/auth/checksum.h"
#include "adapters/nats/stream_snapshot.h"
#include "base/rc.h"

enum { BLOCK_BYTES = 256 * 1024, META_BYTES_MAX = 4 * 1024 * 1024 };

static bool say_errno(const char *path)
{
    (void)ctl_fail("%s: %s", path, strerror(errno));
    return false;
}

static void join_path(char out[ARCHIVE_PATH_MAX], const char *folder, const char *relative)
{
    (void)snprintf(out, ARCHIVE_PATH_MAX, "%s/%s", folder, relative);
}

static bool is_empty(DIR *dir)
{
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            return false;
    return true;
}

bool archive_begin(const char *folder)
{
    if (mkdir(folder, 0700) == 0)
        return true;
    if (errno != EEXIST)
        return say_errno(folder);
    DIR *dir = opendir(folder);
    if (!dir)
        return say_errno(folder);
    bool is_free = is_empty(dir);
    (void)closedir(dir); /* it was only read */
    if (!is_free)
        (void)ctl_fail("%s: the folder isn't empty; a backup takes one of its own", folder);
    return is_free && (chmod(folder, 0700) == 0 || say_errno(folder));
}

/* A name's place in its folder is as durable as the folder. */
static bool sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool is_synced = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        (void)close(fd); /* synced or told */
    return is_synced || say_errno(folder);
}

static FILE *create_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!file)
        (void)say_errno(path);
    if (!file && fd >= 0)
        (void)close(fd);
    return file;
}

static bool end_file(FILE *file, const char *path)
{
    bool is_kept = fflush(file) == 0 && fsync(fileno(file)) == 0;
    is_kept = fclose(file) == 0 && is_kept;
    return is_kept || say_errno(path);
}

/* ---- checksums ---- */

static bool sum_file(const char *path, uint64_t *out_bytes, char out[CHECKSUM_CHARS + 1])
{
    FILE *file = fopen(path, "re");
    struct checksum *sum = checksum_create();
    char *block = malloc(BLOCK_BYTES);
    uint64_t bytes = 0;
    size_t len;
    bool is_read = file && sum && block;

    if (!file)
        (void)say_errno(path);
    while (is_read && (len = fread(block, 1, BLOCK_BYTES, file)) > 0) {
        checksum_add(sum, bytes_make(block, len));
        bytes += len;
    }
    is_read = is_read && !ferror(file);
    if (is_read)
        checksum_write(sum, out);
    if (file)
        (void)fclose(file); /* it was only read */
    checksum_destroy(sum);
    free(block);
    *out_bytes = bytes;
    return is_read && out[0];
}

json_t *archive_entry(const char *folder, const char *relative)
{
    char path[ARCHIVE_PATH_MAX], hex[CHECKSUM_CHARS + 1];
    uint64_t bytes;

    join_path(path, folder, relative);
    if (!sum_file(path, &bytes, hex))
        return NULL;
    return json_pack("{s:s,s:I,s:s}", "file", relative, "bytes", (json_int_t)bytes, "sha256", hex);
}

bool archive_is_whole(const char *folder, const json_t *entry)
{
    char path[ARCHIVE_PATH_MAX], hex[CHECKSUM_CHARS + 1];
    const char *relative = json_string_value(json_object_get(entry, "file"));
    const char *wanted = json_string_value(json_object_get(entry, "sha256"));
    uint64_t bytes;

    if (!relative || !wanted || strstr(relative, "..") || relative[0] == '/') {
        (void)ctl_fail("%s/" ARCHIVE_MANIFEST ": an entry without file or sha256", folder);
        return false;
    }
    join_path(path, folder, relative);
    if (!sum_file(path, &bytes, hex))
        return false;
    if (strcmp(hex, wanted) == 0)
        return true;
    (void)ctl_fail("%s isn't what was backed up: its checksum differs", path);
    return false;
}

/* ---- streams ---- */

static enum rc write_part(void *closure, struct bytes part)
{
    return fwrite(part.ptr, 1, part.len, closure) == part.len ? RC_OK : RC_FULL;
}

static bool make_stream_folder(const char *folder, const char *stream, char out[ARCHIVE_PATH_MAX])
{
    char streams[ARCHIVE_PATH_MAX];
    join_path(streams, folder, "streams");
    if (mkdir(streams, 0700) != 0 && errno != EEXIST)
        return say_errno(streams);
    (void)snprintf(out, ARCHIVE_PATH_MAX, "%.4000s/%s", streams, stream);
    return mkdir(out, 0700) == 0 || errno == EEXIST || say_errno(out);
}

static json_int_t state_at(const json_t *meta, const char *key)
{
    return json_integer_value(json_object_get(json_object_get(meta, "state"), key));
}

static bool add_stream(const char *folder, const char *stream, const json_t *meta, json_t *streams)
{
    char meta_name[128], data_name[128];
    json_t *files = json_array();
    (void)snprintf(meta_name, sizeof meta_name, "streams/%s/backup.json", stream);
    (void)snprintf(data_name, sizeof data_name, "streams/%s/stream.tar.s2", stream);
    json_t *first = archive_entry(folder, meta_name), *second = archive_entry(folder, data_name);
    bool is_summed = first && second;
    (void)json_array_append_new(files, first ? first : json_null());
    (void)json_array_append_new(files, second ? second : json_null());
    (void)json_array_append_new(
        streams, json_pack("{s:s,s:I,s:I,s:I,s:o}", "name", stream, "messages",
                           state_at(meta, "messages"), "firstSeq", state_at(meta, "first_seq"),
                           "lastSeq", state_at(meta, "last_seq"), "files", files));
    return is_summed;
}

static enum rc save_parts(struct nats_link *link, const char *stream, const char *path,
                          struct arena *arena, struct bytes *out_meta)
{
    struct fault fault = { .text = "" };
    FILE *file = create_file(path);
    if (!file)
        return RC_UNAVAILABLE;
    enum rc rc = stream_snapshot_save(link, stream, write_part, file, arena, out_meta, &fault);
    if (!end_file(file, path) && rc == RC_OK)
        rc = RC_UNAVAILABLE;
    if (rc != RC_OK && rc != RC_NOT_FOUND)
        (void)ctl_fail("stream %s: the snapshot failed: %s", stream,
                       fault.text[0] ? fault.text : rc_name(rc));
    if (rc != RC_OK)
        (void)unlink(path); /* half a snapshot is of no use */
    return rc;
}

enum rc archive_save_stream(struct nats_link *link, const char *folder, const char *stream,
                            json_t *streams)
{
    SCOPED_ARENA(arena, META_BYTES_MAX);
    SCOPED_CTL_JSON json_t *meta = NULL;
    char own[ARCHIVE_PATH_MAX], path[ARCHIVE_PATH_MAX];
    struct bytes text;
    json_error_t error;

    if (!make_stream_folder(folder, stream, own))
        return RC_UNAVAILABLE;
    (void)snprintf(path, sizeof path, "%.4000s/stream.tar.s2", own);
    enum rc rc = save_parts(link, stream, path, &arena, &text);
    if (rc != RC_OK) {
        (void)rmdir(own); /* only empty when there is no such stream */
        return rc;
    }
    meta = json_loadb((const char *)text.ptr, text.len, 0, &error);
    if (!archive_write_json(own, "backup.json", json_incref(meta)) ||
        !add_stream(folder, stream, meta, streams) || !sync_folder(own))
        return RC_UNAVAILABLE;
    return RC_OK;
}

static enum rc read_part(void *closure, uint8_t *into, size_t room, size_t *out_len)
{
    *out_len = fread(into, 1, room, closure);
    return ferror((FILE *)closure) ? RC_UNAVAILABLE : RC_OK;
}

/* What the server is asked for: the saved configuration and state, sealed or not. */
static char *restore_request(const char *folder, const char *stream, bool is_sealed)
{
    char path[ARCHIVE_PATH_MAX];
    json_error_t error;
    (void)snprintf(path, sizeof path, "%.3900s/streams/%s/backup.json", folder, stream);
    SCOPED_CTL_JSON json_t *meta = json_load_file(path, 0, &error);
    json_t *config = json_object_get(meta, "config"), *state = json_object_get(meta, "state");
    if (!json_is_object(config) || !json_is_object(state)) {
        (void)ctl_fail("%s: no stream's description", path);
        return NULL;
    }
    if (is_sealed)
        (void)json_object_set_new(config, "sealed", json_true());
    SCOPED_CTL_JSON json_t *request = json_pack("{s:O,s:O}", "config", config, "state", state);
    return json_dumps(request, JSON_COMPACT);
}

bool archive_restore_stream(struct nats_link *link, const char *folder, const char *stream,
                            bool is_sealed)
{
    char path[ARCHIVE_PATH_MAX];
    struct fault fault = { .text = "" };
    char *request = restore_request(folder, stream, is_sealed);
    (void)snprintf(path, sizeof path, "%.3900s/streams/%s/stream.tar.s2", folder, stream);
    FILE *file = request ? fopen(path, "re") : NULL;
    enum rc rc = RC_UNAVAILABLE;

    if (request && !file)
        (void)say_errno(path);
    if (file) {
        rc = stream_snapshot_restore(link, stream, bytes_of(request), read_part, file, &fault);
        (void)fclose(file); /* it was only read */
        if (rc != RC_OK)
            (void)ctl_fail("stream %s: the server didn't take it: %s", stream,
                           fault.text[0] ? fault.text : rc_name(rc));
    }
    free(request);
    return rc == RC_OK;
}

/* ---- the manifest, and files put in place ---- */

static bool put_in_place(const char *from, const char *to)
{
    char folder[ARCHIVE_PATH_MAX];
    if (rename(from, to) != 0)
        return say_errno(to);
    (void)snprintf(folder, sizeof folder, "%s", to);
    char *slash = strrchr(folder, '/');
    if (slash && slash != folder)
        *slash = 0;
    return sync_folder(slash ? folder : ".");
}

bool archive_write_json(const char *folder, const char *relative, json_t *value)
{
    char path[ARCHIVE_PATH_MAX], part[ARCHIVE_PATH_MAX];
    join_path(path, folder, relative);
    (void)snprintf(part, sizeof part, "%.4080s.part", path);
    FILE *file = value ? create_file(part) : NULL;
    bool is_written = file && json_dumpf(value, file, JSON_INDENT(2)) == 0 && fputc('\n', file) > 0;
    json_decref(value);
    if (file)
        is_written = end_file(file, part) && is_written;
    return is_written && put_in_place(part, path);
}

static bool check_files(const char *folder, const json_t *manifest)
{
    size_t at, nth;
    const json_t *stream, *entry, *store = json_object_get(manifest, "store");
    if (json_is_object(store) && !archive_is_whole(folder, store))
        return false;
    json_array_foreach(json_object_get(manifest, "streams"), at, stream)
        json_array_foreach(json_object_get(stream, "files"), nth,
                           entry) if (!archive_is_whole(folder, entry)) return false;
    return true;
}

json_t *archive_open(const char *folder)
{
    char path[ARCHIVE_PATH_MAX];
    json_error_t error;
    join_path(path, folder, ARCHIVE_MANIFEST);
    json_t *manifest = json_load_file(path, 0, &error);
    if (!manifest)
        (void)ctl_fail("%s: no whole backup: its manifest isn't there or isn't readable", folder);
    else if (json_integer_value(json_object_get(manifest, "format")) != ARCHIVE_FORMAT)
        (void)ctl_fail("%s: a backup of another format", path);
    else if (check_files(folder, manifest))
        return manifest;
    json_decref(manifest);
    return NULL;
}

bool archive_copy_out(const char *folder, const char *relative, const char *path)
{
    char from[ARCHIVE_PATH_MAX], part[ARCHIVE_PATH_MAX];
    char *block = malloc(BLOCK_BYTES);
    size_t len;
    join_path(from, folder, relative);
    (void)snprintf(part, sizeof part, "%.4080s.part", path);
    FILE *in = fopen(from, "re");
    FILE *out = in && block ? create_file(part) : NULL;
    bool is_copied = out != NULL;

    if (!in)
        (void)say_errno(from);
    while (is_copied && (len = fread(block, 1, BLOCK_BYTES, in)) > 0)
        is_copied = fwrite(block, 1, len, out) == len || say_errno(part);
    if (in) {
        is_copied = !ferror(in) && is_copied;
        (void)fclose(in); /* it was only read */
    }
    if (out)
        is_copied = end_file(out, part) && is_copied;
    free(block);
    return is_copied && put_in_place(part, path);
}
