/* cmd_streams.c - streams/<name>.json against the server, as the operator.
 *
 * diff shows what applying would change, apply does it, check also looks at the server itself and
 * is what parleyd asks before it is ready. All three end with 0 only when nothing is wrong.
 */
#include <time.h>

#include "adapters/nats/streams.h"
#include "base/clock.h"
#include "base/rc.h"
#include "ctl_nats.h"
#include "ports/log_consumer.h"
#include "ports/message_store.h"
#include "store.h"

enum {
    OUTPUT_BYTES_MAX = 8 << 20,
    CONNECT_WAIT_MS = 10000,
    LEADER_WAIT_MS = 30000,
    TRY_AGAIN_MS = 250,
};

enum verb { VERB_DIFF, VERB_APPLY, VERB_CHECK };

struct work {
    const struct ctl *ctl;
    enum verb verb;
    bool is_forced;
    const char *chat_max_bytes;
    struct nats_link *link;
    struct stream_set *set;
    struct stream_report report;
};

static void write_text(struct buf *out, const struct stream_report *report)
{
    for (size_t i = 0; i < report->count; i++) {
        const struct stream_finding *f = &report->findings[i];
        buf_add_format(out, "%-9s %s", stream_finding_kind_name(f->kind), f->item);
        if (f->field[0])
            buf_add_format(out, "  %s", f->field);
        if (f->wanted[0] || f->found[0])
            buf_add_format(out, ": wanted %s, found %s", f->wanted, f->found);
        buf_add_byte(out, '\n');
    }
    if (report->count == 0)
        buf_add_text(out, "All streams and consumers are as their files say.\n");
}

static void write_member(struct buf *out, const char *key, const char *value, const char *end)
{
    buf_add_format(out, "\"%s\":", key);
    buf_add_json_string(out, bytes_of(value));
    buf_add_text(out, end);
}

static void write_json(struct buf *out, const struct stream_report *report)
{
    buf_add_format(out, "{\"ready\":%s,\"findings\":[", report->is_ready ? "true" : "false");
    for (size_t i = 0; i < report->count; i++) {
        const struct stream_finding *f = &report->findings[i];
        buf_add_text(out, i ? ",{" : "{");
        write_member(out, "kind", stream_finding_kind_name(f->kind), ",");
        write_member(out, "item", f->item, ",");
        write_member(out, "field", f->field, ",");
        write_member(out, "wanted", f->wanted, ",");
        write_member(out, "found", f->found, "}");
    }
    buf_add_text(out, "]}\n");
}

static bool read_options(struct work *work, int argc, char **argv)
{
    const struct ctl_option options[] = {
        { "force", NULL, &work->is_forced },
        { "chat-max-bytes", &work->chat_max_bytes, NULL },
    };
    size_t count = work->verb == VERB_APPLY ? 2 : 0;
    return ctl_options(options, count, &argc, argv) &&
           (argc == 1 || (ctl_usage("streams %s takes no arguments", argv[0]), false));
}

static int connect_server(struct work *work)
{
    const struct config *c = work->ctl->config;
    struct fault fault = { .field = "" };
    const struct nats_link_options options = { .url = c->nats.url,
                                               .user = c->nats.operator_user,
                                               .password = c->nats.operator_password,
                                               .name = "parleyctl-streams" };
    if (nats_link_create(&options, &work->link, &fault) != RC_OK)
        return ctl_fail("%s", fault.text[0] ? fault.text : "nats.url can't be used");
    switch (nats_link_wait(work->link, CONNECT_WAIT_MS)) {
    case RC_OK:
        return CTL_OK;
    case RC_DENIED:
        return ctl_fail_nats(work->ctl, "the login of nats.operator_user is refused by");
    default:
        return ctl_fail_nats(work->ctl, "no nats-server answers at");
    }
}

static int load_files(struct work *work)
{
    const struct config *c = work->ctl->config;
    struct fault fault = { .field = "" };
    struct stream_vars vars = { .partitions = (uint32_t)c->streams.partitions,
                                .generation = (uint32_t)c->streams.generation,
                                .replicas = (uint32_t)c->streams.replicas };
    if (work->chat_max_bytes &&
        (!bytes_to_u64(bytes_of(work->chat_max_bytes), INT64_MAX, &vars.chat_max_bytes) ||
         vars.chat_max_bytes == 0))
        return ctl_usage("--chat-max-bytes must be a number of bytes, one stream's share");
    /* Without a number a check takes any bound, but nothing may be made without one. */
    if (work->verb == VERB_APPLY && streams_fill_limits(c->nats.monitor_url, &vars) != RC_OK)
        return ctl_fail("the size of the file store can't be read from nats.monitor_url; "
                        "give --chat-max-bytes");
    if (streams_load(c->streams.dir, &vars, &work->set, &fault) != RC_OK)
        return ctl_fail("%s: %s", fault.field, fault.text);
    return CTL_OK;
}

