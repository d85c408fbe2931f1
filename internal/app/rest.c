#include "app/rest_call.h"

#include <stdarg.h>
#include <stdlib.h>
#include <strings.h>

#include "app/rest_auth.h"
#include "app/rest_reply.h"
#include "ports/timer.h"

enum { CALL_ARENA_BYTES = VIEW_ARENA_BYTES };

struct rest {
    struct rest_options options;
    struct http_sink sink;
    struct rest_stats stats;
    bool is_closing;
};

const struct rest_options *rest_options_of(const struct rest *rest)
{
    return &rest->options;
}

void rest_count_answer(struct rest *rest, int status)
{
    size_t class = (size_t)status / 100;
    if (class < COUNT_OF(rest->stats.answers))
        rest->stats.answers[class]++;
}

void rest_stats(const struct rest *rest, struct rest_stats *out)
{
    *out = rest->stats;
}

enum error_code rest_fail(struct rest_call *call, enum error_code code, const char *field,
                          const char *format, ...)
{
    va_list args;
    char text[sizeof call->error.fault.text];
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fault_set(&call->error.fault, field, "%s", text);
    return code;
}

enum error_code rest_fail_rc(struct rest_call *call, enum rc rc)
{
    if (rc != RC_INVALID)
        call->error.fault = (struct fault){ .field = "" };
    else if (call->error.fault.is_size)
        return ERROR_PAYLOAD_TOO_LARGE;
    return error_from_rc(rc, false);
}

bool rest_is_service(const struct rest_call *call)
{
    return (call->who.roles & USER_ROLE_SERVICE) != 0;
}

void rest_add_header(struct rest_call *call, const char *name, struct bytes value)
{
    if (call->header_count < COUNT_OF(call->headers))
        call->headers[call->header_count++] = (struct http_header){ name, value };
}

static void call_destroy(struct rest_call *call)
{
    rest_auth_wipe(call);
    buf_fini(&call->out);
    arena_fini(&call->arena);
    free(call);
}

/* The call's end: the answer goes out, and a rest that was closed goes with its last call. */
static void finish_call(struct rest_call *call)
{
    struct rest *rest = call->rest;
    rest_reply(call);
    call_destroy(call);
    rest->stats.pending--;
    if (rest->is_closing && rest->stats.pending == 0)
        free(rest);
}

void rest_finish_call(struct rest_call *call)
{
    finish_call(call);
}

/* What a command made has its place and 201, whether or not it can be shown. */
static void name_made(struct rest_call *call)
{
    const struct command_result *result = &call->result;
    if (!(call->route->flags & ROUTE_MAKES))
        return;
    call->status = result->is_duplicate ? 200 : 201;
    call->location =
        call->route->flags & ROUTE_SEND
            ? arena_format(&call->arena, "/v1/conversations/%s/messages/%llu",
                           result->conversation.text, (unsigned long long)result->seq)
            : arena_format(&call->arena, "/v1/conversations/%s", result->conversation.text);
}

/* The event is in the log, so the answer is success, with what is known of it. It isn't kept for
 * repeats of its key: they find the event by its id, and may have better luck. */
static void answer_bare(struct rest_call *call)
{
    const struct command_result *result = &call->result;
    call->is_bare = true;
    call->error = (struct error){ .code = ERROR_NONE };
    call->out.len = 0;
    call->out.has_failed = false;
    buf_add_format(&call->out, "{\"conversationId\":\"%s\",\"seq\":%llu%s}",
                   result->conversation.text, (unsigned long long)result->seq,
                   result->is_duplicate ? ",\"duplicate\":true" : "");
    if (call->status == 0)
        call->status = 200;
}

static void run_finish(struct job *job)
{
    struct rest_call *call = CONTAINER_OF(job, struct rest_call, job);
    if (call->route->finish && call->route->finish(call) != ERROR_NONE)
        answer_bare(call);
    if (call->out.has_failed)
        answer_bare(call);
    rest_key_remember(call);
}

static void on_finished(struct job *job)
{
    finish_call(CONTAINER_OF(job, struct rest_call, job));
}

