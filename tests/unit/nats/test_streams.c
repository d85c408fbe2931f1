/* Stream files against servers: what is missing, weaker, different; what applying refuses; servers
 * that are too old or sync lazily. Real servers, and one socket that only says an INFO line. */
#include "adapters/nats/streams.h"
#include "base/clock.h"
#include "support/check.h"
#include "support/nats_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static struct nats_server server;

static void stop_server(void)
{
    nats_server_stop(&server);
}

static struct nats_link *open_link(const char *url)
{
    struct nats_link *link = NULL;
    CHECK_RC(RC_OK, nats_link_create(&(struct nats_link_options){ .url = url }, &link, NULL));
    CHECK_RC(RC_OK, nats_link_wait(link, 5000));
    return link;
}

static struct nats_link *need_server(void)
{
    if (!server.port) {
        nats_server_start(&server, NULL);
        (void)atexit(stop_server);
    }
    return open_link(server.url);
}

static struct stream_vars vars_of(uint32_t partitions)
{
    return (struct stream_vars){ partitions, 1, 1, 64 << 20 };
}

static struct stream_set *load(const char *folder, const struct stream_vars *vars)
{
    struct stream_set *set = NULL;
    struct fault fault = { .field = "" };
    enum rc rc = streams_load(folder, vars, &set, &fault);
    if (rc != RC_OK)
        print_message("%s: %s\n", fault.field, fault.text);
    CHECK_RC(RC_OK, rc);
    return set;
}

static const struct stream_finding *find(const struct stream_report *report,
                                         enum stream_finding_kind kind, const char *item,
                                         const char *field)
{
    for (size_t i = 0; i < report->count; i++)
        if (report->findings[i].kind == kind && strcmp(report->findings[i].item, item) == 0 &&
            strcmp(report->findings[i].field, field) == 0)
            return &report->findings[i];
    return NULL;
}

static void ask(struct nats_link *link, const char *subject, const char *body)
{
    SCOPED_ARENA(arena, 1 << 20);
    struct bytes reply;
    CHECK_RC(RC_OK, nats_link_request(link, subject, bytes_of(body), 5000, &arena, &reply));
    if (memmem(reply.ptr, reply.len, "\"error\"", 7))
        print_message("%.*s\n", BYTES_ARG(reply));
    CHECK(!memmem(reply.ptr, reply.len, "\"error\"", 7));
}

TEST(applying_makes_what_is_missing_and_then_nothing_differs)
{
    struct nats_link *link = need_server();
    struct stream_vars vars = vars_of(2);
    struct stream_set *set = load("streams", &vars);
    struct stream_report report;
    CHECK_RC(RC_OK, streams_check(set, link, server.monitor_url, true, &report));
    CHECK(!report.is_ready);
    CHECK(find(&report, STREAM_MISSING, "stream CHAT_1", ""));
    CHECK(find(&report, STREAM_MISSING, "consumer CHAT_0.persister", ""));
    stream_report_fini(&report);
    CHECK_RC(RC_OK, streams_apply(set, link, &(struct stream_apply_options){ 0 }, &report));
    CHECK(report.is_ready);
    CHECK(find(&report, STREAM_CREATED, "stream KV_PRESENCE", ""));
    stream_report_fini(&report);
    CHECK_RC(RC_OK, streams_check(set, link, server.monitor_url, true, &report));
    CHECK(report.is_ready);
    CHECK_SIZE(0, report.count);
    stream_report_fini(&report);
    CHECK_RC(RC_OK, streams_apply(set, link, &(struct stream_apply_options){ 0 }, &report));
    CHECK_SIZE(0, report.count);
    stream_report_fini(&report);
    streams_destroy(set);
    nats_link_destroy(link);
}

