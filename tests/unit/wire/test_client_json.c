/* Requests of clients: limits are where docs/PROTOCOL.md says, to the byte. */
#include "support/check.h"
#include "wire/client_json.h"

enum { MESSAGE_BYTES_MAX = 16384, METADATA_BYTES_MAX = 4096 };

/* Parses a send whose metadata has json_bytes bytes as JSON, written with or without escapes. */
static enum rc send_with_metadata(size_t json_bytes, const char *unit, struct fault *fault)
{
    SCOPED_ARENA(arena, 1 << 16);
    SCOPED_BUF(body, 1 << 16);
    struct bytes content;
    uint64_t reply_to, thread_of;
    size_t fill = json_bytes - strlen("{\"k\":\"\"}");
    buf_add_text(&body, "{\"text\":\"x\",\"metadata\":{ \"k\" : \"");
    for (size_t i = 0; i + strlen(unit) <= fill; i += strlen(unit))
        buf_add_text(&body, unit);
    for (size_t i = 0; i < fill % strlen(unit); i++)
        buf_add_text(&body, "x");
    buf_add_text(&body, "\"}}");
    return message_content_parse(buf_bytes(&body), false, MESSAGE_BYTES_MAX, &arena, &content,
                                 &reply_to, &thread_of, fault);
}

TEST(metadata_may_have_4_kib_as_compact_json_and_not_a_byte_more)
{
    static const char *const units[] = { "x", "\xc3\xa9", "\\u0001", "\\n" };
    for (size_t i = 0; i < COUNT_OF(units); i++) {
        struct fault fault = { 0 };
        CHECK_RC(RC_OK, send_with_metadata(METADATA_BYTES_MAX, units[i], &fault));
        CHECK_RC(RC_INVALID, send_with_metadata(METADATA_BYTES_MAX + 1, units[i], &fault));
        CHECK_STR("metadata", fault.field);
    }
}

TEST(a_text_that_is_too_long_as_json_is_named_and_not_the_attachments)
{
    SCOPED_ARENA(arena, 1 << 18);
    SCOPED_BUF(body, 1 << 18);
    struct bytes content;
    uint64_t reply_to, thread_of;
    struct fault fault = { 0 };
    buf_add_text(&body, "{\"text\":\"");
    for (int i = 0; i < MESSAGE_BYTES_MAX; i++) /* as many bytes as a text may have */
        buf_add_text(&body, "\\n");
    buf_add_text(&body, "\"}");
    CHECK_RC(RC_INVALID, message_content_parse(buf_bytes(&body), false, MESSAGE_BYTES_MAX, &arena,
                                               &content, &reply_to, &thread_of, &fault));
    CHECK_STR("text", fault.field);
    CHECK(fault.is_size && strstr(fault.text, "24576 bytes as JSON"));
}

static enum rc parse(const char *text, struct client_request *out)
{
    SCOPED_ARENA(arena, 1 << 16);
    struct fault fault = { 0 };
    return client_request_parse(bytes_of(text), MESSAGE_BYTES_MAX, &arena, out, &fault);
}

TEST(what_is_wrong_with_a_request_is_said)
{
    static const struct {
        const char *line, *field, *said;
    } rows[] = {
        { "{\"id\":\"1\"}", "type", "type is missing." },
        { "{\"type\":null}", "type", "type is missing." },
        { "{\"type\":5}", "type", "type must be a string." },
        { "{\"type\":[\"ping\"]}", "type", "type must be a string." },
        { "{\"type\":\"pong\"}", "type", "This type is not known." },
        { "{\"type\":\"ping\",\"id\":\"a\\u0000b\"}", "", "character U+0000 (at byte" },
        { "{\"type\":\"ping\",\"a\\u0000b\":1}", "", "character U+0000 (at byte" },
        { "{\"type\":\"ping\",}", "", "not valid JSON (at byte" },
        { "{\"type\":\"ping\",\"type\":\"ping\"}", "", "A key occurs twice" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        SCOPED_ARENA(arena, 1 << 16);
        struct client_request request;
        struct fault fault = { 0 };
        CHECK_RC(RC_INVALID, client_request_parse(bytes_of(rows[i].line), MESSAGE_BYTES_MAX, &arena,
                                                  &request, &fault));
        CHECK_STR(rows[i].field, fault.field);
        CHECK(strstr(fault.text, rows[i].said) != NULL);
    }
}

TEST(every_repeatable_request_says_that_it_is_a_retry)
{
    static const char *const requests[] = {
        "{\"type\":\"message.send\",\"conversationId\":\"c\",\"clientMessageId\":\"m\","
        "\"text\":\"x\",\"retry\":true,\"firstTriedMs\":70000.5}",
        "{\"type\":\"message.edit\",\"conversationId\":\"c\",\"seq\":5,\"operationId\":\"o\","
        "\"text\":\"x\",\"retry\":true,\"firstTriedMs\":70000.5}",
        "{\"type\":\"message.delete\",\"conversationId\":\"c\",\"seq\":5,\"operationId\":\"o\","
        "\"retry\":true,\"firstTriedMs\":70000.5}",
        "{\"type\":\"conversation.join\",\"conversationId\":\"c\",\"operationId\":\"o\","
        "\"retry\":true,\"firstTriedMs\":70000.5}",
        "{\"type\":\"conversation.leave\",\"conversationId\":\"c\",\"operationId\":\"o\","
        "\"retry\":true,\"firstTriedMs\":70000.5}",
    };
    for (size_t i = 0; i < COUNT_OF(requests); i++) {
        struct client_request r;
        CHECK_RC(RC_OK, parse(requests[i], &r));
        CHECK(r.is_retry && r.has_first_tried);
        CHECK_INT(70000, r.first_tried_ms);
        CHECK(r.client_id.len == 1);
    }
}