static void on_command_done(void *closure, const struct command_result *result)
{
    struct rest_call *call = closure;
    call->result = *result;
    if (result->error.code != ERROR_NONE) {
        call->error = result->error;
        finish_call(call);
        return;
    }
    name_made(call);
    call->job = (struct job){ .run = run_finish, .done = on_finished };
    if (executor_submit(call->options->executor, &call->job) != RC_OK) {
        answer_bare(call);
        finish_call(call);
    }
}

/* Whoever has had an answer can be found by everybody. If the store is away the gateway tries again
 * later. */
static void put_caller(const struct rest_call *call)
{
    const struct directory_store *directory = call->options->directory;
    const struct user user = { .id = call->who.user, .name = bytes_of(call->who.name) };
    if (call->is_new_user)
        (void)directory->put_users(directory->self, &user, 1, true,
                                   clock_wall_us(call->options->clock), NULL);
}

static void run_prepare(struct job *job)
{
    struct rest_call *call = CONTAINER_OF(job, struct rest_call, job);
    bool is_answered = false;
    bool has_key = !(call->route->flags & (ROUTE_OPEN | ROUTE_NO_KEY));
    put_caller(call);
    enum error_code code = rest_route_read(call);
    if (code == ERROR_NONE && has_key)
        code = rest_key_replay(call, &is_answered);
    if (code == ERROR_NONE && !is_answered)
        code = call->route->prepare(call);
    call->error.code = code;
    if (code == ERROR_NONE && !is_answered && !call->has_command && has_key)
        rest_key_remember(call);
}

static void on_prepared(struct job *job)
{
    struct rest_call *call = CONTAINER_OF(job, struct rest_call, job);
    if (call->error.code == ERROR_NONE && call->has_command)
        call->options->submit(call->options->gateway, &call->command, on_command_done, call);
    else if (!rest_auth_go_on(call))
        finish_call(call);
}

static bool copy_params(struct rest_call *call, const struct http_request *request)
{
    call->params = arena_alloc(&call->arena, (request->param_count + 1) * sizeof *call->params);
    if (!call->params)
        return false;
    call->param_count = request->param_count;
    for (size_t i = 0; i < request->param_count; i++) {
        call->params[i].name = arena_copy(&call->arena, request->params[i].name);
        call->params[i].value = arena_copy(&call->arena, request->params[i].value);
        if (!call->params[i].name.ptr || !call->params[i].value.ptr)
            return false;
    }
    return true;
}

static bool is_origin_ours(const struct rest_options *options, const struct http_request *request)
{
    const char *const *list = options->allowed_origins;
    if (request->origin.len == 0 || origin_is_host(request->origin, request->host))
        return true;
    for (; list && *list; list++)
        if (bytes_is(request->origin, *list))
            return true;
    return false;
}

static bool has_csrf_proof(const struct http_request *request)
{
    struct bytes proof;
    return http_cookie(request->cookie, "__Host-parley-csrf", &proof) && proof.len >= 16 &&
           bytes_equal_secret(proof, request->csrf_token);
}

static bool copy_asker(struct rest_call *call, const struct http_request *request)
{
    call->cookie = arena_copy(&call->arena, request->cookie);
    call->user_agent = arena_copy(&call->arena, request->user_agent);
    call->range = address_range_of(request->client_address);
    call->is_origin_ours = is_origin_ours(call->options, request);
    call->has_csrf_proof = has_csrf_proof(request);
    return call->cookie.ptr && call->user_agent.ptr;
}

static struct rest_call *call_create(struct rest *rest, const struct rest_route *route,
                                     const struct http_request *request, const struct identity *who,
                                     const struct id *request_id)
{
    struct rest_call *call = calloc(1, sizeof *call);
    if (!call)
        return NULL;
    call->rest = rest;
    call->options = &rest->options;
    call->route = route;
    call->http = request->id;
    call->request_id = *request_id;
    call->who = *who;
    arena_init(&call->arena, CALL_ARENA_BYTES);
    buf_init(&call->out, REST_ANSWER_BYTES_MAX);
    call->path = arena_copy(&call->arena, request->path);
    call->key = arena_copy(&call->arena, request->idempotency_key);
    if (route->flags & ROUTE_HAS_BODY)
        call->body = arena_copy(&call->arena, request->body);
    bool has_body = call->body.ptr || !(route->flags & ROUTE_HAS_BODY);
    if (!call->path.ptr || !call->key.ptr || !has_body || !copy_params(call, request) ||
        !copy_asker(call, request)) {
        call_destroy(call);
        return NULL;
    }
    return call;
}