TEST(a_bound_that_is_not_given_is_any_bound_but_there_must_be_one)
{
    struct nats_link *link = need_server();
    struct stream_vars vars = vars_of(2);
    vars.chat_max_bytes = 0;
    struct stream_set *set = load("streams", &vars);
    struct stream_report report;
    CHECK_RC(RC_OK, streams_diff(set, link, &report));
    CHECK_SIZE(0, report.count);
    stream_report_fini(&report);
    CHECK_RC(RC_INVALID, streams_apply(set, link, &(struct stream_apply_options){ 0 }, &report));
    CHECK_RC(RC_OK, streams_fill_limits(server.monitor_url, &vars));
    CHECK(vars.chat_max_bytes > 1 << 20);
    CHECK_RC(RC_OK, streams_fill_limits("", &vars)); /* it is set now */
    vars.chat_max_bytes = 0;
    CHECK_RC(RC_INVALID, streams_fill_limits("", &vars));
    streams_destroy(set);
    nats_link_destroy(link);
}

TEST(another_generation_or_partition_count_is_named)
{
    struct nats_link *link = need_server();
    struct stream_vars vars = vars_of(1);
    vars.generation = 2;
    struct stream_set *set = load("streams", &vars);
    struct stream_report report;
    CHECK_RC(RC_OK, streams_diff(set, link, &report));
    CHECK(!report.is_ready);
    const struct stream_finding *f =
        find(&report, STREAM_DIFFERENT, "stream CHAT_0", "metadata.parley.generation");
    CHECK(f != NULL);
    CHECK_STR("\"2\"", f->wanted);
    CHECK_STR("\"1\"", f->found);
    CHECK(find(&report, STREAM_DIFFERENT, "stream CHAT_0", "metadata.parley.partitions"));
    stream_report_fini(&report);
    streams_destroy(set);
    nats_link_destroy(link);
}

/* A folder with one stream of ours, so that a test may change it freely. */
static void write_folder(const struct scratch *folder, const char *json)
{
    char path[512];
    scratch_file(folder, "ONE.json", path, sizeof path);
    FILE *out = fopen(path, "we");
    CHECK(out && fputs(json, out) >= 0 && fclose(out) == 0);
}

#define ONE(age, bytes, more)                                                                      \
    "{\"name\":\"ONE\",\"subjects\":[\"one.>\"],\"storage\":\"file\",\"max_age\":" age             \
    ",\"max_bytes\":" bytes ",\"num_replicas\":1" more "}"

TEST(what_a_server_keeps_less_is_weaker_and_lowering_is_refused)
{
    struct nats_link *link = need_server();
    struct scratch folder;
    struct stream_vars vars = vars_of(1);
    struct stream_report report;
    scratch_init(&folder);
    ask(link, "$JS.API.STREAM.CREATE.ONE",
        "{\"name\":\"ONE\",\"subjects\":[\"one.>\"],\"storage\":\"file\",\"max_age\":3600000000000,"
        "\"max_bytes\":1000000,\"discard\":\"old\",\"description\":\"by hand\"}");
    write_folder(&folder, ONE("7200000000000", "500000",
                              ",\"discard\":\"new\",\"deny_delete\":true,\"allow_direct\":true"));
    struct stream_set *set = load(folder.path, &vars);
    CHECK_RC(RC_OK, streams_diff(set, link, &report));
    CHECK(find(&report, STREAM_WEAKER, "stream ONE", "max_age"));
    CHECK(find(&report, STREAM_WEAKER, "stream ONE", "discard"));
    CHECK(find(&report, STREAM_WEAKER, "stream ONE", "deny_delete"));
    CHECK(find(&report, STREAM_STRONGER, "stream ONE", "max_bytes"));
    CHECK(!find(&report, STREAM_DIFFERENT, "stream ONE", "description"));
    CHECK(!report.is_ready);
    stream_report_fini(&report);

    CHECK_RC(RC_OK, streams_apply(set, link, &(struct stream_apply_options){ 0 }, &report));
    const struct stream_finding *refused = find(&report, STREAM_REFUSED, "stream ONE", "max_bytes");
    CHECK(refused != NULL);
    CHECK_STR("500000", refused->wanted);
    CHECK_STR("1000000", refused->found);
    CHECK(find(&report, STREAM_UPDATED, "stream ONE", ""));
    CHECK(!report.is_ready);
    stream_report_fini(&report);
    CHECK_RC(RC_OK, streams_diff(set, link, &report)); /* the rest was updated */
    CHECK_SIZE(1, report.count);
    CHECK(find(&report, STREAM_STRONGER, "stream ONE", "max_bytes"));
    CHECK(report.is_ready);
    stream_report_fini(&report);

    CHECK_RC(RC_OK, streams_apply(set, link, &(struct stream_apply_options){ .is_forced = true },
                                  &report));
    CHECK(report.is_ready);
    stream_report_fini(&report);
    CHECK_RC(RC_OK, streams_diff(set, link, &report));
    CHECK_SIZE(0, report.count);
    stream_report_fini(&report);
    streams_destroy(set);
    scratch_fini(&folder);
    nats_link_destroy(link);
}

