/* rest_doors.c - what lets people in: the keys of tokens, tickets for sockets. */
#include "app/rest_call.h"

/* Keys change by rotation only, and then the old ones stay for a while. */
enum error_code rest_get_jwks(struct rest_call *call)
{
    if (!call->options->write_jwks)
        return ERROR_NOT_FOUND;
    call->options->write_jwks(call->options->closure, &call->out);
    call->status = 200;
    rest_add_header(call, "cache-control", bytes_of("public, max-age=60"));
    return ERROR_NONE;
}

/* For one socket within 30 s; it carries this token's session, roles and end. */
enum error_code rest_make_ticket(struct rest_call *call)
{
    const struct ticket_book *book = call->options->tickets;
    SCOPED_BUF(ticket, TICKET_BYTES_MAX);
    char at[RFC3339_CHARS];
    int64_t expires_s, now_s = clock_wall_us(call->options->clock) / 1000000;
    if (!book)
        return ERROR_NOT_FOUND;
    REST_TRY_RC(call, book->issue(book->self, &call->who, now_s, &ticket, &expires_s));
    rfc3339_write(expires_s * 1000000, at);
    call->status = 201;
    buf_add_format(&call->out, "{\"ticket\":\"%.*s\",\"expiresAt\":\"%s\"}",
                   BYTES_ARG(buf_bytes(&ticket)), at);
    return ERROR_NONE;
}

/* clang-format off */
static const struct rest_route routes[] = {
    { HTTP_POST,   "/v1/auth/ticket", ROUTE_NO_KEY, rest_make_ticket, NULL },
    { HTTP_GET,    "/.well-known/jwks.json", ROUTE_OPEN | ROUTE_AT_ONCE, rest_get_jwks, NULL },
};
/* clang-format on */

const struct rest_routes rest_door_routes = { routes, COUNT_OF(routes) };
