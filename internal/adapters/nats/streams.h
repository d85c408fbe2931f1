/* streams.h - streams/<name>.json against a server: what is missing, what is weaker, making it so.
 *
 * Only the fields that a file has are looked at: a server adds defaults and _nats.* metadata of its
 * own. first_seq counts when a stream is made and never again. Blocking; any thread but the loop's.
 */
#ifndef ADAPTERS_NATS_STREAMS_H
#define ADAPTERS_NATS_STREAMS_H

#include "adapters/nats/nats_link.h"

struct stream_vars {
    uint32_t partitions;
    uint32_t generation;
    uint32_t replicas;
    uint64_t chat_max_bytes; /* 0: checks accept any bound; apply needs a number */
};

struct stream_set;

/* Reads every *.json of the folder, fills its placeholders (streams/README.md) and parses it.
 *   errors  RC_NOT_FOUND no such folder or no file in it, RC_INVALID a file isn't right (fault: the
 *           file's name, and what), RC_NOMEM
 */
MUST_CHECK enum rc streams_load(const char *folder, const struct stream_vars *vars,
                                struct stream_set **out_set, struct fault *fault);
void streams_destroy(struct stream_set *set);

/* The shortest max_age of the conversations' streams (CHAT_<p>) in the files, in ms; 0: none ends.
 * A server that keeps less isn't ready (streams_check). */
int64_t streams_chat_max_age_ms(const struct stream_set *set);

/* Fills chat_max_bytes, unless it is set, from the servers' monitoring pages: 70 % of the smallest
 * file store over the partitions (with as many copies as servers each holds all of it).
 *   monitor_urls  one a server, separated by commas; those that don't answer are left out
 *   errors        RC_INVALID none given, RC_UNAVAILABLE, RC_TIMEOUT none answers
 */
MUST_CHECK enum rc streams_fill_limits(const char *monitor_urls, struct stream_vars *vars);

enum stream_finding_kind {
    STREAM_MISSING,   /* the server doesn't have it */
    STREAM_WEAKER,    /* it keeps less, checks less or promises less than the file says */
    STREAM_STRONGER,  /* it keeps more; harmless */
    STREAM_DIFFERENT, /* neither; not as meant */
    STREAM_SERVER,    /* the server itself: too old, or it answers before the disk has it */
    STREAM_SKEWED,    /* of the version before or after ours: an upgrade is under way, no fault */
    STREAM_UNSEEN,    /* couldn't be looked at, or need not be: a note, no fault */
    STREAM_UNPROVEN,  /* couldn't be looked at, and has to be */
    STREAM_CREATED,
    STREAM_UPDATED,
    STREAM_REFUSED,
    STREAM_FAILED, /* what apply did */
};

struct stream_finding {
    enum stream_finding_kind kind;
    char item[128]; /* "stream CHAT_0", "consumer CHAT_0.persister", "server", of several the one
                       that it is about: "server 10.0.0.2:4222" */
    char field[64]; /* "max_age"; empty: the whole */
    char wanted[96], found[96];
};

struct stream_report {
    struct stream_finding *findings;
    size_t count;
    bool is_ready;  /* nothing is missing, weaker or different, and the server is as it must be */
    bool has_fault; /* something isn't; false too where only the proof of it is missing */
};
void stream_report_fini(struct stream_report *report);
const char *stream_finding_kind_name(enum stream_finding_kind kind); /* "missing" */

/* Compares. Each server that the link's URL names is looked at; one that doesn't answer is a note.
 *   monitor_urls   http://host:port of each server's monitoring, separated by commas
 *   requires_sync  every server that takes clients has to show there that it syncs each write, else
 *                  a finding says which one doesn't, or that it can't be seen; false: a note
 *   errors  RC_UNAVAILABLE, RC_TIMEOUT: nothing is known; a difference is a finding, not an error
 */
MUST_CHECK enum rc streams_check(const struct stream_set *set, struct nats_link *link,
                                 const char *monitor_urls, bool requires_sync,
                                 struct stream_report *out_report);

/* Asks the leader of each CHAT stream for a sign of life; writes the partition of the first that
 * gives none within timeout_ms. RC_OK: all do. */
MUST_CHECK enum rc streams_probe(struct nats_link *link, uint32_t partitions, int64_t timeout_ms,
                                 uint32_t *out_partition);

/* The streams and consumers alone, without the server's version and settings. */
MUST_CHECK enum rc streams_diff(const struct stream_set *set, struct nats_link *link,
                                struct stream_report *out_report);

struct stream_apply_options {
    bool is_forced;      /* also lower age, size, replicas and window (may delete at once) */
    bool leaves_log;     /* not the streams CHAT_<p> and their consumers */
    bool is_memory_only; /* only streams in memory: what a gateway does after each reconnect */
};

/* Creates what is missing and updates what differs. RC_OK: all was asked of the server; the report
 * says what became of each. is_ready: nothing was refused or failed. RC_UNAVAILABLE, RC_TIMEOUT:
 * also from a cluster that has no leader (yet); what was done is done, so ask again. */
MUST_CHECK enum rc streams_apply(const struct stream_set *set, struct nats_link *link,
                                 const struct stream_apply_options *options,
                                 struct stream_report *out_report);

#endif
