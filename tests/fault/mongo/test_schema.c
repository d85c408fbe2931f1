/* Opening: URLs that are none, logins, indexes that are missing or others' - each told by a fault
 * that names the setting and never holds a part of the URL. On mongo-java-server. */
#include "adapters/mongo/mongo_store.h"
#include "support/check.h"
#include "support/mongo_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static struct mongo_server server;

static void stop(void)
{
    mongo_server_stop(&server);
}

/* ---- commands past the store, as another program would send them: BSON by hand ---- */

struct raw {
    uint8_t bytes[1024];
    size_t len;
};

static void raw_add(struct raw *r, const void *from, size_t len)
{
    CHECK(r->len + len <= sizeof r->bytes);
    memcpy(r->bytes + r->len, from, len);
    r->len += len;
}

static void raw_u32(struct raw *r, uint32_t value)
{
    const uint8_t bytes[] = { (uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16),
                              (uint8_t)(value >> 24) };
    raw_add(r, bytes, sizeof bytes);
}

static void raw_name(struct raw *r, char type, const char *name)
{
    raw_add(r, &type, 1);
    raw_add(r, name, strlen(name) + 1);
}

static void raw_text(struct raw *r, const char *name, const char *text)
{
    raw_name(r, 2, name);
    raw_u32(r, (uint32_t)strlen(text) + 1);
    raw_add(r, text, strlen(text) + 1);
}

static void raw_int(struct raw *r, const char *name, uint32_t value)
{
    raw_name(r, 16, name);
    raw_u32(r, value);
}

/* Where the length of the document stands that begins here. */
static size_t raw_begin(struct raw *r)
{
    size_t at = r->len;
    raw_u32(r, 0);
    return at;
}

static void raw_end(struct raw *r, size_t at)
{
    uint32_t len;
    raw_add(r, "", 1);
    len = (uint32_t)(r->len - at);
    memcpy(r->bytes + at, &len, sizeof len); /* little endian, as all machines that we build for */
}

static struct raw command_begin(size_t *out_at)
{
    struct raw r = { .len = 0 };
    for (int i = 0; i < 3; i++)
        raw_u32(&r, 0); /* length (at the end), request, answered request */
    raw_u32(&r, 2013);  /* OP_MSG */
    raw_u32(&r, 0);     /* flags */
    raw_add(&r, "", 1); /* a body */
    *out_at = raw_begin(&r);
    return r;
}

