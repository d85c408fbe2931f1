/* Events read from the log alone are chained, from whatever seq the reading begins.
 *
 * A log of a few records of two conversations, whose reads keep the port's contract: the first
 * record of a read has no prev. */
#include "app/log_page.h"
#include "support/check.h"

enum { BASE = 1000, RECORDS = 400 };

static struct id id_of(const char *text)
{
    struct id id;
    CHECK(id_read(bytes_of(text), &id));
    return id;
}

/* Odd ones belong to "other"; "mine" has its creation first, then one record in a hundred. */
struct log {
    struct event_log port;
    uint64_t first_seq;
    unsigned reads;
    bool is_away;
};

static bool is_mine(uint64_t seq)
{
    return seq == BASE || (seq - BASE) % 100 == 50;
}

static enum rc read_range(void *self, const struct log_range *range,
                          bool (*each)(void *closure, const struct log_record *record),
                          void *closure)
{
    struct log *log = self;
    uint64_t prev = 0;
    size_t given = 0;
    bool is_whole = range->after + 1 >= log->first_seq;
    log->reads++;
    if (log->is_away)
        return RC_UNAVAILABLE;
    for (uint64_t seq = range->after + 1 > log->first_seq ? range->after + 1 : log->first_seq;
         seq <= range->until && given < range->records_max; seq++) {
        const char *text =
            seq == BASE
                ? "{\"type\":\"conversation.created\",\"conversationId\":\"mine\",\"by\":"
                  "\"a\",\"operationId\":\"o\",\"conversationType\":\"group\","
                  "\"history\":\"all\"}"
                : "{\"type\":\"message.new\",\"conversationId\":\"mine\",\"senderId\":\"a\","
                  "\"clientMessageId\":\"m\",\"kind\":\"text\",\"text\":\"x\"}";
        const struct log_record record = { .kind = 'c',
                                           .owner = *range->owner,
                                           .seq = seq,
                                           .prev = prev,
                                           .schema = 1,
                                           .payload = bytes_of(text) };
        if (!is_mine(seq))
            continue;
        if (given == 0 && !is_whole && seq != BASE)
            return RC_NOT_FOUND;
        given++;
        prev = seq;
        if (!each(closure, &record))
            return RC_OK;
    }
    return RC_OK;
}

static enum rc read_page(struct log *log, uint64_t after, size_t limit, struct arena *arena,
                         struct event **out, size_t *out_count)
{
    const struct id mine = id_of("mine");
    const struct log_range range = { 0, 'c', &mine, after, BASE + 350, limit };
    log->port = (struct event_log){ .self = log, .read = read_range };
    return log_page_read(&log->port, &range, arena, out, out_count);
}

TEST(the_first_event_has_its_prev_from_wherever_the_reading_begins)
{
    struct event *events;
    size_t count;
    for (uint64_t after = BASE; after < BASE + 350; after += 7) {
        struct log log = { .first_seq = BASE };
        SCOPED_ARENA(arena, 1 << 20);
        uint64_t wanted = BASE;
        for (uint64_t seq = BASE; seq <= after; seq++)
            if (is_mine(seq))
                wanted = seq;
        CHECK_RC(RC_OK, read_page(&log, after, 10, &arena, &events, &count));
        CHECK(count > 0 && events[0].seq > after);
        for (size_t i = 0; i < count; i++) {
            CHECK_U64(wanted, events[i].prev);
            wanted = events[i].seq;
        }
    }
}

TEST(a_creation_has_none_and_is_not_searched_for)
{
    struct log log = { .first_seq = BASE };
    struct event *events;
    size_t count;
    SCOPED_ARENA(arena, 1 << 20);
    CHECK_RC(RC_OK, read_page(&log, 0, 3, &arena, &events, &count));
    CHECK_SIZE(3, count);
    CHECK_U64(0, events[0].prev);
    CHECK_U64(events[0].seq, events[1].prev);
    CHECK_INT(1, (int)log.reads);
}

TEST(what_the_log_no_longer_tells_is_not_made_up)
{
    struct log log = { .first_seq = BASE + 60 }; /* the predecessor, BASE + 50, has aged out */
    struct event *events;
    size_t count;
    SCOPED_ARENA(arena, 1 << 20);
    CHECK_RC(RC_UNAVAILABLE, read_page(&log, BASE + 70, 3, &arena, &events, &count));
    log.is_away = true;
    CHECK_RC(RC_UNAVAILABLE, read_page(&log, BASE + 200, 3, &arena, &events, &count));
}