static void write_schema(const struct scratch *folder, const char *schema)
{
    char text[400];
    (void)snprintf(text, sizeof text,
                   "{\"name\":\"SKEW\",\"subjects\":[\"skew.>\"],\"storage\":\"memory\","
                   "\"max_age\":60000000000,\"metadata\":{\"parley.schema\":\"%s\"}}",
                   schema);
    write_folder(folder, text);
}

/* wanted: the kind of the one finding, or -1 for none. Then applies, and checks who won. */
static void check_skew(const struct scratch *folder, const char *schema, int wanted, bool is_ready)
{
    struct nats_link *link = need_server();
    struct stream_vars vars = vars_of(1);
    struct stream_report report;
    write_schema(folder, schema);
    struct stream_set *set = load(folder->path, &vars);
    CHECK_RC(RC_OK, streams_diff(set, link, &report));
    CHECK_SIZE(wanted >= 0 ? 1 : 0, report.count);
    if (wanted >= 0)
        CHECK(find(&report, (enum stream_finding_kind)wanted, "stream SKEW",
                   "metadata.parley.schema"));
    CHECK_INT(is_ready, report.is_ready);
    stream_report_fini(&report);
    CHECK_RC(RC_OK, streams_apply(set, link, &(struct stream_apply_options){ 0 }, &report));
    stream_report_fini(&report);
    streams_destroy(set);
    nats_link_destroy(link);
}

TEST(one_schema_version_apart_is_no_fault_and_is_never_set_back)
{
    struct scratch folder;
    struct nats_link *link = need_server();
    scratch_init(&folder);
    ask(link, "$JS.API.STREAM.CREATE.SKEW",
        "{\"name\":\"SKEW\",\"subjects\":[\"skew.>\"],\"storage\":\"memory\","
        "\"max_age\":60000000000,\"metadata\":{\"parley.schema\":\"3\"}}");
    check_skew(&folder, "3", -1, true);
    check_skew(&folder, "2", STREAM_SKEWED, true);     /* ours is older; applying leaves it */
    check_skew(&folder, "1", STREAM_DIFFERENT, false); /* two apart */
    check_skew(&folder, "4", STREAM_SKEWED, true);     /* ours is newer; applying raises it */
    check_skew(&folder, "4", -1, true);
    check_skew(&folder, "x", STREAM_DIFFERENT, false);
    scratch_fini(&folder);
    nats_link_destroy(link);
}

TEST(what_can_not_be_changed_is_told_not_hidden)
{
    struct nats_link *link = need_server();
    struct scratch folder;
    struct stream_vars vars = vars_of(1);
    struct stream_report report;
    scratch_init(&folder);
    write_folder(&folder, "{\"name\":\"ONE\",\"subjects\":[\"one.>\"],\"storage\":\"memory\"}");
    struct stream_set *set = load(folder.path, &vars);
    CHECK_RC(RC_OK, streams_apply(set, link, &(struct stream_apply_options){ .is_forced = true },
                                  &report));
    CHECK(!report.is_ready);
    CHECK(find(&report, STREAM_FAILED, "stream ONE", ""));
    stream_report_fini(&report);
    streams_destroy(set);
    scratch_fini(&folder);
    nats_link_destroy(link);
}

