#include "app/rest_reply.h"

#include "wire/problem_json.h"

enum {
    PROBLEM_BYTES_MAX = 4096,
    HEADERS_MAX = 4 + REST_CALL_HEADERS_MAX,
    RETRY_AFTER_DEFAULT_MS = 1000
};

struct headers {
    struct http_header list[HEADERS_MAX];
    size_t count;
    char retry_after[24];
    char allow[64];
};

static void add_header(struct headers *headers, const char *name, struct bytes value)
{
    headers->list[headers->count++] = (struct http_header){ name, value };
}

static void add_allow(struct headers *headers, unsigned allow)
{
    static const char *const names[] = {
        [HTTP_GET] = "GET",         [HTTP_HEAD] = "HEAD",   [HTTP_POST] = "POST",
        [HTTP_PUT] = "PUT",         [HTTP_PATCH] = "PATCH", [HTTP_DELETE] = "DELETE",
        [HTTP_OPTIONS] = "OPTIONS",
    };
    size_t len = 0;
    allow |= 1u << HTTP_OPTIONS;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (allow & 1u << i)
            len += (size_t)snprintf(headers->allow + len, sizeof headers->allow - len, "%s%s",
                                    len ? ", " : "", names[i]);
    }
    add_header(headers, "allow", bytes_make(headers->allow, len));
}

static void add_retry_after(struct headers *headers, int64_t ms)
{
    int len = snprintf(headers->retry_after, sizeof headers->retry_after, "%lld",
                       (long long)((ms + 999) / 1000)); /* whole seconds: RFC 9110, 10.2.3 */
    add_header(headers, "retry-after", bytes_make(headers->retry_after, (size_t)len));
}

/* RFC 6750, section 3.1. */
static void add_challenge(struct headers *headers, enum error_code code)
{
    add_header(headers, "www-authenticate",
               bytes_of(code == ERROR_TOKEN_EXPIRED
                            ? "Bearer error=\"invalid_token\", error_description=\"expired\""
                            : "Bearer"));
}

static void send(struct rest *rest, struct http_id http, const struct http_reply *reply)
{
    const struct rest_options *options = rest_options_of(rest);
    rest_count_answer(rest, reply->status);
    if (options->links)
        (void)http_reply(options->links, http, reply); /* the client may be gone: nothing to do */
}

void rest_refuse(struct rest *rest, struct http_id http, const struct error *error,
                 const struct id *request_id, unsigned allow)
{
    SCOPED_BUF(body, PROBLEM_BYTES_MAX);
    struct headers headers = { .count = 0 };
    struct error told = *error;
    if (error_info(told.code)->is_retryable && told.retry_after_ms == 0)
        told.retry_after_ms = RETRY_AFTER_DEFAULT_MS;
    problem_write(&body, &told, id_bytes(request_id));
    add_header(&headers, "x-request-id", id_bytes(request_id));
    if (told.code == ERROR_METHOD_NOT_ALLOWED)
        add_allow(&headers, allow);
    if (told.retry_after_ms)
        add_retry_after(&headers, told.retry_after_ms);
    if (told.code == ERROR_UNAUTHENTICATED || told.code == ERROR_TOKEN_EXPIRED)
        add_challenge(&headers, told.code);
    send(rest, http,
         &(struct http_reply){ .status = (uint16_t)error_info(told.code)->status,
                               .content_type = "application/problem+json",
                               .body = buf_bytes(&body),
                               .headers = headers.list,
                               .header_count = headers.count });
}

void rest_reply_options(struct rest *rest, struct http_id http, const struct id *request_id,
                        unsigned allow)
{
    struct headers headers = { .count = 0 };
    add_header(&headers, "x-request-id", id_bytes(request_id));
    add_allow(&headers, allow);
    send(rest, http,
         &(struct http_reply){
             .status = 204, .headers = headers.list, .header_count = headers.count });
}

void rest_reply(struct rest_call *call)
{
    struct headers headers = { .count = 0 };
    if (call->out.has_failed && call->error.code == ERROR_NONE)
        call->error = (struct error){ .code = ERROR_OVERLOADED }; /* memory was short */
    if (call->error.code != ERROR_NONE) {
        rest_refuse(call->rest, call->http, &call->error, &call->request_id, 0);
        return;
    }
    add_header(&headers, "x-request-id", id_bytes(&call->request_id));
    if (call->location.len)
        add_header(&headers, "location", call->location);
    for (size_t i = 0; i < call->header_count; i++)
        add_header(&headers, call->headers[i].name, call->headers[i].value);
    send(call->rest, call->http,
         &(struct http_reply){ .status = (uint16_t)call->status,
                               .content_type = "application/json",
                               .body = call->status == 204 ? bytes_of(NULL) : buf_bytes(&call->out),
                               .headers = headers.list,
                               .header_count = headers.count });
}
