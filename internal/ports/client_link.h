/* client_link.h - port: the sockets of clients, as the app sees them.
 *
 * Two halves. `client_sink` is what the app offers: it is told of handshakes, messages and ends.
 * `client_links` is what the adapter offers: sending, closing, holding back. A connection is named
 * by a link_id, which goes stale when the connection ends and never names another: using a stale
 * one is harmless and answered with RC_NOT_FOUND.
 *
 *     upgrade --refused--> (nothing more)
 *        | accepted
 *        v
 *     on_open  ->  on_message* / on_writable*  ->  on_close
 *
 * After an accepted upgrade on_close comes exactly once, with or without on_open before it.
 *
 * Thread: loop thread only. No call of the sink comes from inside a call of client_links.
 */
#ifndef PORTS_CLIENT_LINK_H
#define PORTS_CLIENT_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/rc.h"
#include "domain/id.h"
#include "ports/frame.h"
#include "ports/http_link.h"

/* generation 0 is never given: an all-zero id names no link. */
struct link_id {
    uint32_t index;
    uint32_t generation;
};

/* Close codes of PROTOCOL section 3 (the first ones are RFC 6455, section 7.4.1). */
enum close_code {
    CLOSE_NORMAL = 1000,
    CLOSE_GOING_AWAY = 1001,
    CLOSE_PROTOCOL = 1002,
    CLOSE_UNSUPPORTED = 1003,
    CLOSE_BAD_TEXT = 1007,
    CLOSE_POLICY = 1008, /* not authenticated; the reason says why */
    CLOSE_TOO_LARGE = 1009,
    CLOSE_INTERNAL = 1011,
    CLOSE_RESTART = 1012,
    CLOSE_OVERLOADED = 1013,
    CLOSE_TOKEN_EXPIRED = 4001,
    CLOSE_REVOKED = 4002,
    CLOSE_TOO_MANY_BAD = 4003,
    CLOSE_HEARTBEAT = 4004,
    CLOSE_TOO_SLOW = 4005,
    CLOSE_TOO_MANY_LINKS = 4006,
};

/* A WebSocket handshake. All fields are borrowed for the call and empty when absent; path and
 * query values are percent-decoded. No field holds a NUL or a line end. */
struct upgrade_request {
    struct bytes path;
    struct bytes authorization; /* whole header value: "Bearer …" */
    struct bytes cookie;        /* whole header value; see http_cookie() */
    struct bytes origin;
    struct bytes host;
    struct bytes user_agent;
    struct bytes remote_address; /* "127.0.0.1"; the socket's peer, no header is believed */
    struct bytes client_address; /* whom a trusted proxy names, else the same */
    struct bytes forwarded_for;  /* X-Forwarded-For as it came: only for configured proxies */
    const struct http_param *params;
    size_t param_count;
    bool is_tls;
    bool is_loopback; /* the listener's own address is a loopback one */
};

/* What the app decides about a handshake. Zeroed is "accept". */
struct upgrade_decision {
    uint16_t http_status;   /* 0 accepts; else 4xx or 5xx, answered without upgrade */
    struct bytes body;      /* of a refusal, application/problem+json; copied */
    struct id request_id;   /* of a refusal: X-Request-Id; empty for none */
    uint32_t retry_after_s; /* of a refusal: Retry-After; 0 for none */
    uint16_t close_code;    /* accepted, then closed at once with this; 0 for none. No on_open, but
                               on_close if user is set */
    struct bytes close_reason; /* at most 123 bytes; copied */
    void *user;                /* the app's own pointer of this link, given to every later call */
};

struct client_sink {
    void *app;

    /* A handshake with good syntax. Fill in the decision (zeroed before). */
    void (*on_upgrade)(void *app, struct link_id link, const struct upgrade_request *request,
                       struct upgrade_decision *out_decision);

    /* The socket is open: sending is allowed from here on. */
    void (*on_open)(void *app, struct link_id link, void *user);

    /* One whole text message: valid UTF-8, not above the limit. Borrowed for the call. */
    void (*on_message)(void *app, struct link_id link, void *user, struct bytes text);

    /* After link_send said RC_FULL: there is room again. Comes once per RC_FULL. Also as the
     * answer to link_want_writable. */
    void (*on_writable)(void *app, struct link_id link, void *user);

    /* The link is gone. The id is stale from here on; release user. */
    void (*on_close)(void *app, struct link_id link, void *user);
};

struct client_links {
    const struct client_links_ops *ops;
};

struct client_links_ops {
    enum rc (*send)(struct client_links *links, struct link_id link, struct frame *frame);
    void (*want_writable)(struct client_links *links, struct link_id link);
    void (*close)(struct client_links *links, struct link_id link, uint16_t code,
                  struct bytes reason);
    void (*pause)(struct client_links *links, struct link_id link);
    void (*resume)(struct client_links *links, struct link_id link);
};

/* Sends one frame, at once if the socket takes it.
 *   frame   borrowed: the caller keeps its reference; the adapter copies what the kernel refused
 *   errors  RC_FULL earlier bytes still wait: nothing was taken, on_writable will come;
 *           RC_NOT_FOUND the link is closing or gone
 */
static inline MUST_CHECK enum rc link_send(struct client_links *links, struct link_id link,
                                           struct frame *frame)
{
    return links->ops->send(links, link, frame);
}

/* Asks for one on_writable on a later turn, when the socket has room. */
static inline void link_want_writable(struct client_links *links, struct link_id link)
{
    links->ops->want_writable(links, link);
}

/* Closes with a code (enum close_code or 4000-4999) and a reason of at most 123 bytes, copied.
 * The close happens on a later turn, on_close after it; nothing more is delivered or sent. The
 * first call wins. */
static inline void link_close(struct client_links *links, struct link_id link, uint16_t code,
                              struct bytes reason)
{
    links->ops->close(links, link, code, reason);
}

/* Stops reading from this client until link_resume; TCP then slows it. A paused link isn't held
 * dead for missing heartbeats, because its pongs are not read either. Messages of bytes that were
 * read before may still come in this turn. Counts nothing: one resume is enough. */
static inline void link_pause(struct client_links *links, struct link_id link)
{
    links->ops->pause(links, link);
}

static inline void link_resume(struct client_links *links, struct link_id link)
{
    links->ops->resume(links, link);
}

#endif
