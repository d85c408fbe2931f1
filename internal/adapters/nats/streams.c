/* streams.c - checking a server against the stream files, and applying them to it. */
#include "adapters/nats/streams_priv.h"

#include <stdio.h>

enum {
    FINDINGS_MAX = 10000,
    REPLY_BYTES_MAX = 1 << 20,
    API_TIMEOUT_MS = 10000, /* making a replicated stream takes an election */
};

static const char *const kind_names[] = {
    [STREAM_MISSING] = "missing",     [STREAM_WEAKER] = "weaker",   [STREAM_STRONGER] = "stronger",
    [STREAM_DIFFERENT] = "different", [STREAM_SERVER] = "server",   [STREAM_UNSEEN] = "unseen",
    [STREAM_CREATED] = "created",     [STREAM_UPDATED] = "updated", [STREAM_REFUSED] = "refused",
    [STREAM_FAILED] = "failed",       [STREAM_SKEWED] = "skewed",   [STREAM_UNPROVEN] = "unproven",
};

const char *stream_finding_kind_name(enum stream_finding_kind kind)
{
    return kind_names[kind];
}

void stream_report_fini(struct stream_report *report)
{
    free(report->findings);
    *report = (struct stream_report){ .findings = NULL };
}

static bool is_fault(enum stream_finding_kind kind)
{
    return kind == STREAM_MISSING || kind == STREAM_WEAKER || kind == STREAM_DIFFERENT ||
           kind == STREAM_SERVER || kind == STREAM_REFUSED || kind == STREAM_FAILED;
}

enum rc stream_report_add_named(struct stream_report *report, enum stream_finding_kind kind,
                                const char *name, const char *field, const char *wanted,
                                const char *found)
{
    if (report->count >= FINDINGS_MAX)
        return RC_FULL;
    struct stream_finding *findings =
        realloc(report->findings, (report->count + 1) * sizeof *findings);
    if (!findings)
        return RC_NOMEM;
    report->findings = findings;
    struct stream_finding *f = &findings[report->count++];
    f->kind = kind;
    (void)snprintf(f->item, sizeof f->item, "%s", name);
    (void)snprintf(f->field, sizeof f->field, "%s", field);
    (void)snprintf(f->wanted, sizeof f->wanted, "%s", wanted);
    (void)snprintf(f->found, sizeof f->found, "%s", found);
    report->has_fault = report->has_fault || is_fault(kind);
    report->is_ready = report->is_ready && !is_fault(kind) && kind != STREAM_UNPROVEN;
    return RC_OK;
}

enum rc stream_report_add(struct stream_report *report, enum stream_finding_kind kind,
                          const struct stream_item *item, const char *field, const char *wanted,
                          const char *found)
{
    char name[128];
    if (item->consumer[0])
        (void)snprintf(name, sizeof name, "consumer %s.%s", item->stream, item->consumer);
    else
        (void)snprintf(name, sizeof name, "stream %s", item->stream);
    return stream_report_add_named(report, kind, name, field, wanted, found);
}

/* ---- $JS.API ---- */

/* What a cluster says while it has no leader, or hasn't found its servers yet. */
static bool is_for_now(json_int_t error_code)
{
    static const json_int_t codes[] = { 10005, 10007, 10008, 10009 };
    for (size_t i = 0; i < COUNT_OF(codes); i++)
        if (codes[i] == error_code)
            return true;
    return false;
}

enum rc stream_api(struct nats_link *link, const char *subject, const json_t *request,
                   json_t **out_reply, char text[96])
{
    SCOPED_ARENA(arena, REPLY_BYTES_MAX);
    json_error_t error;
    struct bytes answer;
    char *body = request ? json_dumps(request, JSON_COMPACT) : NULL;
    if (request && !body)
        return RC_NOMEM;
    enum rc rc = nats_link_request(link, subject, bytes_of(body), API_TIMEOUT_MS, &arena, &answer);
    free(body);
    TRY(rc);
    json_t *reply = json_loadb((const char *)answer.ptr, answer.len, 0, &error);
    const json_t *fault = json_object_get(reply, "error");
    if (!json_is_object(reply) || fault) {
        bool is_missing = json_integer_value(json_object_get(fault, "code")) == 404;
        bool is_soon = is_for_now(json_integer_value(json_object_get(fault, "err_code")));
        const char *why = json_string_value(json_object_get(fault, "description"));
        (void)snprintf(text, 96, "%s", why ? why : "not an answer of JetStream");
        json_decref(reply);
        return is_missing ? RC_NOT_FOUND : is_soon ? RC_UNAVAILABLE : RC_CONFLICT;
    }
    *out_reply = reply;
    return RC_OK;
}

