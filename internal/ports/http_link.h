/* http_link.h - port: HTTP requests, as the app sees them.
 *
 * The adapter hands over whole requests that passed its guard (sizes, framing, host, target), one
 * at a time per connection. The app answers each exactly once, now or later, by its id; if the
 * client is gone by then the answer is dropped without a word.
 *
 * Thread: loop thread only.
 */
#ifndef PORTS_HTTP_LINK_H
#define PORTS_HTTP_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/rc.h"

enum http_method {
    HTTP_GET,
    HTTP_HEAD, /* answer as for GET: the adapter leaves the body out */
    HTTP_POST,
    HTTP_PUT,
    HTTP_PATCH,
    HTTP_DELETE,
    HTTP_OPTIONS,
};

/* One `name=value` of the query, both percent-decoded. */
struct http_param {
    struct bytes name;
    struct bytes value;
};

/* Names one request of one connection; goes stale with the answer or the connection. */
struct http_id {
    uint32_t index;
    uint32_t generation;
    uint32_t request;
};

/* All fields are borrowed for the call and empty when absent. No field but body holds a NUL or a
 * line end. */
struct http_request {
    struct http_id id;
    enum http_method method;
    struct bytes path; /* percent-decoded, begins with "/", no ".." and no "//" */
    const struct http_param *params;
    size_t param_count;
    struct bytes authorization;
    struct bytes cookie;
    struct bytes origin;
    struct bytes host;
    struct bytes content_type;
    struct bytes accept;
    struct bytes idempotency_key;
    struct bytes csrf_token; /* X-CSRF-Token */
    struct bytes if_match;
    struct bytes if_none_match;
    struct bytes last_event_id;
    struct bytes user_agent;
    struct bytes forwarded_for;  /* X-Forwarded-For as it came: only for configured proxies */
    struct bytes remote_address; /* "127.0.0.1"; the socket's peer, no header is believed */
    struct bytes client_address; /* whom a trusted proxy names, else the same */
    struct bytes body;           /* whole, within the limit; not checked for UTF-8 */
    bool is_tls;
    bool is_loopback; /* the listener's own address is a loopback one */
};

struct http_header {
    const char *name; /* lower case, without colon */
    struct bytes value;
};

struct http_reply {
    uint16_t status;
    const char *content_type; /* NULL: application/json; with a problem: application/problem+json */
    struct bytes body;        /* copied */
    const struct http_header *headers; /* besides those the adapter sets; copied */
    size_t header_count;
};

struct http_sink {
    void *app;
    /* One request. http_reply may be called from inside. */
    void (*on_request)(void *app, const struct http_request *request);
};

struct http_links {
    const struct http_links_ops *ops;
};

struct http_links_ops {
    enum rc (*reply)(struct http_links *links, struct http_id id, const struct http_reply *reply);
};

/* Answers a request.
 *   reply   borrowed, copied. The adapter adds length, date-less security headers and, for API
 *           answers, `cache-control: no-store`; a header given here replaces the adapter's own
 *   errors  RC_NOT_FOUND the client is gone or was answered: nothing to do;
 *           RC_NOMEM the connection was closed instead; RC_INVALID a header holds a line end
 *           (the client got a 500)
 */
static inline enum rc http_reply(struct http_links *links, struct http_id id,
                                 const struct http_reply *reply)
{
    return links->ops->reply(links, id, reply);
}

/* The value of a query parameter, the first if it is repeated.
 *   returns  false when it is absent; then out_value is left alone
 */
static inline bool http_param(const struct http_param *params, size_t count, const char *name,
                              struct bytes *out_value)
{
    for (size_t i = 0; i < count; i++) {
        if (bytes_is(params[i].name, name)) {
            *out_value = params[i].value;
            return true;
        }
    }
    return false;
}

/* Whether an Origin is the page of this very host: "https://chat.example" and "chat.example". */
static inline bool origin_is_host(struct bytes origin, struct bytes host)
{
    static const char *const schemes[] = { "http://", "https://" };
    for (size_t i = 0; i < 2; i++) {
        size_t len = strlen(schemes[i]);
        if (host.len && bytes_starts(origin, schemes[i]) &&
            bytes_equal(bytes_make(origin.ptr + len, origin.len - len), host))
            return true;
    }
    return false;
}

/* The value of one cookie of a Cookie header (RFC 6265, section 5.4), the first of that name.
 *   returns  false when it is absent; then out_value is left alone
 */
static inline bool http_cookie(struct bytes header, const char *name, struct bytes *out_value)
{
    size_t name_len = strlen(name);
    const uint8_t *at = header.ptr, *end = header.ptr ? header.ptr + header.len : NULL;
    while (at < end) {
        while (at < end && (*at == ' ' || *at == ';'))
            at++;
        const uint8_t *stop = at < end ? memchr(at, ';', (size_t)(end - at)) : NULL;
        if (!stop)
            stop = end;
        if ((size_t)(stop - at) > name_len && at[name_len] == '=' &&
            memcmp(at, name, name_len) == 0) {
            *out_value = bytes_make(at + name_len + 1, (size_t)(stop - at) - name_len - 1);
            return true;
        }
        at = stop;
    }
    return false;
}

#endif
