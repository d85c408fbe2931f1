/* streams_priv.h - what the files of streams share. */
#ifndef ADAPTERS_NATS_STREAMS_PRIV_H
#define ADAPTERS_NATS_STREAMS_PRIV_H

#include "adapters/nats/nats_priv.h"
#include "adapters/nats/streams.h"

#include <jansson.h>

enum { STREAM_NAME_CHARS = 48 };

#define STREAM_SCHEMA_KEY "parley.schema"
/* How many versions theirs is ahead of ours; 0 when one of them is no version. */
int stream_schema_ahead(const json_t *ours, const json_t *theirs);

struct stream_item {
    char stream[STREAM_NAME_CHARS];
    char consumer[STREAM_NAME_CHARS]; /* empty: the stream itself */
    json_t *config;
    bool is_memory;
};

struct stream_set {
    struct stream_item *items; /* streams before their consumers */
    size_t count;
    struct stream_vars vars;
};

static inline void stream_drop_json(json_t **value)
{
    json_decref(*value);
}
#define SCOPED_CONFIG __attribute__((cleanup(stream_drop_json)))

/* Appends a finding; RC_NOMEM when it can't. Texts are cut to fit. */
MUST_CHECK enum rc stream_report_add_named(struct stream_report *report,
                                           enum stream_finding_kind kind, const char *name,
                                           const char *field, const char *wanted,
                                           const char *found);
MUST_CHECK enum rc stream_report_add(struct stream_report *report, enum stream_finding_kind kind,
                                     const struct stream_item *item, const char *field,
                                     const char *wanted, const char *found);

/* Asks for the item's config. RC_NOT_FOUND: the server doesn't have it. The caller owns it. */
MUST_CHECK enum rc stream_item_fetch(const struct stream_item *item, struct nats_link *link,
                                     json_t **out_config);

/* streams_server.c: adds a finding for each server that is too old or answers before the disk has
 * it, or isn't seen not to. RC_UNAVAILABLE, RC_TIMEOUT: no server could be asked. */
MUST_CHECK enum rc stream_servers_check(struct nats_link *link, const char *monitor_urls,
                                        bool requires_sync, struct stream_report *report);

/* Adds a finding for each field that differs. */
MUST_CHECK enum rc stream_item_compare(const struct stream_item *item, const json_t *found,
                                       struct stream_report *report);

/* Sends a request to $JS.API; *out_reply is the caller's, without "error".
 * errors: RC_NOT_FOUND (code 404), RC_UNAVAILABLE (also: a cluster without a leader, or with too
 * few of its servers for now), RC_CONFLICT (any other error: text says which), … */
MUST_CHECK enum rc stream_api(struct nats_link *link, const char *subject, const json_t *request,
                              json_t **out_reply, char text[96]);

#endif
