/* nats_link.h - one connection to the NATS servers, under one role's user.
 *
 * nats.c runs threads of its own; what they notice reaches the loop as one letter in a mailbox of
 * the link's, so a storm of events costs one wake-up and can't be lost to a full box. A link that
 * loses its server reconnects for as long as it lives; one that a server refuses in words is dead
 * (nats_link_is_dead).
 *
 * A link has one sender thread. Whatever may block on a socket (a publish, a SUB, a flush) is
 * handed to it by a queue, because nats.c writes to the socket in the calling thread.
 *
 * Give the log and the feed links of their own: a reader that falls behind is cut off by the
 * server, and the acknowledgements of publishes must not go with it.
 */
#ifndef ADAPTERS_NATS_NATS_LINK_H
#define ADAPTERS_NATS_NATS_LINK_H

#include "adapters/uv/loop.h"
#include "base/arena.h"
#include "base/fault.h"
#include "base/list.h"

struct nats_link;

struct nats_link_options {
    const char *url;  /* nats://host:port, several with commas; copied, like all text here */
    const char *user; /* NULL or empty: none */
    const char *password;
    const char *name;  /* shown by `nats server report connections` */
    struct loop *loop; /* where events go; NULL: blocking use only, listeners are not called */
    bool is_batching;  /* small publishes wait up to 1 ms for others: for acks, not for requests */
};

/* Connects. A server that can't be reached is no error: the link goes on trying.
 *   returns  a link the caller owns (nats_link_destroy)
 *   errors   RC_INVALID the URL or a text can't be right, RC_DENIED the login was refused already
 *            (else nats_link_wait says so), RC_NOMEM; fault says what
 *   blocks   up to 2 s for a server that doesn't answer; call it before loop_run
 */
MUST_CHECK enum rc nats_link_create(const struct nats_link_options *options,
                                    struct nats_link **out_link, struct fault *fault);

/* Closes the connection, ends the sender thread, frees the link. What uses the link must be
 * destroyed before. Loop thread, or after loop_run. NULL is fine. */
void nats_link_destroy(struct nats_link *link);

/* Whether a server is connected now. Any thread; a moment's view. */
bool nats_link_is_up(const struct nats_link *link);

/* How often it was connected: 0 never, 1 at first, one more after each reconnect. Any thread. */
uint32_t nats_link_epoch(const struct nats_link *link);

/* Whether the link has ended for good: the server refused the login twice in a row, or said another
 * error ("maximum connections exceeded"), which nats.c takes for final. A process that sees this
 * ends, and is started anew by its supervisor (cmd/parleyd/dead_link.c). Any thread. */
bool nats_link_is_dead(struct nats_link *link);

/* Of a dead link: whether it is the login that is refused. Asks once more by a connection of its
 * own, because nats.c says "no server" of a first login that was refused. Blocks up to 2 s. */
bool nats_link_is_login_refused(struct nats_link *link);

/* Waits until the link is up, at most timeout_ms. Not the loop thread.
 * errors: RC_UNAVAILABLE it isn't yet; RC_DENIED the login was refused, the link is dead */
MUST_CHECK enum rc nats_link_wait(struct nats_link *link, int64_t timeout_ms);

/* Writes host and port of the connected server. RC_UNAVAILABLE: none is. Any thread. */
MUST_CHECK enum rc nats_link_address(struct nats_link *link, char host[256], char port[8]);

/* The servers that it was made with, as they were given. Any thread. */
const char *nats_link_urls(const struct nats_link *link);

/* Host and port out of nats://[user:password@]host[:port]; false if it is no such text. */
bool nats_url_split(const char *url, char host[256], char port[8]);

/* Told on the loop thread. The node belongs to the link until nats_link_unlisten. */
struct nats_link_listener {
    struct list node;
    void *closure;
    void (*on_link)(void *closure, bool is_up); /* may be NULL; also after each reconnect */
    void (*on_boundary)(void *closure); /* may be NULL: messages may have been missed until now */
};
void nats_link_listen(struct nats_link *link, struct nats_link_listener *listener);
void nats_link_unlisten(struct nats_link_listener *listener);

/* Something was lost on this link: every listener's on_boundary is called, once for many calls.
 * Any thread. */
void nats_link_raise_boundary(struct nats_link *link);

struct nats_link_counts {
    uint64_t reconnects, slow_consumers, errors, boundaries;
};
struct nats_link_counts nats_link_counts(const struct nats_link *link);

/* One request and its answer, copied into the arena. Blocks up to timeout_ms; not the loop thread.
 * errors: RC_UNAVAILABLE link down or nobody answers that subject, RC_TIMEOUT, RC_NOMEM */
MUST_CHECK enum rc nats_link_request(struct nats_link *link, const char *subject,
                                     struct bytes payload, int64_t timeout_ms, struct arena *arena,
                                     struct bytes *out_reply);

#endif
