/* nats_text.h - as much of NATS's text protocol as reading a stream takes.
 *
 * On purpose neither the server's code nor its library: what the bench compares with must not come
 * through what it tests. Plain TCP, user and password.
 * https://docs.nats.io/reference/nats-protocols
 */
#ifndef BENCH_NATS_TEXT_H
#define BENCH_NATS_TEXT_H

#include "util.h"

struct nats_text {
    int fd;
    struct sbuf in;
    size_t used; /* of in */
    unsigned inbox;
};

struct nats_reply {
    struct bytes subject, headers, payload; /* borrowed until the next call */
    unsigned status;                        /* of the header line; 0: an ordinary message */
};

/* Connects with $NATS_USER and $NATS_PASSWORD, or those in the URL.
 *   urls     one, or several with commas between them: the first that can be used is
 *   returns  false, said on stderr, when none can
 */
bool nats_text_open(struct nats_text *nats, const char *urls);
void nats_text_close(struct nats_text *nats);

/* Sends a request whose answers come one by one by nats_text_next. */
void nats_text_ask(struct nats_text *nats, const char *subject, const char *body);
/* The next answer; false when the connection is lost or nothing comes for 10 s. */
bool nats_text_next(struct nats_text *nats, struct nats_reply *out);

/* A header's value; empty when missing. */
struct bytes nats_header(const struct nats_reply *reply, const char *name);

#endif
