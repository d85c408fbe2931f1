/* cmd_status.c - the state of everything on one page: server, streams, persisters, store, dead
 * letters, readiness. Exit 1 when something needs a person. */
#include <stdlib.h>

#include "adapters/nats/probe.h"
#include "base/clock.h"
#include "base/rc.h"
#include "ctl_nats.h"
#include "ports/log_consumer.h"
#include "ports/message_store.h"
#include "store.h"

enum { PAGE_BYTES_MAX = 4 * 1024 * 1024 };

struct status {
    const struct ctl *ctl;
    struct nats_link *link;
    const struct message_store *store; /* NULL: can't be read from here */
    json_t *out;
    json_t *faults; /* sentences */
};

static void add_fault(struct status *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void add_fault(struct status *s, const char *format, ...)
{
    char text[256];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    (void)json_array_append_new(s->faults, json_string(text));
}

static json_int_t int_at(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static json_t *monitor_page(const char *url, const char *path)
{
    SCOPED_ARENA(arena, PAGE_BYTES_MAX);
    struct bytes body;
    json_error_t error;

    if (!url[0] || probe_http(url, path, &arena, &body) != RC_OK)
        return NULL;
    return json_loadb((const char *)body.ptr, body.len, 0, &error);
}

static const char *text_or(const json_t *text, const char *otherwise)
{
    const char *value = json_string_value(text);
    return value && value[0] ? value : otherwise;
}

/* From one server's monitoring port: whether it syncs before it answers is seen nowhere else. */
static void look_at_server(struct status *s, const char *url, bool has_others, json_t *servers)
{
    SCOPED_CTL_JSON json_t *general = monitor_page(url, "/varz");
    SCOPED_CTL_JSON json_t *page = monitor_page(url, "/jsz?config=1");
    const json_t *config = json_object_get(page, "config");
    const char *name = text_or(json_object_get(general, "server_name"), "unknown");
    const char *syncs = "unknown";

    if (config)
        syncs = json_is_true(json_object_get(config, "sync_always")) ? "always" : "lazily";
    if (strcmp(syncs, "lazily") == 0)
        add_fault(s, "%s answers before it syncs (sync_interval isn't always)",
                  has_others ? name : "nats-server");
    if (!general && has_others)
        add_fault(s, "the nats-server at %s doesn't answer", url);
    (void)json_array_append_new(
        servers,
        json_pack("{s:s,s:s,s:s,s:s,s:I,s:I,s:s}", "url", url, "name", name, "version",
                  text_or(json_object_get(general, "version"), "unknown"), "sync", syncs,
                  "storageBytes", int_at(page, "storage"), "storageMaxBytes",
                  int_at(config, "max_storage"), "metaLeader",
                  text_or(json_object_get(json_object_get(page, "meta_cluster"), "leader"), "")));
}

/* One that answers stands for all where only one is asked for. */
static void look_at_servers(struct status *s)
{
    const char *at = s->ctl->config->nats.monitor_url;
    json_t *servers = json_array(), *first = NULL;
    bool has_leader = false;
    size_t i;
    json_t *one;

    do { /* once as well when there is none */
        size_t len = strcspn(at, ", ");
        char url[300];
        (void)snprintf(url, sizeof url, "%.*s", (int)len, at);
        at += len + strspn(at + len, ", ");
        look_at_server(s, url, *at || json_array_size(servers) > 0, servers);
    } while (*at);
    json_array_foreach(servers, i, one)
    {
        bool answers = strcmp(json_string_value(json_object_get(one, "name")), "unknown") != 0;
        has_leader = has_leader || json_string_length(json_object_get(one, "metaLeader")) > 0;
        first = !first && answers ? one : first;
    }
    if (first && json_array_size(servers) > 1 && !has_leader)
        add_fault(s, "the nats-servers have no leader: nothing is stored until two of three meet");
    (void)json_object_set(s->out, "server", first ? first : json_array_get(servers, 0));
    (void)json_object_set_new(s->out, "servers", servers);
}

/* Copies that lag or are away: while one is, no second server may fail. */
static void look_at_copies(struct status *s, const char *stream, const json_t *cluster,
                           json_t *part)
{
    const json_t *copies = json_object_get(cluster, "replicas"), *copy;
    json_int_t good = 1;
    size_t i;

    if (!cluster)
        return;
    json_array_foreach(copies, i, copy)
    {
        const char *name = text_or(json_object_get(copy, "name"), "?");
        bool is_away = json_is_true(json_object_get(copy, "offline"));
        bool is_current = json_is_true(json_object_get(copy, "current")) && !is_away;
        good += is_current;
        if (!is_current)
            add_fault(s, "%s: the copy on %s %s", stream, name,
                      is_away ? "is away" : "has not caught up");
    }
    (void)json_object_set_new(part, "leader",
                              json_string(text_or(json_object_get(cluster, "leader"), "")));
    (void)json_object_set_new(part, "copies", json_integer(good));
}

static void look_at_consumer(struct status *s, const char *stream, json_t *part)
{
    SCOPED_CTL_JSON json_t *info = NULL;
    char call[96];

    (void)snprintf(call, sizeof call, "CONSUMER.INFO.%s.persister", stream);
    if (ctl_js(s->link, call, NULL, &info) != RC_OK) {
        add_fault(s, "%s has no consumer \"persister\"", stream);
        return;
    }
    /* Whoever asks for records counts: the pin is given with the first one only. */
    const json_t *group = json_array_get(json_object_get(info, "priority_groups"), 0);
    const char *pinned = json_string_value(json_object_get(group, "pinned_client_id"));
    bool is_asked = int_at(info, "num_waiting") > 0 || (pinned && pinned[0]);
    /* Until the store says better: what was fetched and not acknowledged may be in it. */
    (void)json_object_set_new(
        part, "pending",
        json_integer(int_at(info, "num_pending") + int_at(info, "num_ack_pending")));
    (void)json_object_set_new(part, "unfetched", json_integer(int_at(info, "num_pending")));
    (void)json_object_set_new(part, "unacknowledged",
                              json_integer(int_at(info, "num_ack_pending")));
    (void)json_object_set_new(part, "redelivered", json_integer(int_at(info, "num_redelivered")));
    (void)json_object_set_new(part, "hasPersister", json_boolean(is_asked));
    if (!is_asked)
        add_fault(s, "%s: no persister asks for records", stream);
}

/* The age of the first record that the store doesn't have. */
static void look_at_lag(struct status *s, const char *stream, uint64_t applied, uint64_t last,
                        int64_t max_age_ns, json_t *part)
{
    SCOPED_ARENA(arena, PAGE_BYTES_MAX);
    SCOPED_CTL_JSON json_t *request = json_pack("{s:I}", "seq", (json_int_t)applied + 1);
    struct ctl_stored stored;
    int64_t at_us, lag_ms = 0;

    if (last > applied && ctl_stored_get(s->link, stream, request, &arena, &stored) == RC_OK &&
        rfc3339_read(bytes_of(stored.time), &at_us))
        lag_ms = (clock_wall_us(clock_system()) - at_us) / 1000;
    if (lag_ms < 0)
        lag_ms = 0;
    (void)json_object_set_new(part, "applied", json_integer((json_int_t)applied));
    (void)json_object_set_new(part, "pending",
                              json_integer(last > applied ? (json_int_t)(last - applied) : 0));
    (void)json_object_set_new(part, "lagMs", json_integer(lag_ms));
    if (max_age_ns > 0 && lag_ms > max_age_ns / 1000000 / 2)
        add_fault(s, "%s: the oldest record that the store lacks has lived over half of max_age",
                  stream);
}

static void look_at_stream(struct status *s, int64_t p, json_t *parts)
{
    SCOPED_CTL_JSON json_t *info = NULL;
    char stream[32], call[64];
    uint64_t applied;
    uint32_t generation = (uint32_t)s->ctl->config->streams.generation;

    (void)snprintf(stream, sizeof stream, "CHAT_%lld", (long long)p);
    (void)snprintf(call, sizeof call, "STREAM.INFO.%s", stream);
    if (ctl_js(s->link, call, NULL, &info) != RC_OK) {
        add_fault(s, "stream %s isn't there", stream);
        return;
    }
    const json_t *state = json_object_get(info, "state");
    const json_t *config = json_object_get(info, "config");
    json_int_t bytes = int_at(state, "bytes"), bytes_max = int_at(config, "max_bytes");
    json_t *part =
        json_pack("{s:s,s:I,s:I,s:I,s:I,s:I}", "stream", stream, "messages",
                  int_at(state, "messages"), "bytes", bytes, "maxBytes", bytes_max, "firstSeq",
                  int_at(state, "first_seq"), "lastSeq", int_at(state, "last_seq"));
    if (bytes_max > 0 && bytes / 8 > bytes_max / 10)
        add_fault(s, "%s is over 80 %% full", stream);
    look_at_copies(s, stream, json_object_get(info, "cluster"), part);
    look_at_consumer(s, stream, part);
    if (s->store && s->store->applied(s->store->self, generation, (uint32_t)p, &applied) == RC_OK)
        look_at_lag(s, stream, applied, (uint64_t)int_at(state, "last_seq"),
                    int_at(config, "max_age"), part);
    (void)json_array_append_new(parts, part);
}

static void look_at_dead_letters(struct status *s)
{
    SCOPED_CTL_JSON json_t *info = NULL;

    if (ctl_js(s->link, "STREAM.INFO.CHAT_DLQ", NULL, &info) != RC_OK) {
        add_fault(s, "stream CHAT_DLQ isn't there: persisters stop at the first dead letter");
        return;
    }
    const json_t *state = json_object_get(info, "state");
    json_int_t count = int_at(state, "messages");
    (void)json_object_set_new(s->out, "deadLetters",
                              json_pack("{s:I,s:I,s:I}", "count", count, "bytes",
                                        int_at(state, "bytes"), "maxBytes",
                                        int_at(json_object_get(info, "config"), "max_bytes")));
    if (count > 0)
        add_fault(s, "there are %lld dead letters (parleyctl dlq list)", (long long)count);
}

static void look_at_readiness(struct status *s)
{
    SCOPED_ARENA(arena, PAGE_BYTES_MAX);
    const struct config_address *at = &s->ctl->config->ops.listen;
    const char *host = at->host[0] && strcmp(at->host, "0.0.0.0") ? at->host : "127.0.0.1";
    char url[300];
    struct bytes body;

    (void)snprintf(url, sizeof url, strchr(host, ':') ? "http://[%s]:%u" : "http://%s:%u", host,
                   at->port);
    bool is_ready = probe_http(url, "/readyz", &arena, &body) == RC_OK;
    (void)json_object_set_new(s->out, "readyz",
                              json_pack("{s:s,s:b}", "url", url, "isReady", is_ready));
    if (!is_ready)
        add_fault(s, "%s/readyz isn't 200", url);
}

static void print_parts(const json_t *parts)
{
    size_t at;
    const json_t *part;

    json_array_foreach(parts, at, part)
    {
        (void)printf("%-8s %lld records, %lld of %lld MB",
                     json_string_value(json_object_get(part, "stream")),
                     (long long)int_at(part, "messages"), (long long)int_at(part, "bytes") >> 20,
                     (long long)int_at(part, "maxBytes") >> 20);
        (void)printf(", last %lld", (long long)int_at(part, "lastSeq"));
        if (json_object_get(part, "applied"))
            (void)printf(", stored to %lld (%lld pending, %.1f s behind)",
                         (long long)int_at(part, "applied"), (long long)int_at(part, "pending"),
                         (double)int_at(part, "lagMs") / 1000);
        (void)printf("; persister: %lld to fetch, %lld unacknowledged",
                     (long long)int_at(part, "unfetched"),
                     (long long)int_at(part, "unacknowledged"));
        if (json_object_get(part, "copies"))
            (void)printf("; %lld copies, leader %s", (long long)int_at(part, "copies"),
                         json_string_value(json_object_get(part, "leader")));
        (void)putchar('\n');
    }
}

static void print_text(const struct status *s)
{
    const json_t *servers = json_object_get(s->out, "servers");
    const json_t *letters = json_object_get(s->out, "deadLetters");
    size_t at;
    const json_t *server, *fault;

    json_array_foreach(servers, at, server)
    {
        const char *name = json_string_value(json_object_get(server, "name"));
        (void)printf("nats-server %s %s, syncs %s%s\n", name,
                     json_string_value(json_object_get(server, "version")),
                     json_string_value(json_object_get(server, "sync")),
                     strcmp(text_or(json_object_get(server, "metaLeader"), ""), name) == 0
                         ? ", leads the cluster"
                         : "");
    }
    print_parts(json_object_get(s->out, "partitions"));
    (void)printf("dead letters: %lld\n", (long long)int_at(letters, "count"));
    (void)printf("readyz: %s\n",
                 json_is_true(json_object_get(json_object_get(s->out, "readyz"), "isReady"))
                     ? "ready"
                     : "not ready");
    json_array_foreach(s->faults, at, fault)(void) printf("! %s\n", json_string_value(fault));
}

int cmd_status(const struct ctl *ctl, int argc, char **argv)
{
    struct status s = { .ctl = ctl, .out = json_object(), .faults = json_array() };
    struct store *store = NULL;
    json_t *parts = json_array();

    (void)argv;
    if (argc > 1)
        return ctl_usage("status takes no arguments");
    s.link = ctl_nats_open(ctl);
    if (!s.link)
        return CTL_FAILED;
    if (!ctl_store_open(ctl, &store, &s.store))
        add_fault(&s, "the store can't be opened");
    look_at_servers(&s);
    for (int64_t p = 0; p < ctl->config->streams.partitions; p++)
        look_at_stream(&s, p, parts);
    (void)json_object_set_new(s.out, "partitions", parts);
    look_at_dead_letters(&s);
    look_at_readiness(&s);
    int code = json_array_size(s.faults) == 0 ? CTL_OK : CTL_FAILED;
    (void)json_object_set(s.out, "faults", s.faults);
    if (ctl->is_json)
        (void)ctl_print_json(json_incref(s.out));
    else
        print_text(&s);
    json_decref(s.faults);
    json_decref(s.out);
    store_close(store);
    nats_link_destroy(s.link);
    return code;
}
