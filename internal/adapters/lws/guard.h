/* guard.h - the HTTP guard: what a request must be before anything else looks at it.
 *
 * The library's parser is lenient and its body handling has holes: chunked bodies are not decoded,
 * Content-Length goes through atoll, a body on GET arrives after the answer, a pipelined POST
 * re-enters its completion. The guard refuses whatever could make it and a proxy in front disagree
 * about where a request ends (RFC 9112, sections 6.3 and 11.2), and what the library can't do.
 */
#ifndef ADAPTERS_LWS_GUARD_H
#define ADAPTERS_LWS_GUARD_H

#include <libwebsockets.h>

#include "ports/client_link.h"
#include "ports/http_link.h"

enum { GUARD_PARAMS_MAX = 24 };

struct guard_limits {
    uint32_t header_bytes_max;
    uint32_t body_bytes_max;
};

/* A request line and headers that passed. Everything points into the caller's scratch memory. */
struct guard_head {
    struct http_request request; /* id, body, addresses and flags are the caller's */
    struct http_param params[GUARD_PARAMS_MAX];
    uint64_t body_bytes;
    bool has_length; /* Content-Length was given */
    bool expects_continue;
    bool is_http10;
    bool wants_close; /* Connection: close, or HTTP/1.0 */
};

/* Why a request is refused; a row of a table, static. */
struct guard_refusal {
    uint16_t status;
    const char *code;   /* PROTOCOL section 5 */
    const char *detail; /* for people; says nothing about the input */
    const char *header; /* one more response header with its line end, or NULL */
};

/* Looks at the request that wsi has parsed.
 *   scratch  memory for the texts, at least twice the library's header space
 *   returns  NULL when it is good, and out_head is set
 */
const struct guard_refusal *guard_check(struct lws *wsi, const struct guard_limits *limits,
                                        char *scratch, size_t scratch_bytes,
                                        struct guard_head *out_head);

/* Looks at a request that passed guard_check and asks for an upgrade (RFC 6455, section 4.2.1).
 *   returns  NULL when it is a good WebSocket handshake
 */
const struct guard_refusal *guard_check_upgrade(struct lws *wsi, const struct guard_head *head);

/* Looks at bytes that the library could not parse as a request: an unknown method, or no HTTP. */
const struct guard_refusal *guard_check_garbage(const uint8_t *bytes, size_t len);

/* Rows that other files use. */
extern const struct guard_refusal guard_no_route, guard_too_many, guard_too_slow, guard_reply_late,
    guard_body_too_large, guard_pipelined_body;

#endif