static bool is_json(struct bytes content_type)
{
    static const char wanted[] = "application/json";
    size_t len = sizeof wanted - 1;
    if (content_type.len < len || strncasecmp((const char *)content_type.ptr, wanted, len) != 0)
        return false;
    if (content_type.len == len)
        return true;
    uint8_t next = content_type.ptr[len];
    return next == ';' || next == ' ' || next == '\t';
}

static enum error_code check_body(const struct rest_route *route,
                                  const struct http_request *request, struct fault *fault)
{
    size_t bytes_max = route->flags & ROUTE_BATCH ? REST_BATCH_BYTES : REST_BODY_BYTES;
    if (!(route->flags & ROUTE_HAS_BODY) || request->body.len == 0)
        return ERROR_NONE;
    if (!is_json(request->content_type))
        return ERROR_UNSUPPORTED_MEDIA;
    if (request->body.len > bytes_max) {
        fault_set(fault, "", "The body may have at most %zu bytes.", bytes_max);
        return ERROR_PAYLOAD_TOO_LARGE;
    }
    return ERROR_NONE;
}

static bool is_mutation(enum http_method method)
{
    return method != HTTP_GET && method != HTTP_HEAD;
}

/* The token of a request: the header, else the cookie. A cookie comes by itself, from any page; so
 * a mutation with it also needs what only our own page can read (double submit). */
static enum error_code find_token(const struct rest_options *options,
                                  const struct http_request *request, struct bytes *out,
                                  struct fault *fault)
{
    static const char scheme[] = "bearer ";
    size_t len = sizeof scheme - 1;
    struct bytes header = request->authorization;
    if (header.len) {
        if (header.len <= len || strncasecmp((const char *)header.ptr, scheme, len) != 0)
            return ERROR_UNAUTHENTICATED;
        *out = bytes_make(header.ptr + len, header.len - len);
        return ERROR_NONE;
    }
    if (!http_cookie(request->cookie, "__Host-parley-access", out))
        return ERROR_UNAUTHENTICATED;
    if (!is_mutation(request->method))
        return ERROR_NONE;
    if (!is_origin_ours(options, request)) {
        fault_set(fault, "Origin", "This page may not use the cookie.");
        return ERROR_FORBIDDEN;
    }
    if (has_csrf_proof(request))
        return ERROR_NONE;
    fault_set(fault, "X-CSRF-Token", "X-CSRF-Token must repeat the cookie __Host-parley-csrf.");
    return ERROR_FORBIDDEN;
}

static enum error_code authenticate(struct rest *rest, const struct http_request *request,
                                    struct identity *out, struct fault *fault)
{
    struct bytes token;
    int64_t now_s = clock_wall_us(rest->options.clock) / 1000000;
    ERROR_TRY(find_token(&rest->options, request, &token, fault));
    switch (token_verify(rest->options.verifier, token, now_s, out)) {
    case TOKEN_OK:
        return ERROR_NONE;
    case TOKEN_EXPIRED:
        return ERROR_TOKEN_EXPIRED;
    case TOKEN_MISSING:
    case TOKEN_INVALID:
    case TOKEN_REVOKED:
        return ERROR_UNAUTHENTICATED;
    }
    return ERROR_UNAUTHENTICATED;
}

