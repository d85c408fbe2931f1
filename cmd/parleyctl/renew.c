#include "renew.h"

#include <stdlib.h>

#include "base/rc.h"

#define RECORD_KEY "parley.renewal"

static bool fetch_config(struct nats_link *link, const char *stream, json_t **out_info,
                         json_t **out_config)
{
    char call[96];
    (void)snprintf(call, sizeof call, "STREAM.INFO.%s", stream);
    enum rc rc = ctl_js(link, call, NULL, out_info);
    if (rc == RC_NOT_FOUND)
        (void)ctl_fail("stream %s isn't there", stream);
    if (rc != RC_OK)
        return false;
    *out_config = json_object_get(*out_info, "config");
    return json_is_object(*out_config);
}

static bool update(struct nats_link *link, const char *stream, const json_t *config)
{
    SCOPED_CTL_JSON json_t *reply = NULL;
    char call[96];
    (void)snprintf(call, sizeof call, "STREAM.UPDATE.%s", stream);
    enum rc rc = ctl_js(link, call, config, &reply);
    if (rc == RC_NOT_FOUND)
        (void)ctl_fail("stream %s isn't there", stream);
    return rc == RC_OK;
}

/* ---- the record ---- */

bool renew_read(struct nats_link *link, struct renew_plan *out)
{
    SCOPED_CTL_JSON json_t *info = NULL;
    json_t *config;
    unsigned stage;

    *out = (struct renew_plan){ .stage = RENEW_NONE };
    if (!fetch_config(link, "CHAT_DLQ", &info, &config))
        return false;
    const char *text =
        json_string_value(json_object_get(json_object_get(config, "metadata"), RECORD_KEY));
    if (!text || !text[0])
        return true;
    if (sscanf(text, "%u %u %u %u %u", &stage, &out->from, &out->to, &out->old_partitions,
               &out->partitions) != 5 ||
        stage > RENEW_MAKING || out->to <= out->from || !out->partitions)
        return ctl_fail("CHAT_DLQ: metadata " RECORD_KEY " isn't readable: %s", text) == CTL_OK;
    out->stage = (enum renew_stage)stage;
    return true;
}

bool renew_write(struct nats_link *link, const struct renew_plan *plan)
{
    SCOPED_CTL_JSON json_t *info = NULL;
    json_t *config;
    char text[96];

    if (!fetch_config(link, "CHAT_DLQ", &info, &config))
        return false;
    json_t *metadata = json_object_get(config, "metadata");
    if (!metadata) {
        metadata = json_object();
        (void)json_object_set_new(config, "metadata", metadata);
    }
    (void)snprintf(text, sizeof text, "%d %u %u %u %u", (int)plan->stage, plan->from, plan->to,
                   plan->old_partitions, plan->partitions);
    if (plan->stage == RENEW_NONE)
        (void)json_object_del(metadata, RECORD_KEY);
    else
        (void)json_object_set_new(metadata, RECORD_KEY, json_string(text));
    return update(link, "CHAT_DLQ", config);
}

/* ---- the streams ---- */

static uint32_t metadata_at(const json_t *config, const char *key)
{
    const char *text = json_string_value(json_object_get(json_object_get(config, "metadata"), key));
    uint64_t value = 0;
    return text && bytes_to_u64(bytes_of(text), UINT32_MAX, &value) ? (uint32_t)value : 0;
}

static bool describe(struct nats_link *link, struct old_stream *stream)
{
    SCOPED_CTL_JSON json_t *info = NULL;
    json_t *config;

    if (!fetch_config(link, stream->name, &info, &config))
        return false;
    const json_t *state = json_object_get(info, "state");
    stream->generation = metadata_at(config, "parley.generation");
    stream->partitions = metadata_at(config, "parley.partitions");
    stream->first_seq = (uint64_t)json_integer_value(json_object_get(state, "first_seq"));
    stream->last_seq = (uint64_t)json_integer_value(json_object_get(state, "last_seq"));
    stream->is_sealed = json_is_true(json_object_get(config, "sealed"));
    return true;
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = ((const struct old_stream *)a)->number, y = ((const struct old_stream *)b)->number;
    return x < y ? -1 : x > y;
}

/* One page of names; the total is in the answer. */
static bool take_names(const json_t *names, struct old_stream *out, int *count)
{
    size_t at;
    const json_t *one;
    json_array_foreach(names, at, one)
    {
        const char *name = json_string_value(one);
        uint64_t number;
        if (!name || strncmp(name, "CHAT_", 5) != 0 ||
            !bytes_to_u64(bytes_of(name + 5), OLD_STREAMS_MAX - 1, &number))
            continue;
        if (*count == OLD_STREAMS_MAX)
            return ctl_fail("more than %d CHAT streams", OLD_STREAMS_MAX) == CTL_OK;
        out[*count] = (struct old_stream){ .number = (uint32_t)number };
        (void)snprintf(out[*count].name, sizeof out->name, "%s", name);
        ++*count;
    }
    return true;
}

int renew_list(struct nats_link *link, struct old_stream *out)
{
    json_int_t at = 0, total = 1;
    int count = 0;

    while (at < total) {
        SCOPED_CTL_JSON json_t *request = json_pack("{s:I}", "offset", at);
        SCOPED_CTL_JSON json_t *page = NULL;
        if (ctl_js(link, "STREAM.NAMES", request, &page) != RC_OK)
            return -1;
        const json_t *names = json_object_get(page, "streams");
        total = json_integer_value(json_object_get(page, "total"));
        if (!take_names(names, out, &count))
            return -1;
        if (json_array_size(names) == 0)
            break;
        at += (json_int_t)json_array_size(names);
    }
    for (int i = 0; i < count; i++)
        if (!describe(link, &out[i]))
            return -1;
    qsort(out, (size_t)count, sizeof *out, by_number);
    return count;
}

bool renew_seal(struct nats_link *link, const struct old_stream *stream)
{
    SCOPED_CTL_JSON json_t *info = NULL;
    json_t *config;

    if (!fetch_config(link, stream->name, &info, &config))
        return false;
    (void)json_object_set_new(config, "sealed", json_true());
    return update(link, stream->name, config);
}

bool renew_delete(struct nats_link *link, const struct old_stream *stream)
{
    SCOPED_CTL_JSON json_t *reply = NULL;
    char call[96];
    (void)snprintf(call, sizeof call, "STREAM.DELETE.%s", stream->name);
    enum rc rc = ctl_js(link, call, NULL, &reply);
    return rc == RC_OK || rc == RC_NOT_FOUND;
}
