/* dlq.h - dead letters as the subcommands of `parleyctl dlq` share them. Private to cmd_dlq*.c. */
#ifndef PARLEYCTL_DLQ_H
#define PARLEYCTL_DLQ_H

#include "base/arena.h"
#include "ctl_nats.h"

#define DLQ_STREAM "CHAT_DLQ"

enum { LETTER_BYTES_MAX = 1 << 20 };

struct letter {
    struct ctl_stored stored;
    const char *consumer; /* of the subject: dlq.<consumer>.<reason> */
    const char *reason, *error, *stream, *subject, *seq, *deliveries, *time;
};

/* Which letters a command is about. */
struct choice {
    bool is_all;
    const char *reason; /* NULL: any */
    const char *before; /* RFC 3339 in UTC, compared as text; NULL: any */
    uint64_t ids[64];
    size_t id_count;
};

/* What is done to the chosen ones, or, with --dry-run, would be. */
struct outcome {
    bool is_dry;
    size_t count;
    json_t *ids; /* of a dry run; NULL: not made yet */
};

typedef bool letter_fn(void *closure, struct nats_link *link, const struct letter *letter,
                       struct arena *arena);

/* Calls each() for every chosen letter there is now, oldest first, until it returns false. Returns
 * the exit code. */
int dlq_each(const struct ctl *ctl, const struct choice *choice, letter_fn *each, void *closure);

/* Takes the ids after the command's words; false after having said which is none. */
bool dlq_read_ids(struct choice *choice, int argc, char **argv);

/* Removes one for good. RC_NOT_FOUND: it is gone already */
MUST_CHECK enum rc dlq_remove(struct nats_link *link, uint64_t seq);

/* Counts one more. */
void dlq_count(struct outcome *outcome, const struct letter *letter);

/* Prints how many were, or would be; `done` is "purged", `would` "wouldPurge". Frees the ids. */
int dlq_print_outcome(const struct ctl *ctl, struct outcome *outcome, const char *done,
                      const char *would);

#endif
