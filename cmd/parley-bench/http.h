/* http.h - REST calls, one after the other, on a kept-alive connection.
 *
 * Used to set a run up and to read pages when it is over, so it may block; never while a latency
 * is being taken.
 */
#ifndef BENCH_HTTP_H
#define BENCH_HTTP_H

#include "util.h"
#include "ws.h"

struct http {
    struct endpoint to;
    int fd;
    struct sbuf in;
    uint64_t calls, retries;
    unsigned patience_s; /* how long a call is tried again while the server is away (default 60) */
};

void http_init(struct http *http, const char *url);
void http_fini(struct http *http);

/* One call. Calls of this API are idempotent (own ids), so a broken connection or 5xx or 429 is
 * tried again until patience ends.
 *   path      starts with /v1
 *   body      JSON; empty: none
 *   out_body  the answer's body, borrowed until the next call
 *   returns   the HTTP status, 0 when the server could not be reached
 */
unsigned http_call(struct http *http, const char *method, const char *path, const char *token,
                   struct bytes body, struct bytes *out_body);

#endif
