/* sq_apply.h - what the two files that apply events share: one batch under way. */
#ifndef ADAPTERS_SQLITE_SQ_APPLY_H
#define ADAPTERS_SQLITE_SQ_APPLY_H

#include "adapters/sqlite/sq_store.h"
#include "base/map.h"

/* A conversation that the batch touches: read once, written once. */
struct touched {
    int64_t no;
    int64_t last_id; /* of its rows in events */
    struct conversation conversation;
};

struct applying {
    struct sq_conn *conn;
    struct arena *arena;
    struct map touched; /* by conversation id; values in the arena */
    uint32_t partition;
};

/* The event is in and is new: what follows from it for messages. result is APPLIED_NEW on entry. */
MUST_CHECK enum rc sq_apply_message(struct applying *a, struct touched *t,
                                    const struct event *event, struct applied_result *result);
MUST_CHECK enum rc sq_apply_overlay(struct applying *a, struct touched *t,
                                    const struct event *event);
MUST_CHECK enum rc sq_apply_withdrawal(struct applying *a, struct touched *t,
                                       const struct event *event);

/* Remembers the event under (operation, actor, client id, body); *out_other is another event's seq
 * that has the same, lower or higher, or 0. Afterwards the lowest one is the one remembered. */
MUST_CHECK enum rc sq_remember_operation(struct applying *a, int64_t no, const struct event *event,
                                         uint64_t *out_other);

/* Makes the event at seq a void that stands for `first`, if it is of that kind. */
MUST_CHECK enum rc sq_make_void(struct applying *a, int64_t no, uint64_t seq, enum event_kind kind,
                                uint64_t first);

void sq_put_kind(struct sq_query *q, enum event_kind kind);

#endif
