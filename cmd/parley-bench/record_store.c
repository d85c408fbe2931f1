/* record_store.c - what the SQLite file holds, read by the stock sqlite3 program.
 *
 * On purpose not through the server's own code. The file is opened read-only beside the running
 * server; the persister may be some milliseconds behind, so the reading waits until every
 * conversation has its last acknowledged row, for --grace seconds at most.
 */
#include <glob.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "child.h"
#include "client.h"
#include "records.h"

/* One JSON object a row, so that no text can break a line. */
#define QUERY                                                                                      \
    "SELECT json_object('conversationId', c.id, 'seq', e.seq, 'prev', e.prev, "                    \
    "'senderId', e.actor, 'clientMessageId', e.client_id, 'message', e.payload)"                   \
    " FROM events e JOIN conversations c ON c.no = e.conversation"                                 \
    " WHERE %d OR substr(c.id, 1, %zu) = '%s' ORDER BY e.conversation, e.seq"

static char *find_file(const struct options *options)
{
    glob_t found = { 0 };
    char pattern[300], *path = NULL;
    if (options->store)
        return xstrdup(options->store);
    if (!options->home)
        return NULL;
    snprintf(pattern, sizeof pattern, "%s/store/*.db", options->home);
    if (glob(pattern, 0, NULL, &found) == 0 && found.gl_pathc == 1)
        path = xstrdup(found.gl_pathv[0]);
    globfree(&found);
    return path;
}

/* A row as the file tells it: sender and clientMessageId from their columns, by which the server
 * finds doubles; all else from the payload, which is kept as it was published (NULL in a void). */
static struct row row_in_store(const struct event *ev)
{
    static struct sbuf payload;
    struct event published;
    payload.len = 0;
    scan_unescape(ev->message, &payload);
    if (!scan_event(bytes_make(payload.ptr, payload.len), &published))
        return (struct row){ .seq = ev->seq };
    struct row row = row_of(&published);
    row.seq = ev->seq;
    if (row.who)
        row.who = who_of(ev->sender, ev->client_message_id);
    return row;
}

static void take_row(struct records *records, const struct hmap *by_id, struct bytes line)
{
    struct tally *tally = &records->results[SOURCE_STORE].tally;
    struct event ev;
    if (!scan_event(line, &ev)) {
        tally->malformed++;
        return;
    }
    struct record *record = hmap_get(by_id, key_of(ev.conversation));
    if (!record)
        return; /* another run's */
    struct row row = row_in_store(&ev);
    /* prev is kept only where the persister could know it. */
    (void)trail_see(&record->store, tally, ev.has_prev ? ev.prev : record->store.last, &row);
}

/* The query for this run's conversations; for all when their ids are the server's (direct). */
static void write_query(const struct records *records, struct sbuf *out)
{
    const char *run = records->options->run;
    size_t len = strlen(run);
    bool are_ours = records->count && strncmp(records->list[0].id, run, len) == 0;
    sbuf_printf(out, QUERY, !are_ours, len, run);
}

static bool read_file(struct records *records, const char *path)
{
    struct hmap by_id = { 0 };
    struct child child;
    struct sbuf query = { 0 };
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;
    write_query(records, &query);
    const char *const argv[] = { "sqlite3",        "-readonly", "-batch",          "-cmd",
                                 ".timeout 10000", path,        sbuf_text(&query), NULL };
    for (size_t i = 0; i < records->count; i++)
        hmap_put(&by_id, key_of(bytes_of(records->list[i].id)), &records->list[i]);
    child_start(&child, argv);
    while ((len = getline(&line, &cap, child.out)) > 0)
        take_row(records, &by_id, bytes_make(line, (size_t)len));
    free(line);
    int status = child_wait(&child);
    sbuf_free(&query);
    hmap_fini(&by_id);
    if (status != 0)
        fprintf(stderr, "sqlite3 %s ended with %d\n", path, status);
    return status == 0;
}

static bool is_caught_up(const struct records *records)
{
    for (size_t i = 0; i < records->count; i++)
        if (records->list[i].store.last < records->list[i].book->last)
            return false;
    return true;
}

bool records_read_store(struct records *records)
{
    char *path = find_file(records->options);
    uint64_t give_up = now_ns() + (uint64_t)records->options->grace * 1000000000ull;
    struct tally *tally = &records->results[SOURCE_STORE].tally;
    if (!path)
        return false;
    for (;;) {
        *tally = (struct tally){ 0 };
        bool was_read = read_file(records, path);
        if ((was_read && is_caught_up(records)) || now_ns() > give_up) {
            tally->lost += !was_read; /* asked for, not had: no pass */
            break;
        }
        for (size_t i = 0; i < records->count; i++)
            trail_forget(&records->list[i].store);
        usleep(300 * 1000); /* the persister catches up */
    }
    free(path);
    return true;
}
