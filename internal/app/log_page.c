#include "app/log_page.h"

#include "app/record.h"
#include "base/rc.h"

enum { STEP_FIRST = 256, STEP_GROWTH = 16 };

struct page {
    struct arena *arena;
    struct event *events;
    size_t count, limit;
    bool is_full;
};

static bool keep_record(void *closure, const struct log_record *record)
{
    struct page *page = closure;
    struct log_record copy = *record;
    copy.payload = arena_copy(page->arena, record->payload);
    if (!copy.payload.ptr || page->count == page->limit) {
        page->is_full = true;
        return false;
    }
    page->events[page->count++] = record_to_event(&copy, page->arena);
    return true;
}

struct search {
    uint64_t seq, prev;
};

static bool look_at_record(void *closure, const struct log_record *record)
{
    struct search *search = closure;
    if (record->seq == search->seq)
        search->prev = record->prev;
    return record->seq < search->seq;
}

/* A read doesn't know what came before its first record, and `after` may be any seq (a cursor's,
 * one of another conversation): begins further and further back until there is one before it. */
static enum rc find_prev(const struct event_log *log, const struct log_range *range,
                         struct event *first)
{
    struct search search = { .seq = first->seq };
    struct log_range before = *range;
    before.until = first->seq;
    before.records_max = SIZE_MAX;
    for (uint64_t step = STEP_FIRST; before.after > 0; step *= STEP_GROWTH) {
        before.after = range->after > step ? range->after - step : 0;
        enum rc rc = log->read(log->self, &before, look_at_record, &search);
        if (rc == RC_NOT_FOUND)
            break; /* the log doesn't reach back that far */
        TRY(rc);
        if (search.prev)
            break;
    }
    first->prev = search.prev;
    return search.prev ? RC_OK : RC_UNAVAILABLE;
}

enum rc log_page_read(const struct event_log *log, const struct log_range *range,
                      struct arena *arena, struct event **out, size_t *out_count)
{
    struct page page = { .arena = arena, .limit = range->records_max };
    page.events = arena_alloc(arena, page.limit * sizeof *page.events);
    if (!page.events)
        return RC_NOMEM;
    enum rc rc = log->read(log->self, range, keep_record, &page);
    if (page.is_full && page.count == 0)
        return RC_NOMEM;
    if (rc != RC_OK && !page.is_full)
        return rc;
    struct event *first = page.events;
    if (page.count && !first->prev && first->kind != EVENT_CONVERSATION_CREATED)
        TRY(find_prev(log, range, first));
    *out = page.events;
    *out_count = page.count;
    return RC_OK;
}