/* Who may ask, and how often. */
static enum error_code admit(struct rest *rest, const struct http_request *request,
                             const struct rest_route *route, struct identity *out_who,
                             bool *out_is_new, struct error *error)
{
    const struct rest_options *options = &rest->options;
    bool is_send = (route->flags & ROUTE_SEND) && is_mutation(request->method);
    if (route->flags & ROUTE_OPEN) {
        const struct address_range range = address_range_of(request->client_address);
        if (options->admit_range)
            error->retry_after_ms = options->admit_range(options->closure, &range);
        return error->retry_after_ms > 0 ? ERROR_RATE_LIMITED : ERROR_NONE;
    }
    ERROR_TRY(authenticate(rest, request, out_who, &error->fault));
    if (options->on_identity)
        *out_is_new = options->on_identity(options->closure, out_who);
    if (options->admit)
        error->retry_after_ms = options->admit(options->closure, out_who, is_send);
    return error->retry_after_ms > 0 ? ERROR_RATE_LIMITED : ERROR_NONE;
}

/* All that can be told without blocking; in the order in which each tells the asker least. */
static enum error_code guard(struct rest *rest, const struct http_request *request,
                             const struct rest_route **out_route, struct identity *out_who,
                             bool *out_is_new, unsigned *out_allow, struct error *error)
{
    *out_route = rest_route_find(request->method, request->path, out_allow);
    if (!*out_allow)
        return ERROR_NOT_FOUND;
    if (!*out_route)
        return ERROR_METHOD_NOT_ALLOWED;
    if (rest->is_closing)
        return ERROR_UNAVAILABLE;
    ERROR_TRY(admit(rest, request, *out_route, out_who, out_is_new, error));
    if (((*out_route)->flags & ROUTE_SERVICE) && !(out_who->roles & USER_ROLE_SERVICE)) {
        fault_set(&error->fault, "", "The token's roles must have service for this.");
        return ERROR_FORBIDDEN;
    }
    return check_body(*out_route, request, &error->fault);
}

static enum error_code start_call(struct rest *rest, const struct rest_route *route,
                                  const struct http_request *request, const struct identity *who,
                                  bool is_new_user, const struct id *request_id)
{
    struct rest_call *call = call_create(rest, route, request, who, request_id);
    if (!call)
        return ERROR_OVERLOADED;
    call->is_new_user = is_new_user;
    if (route->flags & ROUTE_AT_ONCE) {
        rest->stats.pending++;
        call->error.code = route->prepare(call);
        finish_call(call);
        return ERROR_NONE;
    }
    call->job = (struct job){ .run = run_prepare, .done = on_prepared };
    enum rc rc = executor_submit(rest->options.executor, &call->job);
    if (rc != RC_OK) {
        call_destroy(call);
        return error_from_rc(rc, false);
    }
    rest->stats.pending++;
    return ERROR_NONE;
}

void rest_handle(struct rest *rest, const struct http_request *request)
{
    const struct rest_route *route = NULL;
    struct identity who = { .roles = 0 };
    struct error error = { .code = ERROR_NONE };
    struct id request_id = id_make(rest->options.clock);
    unsigned allow = 0;
    bool is_new = false;
    rest->stats.requests++;
    error.code = guard(rest, request, &route, &who, &is_new, &allow, &error);
    if (error.code == ERROR_METHOD_NOT_ALLOWED && request->method == HTTP_OPTIONS) {
        rest_reply_options(rest, request->id, &request_id, allow);
        return;
    }
    if (error.code == ERROR_NONE)
        error.code = start_call(rest, route, request, &who, is_new, &request_id);
    if (error.code != ERROR_NONE)
        rest_refuse(rest, request->id, &error, &request_id, allow);
}

static void on_request(void *app, const struct http_request *request)
{
    rest_handle(app, request);
}

struct rest *rest_create(const struct rest_options *options)
{
    struct rest *rest = calloc(1, sizeof *rest);
    if (!rest)
        return NULL;
    rest->options = *options;
    rest->sink = (struct http_sink){ .app = rest, .on_request = on_request };
    return rest;
}

const struct http_sink *rest_sink(struct rest *rest)
{
    return &rest->sink;
}

void rest_abandon(struct rest *rest)
{
    if (rest)
        rest->options.links = NULL;
    rest_close(rest);
}

void rest_close(struct rest *rest)
{
    if (!rest)
        return;
    rest->is_closing = true;
    if (rest->stats.pending == 0)
        free(rest);
}