static bool is_missing_log(const struct stream_finding *f, uint64_t *out_partition)
{
    return f->kind == STREAM_MISSING && strncmp(f->item, "stream CHAT_", 12) == 0 &&
           bytes_to_u64(bytes_of(f->item + 12), UINT32_MAX, out_partition);
}

/* A stream that the store has records of was lost. Made anew in the same generation it would give
 * its numbers a second time, and persisters would take what comes for what they have. */
static int refuse_lost(const struct work *work, const struct stream_report *missing)
{
    const struct config *c = work->ctl->config;
    const struct message_store *messages;
    struct store *store = NULL;
    int code = CTL_OK;

    enum rc rc = ctl_store_find(work->ctl, &store, &messages);
    if (rc == RC_NOT_FOUND)
        return CTL_OK; /* no store yet: nothing was ever written */
    if (rc != RC_OK)
        return CTL_FAILED;
    for (size_t i = 0; i < missing->count && code == CTL_OK; i++) {
        const struct stream_finding *f = &missing->findings[i];
        uint32_t generation = (uint32_t)c->streams.generation;
        uint64_t p, applied;
        if (!is_missing_log(f, &p) ||
            messages->applied(messages->self, generation, (uint32_t)p, &applied) != RC_OK)
            continue;
        if (applied > log_floor(generation))
            code =
                ctl_fail("%s is gone, but the store has its records up to seq %llu; making it anew "
                         "would give numbers twice: parleyctl streams renew",
                         f->item, (unsigned long long)applied);
    }
    store_close(store);
    return code;
}

static int check_lost(const struct work *work)
{
    struct stream_report missing = { 0 };
    bool is_any = false;
    uint64_t p;

    if (work->verb != VERB_APPLY)
        return CTL_OK;
    if (streams_diff(work->set, work->link, &missing) != RC_OK)
        return ctl_fail("JetStream doesn't answer");
    for (size_t i = 0; i < missing.count; i++) /* presence lies in memory: a restart takes it */
        is_any = is_any || is_missing_log(&missing.findings[i], &p);
    int code = is_any ? refuse_lost(work, &missing) : CTL_OK;
    stream_report_fini(&missing);
    return code;
}

/* A cluster that has just been started elects its leader first, and finds its servers. What was
 * made before it answered so is kept, and found to be there by the next try. */
static enum rc apply(struct work *work)
{
    const struct stream_apply_options options = { .is_forced = work->is_forced };
    const struct timespec pause = { .tv_nsec = TRY_AGAIN_MS * 1000000L };
    int64_t stop_ms = clock_monotonic_ms(clock_system()) + LEADER_WAIT_MS;
    for (;;) {
        enum rc rc = streams_apply(work->set, work->link, &options, &work->report);
        bool is_for_now = rc == RC_UNAVAILABLE || rc == RC_TIMEOUT;
        if (!is_for_now || clock_monotonic_ms(clock_system()) >= stop_ms)
            return rc;
        (void)nanosleep(&pause, NULL);
    }
}

static enum rc ask_server(struct work *work)
{
    switch (work->verb) {
    case VERB_APPLY:
        return apply(work);
    case VERB_DIFF:
        return streams_diff(work->set, work->link, &work->report);
    case VERB_CHECK:
        break;
    }
    return streams_check(work->set, work->link, work->ctl->config->nats.monitor_url,
                         work->ctl->config->nats.require_sync, &work->report);
}

static int show(const struct work *work)
{
    SCOPED_BUF(out, OUTPUT_BYTES_MAX);
    (work->ctl->is_json ? write_json : write_text)(&out, &work->report);
    int code = ctl_print(&out);
    return code != CTL_OK ? code : work->report.is_ready ? CTL_OK : CTL_FAILED;
}

static int do_work(struct work *work)
{
    int code = load_files(work);
    if (code == CTL_OK)
        code = connect_server(work);
    if (code == CTL_OK)
        code = check_lost(work);
    if (code != CTL_OK)
        return code;
    enum rc rc = ask_server(work);
    return rc == RC_OK ? show(work)
                       : ctl_fail("JetStream doesn't answer, or has no leader (%s)", rc_name(rc));
}

static int run(const struct ctl *ctl, enum verb verb, int argc, char **argv)
{
    struct work work = { .ctl = ctl, .verb = verb };
    if (!read_options(&work, argc, argv))
        return CTL_USAGE;
    int code = do_work(&work);
    stream_report_fini(&work.report);
    streams_destroy(work.set);
    nats_link_destroy(work.link);
    return code;
}

int cmd_streams_diff(const struct ctl *ctl, int argc, char **argv)
{
    return run(ctl, VERB_DIFF, argc, argv);
}

int cmd_streams_apply(const struct ctl *ctl, int argc, char **argv)
{
    return run(ctl, VERB_APPLY, argc, argv);
}

int cmd_streams_check(const struct ctl *ctl, int argc, char **argv)
{
    return run(ctl, VERB_CHECK, argc, argv);
}