enum rc stream_item_fetch(const struct stream_item *item, struct nats_link *link,
                          json_t **out_config)
{
    SCOPED_CONFIG json_t *reply = NULL;
    char subject[NATS_SUBJECT_MAX], text[96];
    if (item->consumer[0])
        (void)snprintf(subject, sizeof subject, "$JS.API.CONSUMER.INFO.%s.%s", item->stream,
                       item->consumer);
    else
        (void)snprintf(subject, sizeof subject, "$JS.API.STREAM.INFO.%s", item->stream);
    enum rc rc = stream_api(link, subject, NULL, &reply, text);
    if (rc == RC_CONFLICT)
        return RC_UNAVAILABLE; /* no leader, no quorum: nothing is known */
    TRY(rc);
    json_t *config = json_object_get(reply, "config");
    if (!json_is_object(config))
        return RC_UNAVAILABLE;
    *out_config = json_incref(config);
    return RC_OK;
}

/* ---- check ---- */

static enum rc check_item(const struct stream_item *item, struct nats_link *link,
                          struct stream_report *report)
{
    SCOPED_CONFIG json_t *found = NULL;
    enum rc rc = stream_item_fetch(item, link, &found);
    if (rc == RC_NOT_FOUND)
        return stream_report_add(report, STREAM_MISSING, item, "", "there", "not there");
    TRY(rc);
    return stream_item_compare(item, found, report);
}

static enum rc check_items(const struct stream_set *set, struct nats_link *link,
                           struct stream_report *report)
{
    for (size_t i = 0; i < set->count; i++)
        TRY(check_item(&set->items[i], link, report));
    return RC_OK;
}

static enum rc check_all(const struct stream_set *set, struct nats_link *link,
                         const char *monitor_urls, bool requires_sync, struct stream_report *report)
{
    TRY(stream_servers_check(link, monitor_urls, requires_sync, report));
    return check_items(set, link, report);
}

/* Gives the report away, or frees it. */
static enum rc hand_over(enum rc rc, struct stream_report *report, struct stream_report *out_report)
{
    if (rc == RC_OK)
        *out_report = *report;
    else
        stream_report_fini(report);
    return rc;
}

enum rc streams_diff(const struct stream_set *set, struct nats_link *link,
                     struct stream_report *out_report)
{
    struct stream_report report = { .is_ready = true };
    return hand_over(check_items(set, link, &report), &report, out_report);
}

enum rc streams_check(const struct stream_set *set, struct nats_link *link,
                      const char *monitor_urls, bool requires_sync,
                      struct stream_report *out_report)
{
    struct stream_report report = { .is_ready = true };
    enum rc rc = check_all(set, link, monitor_urls, requires_sync, &report);
    return hand_over(rc, &report, out_report);
}

enum rc streams_probe(struct nats_link *link, uint32_t partitions, int64_t timeout_ms,
                      uint32_t *out_partition)
{
    for (uint32_t p = 0; p < partitions; p++) {
        SCOPED_ARENA(arena, REPLY_BYTES_MAX);
        char subject[NATS_SUBJECT_MAX];
        struct bytes reply;
        *out_partition = p;
        (void)snprintf(subject, sizeof subject, "$JS.API.STREAM.INFO.CHAT_%u", p);
        TRY(nats_link_request(link, subject, bytes_of(""), timeout_ms, &arena, &reply));
        if (memmem(reply.ptr, reply.len, "\"error\"", 7))
            return RC_UNAVAILABLE;
    }
    return RC_OK;
}

/* ---- apply ---- */

static enum rc send_config(const struct stream_item *item, struct nats_link *link, json_t *config,
                           bool is_update, struct stream_report *report)
{
    SCOPED_CONFIG json_t *request = NULL;
    SCOPED_CONFIG json_t *reply = NULL;
    char subject[NATS_SUBJECT_MAX], text[96] = "";
    if (item->consumer[0]) {
        (void)snprintf(subject, sizeof subject, "$JS.API.CONSUMER.CREATE.%s.%s", item->stream,
                       item->consumer);
        request = json_pack("{s:s, s:O, s:s}", "stream_name", item->stream, "config", config,
                            "action", is_update ? "update" : "create");
    } else {
        (void)snprintf(subject, sizeof subject, "$JS.API.STREAM.%s.%s",
                       is_update ? "UPDATE" : "CREATE", item->stream);
        request = json_incref(config);
    }
    if (!request)
        return RC_NOMEM;
    enum rc rc = stream_api(link, subject, request, &reply, text);
    if (rc == RC_CONFLICT || rc == RC_NOT_FOUND)
        return stream_report_add(report, STREAM_FAILED, item, "", is_update ? "update" : "create",
                                 text);
    TRY(rc);
    return stream_report_add(report, is_update ? STREAM_UPDATED : STREAM_CREATED, item, "", "", "");
}

