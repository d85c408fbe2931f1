/* reply.c - an HTTP answer as bytes. */
#include "adapters/lws/reply.h"

#include <stdio.h>

#include "adapters/lws/server.h"

enum { REPLY_BYTES_MAX = 64 * 1024 * 1024 };

static const char *status_title(unsigned status)
{
    static const struct {
        unsigned status;
        const char *title;
    } titles[] = {
        { 200, "OK" },
        { 201, "Created" },
        { 202, "Accepted" },
        { 204, "No Content" },
        { 304, "Not Modified" },
        { 400, "Bad Request" },
        { 401, "Unauthorized" },
        { 403, "Forbidden" },
        { 404, "Not Found" },
        { 405, "Method Not Allowed" },
        { 408, "Request Timeout" },
        { 409, "Conflict" },
        { 410, "Gone" },
        { 411, "Length Required" },
        { 412, "Precondition Failed" },
        { 413, "Content Too Large" },
        { 415, "Unsupported Media Type" },
        { 417, "Expectation Failed" },
        { 426, "Upgrade Required" },
        { 429, "Too Many Requests" },
        { 431, "Request Header Fields Too Large" },
        { 500, "Internal Server Error" },
        { 503, "Service Unavailable" },
        { 504, "Gateway Timeout" },
        { 505, "HTTP Version Not Supported" },
        { 507, "Insufficient Storage" },
    };
    for (size_t i = 0; i < COUNT_OF(titles); i++) {
        if (titles[i].status == status)
            return titles[i].title;
    }
    return status < 400 ? "OK" : "Error";
}

static bool is_line(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\r' || text.ptr[i] == '\n' || text.ptr[i] == 0)
            return false;
    }
    return true;
}

bool reply_is_good(const struct http_reply *reply)
{
    for (size_t i = 0; i < reply->header_count; i++) {
        const struct http_header *header = &reply->headers[i];
        if (!header->name || !header->name[0] || strchr(header->name, ':') ||
            !is_line(bytes_of(header->name)) || !is_line(header->value))
            return false;
    }
    return is_line(bytes_of(reply->content_type));
}

static bool reply_has(const struct http_reply *reply, const char *name)
{
    for (size_t i = 0; i < reply->header_count; i++) {
        if (strcmp(reply->headers[i].name, name) == 0)
            return true;
    }
    return false;
}

static void add_date(struct buf *out)
{
    static char text[64];
    static time_t written; /* loop thread only */
    time_t now = time(NULL);
    if (now != written) {
        struct tm tm;
        if (gmtime_r(&now, &tm))
            (void)strftime(text, sizeof text, "date: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm);
        written = now;
    }
    buf_add_text(out, text);
}

/* Every answer carries these unless it says otherwise itself. */
static const struct {
    const char *name;
    const char *line;
} standing_headers[] = {
    { "x-content-type-options", "x-content-type-options: nosniff\r\n" },
    { "content-security-policy",
      "content-security-policy: default-src 'none'; frame-ancestors 'none'\r\n" },
    { "cross-origin-resource-policy", "cross-origin-resource-policy: same-origin\r\n" },
    { "referrer-policy", "referrer-policy: no-referrer\r\n" },
    { "cache-control", "cache-control: no-store\r\n" },
};

static const char *content_type_of(const struct http_reply *reply)
{
    if (reply->content_type)
        return reply->content_type;
    return reply->status >= 400 ? "application/problem+json" : "application/json";
}

static struct bytes allow_of(const struct http_reply *reply)
{
    for (size_t i = 0; i < reply->header_count; i++)
        if (strcmp(reply->headers[i].name, "allow") == 0)
            return reply->headers[i].value;
    return bytes_of("");
}

/* For pages of allowed origins alone (Fetch standard, section 3.2). An answer depends on the origin
 * from the moment that one is allowed, so caches must know. */
static void add_cors(struct buf *out, const struct conn *conn, const struct http_reply *reply)
{
    if (conn->server->cors_count == 0)
        return;
    buf_add_text(out, "vary: origin\r\n");
    if (!conn->cors)
        return;
    const char *origin = conn->server->options.cors_origins[conn->cors - 1];
    buf_add_format(out,
                   "access-control-allow-origin: %s\r\n"
                   "access-control-expose-headers: location, retry-after, x-request-id\r\n",
                   origin);
    if (strcmp(origin, "*") != 0)
        buf_add_text(out, "access-control-allow-credentials: true\r\n");
    if (conn->is_preflight)
        buf_add_format(out,
                       "access-control-allow-methods: %.*s\r\n"
                       "access-control-allow-headers: authorization, content-type, "
                       "idempotency-key, x-csrf-token, last-event-id\r\n"
                       "access-control-max-age: 600\r\n",
                       BYTES_ARG(allow_of(reply)));
}

static void add_head(struct buf *out, const struct conn *conn, const struct http_reply *reply)
{
    bool has_body = reply->status != 204 && reply->status != 304;
    buf_add_format(out, "HTTP/1.1 %u %s\r\n", reply->status, status_title(reply->status));
    add_date(out);
    if (has_body)
        buf_add_format(out, "content-type: %s\r\ncontent-length: %zu\r\n", content_type_of(reply),
                       reply->body.len);
    for (size_t i = 0; i < COUNT_OF(standing_headers); i++) {
        if (!reply_has(reply, standing_headers[i].name))
            buf_add_text(out, standing_headers[i].line);
    }
    if (conn->server->is_tls && !reply_has(reply, "strict-transport-security"))
        buf_add_text(out, "strict-transport-security: max-age=31536000\r\n");
    add_cors(out, conn, reply);
    for (size_t i = 0; i < reply->header_count; i++) {
        buf_add_text(out, reply->headers[i].name);
        buf_add_text(out, ": ");
        buf_add(out, reply->headers[i].value);
        buf_add_text(out, "\r\n");
    }
    buf_add_text(out,
                 conn->must_close ? "connection: close\r\n\r\n" : "connection: keep-alive\r\n\r\n");
}

bool reply_encode(const struct conn *conn, const struct http_reply *reply, bool is_head,
                  struct buf *out)
{
    static const uint8_t room[LWS_PRE];
    buf_init(out, REPLY_BYTES_MAX);
    buf_add(out, bytes_make(room, sizeof room));
    add_head(out, conn, reply);
    if (!is_head && reply->status != 204 && reply->status != 304)
        buf_add(out, reply->body);
    if (out->has_failed)
        buf_fini(out);
    return !out->has_failed;
}

void reply_add_problem(struct buf *out, const struct guard_refusal *refusal,
                       const struct id *request_id)
{
    bool is_retryable = refusal->status == 408 || refusal->status == 503 || refusal->status == 504;
    buf_add_format(out,
                   "{\"type\":\"urn:parley:problem:%s\",\"title\":\"%s\",\"status\":%u,"
                   "\"detail\":\"%s\",\"instance\":\"urn:uuid:%s\",\"code\":\"%s\",",
                   refusal->code, status_title(refusal->status), refusal->status, refusal->detail,
                   request_id->text, refusal->code);
    buf_add_format(out,
                   "\"message\":\"%s\",\"retryable\":%s,\"retryAfterMs\":null,\"field\":null,"
                   "\"requestId\":\"%s\"}",
                   refusal->detail, is_retryable ? "true" : "false", request_id->text);
}