/* Sends it and checks that the answer says {ok: 1.0}. */
static void command_send(struct raw *r, size_t at, const char *database)
{
    static const char ok[] = "\x01ok\0\0\0\0\0\0\0\xf0\x3f";
    const struct sockaddr_in address = { .sin_family = AF_INET,
                                         .sin_port = htons((uint16_t)server.port),
                                         .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    uint8_t answer[4096];
    raw_text(r, "$db", database);
    raw_end(r, at);
    uint32_t len = (uint32_t)r->len;
    memcpy(r->bytes, &len, sizeof len);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(0, connect(fd, (const struct sockaddr *)&address, sizeof address));
    CHECK_INT((int64_t)len, send(fd, r->bytes, len, MSG_NOSIGNAL));
    ssize_t got = recv(fd, answer, sizeof answer, 0);
    close(fd);
    CHECK(got > 0 && memmem(answer, (size_t)got, ok, sizeof ok - 1));
}

static void drop_index(const char *database, const char *collection, const char *name)
{
    size_t at;
    struct raw r = command_begin(&at);
    raw_text(&r, "dropIndexes", collection);
    raw_text(&r, "index", name);
    command_send(&r, at, database);
}

/* An index of that name over another field. */
static void make_other_index(const char *database, const char *collection, const char *name)
{
    size_t at, list, spec, keys;
    struct raw r = command_begin(&at);
    raw_text(&r, "createIndexes", collection);
    raw_name(&r, 4, "indexes");
    list = raw_begin(&r);
    raw_name(&r, 3, "0");
    spec = raw_begin(&r);
    raw_name(&r, 3, "key");
    keys = raw_begin(&r);
    raw_int(&r, "somethingElse", 1);
    raw_end(&r, keys);
    raw_text(&r, "name", name);
    raw_end(&r, spec);
    raw_end(&r, list);
    command_send(&r, at, database);
}

static void url_of(const char *database, char *out, size_t room)
{
    if (!server.port) {
        mongo_server_start(&server, MONGO_JAVA);
        (void)atexit(stop);
    }
    mongo_server_url(&server, database, 0, NULL, out, room);
}

static enum rc try_open(const char *url, bool makes_indexes, struct mongo_store **out,
                        struct fault *fault)
{
    const struct mongo_store_options options = { .url = url,
                                                 .makes_indexes = makes_indexes,
                                                 .must_answer = true };
    *fault = (struct fault){ 0 };
    return mongo_store_open(&options, out, fault);
}

static void check_refused(const char *url, const char *needle)
{
    struct mongo_store *store = NULL;
    struct fault fault;
    CHECK_RC(RC_INVALID, try_open(url, false, &store, &fault));
    CHECK(store == NULL);
    CHECK_STR("store.url", fault.field);
    CHECK(strstr(fault.text, needle));
    CHECK(!strstr(fault.text, "hunter2") && !strstr(fault.text, "parley@"));
}

TEST(a_url_that_is_none_is_refused_without_a_word_of_it)
{
    check_refused("mongodb://", "no MongoDB URI");
    check_refused("mongodb://parley:hunter2@h:99999/db", "no MongoDB URI");
    check_refused("mongodb://parley:hunter2%zz@h/db", "no MongoDB URI");
    check_refused("mongodb://parley:hunter2@h/", "name a database");
    check_refused("mongodb://parley:hunter2@h/db?w=0", "w=0");
    check_refused("mongodb://parley:hunter2@h/db?readPreference=secondary", "must be primary");
    CHECK(mongo_store_is_url("mongodb+srv://h/db") && !mongo_store_is_url("sqlite:db"));
}

TEST(a_server_that_is_not_there_is_told)
{
    struct mongo_store *store = NULL;
    struct fault fault;
    CHECK_RC(RC_UNAVAILABLE,
             try_open("mongodb://parley:hunter2@127.0.0.1:1/db?serverSelectionTimeoutMS=300", true,
                      &store, &fault));
    CHECK_STR("no server answers", fault.text);
}

TEST(a_database_without_a_store_is_told_and_init_makes_it)
{
    char url[256];
    struct mongo_store *store = NULL;
    struct fault fault;
    url_of("fresh", url, sizeof url);
    CHECK_RC(RC_NOT_FOUND, try_open(url, false, &store, &fault));
    CHECK(strstr(fault.text, "holds no store"));
    CHECK_RC(RC_OK, try_open(url, true, &store, &fault));
    CHECK_RC(RC_OK, mongo_store_init(store, &fault)); /* again: nothing to do */
    CHECK_RC(RC_OK, mongo_store_check(store, &fault));
    mongo_store_close(store);
    CHECK_RC(RC_OK, try_open(url, false, &store, &fault));
    struct mongo_store_facts facts;
    CHECK_RC(RC_OK, mongo_store_facts(store, &facts));
    CHECK(facts.version[0] && facts.is_standalone && facts.has_ttl);
    mongo_store_close(store);
}

static const struct {
    const char *collection, *name;
} indexes[] = {
    { "events", "conversation_in_order" }, { "events", "conversation_in_time" },
    { "facts", "group_in_order" },         { "marks", "marks_of_first" },
    { "links", "links_of_seq" },           { "conversations", "channels" },
    { "memberships", "members_of" },       { "memberships", "conversations_of" },
    { "userFeed", "feed_in_order" },       { "requests", "requests_by_expiry" },
};

/* A start that may make indexes makes those that are missing, and none that is there otherwise. */
TEST(every_index_that_is_missing_or_another_is_told_by_its_name)
{
    char url[256];
    struct mongo_store *store = NULL;
    struct fault fault;
    url_of("indexes", url, sizeof url);
    CHECK_RC(RC_OK, try_open(url, true, &store, &fault));
    for (size_t i = 0; i < COUNT_OF(indexes); i++) {
        drop_index("indexes", indexes[i].collection, indexes[i].name);
        CHECK_RC(RC_INVALID, mongo_store_check(store, &fault));
        CHECK_STR("store.url", fault.field);
        CHECK(strstr(fault.text, indexes[i].name) && strstr(fault.text, "is missing"));
        make_other_index("indexes", indexes[i].collection, indexes[i].name);
        CHECK_RC(RC_INVALID, mongo_store_init(store, &fault));
        CHECK(strstr(fault.text, indexes[i].name) && strstr(fault.text, "other keys"));
        drop_index("indexes", indexes[i].collection, indexes[i].name);
        CHECK_RC(RC_OK, mongo_store_init(store, &fault));
        CHECK_RC(RC_OK, mongo_store_check(store, &fault));
    }
    mongo_store_close(store);
}

TEST(a_start_with_a_wrong_index_is_refused)
{
    char url[256];
    struct mongo_store *store = NULL;
    struct fault fault;
    url_of("refused", url, sizeof url);
    CHECK_RC(RC_OK, try_open(url, true, &store, &fault));
    mongo_store_close(store);
    store = NULL;
    drop_index("refused", "marks", "marks_of_first");
    make_other_index("refused", "marks", "marks_of_first");
    CHECK_RC(RC_INVALID, try_open(url, true, &store, &fault));
    CHECK(store == NULL && strstr(fault.text, "collection marks: the index marks_of_first"));
}