TEST(only_streams_in_memory_are_made_again_after_a_restart)
{
    struct nats_link *link = need_server();
    struct stream_vars vars = vars_of(2);
    vars.chat_max_bytes = 0;
    struct stream_set *set = load("streams", &vars);
    struct stream_report report;
    const struct stream_apply_options memory = { .is_memory_only = true };
    nats_server_kill(&server);
    nats_server_restart(&server);
    CHECK_RC(RC_OK, nats_link_wait(link, 5000));
    int64_t stop = clock_monotonic_ms(clock_system()) + 8000; /* JetStream recovers its streams */
    enum rc rc = RC_UNAVAILABLE;
    while (rc != RC_OK && clock_monotonic_ms(clock_system()) < stop)
        rc = streams_check(set, link, server.monitor_url, true, &report);
    CHECK_RC(RC_OK, rc);
    CHECK(find(&report, STREAM_MISSING, "stream KV_PRESENCE", ""));
    stream_report_fini(&report);
    CHECK_RC(RC_OK, streams_apply(set, link, &memory, &report));
    CHECK_SIZE(1, report.count);
    CHECK(find(&report, STREAM_CREATED, "stream KV_PRESENCE", ""));
    stream_report_fini(&report);
    CHECK_RC(RC_OK, streams_check(set, link, server.monitor_url, true, &report));
    CHECK(report.is_ready);
    stream_report_fini(&report);
    streams_destroy(set);
    nats_link_destroy(link);
}

TEST(files_that_are_wrong_are_named)
{
    static const char *const bad[] = { "{",
                                       "[]",
                                       "{\"a\":1}",
                                       "{\"name\":\"a b\"}",
                                       "{\"name\":\"A\",\"name\":\"B\"}",
                                       "{\"stream_name\":\"A\"}",
                                       "" };
    struct scratch folder;
    struct stream_vars vars = vars_of(1);
    struct stream_set *set = NULL;
    struct fault fault;
    scratch_init(&folder);
    CHECK_RC(RC_NOT_FOUND, streams_load(folder.path, &vars, &set, &fault));
    CHECK_RC(RC_NOT_FOUND, streams_load("/nonexistent-folder", &vars, &set, &fault));
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        write_folder(&folder, bad[i]);
        fault = (struct fault){ .field = "" };
        CHECK_RC(RC_INVALID, streams_load(folder.path, &vars, &set, &fault));
        CHECK_STR("ONE.json", fault.field);
        CHECK(fault.text[0] != 0);
    }
    vars.partitions = 0;
    CHECK_RC(RC_INVALID, streams_load("streams", &vars, &set, &fault));
    scratch_fini(&folder);
}

TEST(how_long_conversations_are_kept_is_read_from_the_files)
{
    struct scratch folder;
    struct stream_vars vars = vars_of(2);
    struct stream_set *set = load("streams", &vars);
    CHECK_INT(7LL * 24 * 3600 * 1000, streams_chat_max_age_ms(set));
    streams_destroy(set);
    scratch_init(&folder);
    write_folder(&folder, "{\"name\":\"CHAT_{{p}}\",\"max_age\":90000000000}");
    set = load(folder.path, &vars);
    CHECK_INT(90000, streams_chat_max_age_ms(set));
    streams_destroy(set);
    write_folder(&folder, "{\"name\":\"CHAT_DLQ\",\"max_age\":90000000000}");
    set = load(folder.path, &vars);
    CHECK_INT(0, streams_chat_max_age_ms(set)); /* another stream's, and none of theirs */
    streams_destroy(set);
    scratch_fini(&folder);
}

