/* rest.h - the REST API under /v1: docs/PROTOCOL.md, section "REST", and docs/openapi.yaml.
 *
 * One request's way, each step later than the one before:
 *
 *     loop    guard: route, method, token, rate, content type, size   -> a problem, or a call
 *     worker  prepare: body and query parsed; a read is answered here  -> an answer, or a command
 *     loop    submit: the command, the same one that sockets use       -> a problem, or its result
 *     worker  finish: the resource as it is now, the key remembered    -> an answer
 *
 * Nothing here blocks the loop; nothing here publishes. What a command did is never answered with
 * an error: if the resource can't be read after it, the answer names the event and no more.
 *
 * Thread: loop thread, but for what jobs run.
 */
#ifndef APP_REST_H
#define APP_REST_H

#include "app/command.h"
#include "app/reading.h"
#include "base/buf.h"
#include "domain/address_range.h"
#include "ports/directory_store.h"
#include "ports/executor.h"
#include "ports/http_link.h"
#include "ports/tickets.h"
#include "ports/token_verifier.h"

struct rest;
struct accounts;

typedef void rest_submit_fn(struct gateway *gateway, const struct command *command,
                            command_done_fn *done, void *closure);

/* All borrowed for the life of the rest. */
struct rest_options {
    struct reading reading;
    const struct directory_store *directory;
    struct executor *executor;
    struct token_verifier *verifier;
    struct http_links *links;
    const struct clock_source *clock;
    struct gateway *gateway;
    rest_submit_fn *submit; /* command_submit */
    size_t message_bytes_max;
    const struct accounts *accounts; /* NULL: there are none, and /v1/auth is not_found */

    void *closure; /* of the two below; either may be NULL */
    /* A valid token named this user; true: for the first time, as far as is known here. */
    bool (*on_identity)(void *closure, const struct identity *identity);
    /* Takes one request from the user's budget. Returns 0, or how long to wait. */
    int64_t (*admit)(void *closure, const struct identity *identity, bool is_send);
    /* The same of a network, for routes that need no token. May be NULL. */
    int64_t (*admit_range)(void *closure, const struct address_range *range);
    /* The public keys that our tokens are checked by, as a JSON Web Key Set; loop thread. NULL:
     * that route is answered not_found. */
    void (*write_jwks)(void *closure, struct buf *out);
    const char *const *allowed_origins; /* NULL-ended; NULL: none */
    const struct ticket_book *tickets;  /* NULL: that route is answered not_found */
};

struct rest_stats {
    uint64_t requests;
    uint64_t answers[6]; /* by first digit of the status */
    size_t pending;      /* not answered yet */
};

/* NULL if memory is short. */
struct rest *rest_create(const struct rest_options *options);

/* For ws_server_options.http; lives as long as the rest. */
const struct http_sink *rest_sink(struct rest *rest);

/* Handles one request; what the sink calls. The request is borrowed for the call. */
void rest_handle(struct rest *rest, const struct http_request *request);

void rest_stats(const struct rest *rest, struct rest_stats *out);

/* New requests are answered 503 from here on; those under way go on. Freed with the last answer.
 * The executor and the gateway must still run until rest_stats says that none is pending. */
void rest_close(struct rest *rest);

/* rest_close when the listener is gone, and everybody with it: what is under way ends unheard. */
void rest_abandon(struct rest *rest);

#endif
