/* Resources: an edit lies over its message, a deletion takes the content, keys are always the same.
 */
#include "domain/event.h"
#include "support/check.h"
#include "wire/event_json.h"
#include "wire/rest_json.h"

#define ORIGINAL                                                                                   \
    "{\"type\":\"message.new\",\"conversationId\":\"c\",\"senderId\":\"ann\","                     \
    "\"clientMessageId\":\"m\",\"kind\":\"file\",\"text\":\"old\",\"replyTo\":4,"                  \
    "\"attachments\":[{\"a\":1}],\"metadata\":{\"k\":[1.5,\"\xc3\xa9\"]}}"

static const struct rest_message plain = { .payload = { (const uint8_t *)ORIGINAL,
                                                        sizeof ORIGINAL - 1 },
                                           .seq = 7,
                                           .at_us = 1767323045678000 };

#define HEAD                                                                                       \
    "{\"conversationId\":\"c\",\"seq\":7,\"at\":\"2026-01-02T03:04:05.678Z\","                     \
    "\"senderId\":\"ann\",\"clientMessageId\":\"m\",\"kind\":\"file\","

static void check_message(const struct rest_message *message, const char *wanted)
{
    SCOPED_BUF(out, 4096);
    CHECK_RC(RC_OK, rest_message_write(&out, message, false));
    CHECK_TEXT(wanted, buf_bytes(&out));
}

TEST(a_message_has_every_key)
{
    check_message(&plain, HEAD
                  "\"text\":\"old\",\"replyTo\":4,\"threadOf\":null,\"attachments\":[{\"a\":1}],"
                  "\"mentions\":null,\"metadata\":{\"k\":[1.5,\"\xc3\xa9\"]},\"editedAt\":null,"
                  "\"deletedAt\":null,\"reactions\":[],\"pinned\":false}");
}

/* From the body of a PATCH to the message as it is shown: the way that a real edit goes. */
static void check_edited(const char *body, const char *wanted)
{
    SCOPED_ARENA(arena, 1 << 16);
    SCOPED_BUF(payload, 4096);
    struct rest_message_body parsed;
    struct fault fault = { 0 };
    struct event event = { .kind = EVENT_MESSAGE_EDITED, .target_seq = 7 };
    struct rest_message edited = plain;
    CHECK(id_read(bytes_of("c"), &event.conversation) && id_read(bytes_of("o"), &event.client_id));
    CHECK(id_read(bytes_of("ann"), &event.actor));
    CHECK_RC(RC_OK, rest_message_parse(bytes_of(body), true, 16384, &arena, &parsed, &fault));
    event_write(&payload, &event, parsed.content);
    edited.edit_payload = buf_bytes(&payload);
    edited.edited_at_us = plain.at_us + 1000;
    check_message(&edited, wanted);
}

#define EDITED_END                                                                                 \
    "\"editedAt\":\"2026-01-02T03:04:05.679Z\",\"deletedAt\":null,\"reactions\":[],\"pinned\":"    \
    "false}"

TEST(an_edit_replaces_what_it_names_and_null_takes_away)
{
    check_edited("{\"text\":\"new\",\"metadata\":null,\"kind\":\"text\",\"replyTo\":9,"
                 "\"mentions\":[\"bob\"]}",
                 HEAD
                 "\"text\":\"new\",\"replyTo\":4,\"threadOf\":null,\"attachments\":[{\"a\":1}],"
                 "\"mentions\":[\"bob\"],\"metadata\":null," EDITED_END);
    check_edited("{\"attachments\":null}",
                 HEAD "\"text\":\"old\",\"replyTo\":4,\"threadOf\":null,\"attachments\":null,"
                      "\"mentions\":null,\"metadata\":{\"k\":[1.5,\"\xc3\xa9\"]}," EDITED_END);
    check_edited("{\"mentions\":[\"ben\"]}", HEAD
                 "\"text\":\"old\",\"replyTo\":4,\"threadOf\":null,\"attachments\":[{\"a\":1}],"
                 "\"mentions\":[\"ben\"],\"metadata\":{\"k\":[1.5,\"\xc3\xa9\"]}," EDITED_END);
    check_edited("{\"metadata\":null,\"mentions\":null}", HEAD
                 "\"text\":\"old\",\"replyTo\":4,\"threadOf\":null,\"attachments\":[{\"a\":1}],"
                 "\"mentions\":null,\"metadata\":null," EDITED_END);
}

TEST(an_edit_of_nothing_is_refused)
{
    SCOPED_ARENA(arena, 1 << 16);
    struct rest_message_body parsed;
    struct fault fault = { 0 };
    CHECK_RC(RC_INVALID, rest_message_parse(bytes_of("{}"), true, 16384, &arena, &parsed, &fault));
    CHECK_STR("text", fault.field);
    CHECK_RC(RC_INVALID, rest_message_parse(bytes_of("{\"metadata\":null}"), false, 16384, &arena,
                                            &parsed, &fault)); /* a new message shows something */
}

TEST(a_deletion_takes_content_and_leaves_the_frame)
{
    struct rest_message deleted = plain;
    deleted.edit_payload = bytes_of("{\"text\":\"new\"}");
    deleted.edited_at_us = deleted.deleted_at_us = plain.at_us;
    deleted.is_pinned = true;
    check_message(&deleted, HEAD
                  "\"text\":null,\"replyTo\":4,\"threadOf\":null,\"attachments\":null,"
                  "\"mentions\":null,\"metadata\":null,\"editedAt\":\"2026-01-02T03:04:05.678Z\","
                  "\"deletedAt\":\"2026-01-02T03:04:05.678Z\",\"reactions\":[],\"pinned\":true}");
}

TEST(what_is_no_message_is_refused)
{
    static const char *const payloads[] = { "", "{}", "[]", "{\"conversationId\":7}" };
    for (size_t i = 0; i < COUNT_OF(payloads); i++) {
        SCOPED_BUF(out, 4096);
        struct rest_message wrong = { .payload = bytes_of(payloads[i]), .seq = 1 };
        CHECK_RC(RC_INVALID, rest_message_write(&out, &wrong, false));
        CHECK_SIZE(0, out.len);
    }
}

TEST(a_duplicate_says_so)
{
    SCOPED_BUF(out, 4096);
    CHECK_RC(RC_OK, rest_message_write(&out, &plain, true));
    const char *end = ",\"pinned\":false,\"duplicate\":true}";
    CHECK(out.len > strlen(end));
    CHECK_TEXT(end, bytes_make(out.ptr + out.len - strlen(end), strlen(end)));
}

TEST(a_buffer_that_is_full_is_not_taken_for_an_answer)
{
    SCOPED_BUF(out, 60);
    enum rc rc = rest_message_write(&out, &plain, false);
    CHECK(rc == RC_NOMEM || out.has_failed);
}