TEST(a_server_that_syncs_lazily_is_told)
{
    struct nats_server lazy;
    struct stream_vars vars = vars_of(1);
    struct stream_report report;
    nats_server_start(&lazy, "jetstream { sync_interval: 2m }");
    struct nats_link *link = open_link(lazy.url);
    struct stream_set *set = load("streams", &vars);
    CHECK_RC(RC_OK, streams_apply(set, link, &(struct stream_apply_options){ 0 }, &report));
    CHECK(report.is_ready);
    stream_report_fini(&report);
    CHECK_RC(RC_OK, streams_check(set, link, lazy.monitor_url, true, &report));
    CHECK(!report.is_ready);
    CHECK_SIZE(1, report.count);
    CHECK(find(&report, STREAM_SERVER, "server", "sync_interval"));
    stream_report_fini(&report);
    /* Where it needn't, a note says so. */
    CHECK_RC(RC_OK, streams_check(set, link, lazy.monitor_url, false, &report));
    CHECK(find(&report, STREAM_UNSEEN, "server", "sync_interval"));
    CHECK(report.is_ready);
    stream_report_fini(&report);
    streams_destroy(set);
    nats_link_destroy(link);
    nats_server_stop(&lazy);
}

TEST(a_server_that_nobody_can_look_at_is_not_taken_for_one_that_syncs)
{
    static const char *const blind[] = { NULL, "", "http://127.0.0.1:9" };
    struct stream_vars vars = vars_of(1);
    struct stream_report report;
    struct nats_link *link = need_server();
    struct stream_set *set = load("streams", &vars);
    CHECK_RC(RC_OK, streams_apply(set, link, &(struct stream_apply_options){ 0 }, &report));
    stream_report_fini(&report);
    for (size_t i = 0; i < COUNT_OF(blind); i++) {
        CHECK_RC(RC_OK, streams_check(set, link, blind[i], true, &report));
        CHECK(find(&report, STREAM_UNPROVEN, "server", "sync_interval"));
        CHECK(!report.is_ready);
        CHECK(!report.has_fault);
        stream_report_fini(&report);
        CHECK_RC(RC_OK, streams_check(set, link, blind[i], false, &report));
        CHECK(find(&report, STREAM_UNSEEN, "server", "sync_interval"));
        CHECK(report.is_ready);
        stream_report_fini(&report);
    }
    streams_destroy(set);
    nats_link_destroy(link);
}

/* Stands between client and server and lets all through, but says another version in the INFO. */
struct old_server {
    int listener, port;
    pthread_t thread;
};

