#include "unit/app/rest_rig.h"

#include <stdlib.h>

#include "base/buf.h"
#include "ports/timer.h"
#include "support/check.h"

/* ---- ports ---- */

static struct rig *the_rig; /* ports without a self pointer of their own */

static enum rc submit_job(struct executor *executor, struct job *job)
{
    struct rig *rig = CONTAINER_OF(executor, struct rig, executor);
    if (rig->is_executor_full || rig->job_count == RIG_JOBS_MAX)
        return RC_FULL;
    rig->jobs[rig->job_count++] = job;
    return RC_OK;
}

static enum token_error verify(struct token_verifier *self, struct bytes token, int64_t now_s,
                               struct identity *out)
{
    (void)self, (void)now_s;
    const char *service = "+service";
    *out = (struct identity){ .roles = USER_ROLE_USER };
    if (bytes_is(token, "expired"))
        return TOKEN_EXPIRED;
    if (bytes_is(token, "revoked"))
        return TOKEN_REVOKED;
    if (token.len > strlen(service) &&
        memcmp(token.ptr + token.len - strlen(service), service, strlen(service)) == 0) {
        out->roles |= USER_ROLE_SERVICE;
        token.len -= strlen(service);
    }
    if (!id_read(token, &out->user))
        return TOKEN_INVALID;
    (void)snprintf(out->name, sizeof out->name, "Name of %s", out->user.text);
    out->session = out->user;
    return TOKEN_OK;
}

static enum rc take_reply(struct http_links *links, struct http_id id,
                          const struct http_reply *reply)
{
    struct rig *rig = CONTAINER_OF(links, struct rig, links);
    (void)id;
    rig->answers++;
    rig->status = reply->status;
    CHECK(reply->body.len < sizeof rig->body);
    if (reply->body.len)
        memcpy(rig->body, reply->body.ptr, reply->body.len);
    rig->body[reply->body.len] = '\0';
    rig->body_len = reply->body.len;
    (void)snprintf(rig->content_type, sizeof rig->content_type, "%s",
                   reply->content_type ? reply->content_type : "");
    CHECK(reply->header_count <= RIG_HEADERS_MAX);
    rig->header_count = reply->header_count;
    for (size_t i = 0; i < reply->header_count; i++) {
        (void)snprintf(rig->headers[i].name, sizeof rig->headers[i].name, "%s",
                       reply->headers[i].name);
        (void)snprintf(rig->headers[i].value, sizeof rig->headers[i].value, "%.*s",
                       BYTES_ARG(reply->headers[i].value));
    }
    return RC_OK;
}

/* The stand-in for command_submit: keeps a copy, answers in rig_run. */
static void take_command(struct gateway *gateway, const struct command *command,
                         command_done_fn *done, void *closure)
{
    struct rig *rig = the_rig;
    CHECK((void *)gateway == (void *)rig);
    rig->commands++;
    rig->command = *command;
    (void)snprintf(rig->content, sizeof rig->content, "%.*s", BYTES_ARG(command->content));
    (void)snprintf(rig->name, sizeof rig->name, "%.*s", BYTES_ARG(command->name));
    rig->command.content = bytes_of(rig->content);
    rig->command.name = bytes_of(rig->name);
    if (command->member_count)
        memcpy(rig->members, command->members, command->member_count * sizeof *rig->members);
    rig->command.members = rig->members;
    rig->done = done;
    rig->done_closure = closure;
}

static bool saw(void *closure, const struct identity *identity)
{
    struct rig *rig = closure;
    CHECK(identity->user.len > 0);
    rig->seen++;
    return rig->is_seen_first;
}

static int64_t admit(void *closure, const struct identity *identity, bool is_send)
{
    struct rig *rig = closure;
    (void)identity;
    is_send ? rig->sends_admitted++ : rig->others_admitted++;
    return rig->wait_ms;
}

static const struct executor_ops executor_ops = { .submit = submit_job };
static const struct http_links_ops links_ops = { .reply = take_reply };