/* What lowering takes away at once, whatever else protects a stream. */
static bool is_guarded(const char *field)
{
    static const char *const guarded[] = {
        "max_age",      "max_bytes",           "max_msgs", "num_replicas", "duplicate_window",
        "max_msg_size", "max_msgs_per_subject"
    };
    for (size_t i = 0; i < COUNT_OF(guarded); i++)
        if (strcmp(guarded[i], field) == 0)
            return true;
    return false;
}

/* Whether the file would lower what the server keeps now. */
static bool is_lowered(const char *field, const json_t *wanted, const json_t *found)
{
    json_int_t a = json_integer_value(wanted), b = json_integer_value(found);
    if (!is_guarded(field) || !json_is_integer(wanted) || !json_is_integer(found))
        return false;
    return (a > 0 ? a : INT64_MAX) < (b > 0 ? b : INT64_MAX);
}

/* The server's configuration with the file's fields laid over it. */
static enum rc merge_config(const struct stream_item *item, const json_t *found, bool is_forced,
                            struct stream_report *report, json_t *merged)
{
    const char *key;
    json_t *value;
    json_object_foreach(item->config, key, value)
    {
        json_t *now = json_object_get(found, key);
        if (strcmp(key, "first_seq") == 0)
            continue;
        if (!is_forced && is_lowered(key, value, now)) {
            char left[32], right[32];
            (void)snprintf(left, sizeof left, "%lld", (long long)json_integer_value(value));
            (void)snprintf(right, sizeof right, "%lld", (long long)json_integer_value(now));
            TRY(stream_report_add(report, STREAM_REFUSED, item, key, left, right));
            continue;
        }
        if (json_is_object(value) && json_is_object(now)) {
            SCOPED_CONFIG json_t *both = json_copy(now);
            json_t *schema = json_object_get(now, STREAM_SCHEMA_KEY); /* never set back */
            bool is_ahead =
                stream_schema_ahead(json_object_get(value, STREAM_SCHEMA_KEY), schema) > 0;
            if (!both || json_object_update(both, value) != 0 ||
                (is_ahead && json_object_set(both, STREAM_SCHEMA_KEY, schema) != 0) ||
                json_object_set(merged, key, both) != 0)
                return RC_NOMEM;
        } else if (json_object_set(merged, key, value) != 0) {
            return RC_NOMEM;
        }
    }
    return RC_OK;
}

static enum rc apply_update(const struct stream_item *item, struct nats_link *link,
                            const json_t *found, bool is_forced, struct stream_report *report)
{
    struct stream_report seen = { .is_ready = true };
    enum rc rc = stream_item_compare(item, found, &seen);
    size_t differences = seen.count;
    stream_report_fini(&seen);
    TRY(rc);
    if (differences == 0)
        return RC_OK;
    SCOPED_CONFIG json_t *merged = json_deep_copy(found);
    if (!merged)
        return RC_NOMEM;
    TRY(merge_config(item, found, is_forced, report, merged));
    if (json_equal(merged, found))
        return RC_OK;
    return send_config(item, link, merged, true, report);
}

static enum rc apply_item(const struct stream_item *item, struct nats_link *link,
                          const struct stream_apply_options *options, struct stream_report *report)
{
    SCOPED_CONFIG json_t *found = NULL;
    enum rc rc = stream_item_fetch(item, link, &found);
    if (rc == RC_NOT_FOUND)
        return send_config(item, link, item->config, false, report);
    TRY(rc);
    return options->is_memory_only ? RC_OK
                                   : apply_update(item, link, found, options->is_forced, report);
}

static bool is_of_log(const struct stream_item *item)
{
    return strncmp(item->stream, "CHAT_", 5) == 0 && item->stream[5] >= '0' &&
           item->stream[5] <= '9';
}

enum rc streams_apply(const struct stream_set *set, struct nats_link *link,
                      const struct stream_apply_options *options, struct stream_report *out_report)
{
    struct stream_report report = { .is_ready = true };
    enum rc rc = RC_OK;
    if (!options->is_memory_only && set->vars.chat_max_bytes == 0)
        return RC_INVALID; /* a stream without a bound would be made */
    for (size_t i = 0; rc == RC_OK && i < set->count; i++)
        if ((!options->is_memory_only || set->items[i].is_memory) &&
            !(options->leaves_log && is_of_log(&set->items[i])))
            rc = apply_item(&set->items[i], link, options, &report);
    return hand_over(rc, &report, out_report);
}
