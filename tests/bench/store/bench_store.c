/* bench_store - how fast a store takes events and gives pages.
 *
 *     build/dev/tests/bench_store FOLDER [events]            SQLite
 *     build/dev/tests/bench_store mongodb://… [events]       MongoDB: a database that is cleared
 *     tests/bench/store/stand_ins [events]                   MongoDB's stand-ins (no speed of
 * MongoDB)
 *
 * FOLDER should be on the disk that a store would be on: each batch of 500 is one commit, synced.
 * Events go to 200 conversations and have the size of a chat line (about 190 bytes of payload).
 */
#include "adapters/mongo/mongo_store.h"
#include "adapters/sqlite/sqlite_store.h"
#include "base/clock.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    CONVERSATIONS = 200,
    MEMBERS = 100, /* conversations of the user who lists them */
    BATCH = 500,
    PAGE = 50,
    READS = 5000,
    LISTS = 200,
    REMOTE_SHARE = 25, /* of reads and lists, where each is a question over a network */
    ARENA_BYTES = 8 << 20
};

static int reads = READS, lists = LISTS;

static struct mongo_store *mongo; /* NULL: SQLite */

static void must(enum rc rc, const char *what)
{
    struct mongo_store_state state = { .last_error = "" };
    if (rc == RC_OK)
        return;
    if (mongo)
        mongo_store_state(mongo, &state);
    (void)fprintf(stderr, "%s: %s %s\n", what, rc_name(rc), state.last_error);
    exit(1);
}

__attribute__((format(printf, 1, 2))) static struct id id_format(const char *format, ...)
{
    struct id id = { 0 };
    va_list args;
    va_start(args, format);
    id.len = (uint8_t)vsnprintf(id.text, sizeof id.text, format, args);
    va_end(args);
    return id;
}

static double now_s(void)
{
    return (double)clock_wall_us(clock_system()) / 1e6;
}