struct rig *rig_create(void)
{
    struct rig *rig = calloc(1, sizeof *rig);
    CHECK(rig != NULL);
    the_rig = rig;
    rig->w = world_create();
    rig->executor.ops = &executor_ops;
    rig->verifier.verify = verify;
    rig->links.ops = &links_ops;
    const struct rest_options options = {
        .reading = rig->w->reading,
        .directory = &rig->w->directory,
        .executor = &rig->executor,
        .verifier = &rig->verifier,
        .links = &rig->links,
        .clock = &rig->w->clock.source,
        .gateway = (struct gateway *)(void *)rig,
        .submit = take_command,
        .message_bytes_max = 16384,
        .closure = rig,
        .on_identity = saw,
        .admit = admit,
    };
    rig->rest = rest_create(&options);
    CHECK(rig->rest != NULL);
    return rig;
}

void rig_destroy(struct rig *rig)
{
    struct rest_stats stats;
    rest_stats(rig->rest, &stats);
    CHECK_SIZE(0, stats.pending);
    rest_close(rig->rest);
    world_destroy(rig->w);
    free(rig);
}

/* ---- asking ---- */

static void answer_command(struct rig *rig)
{
    command_done_fn *done = rig->done;
    struct command_result result = rig->result;
    rig->done = NULL;
    if (result.conversation.len == 0)
        result.conversation = rig->command.conversation;
    if (result.client_id.len == 0)
        result.client_id = rig->command.client_id.len ? rig->command.client_id : id_of("made");
    if (rig->decide)
        rig->decide(rig, &rig->command, &result);
    done(rig->done_closure, &result);
}

void rig_run(struct rig *rig)
{
    while (rig->job_count || rig->done) {
        if (rig->job_count == 0) {
            answer_command(rig);
            continue;
        }
        struct job *job = rig->jobs[0];
        rig->job_count--;
        memmove(rig->jobs, rig->jobs + 1, rig->job_count * sizeof *rig->jobs);
        job->run(job);
        job->done(job);
    }
}

static size_t read_params(char *query, struct http_param *params, size_t max)
{
    size_t count = 0;
    while (query && *query && count < max) {
        char *next = strchr(query, '&'), *value;
        if (next)
            *next++ = '\0';
        value = strchr(query, '=');
        if (value)
            *value++ = '\0';
        params[count++] = (struct http_param){ bytes_of(query), bytes_of(value ? value : "") };
        query = next;
    }
    return count;
}

void rig_ask_request(struct rig *rig, struct http_request *request, const char *target)
{
    char *text = strdup(target);
    char *query = strchr(text, '?');
    struct http_param params[16];
    if (query)
        *query++ = '\0';
    request->path = bytes_of(text);
    request->params = params;
    request->param_count = read_params(query, params, COUNT_OF(params));
    rig->status = 0;
    rig->answers = 0;
    rest_handle(rig->rest, request);
    free(text); /* what a request borrows ends with the call */
    rig_run(rig);
    CHECK_SIZE(1, rig->answers);
}

void rig_ask_key(struct rig *rig, const char *token, enum http_method method, const char *target,
                 const char *body, const char *key)
{
    char bearer[128] = "";
    if (token)
        (void)snprintf(bearer, sizeof bearer, "Bearer %s", token);
    struct http_request request = {
        .method = method,
        .authorization = bytes_of(bearer),
        .content_type = bytes_of(body ? "application/json" : ""),
        .body = bytes_of(body),
        .idempotency_key = bytes_of(key),
    };
    rig_ask_request(rig, &request, target);
}

void rig_ask(struct rig *rig, const char *token, enum http_method method, const char *target,
             const char *body)
{
    rig_ask_key(rig, token, method, target, body, NULL);
}

const char *rig_header(const struct rig *rig, const char *name)
{
    for (size_t i = 0; i < rig->header_count; i++) {
        if (strcmp(rig->headers[i].name, name) == 0)
            return rig->headers[i].value;
    }
    return "";
}

bool rig_body_has(const struct rig *rig, const char *text)
{
    return strstr(rig->body, text) != NULL;
}

const char *rig_next_cursor(struct rig *rig)
{
    static char cursor[256];
    const char *at = strstr(rig->body, "\"nextCursor\":\"");
    cursor[0] = '\0';
    if (at) {
        at += strlen("\"nextCursor\":\"");
        (void)snprintf(cursor, sizeof cursor, "%.*s", (int)strcspn(at, "\""), at);
    }
    return cursor;
}
