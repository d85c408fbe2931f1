#include "ctl_nats.h"
#include "store.h"

#include <stdlib.h>
#include <unistd.h>

#include "adapters/nats/nats_headers.h"
#include "adapters/sqlite/sqlite_store.h"
#include "base/rc.h"

enum { API_TIMEOUT_MS = 10000, REPLY_BYTES_MAX = 64 * 1024 * 1024, LINK_WAIT_MS = 3000 };

int ctl_fail_nats(const struct ctl *ctl, const char *what)
{
    const struct config *c = ctl->config;

    if (*c->file)
        return ctl_fail("%s %s", what, c->nats.url);
    return ctl_fail("%s %s; there is no %s/parley.ini: give the folder of your Parley's state with "
                    "--home or in PARLEY_HOME",
                    what, c->nats.url, c->server.home);
}

struct nats_link *ctl_nats_open(const struct ctl *ctl)
{
    const struct nats_link_options options = { .url = ctl->config->nats.url,
                                               .user = ctl->config->nats.operator_user,
                                               .password = ctl->config->nats.operator_password,
                                               .name = "parleyctl" };
    struct nats_link *link = NULL;
    struct fault fault = { .text = "" };
    enum rc rc = nats_link_create(&options, &link, &fault);

    if (rc != RC_OK) {
        (void)ctl_fail("nats: %s", fault.text[0] ? fault.text : rc_name(rc));
        return NULL;
    }
    if (nats_link_wait(link, LINK_WAIT_MS) != RC_OK) {
        (void)ctl_fail_nats(ctl, "no nats-server answers, or it refuses the operator's login, at");
        nats_link_destroy(link);
        return NULL;
    }
    return link;
}

static enum rc read_reply(const char *call, struct bytes text, json_t **out_reply)
{
    json_error_t error;
    json_t *reply = json_loadb((const char *)text.ptr, text.len, 0, &error);
    const json_t *fault = json_object_get(reply, "error");
    enum rc rc = RC_OK;

    if (!json_is_object(reply)) {
        (void)ctl_fail("%s: the answer is no JSON object", call);
        rc = RC_UNAVAILABLE;
    } else if (fault && json_integer_value(json_object_get(fault, "code")) == 404) {
        rc = RC_NOT_FOUND;
    } else if (fault) {
        (void)ctl_fail("%s: %s", call, json_string_value(json_object_get(fault, "description")));
        rc = RC_UNAVAILABLE;
    }
    if (rc == RC_OK)
        *out_reply = reply;
    else
        json_decref(reply);
    return rc;
}

enum rc ctl_js(struct nats_link *link, const char *call, const json_t *request, json_t **out_reply)
{
    SCOPED_ARENA(arena, REPLY_BYTES_MAX);
    struct bytes answer;
    char subject[256];
    char *body = request ? json_dumps(request, JSON_COMPACT) : NULL;

    (void)snprintf(subject, sizeof subject, "$JS.API.%s", call);
    enum rc rc = nats_link_request(link, subject, bytes_of(body), API_TIMEOUT_MS, &arena, &answer);
    free(body);
    if (rc != RC_OK) {
        (void)ctl_fail("%s: %s", call, rc_name(rc));
        return rc == RC_NOT_FOUND ? RC_UNAVAILABLE : rc;
    }
    return read_reply(call, answer, out_reply);
}

static const char *text_of(const json_t *object, const char *key, struct arena *arena)
{
    const char *text = json_string_value(json_object_get(object, key));
    return (const char *)arena_copy(arena, bytes_of(text ? text : "")).ptr;
}

enum rc ctl_stored_get(struct nats_link *link, const char *stream, const json_t *request,
                       struct arena *arena, struct ctl_stored *out)
{
    SCOPED_CTL_JSON json_t *reply = NULL;
    char call[128];

    (void)snprintf(call, sizeof call, "STREAM.MSG.GET.%s", stream);
    TRY(ctl_js(link, call, request, &reply));
    const json_t *message = json_object_get(reply, "message");
    struct ctl_stored stored = {
        .seq = (uint64_t)json_integer_value(json_object_get(message, "seq")),
        .subject = text_of(message, "subject", arena),
        .time = text_of(message, "time", arena),
        .headers =
            nats_b64_read(bytes_of(json_string_value(json_object_get(message, "hdrs"))), arena),
        .payload =
            nats_b64_read(bytes_of(json_string_value(json_object_get(message, "data"))), arena),
    };
    if (!stored.subject || !stored.time || !stored.headers.ptr || !stored.payload.ptr) {
        (void)ctl_fail("%s: the message can't be read", call);
        return RC_NOMEM;
    }
    *out = stored;
    return RC_OK;
}

const char *ctl_header(const struct ctl_stored *message, const char *name, struct arena *arena)
{
    struct bytes value = arena_copy(arena, nats_block_header(message->headers, name));
    return value.ptr ? (const char *)value.ptr : "";
}

static enum rc open_store(const struct ctl *ctl, struct store **out_store,
                          const struct message_store **out_messages, struct fault *fault)
{
    const struct store_options options = { .url = ctl->config->store.url, .readers_max = 2 };

    TRY(store_open(&options, out_store, fault));
    *out_messages = store_messages(*out_store);
    return RC_OK;
}

static void say_fault(const struct fault *fault, enum rc rc)
{
    (void)ctl_fail("store.url: %s", fault->text[0] ? fault->text : rc_name(rc));
}

bool ctl_store_file_is_missing(const struct ctl *ctl)
{
    const char *path = sqlite_store_path(ctl->config->store.url);
    return path && access(path, F_OK) != 0;
}

enum rc ctl_store_find(const struct ctl *ctl, struct store **out_store,
                       const struct message_store **out_messages)
{
    struct fault fault = { .text = "" };

    if (ctl_store_file_is_missing(ctl))
        return RC_NOT_FOUND;
    enum rc rc = open_store(ctl, out_store, out_messages, &fault);
    if (rc != RC_OK && rc != RC_NOT_FOUND)
        say_fault(&fault, rc);
    return rc;
}

bool ctl_store_open(const struct ctl *ctl, struct store **out_store,
                    const struct message_store **out_messages)
{
    struct fault fault = { .text = "" };
    enum rc rc = open_store(ctl, out_store, out_messages, &fault);

    if (rc != RC_OK)
        say_fault(&fault, rc);
    return rc == RC_OK;
}

int ctl_print_json(json_t *value)
{
    int failed = !value || json_dumpf(value, stdout, JSON_COMPACT | JSON_ENSURE_ASCII) != 0;

    json_decref(value);
    if (failed || fputc('\n', stdout) == EOF || fflush(stdout) != 0)
        return ctl_fail("can't write to standard output");
    return CTL_OK;
}
