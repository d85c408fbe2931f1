/* ctl_nats.h - JetStream as parleyctl's subcommands ask it: requests and answers in JSON, under the
 * operator's login. Blocking. What goes wrong is said on standard error by the function it goes
 * wrong in, so a caller just ends.
 */
#ifndef PARLEYCTL_CTL_NATS_H
#define PARLEYCTL_CTL_NATS_H

#include <jansson.h>

#include "adapters/nats/nats_link.h"
#include "ctl.h"

struct store;
struct message_store;

/* Says that nobody answers at nats.url, or whatever else `what` is of it; and where the settings
 * come from, if they come from no file: then it is likely another server's, or none's. Returns
 * CTL_FAILED. */
int ctl_fail_nats(const struct ctl *ctl, const char *what);

/* Connects as the operator. NULL after having said why not. */
struct nats_link *ctl_nats_open(const struct ctl *ctl);

/* Asks $JS.API.<call>; request may be NULL, it stays the caller's.
 * errors: RC_NOT_FOUND, without a word; all others are said */
MUST_CHECK enum rc ctl_js(struct nats_link *link, const char *call, const json_t *request,
                          json_t **out_reply);

/* A stored message as the stream's leader gives it; all of it in the arena. */
struct ctl_stored {
    uint64_t seq;
    const char *subject, *time; /* time: RFC 3339 */
    struct bytes headers;       /* "NATS/1.0\r\nName: value\r\n...", may be empty */
    struct bytes payload;
};
/* request: {"seq":...}, {"seq":...,"next_by_subj":...}. errors: RC_NOT_FOUND without a word */
MUST_CHECK enum rc ctl_stored_get(struct nats_link *link, const char *stream, const json_t *request,
                                  struct arena *arena, struct ctl_stored *out);

/* The value of a header as a C string in the arena; "" when it isn't there. */
const char *ctl_header(const struct ctl_stored *message, const char *name, struct arena *arena);

/* Whether the settings name a SQLite store whose file isn't there: opening it would make an empty
 * one. */
bool ctl_store_file_is_missing(const struct ctl *ctl);

/* Opens the message store that the settings name. RC_NOT_FOUND: there is none yet, and nothing was
 * said; of anything else it was said what is wrong. */
MUST_CHECK enum rc ctl_store_find(const struct ctl *ctl, struct store **out_store,
                                  const struct message_store **out_messages);

/* Opens the message store that the settings name. false after having said why not. */
bool ctl_store_open(const struct ctl *ctl, struct store **out_store,
                    const struct message_store **out_messages);

/* Prints a JSON value and a newline. Takes it. */
int ctl_print_json(json_t *value);

static inline void ctl_drop_json(json_t **value)
{
    json_decref(*value);
}
#define SCOPED_CTL_JSON __attribute__((cleanup(ctl_drop_json)))

#endif