static int dial_server(void)
{
    const struct sockaddr_in to = { .sin_family = AF_INET,
                                    .sin_port = htons((uint16_t)server.port),
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return connect(fd, (const struct sockaddr *)&to, sizeof to) == 0 ? fd : -1;
}

static void *pump(void *arg)
{
    const int *fds = arg;
    char bytes[65536];
    bool is_info = fds[2];
    ssize_t got;
    while ((got = recv(fds[0], bytes, sizeof bytes, 0)) > 0) {
        char *version = is_info ? memmem(bytes, (size_t)got, "\"version\":\"2.", 13) : NULL;
        if (version)
            memcpy(version + 13, version[14] == '.' ? "9." : "09", 2);
        is_info = false;
        if (send(fds[1], bytes, (size_t)got, MSG_NOSIGNAL) != got)
            break;
    }
    (void)shutdown(fds[1], SHUT_WR);
    free(arg);
    return NULL;
}

static void start_pump(int from, int to, bool is_info)
{
    pthread_t thread;
    int *fds = malloc(3 * sizeof *fds);
    fds[0] = from, fds[1] = to, fds[2] = is_info;
    if (pthread_create(&thread, NULL, pump, fds) == 0)
        (void)pthread_detach(thread);
}

static void *accept_all(void *arg)
{
    struct old_server *old = arg;
    int fd;
    while ((fd = accept4(old->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        int up = dial_server();
        start_pump(up, fd, true);
        start_pump(fd, up, false);
    }
    return NULL;
}

TEST(a_server_that_is_too_old_is_told)
{
    struct nats_link *direct = need_server();
    struct old_server old;
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof at;
    char url[64];
    struct stream_vars vars = vars_of(2);
    struct stream_report report;
    old.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(0, bind(old.listener, (struct sockaddr *)&at, sizeof at));
    CHECK_INT(0, listen(old.listener, 16));
    CHECK_INT(0, getsockname(old.listener, (struct sockaddr *)&at, &len));
    (void)snprintf(url, sizeof url, "nats://127.0.0.1:%d", ntohs(at.sin_port));
    CHECK_INT(0, pthread_create(&old.thread, NULL, accept_all, &old));
    struct nats_link *link = open_link(url);
    struct stream_set *set = load("streams", &vars);
    CHECK_RC(RC_OK, streams_check(set, link, server.monitor_url, true, &report));
    const struct stream_finding *f = find(&report, STREAM_SERVER, "server", "version");
    CHECK(f != NULL);
    CHECK(strncmp(f->found, "2.0", 3) == 0 || strncmp(f->found, "2.9", 3) == 0);
    CHECK(!report.is_ready);
    stream_report_fini(&report);
    nats_link_destroy(link);
    /* Of several it is named, whichever of them the link is on. */
    char urls[160], name[64];
    (void)snprintf(urls, sizeof urls, "%s,%s", server.url, url);
    (void)snprintf(name, sizeof name, "server %s", url + strlen("nats://"));
    link = open_link(urls);
    CHECK_RC(RC_OK, streams_check(set, link, server.monitor_url, true, &report));
    CHECK(find(&report, STREAM_SERVER, name, "version"));
    CHECK(!report.is_ready);
    stream_report_fini(&report);
    streams_destroy(set);
    nats_link_destroy(link);
    nats_link_destroy(direct);
    (void)shutdown(old.listener, SHUT_RDWR);
    (void)pthread_join(old.thread, NULL);
    close(old.listener);
}

TEST(of_several_servers_the_one_that_is_wrong_is_named_and_one_that_is_away_is_no_fault)
{
    struct nats_server lazy;
    struct stream_vars vars = vars_of(2);
    struct stream_report report;
    char urls[256], monitors[256], lazy_name[64], away_name[] = "server 127.0.0.1:9";
    struct nats_link *direct = need_server(), *link = NULL;
    nats_server_start(&lazy, "jetstream { sync_interval: 2m, max_file_store: 500MB }");
    (void)snprintf(urls, sizeof urls, "%s,%s,nats://127.0.0.1:9", server.url, lazy.url);
    (void)snprintf(monitors, sizeof monitors, "%s,%s,http://127.0.0.1:9", server.monitor_url,
                   lazy.monitor_url);
    (void)snprintf(lazy_name, sizeof lazy_name, "server 127.0.0.1:%d", lazy.monitor_port);
    struct stream_set *set = load("streams", &vars);
    link = open_link(urls); /* both have no streams or have them: what counts here is the servers */
    CHECK_RC(RC_OK, streams_check(set, link, monitors, true, &report));
    CHECK(!report.is_ready);
    CHECK(find(&report, STREAM_SERVER, lazy_name, "sync_interval"));
    CHECK(find(&report, STREAM_UNSEEN, away_name, "sync_interval"));
    CHECK(find(&report, STREAM_UNSEEN, away_name, "version"));
    stream_report_fini(&report);
    /* One page says nothing of the other server. */
    CHECK_RC(RC_OK, streams_check(set, link, server.monitor_url, true, &report));
    CHECK(find(&report, STREAM_UNPROVEN, "server", "sync_interval"));
    CHECK(!report.is_ready);
    stream_report_fini(&report);
    /* The smallest disk bounds the streams, since each server holds all of them. */
    vars.chat_max_bytes = 0;
    CHECK_RC(RC_OK, streams_fill_limits(monitors, &vars));
    CHECK(vars.chat_max_bytes > 0 && vars.chat_max_bytes <= (500ull << 20) * 7 / 10 / 2);
    streams_destroy(set);
    nats_link_destroy(link);
    nats_link_destroy(direct);
    nats_server_stop(&lazy);
}

/* Its disk was full, or it hangs on its way out: the others carry on, so gateways do too. */
TEST(of_several_servers_one_whose_jetstream_is_off_is_no_fault)
{
    struct nats_server off;
    struct stream_vars vars = vars_of(1);
    struct stream_report report;
    char urls[256], name[64];
    struct nats_link *direct = need_server(), *link = NULL;
    nats_server_start(&off, "jetstream: disabled");
    (void)snprintf(urls, sizeof urls, "%s,%s", server.url, off.url);
    (void)snprintf(name, sizeof name, "server 127.0.0.1:%d", off.port);
    struct stream_set *set = load("streams", &vars);
    CHECK_RC(RC_OK, streams_apply(set, direct, &(struct stream_apply_options){ 0 }, &report));
    stream_report_fini(&report);
    nats_server_kill(&off); /* so that the link is on the other one */
    link = open_link(urls);
    nats_server_restart(&off);
    CHECK_RC(RC_OK, streams_check(set, link, server.monitor_url, true, &report));
    CHECK(find(&report, STREAM_UNSEEN, name, "version"));
    CHECK(!find(&report, STREAM_SERVER, name, "jetstream"));
    stream_report_fini(&report);
    nats_link_destroy(link);
    /* Alone, it is what is wrong; and of two, somebody must have it. */
    link = open_link(off.url);
    CHECK_RC(RC_UNAVAILABLE, streams_check(set, link, NULL, true, &report));
    streams_destroy(set);
    nats_link_destroy(link);
    nats_link_destroy(direct);
    nats_server_stop(&off);
}

TEST(addresses_are_taken_apart)
{
    static const struct {
        const char *url, *host, *port;
    } rows[] = { { "nats://a:1", "a", "1" },
                 { "nats://u:p@10.0.0.1:4333/x", "10.0.0.1", "4333" },
                 { "tls://host", "host", "4222" },
                 { "[::1]:5", "::1", "5" },
                 { "nats://u:p@@[fe80::1]", "fe80::1", "4222" } };
    char host[256], port[8];
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CHECK(nats_url_split(rows[i].url, host, port));
        CHECK_STR(rows[i].host, host);
        CHECK_STR(rows[i].port, port);
    }
    CHECK(!nats_url_split("nats://", host, port));
    CHECK(!nats_url_split("nats://:4222", host, port));
    CHECK(!nats_url_split("nats://[::1", host, port));
}

TEST(nothing_is_known_of_a_server_that_is_away)
{
    struct nats_link *link = NULL;
    struct stream_vars vars = vars_of(1);
    struct stream_report report;
    struct stream_set *set = load("streams", &vars);
    CHECK_RC(RC_OK, nats_link_create(&(struct nats_link_options){ .url = "nats://127.0.0.1:9" },
                                     &link, NULL));
    CHECK_RC(RC_UNAVAILABLE, nats_link_wait(link, 100));
    CHECK_RC(RC_UNAVAILABLE, streams_check(set, link, NULL, true, &report));
    CHECK_RC(RC_UNAVAILABLE,
             streams_apply(set, link, &(struct stream_apply_options){ 0 }, &report));
    streams_destroy(set);
    nats_link_destroy(link);
}

TEST(a_refused_login_is_final_and_told)
{
    struct nats_server guarded;
    struct nats_link *link = NULL;
    nats_server_start(&guarded, "authorization { user: a, password: b }");
    const struct nats_link_options wrong = { .url = guarded.url, .user = "a", .password = "wrong" };
    /* Again and again: whether the refusal comes within the creation or after it is a race. */
    for (int i = 0; i < 20; i++) {
        struct fault fault = { .field = "" };
        enum rc rc = nats_link_create(&wrong, &link, &fault);
        if (rc == RC_DENIED) {
            CHECK_STR("user", fault.field);
            continue;
        }
        CHECK_RC(RC_OK, rc);
        CHECK_RC(RC_DENIED, nats_link_wait(link, 5000));
        CHECK(nats_link_is_dead(link));
        nats_link_destroy(link);
    }
    CHECK_RC(RC_OK,
             nats_link_create(
                 &(struct nats_link_options){ .url = guarded.url, .user = "a", .password = "b" },
                 &link, NULL));
    CHECK_RC(RC_OK, nats_link_wait(link, 5000));
    nats_link_destroy(link);
    nats_server_stop(&guarded);
}