/* CPU seconds of this process: what stays true on a busy machine. */
static double cpu_s(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

static struct event line(uint64_t seq)
{
    static const char payload[] =
        "{\"type\":\"message.new\",\"conversationId\":\"room-0042-of-the-benchmark\",\"senderId\":"
        "\"user-0042\",\"clientMessageId\":\"0190b3c4-d5e6-7f80-9a1b-2c3d4e5f6071\",\"kind\":"
        "\"text\",\"text\":\"has anyone tried this\"}";
    struct event e = { .kind = EVENT_MESSAGE_NEW, .seq = seq, .at_us = (int64_t)seq * 1000 };
    e.conversation =
        id_format("room-%04u-of-the-benchmark", (unsigned)(seq * 7919 % CONVERSATIONS));
    e.actor = id_format("user-%04u", (unsigned)(seq * 31 % 1000));
    e.client_id = id_format("0190b3c4-d5e6-7f80-9a1b-%012x", (unsigned)seq);
    memcpy(e.body_hash, &seq, sizeof seq);
    e.payload = bytes_of(payload);
    return e;
}

static uint64_t make_conversations(const struct message_store *m)
{
    static struct event events[CONVERSATIONS + MEMBERS];
    uint64_t seq = 0;
    for (unsigned i = 0; i < CONVERSATIONS + MEMBERS; i++) {
        bool is_creation = i < CONVERSATIONS;
        events[i] =
            (struct event){ .kind = EVENT_CONVERSATION_CREATED, .type = CONVERSATION_GROUP };
        events[i].conversation = id_format("room-%04u-of-the-benchmark", i % CONVERSATIONS);
        events[i].seq = ++seq;
        events[i].actor = id_format("user-%04u", 0);
        if (is_creation)
            continue;
        events[i].kind = EVENT_MEMBER_ADDED;
        events[i].user = id_format("lister-%u", 0);
    }
    struct store_batch batch = { .events = events, .event_count = seq, .from = 1, .to = seq };
    must(m->apply(m->self, &batch, NULL), "apply");
    return seq;
}

static void bench_apply(const struct message_store *m, uint64_t first, uint64_t count)
{
    static struct event events[BATCH];
    double slowest = 0, start = now_s(), cpu = cpu_s();
    for (uint64_t at = 0; at < count; at += BATCH) {
        double began = now_s();
        for (uint64_t i = 0; i < BATCH; i++)
            events[i] = line(first + at + i);
        struct store_batch batch = {
            .events = events, .event_count = BATCH, .from = first + at, .to = first + at + BATCH - 1
        };
        must(m->apply(m->self, &batch, NULL), "apply");
        if (now_s() - began > slowest)
            slowest = now_s() - began;
    }
    double took = now_s() - start;
    (void)printf("apply          %9.0f events/s  (%" PRIu64 " in %.2f s, slowest batch %.1f ms, "
                 "%.1f us of CPU an event)\n",
                 (double)count / took, count, took, slowest * 1000,
                 (cpu_s() - cpu) * 1e6 / (double)count);
}

static void bench_pages(const struct message_store *m, uint64_t last, bool by_time)
{
    size_t given = 0;
    double start = now_s(), cpu = cpu_s();
    for (uint64_t i = 0; i < (uint64_t)reads; i++) {
        SCOPED_ARENA(arena, ARENA_BYTES);
        struct message_row *rows;
        size_t count;
        uint64_t seq = 1 + i * 104729 % last;
        struct message_query query = { .way = MESSAGES_BEFORE,
                                       .seq = seq,
                                       .by_time = by_time,
                                       .at_us = (int64_t)seq * 1000,
                                       .last_seq = UINT64_MAX,
                                       .limit = PAGE };
        query.conversation = id_format("room-%04u-of-the-benchmark", (unsigned)(i % CONVERSATIONS));
        must(m->messages(m->self, &query, &arena, &rows, &count), "messages");
        given += count;
    }
    double took = now_s() - start;
    (void)printf("page %s   %9.3f ms each, %.3f of CPU  (%d of up to %d, %zu rows)\n",
                 by_time ? "by time" : "by seq ", took * 1000 / reads,
                 (cpu_s() - cpu) * 1000 / reads, reads, PAGE, given);
}

static void bench_list(const struct message_store *m, bool is_brief)
{
    struct id user = id_format("lister-%u", 0);
    size_t count = 0;
    double start = now_s(), cpu = cpu_s();
    for (int i = 0; i < lists; i++) {
        SCOPED_ARENA(arena, ARENA_BYTES);
        struct conversation_item *items;
        must(m->conversations_of(m->self, &user, NULL, MEMBERS, is_brief, &arena, &items, &count),
             "conversations_of");
    }
    double took = now_s() - start;
    (void)printf("list %s     %9.3f ms each, %.3f of CPU  (%zu conversations)\n",
                 is_brief ? "brief" : "full ", took * 1000 / lists, (cpu_s() - cpu) * 1000 / lists,
                 count);
}

static void bench_lookups(const struct message_store *m, uint64_t first, uint64_t count)
{
    double start = now_s(), cpu = cpu_s();
    for (uint64_t i = 0; i < (uint64_t)reads; i++) {
        SCOPED_ARENA(arena, ARENA_BYTES);
        struct message_row row;
        struct event e = line(first + i * 104729 % count);
        must(
            m->message_by_client_id(m->self, &e.conversation, &e.actor, &e.client_id, &arena, &row),
            "message_by_client_id");
    }
    (void)printf("by client id   %9.3f ms each, %.3f of CPU\n", (now_s() - start) * 1000 / reads,
                 (cpu_s() - cpu) * 1000 / reads);
}

static void bench_all(const struct message_store *m, uint64_t count)
{
    uint64_t first = make_conversations(m) + 1;
    bench_apply(m, first, count);
    bench_pages(m, first + count, false);
    bench_pages(m, first + count, true);
    bench_lookups(m, first, count);
    bench_list(m, true);
    bench_list(m, false);
}

static int bench_sqlite(const char *folder, uint64_t count)
{
    char path[512];
    struct fault fault = { .text = "" };
    struct stat info;
    struct sqlite_store *store;
    (void)snprintf(path, sizeof path, "%s/bench-store.db", folder);
    struct sqlite_store_options options = { .path = path };
    if (sqlite_store_open(&options, &store, &fault) != RC_OK) {
        (void)fprintf(stderr, "%s: %s\n", path, fault.text);
        return 1;
    }
    bench_all(sqlite_store_messages(store), count);
    sqlite_store_close(store);
    if (stat(path, &info) == 0)
        (void)printf("file           %9.0f bytes an event\n", (double)info.st_size / (double)count);
    (void)unlink(path);
    return 0;
}

static int bench_mongo(const char *url, uint64_t count)
{
    struct fault fault = { .text = "" };
    struct mongo_store_options options = { .url = url, .makes_indexes = true, .must_answer = true };
    if (mongo_store_open(&options, &mongo, &fault) != RC_OK) {
        (void)fprintf(stderr, "%s: %s\n", fault.field, fault.text);
        return 1;
    }
    must(mongo_store_clear(mongo), "clear");
    reads /= REMOTE_SHARE;
    lists /= REMOTE_SHARE;
    bench_all(mongo_store_messages(mongo), count);
    must(mongo_store_clear(mongo), "clear");
    mongo_store_close(mongo);
    return 0;
}

int main(int argc, char **argv)
{
    (void)setvbuf(stdout, NULL, _IOLBF, 0); /* each line as soon as it is known */
    uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) / BATCH * BATCH : 200000;
    if (argc < 2) {
        (void)fprintf(stderr, "usage: bench_store FOLDER|mongodb://… [events]\n");
        return 2;
    }
    return mongo_store_is_url(argv[1]) ? bench_mongo(argv[1], count) : bench_sqlite(argv[1], count);
}
