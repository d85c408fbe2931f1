#include "app/tail.h"

#include <stdlib.h>

#include "app/record.h"

/* One record on its way from the log; it outlives the callback that brought it. */
struct node {
    struct node *next;
    struct log_record record;
    uint8_t payload[];
};

struct queue {
    struct node *first, **end;
    size_t count, bytes;
};

struct gathering {
    struct queue messages, facts;
    uint64_t from;
    enum rc rc;
};

static void queue_init(struct queue *queue)
{
    *queue = (struct queue){ .first = NULL };
    queue->end = &queue->first;
}

static void queue_add(struct queue *queue, struct node *node)
{
    *queue->end = node;
    queue->end = &node->next;
    queue->count++;
    queue->bytes += node->record.payload.len;
}

static struct node *queue_take(struct queue *queue)
{
    struct node *node = queue->first;
    if (!node)
        return NULL;
    queue->first = node->next;
    if (!queue->first)
        queue->end = &queue->first;
    queue->count--;
    queue->bytes -= node->record.payload.len;
    return node;
}

static void queue_clear(struct queue *queue)
{
    for (struct node *node; (node = queue_take(queue));)
        free(node);
}

static struct node *copy_record(const struct log_record *record)
{
    struct node *node = malloc(sizeof *node + record->payload.len + 1);
    if (!node)
        return NULL;
    node->next = NULL;
    node->record = *record;
    if (record->payload.len)
        memcpy(node->payload, record->payload.ptr, record->payload.len);
    node->record.payload = bytes_make(node->payload, record->payload.len);
    return node;
}

/* Whether readers can do without an old one of this kind. A withdrawal is a fact: it hides. */
static bool is_about_message(const struct log_record *record)
{
    return record->op && strchr("medpqrs", record->op);
}

static bool gather(void *closure, const struct log_record *record)
{
    struct gathering *g = closure;
    struct node *node = copy_record(record);
    if (!node) {
        g->rc = RC_NOMEM;
        return false;
    }
    queue_add(is_about_message(record) ? &g->messages : &g->facts, node);
    while (g->messages.count > TAIL_MESSAGES_MAX || g->messages.bytes > TAIL_BYTES_MAX) {
        struct node *oldest = queue_take(&g->messages);
        g->from = oldest->record.seq;
        free(oldest);
    }
    if (g->facts.count > TAIL_FACTS_MAX || g->facts.bytes > TAIL_BYTES_MAX)
        g->rc = RC_UNAVAILABLE;
    return g->rc == RC_OK;
}

/* The one of both queues that comes first in the log. */
static struct node *take_next(struct gathering *g)
{
    const struct node *message = g->messages.first, *fact = g->facts.first;
    if (!message || (fact && fact->record.seq < message->record.seq))
        return queue_take(&g->facts);
    return queue_take(&g->messages);
}

static enum rc decode_all(struct gathering *g, struct arena *arena, struct tail *out)
{
    size_t count = g->messages.count + g->facts.count;
    struct event *events = arena_alloc(arena, (count + 1) * sizeof *events);
    if (!events)
        return RC_NOMEM;
    for (size_t i = 0; i < count; i++) {
        struct node *node = take_next(g);
        node->record.payload = arena_copy(arena, node->record.payload);
        bool has_room = node->record.payload.ptr != NULL;
        enum rc rc = has_room ? record_decode(&node->record, arena, &events[i], NULL) : RC_NOMEM;
        free(node);
        if (rc == RC_NOMEM)
            return RC_NOMEM; /* garbage is a void already, RC_INVALID says no more than that */
    }
    *out = (struct tail){ .events = events, .count = count, .from = g->from };
    return RC_OK;
}

enum rc tail_read(const struct event_log *log, uint32_t partition, const struct id *conversation,
                  uint64_t after, uint64_t until, struct arena *arena, struct tail *out)
{
    struct log_range range = { .partition = partition,
                               .kind = 'c',
                               .owner = conversation,
                               .after = after,
                               .until = until,
                               .records_max = SIZE_MAX };
    struct gathering g = { .from = after };
    queue_init(&g.messages);
    queue_init(&g.facts);
    enum rc rc = log->read(log->self, &range, gather, &g);
    if (rc == RC_OK)
        rc = g.rc;
    if (rc == RC_OK)
        rc = decode_all(&g, arena, out);
    queue_clear(&g.messages);
    queue_clear(&g.facts);
    return rc;
}
