/* A record as an event: what is good comes out whole, what isn't becomes the same void for every
 * reader, and short memory is never taken for garbage. */
#include "app/record.h"
#include "fake_log.h"
#include "support/check.h"

static struct log_record record_of(struct fake_log *log, const char *payload)
{
    return fake_log_at(log, fake_log_add(log, 'c', "room", 0, payload))->record;
}

TEST(a_good_record_keeps_its_place_and_its_hash)
{
    struct fake_clock clock;
    fake_clock_init(&clock);
    struct fake_log *log = fake_log_create(&clock, 1, 1);
    SCOPED_ARENA(arena, 1 << 16);
    uint64_t first = fake_log_message(log, "room", "ann", "m1", "hi");
    uint64_t seq = fake_log_message(log, "room", "ann", "m2", "hi");
    const struct log_record *record = &fake_log_at(log, seq)->record;
    struct event event = record_to_event(record, &arena);
    CHECK_INT(EVENT_MESSAGE_NEW, event.kind);
    CHECK_U64(seq, event.seq);
    CHECK_U64(first, event.prev);
    CHECK_INT(record->at_us, event.at_us);
    CHECK_ID("ann", event.actor);
    CHECK_ID("m2", event.client_id);
    CHECK_BYTES(bytes_make(record->body_hash, BODY_HASH_BYTES),
                bytes_make(event.body_hash, BODY_HASH_BYTES));
    fake_log_destroy(log);
}

TEST(garbage_becomes_a_void_that_keeps_what_the_headers_say)
{
    struct fake_clock clock;
    fake_clock_init(&clock);
    struct fake_log *log = fake_log_create(&clock, 1, 1);
    SCOPED_ARENA(arena, 1 << 16);
    uint64_t seq = fake_log_message(log, "room", "ann", "m1", "hi");
    struct log_record record = fake_log_at(log, seq)->record;
    record.payload = bytes_of("{");
    struct event event = record_to_event(&record, &arena);
    CHECK_INT(EVENT_VOID, event.kind);
    CHECK_TEXT(VOID_UNPARSEABLE, event.reason);
    CHECK_ID("room", event.conversation);
    CHECK_ID("ann", event.actor);
    CHECK_ID("m1", event.client_id);
    CHECK_U64(seq, event.seq);
    CHECK_BYTES(bytes_make(record.body_hash, BODY_HASH_BYTES),
                bytes_make(event.body_hash, BODY_HASH_BYTES));
    fake_log_destroy(log);
}

TEST(without_a_hash_header_event_and_void_have_the_hash_of_the_payload)
{
    struct fake_clock clock;
    fake_clock_init(&clock);
    struct fake_log *log = fake_log_create(&clock, 1, 1);
    SCOPED_ARENA(arena, 1 << 16);
    struct log_record record = record_of(
        log, "{\"type\":\"event.void\",\"conversationId\":\"room\",\"reason\":\"erased\"}");
    struct event as_event = record_to_event(&record, &arena);
    struct event as_void = record_void(&record, VOID_REFUSED);
    CHECK_TEXT("erased", as_event.reason);
    CHECK_BYTES(bytes_make(as_event.body_hash, BODY_HASH_BYTES),
                bytes_make(as_void.body_hash, BODY_HASH_BYTES));
    fake_log_destroy(log);
}

TEST(short_memory_is_no_garbage)
{
    struct fake_clock clock;
    fake_clock_init(&clock);
    struct fake_log *log = fake_log_create(&clock, 1, 1);
    struct log_record record = record_of(
        log, "{\"type\":\"conversation.created\",\"conversationId\":\"room\",\"by\":\"ann\","
             "\"operationId\":\"o1\",\"conversationType\":\"group\",\"history\":\"joined\","
             "\"name\":\"A name that needs room in the arena\"}");
    struct arena arena;
    struct event event;
    arena_init(&arena, 4); /* nothing fits */
    CHECK_RC(RC_NOMEM, record_decode(&record, &arena, &event, NULL));
    arena_fini(&arena);
    arena_init(&arena, 1 << 16);
    CHECK_RC(RC_OK, record_decode(&record, &arena, &event, NULL));
    arena_fini(&arena);
    fake_log_destroy(log);
}
