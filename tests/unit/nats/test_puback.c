/* The scan of JetStream's answers: each form that a server gives, and whatever else may come. */
#include "support/check.h"
#include "wire/puback.h"

static bool reads(const char *text, struct puback *out)
{
    return puback_read(bytes_of(text), out);
}

TEST(each_form_of_an_answer_is_read)
{
    struct puback ack;
    CHECK(reads("{\"stream\":\"CHAT_0\",\"seq\":1099511627777}", &ack));
    CHECK_U64(1099511627777u, ack.seq);
    CHECK(!ack.is_duplicate);
    CHECK_INT(0, ack.error);
    CHECK(reads("{\"stream\":\"S\",\"seq\":3,\"duplicate\": true}", &ack));
    CHECK(ack.is_duplicate);
    CHECK(
        reads("{\"stream\":\"S\",\"domain\":\"hub\",\"seq\":4,\"batch\":\"b\",\"count\":2}", &ack));
    CHECK_U64(4, ack.seq);
    CHECK(reads("{\"error\":{\"code\":400,\"err_code\":10071,\"description\":\"wrong last sequence:"
                " 3\"},\"stream\":\"S\",\"seq\":0}",
                &ack));
    CHECK_INT(10071, ack.error);
    CHECK(reads("{\"error\":{\"code\":503,\"description\":\"no\"}}", &ack));
    CHECK_INT(503, ack.error);
    CHECK(reads("{\"error\":{}}", &ack));
    CHECK(ack.error != 0);
    CHECK(reads(" {\n \"seq\" : 7 , \"val\":\"6\\\"}\" } \n", &ack));
    CHECK_U64(7, ack.seq);
}

TEST(an_error_is_never_taken_for_a_place)
{
    struct puback ack;
    CHECK(reads("{\"seq\":5,\"error\":{\"err_code\":10077}}", &ack));
    CHECK_INT(10077, ack.error);
    /* A seq inside the error is not the answer's. */
    CHECK(reads("{\"error\":{\"err_code\":10158,\"seq\":9}}", &ack));
    CHECK_INT(10158, ack.error);
    /* A text that spells a member is a text. */
    CHECK(reads("{\"stream\":\"\\\"seq\\\":9\",\"seq\":2}", &ack));
    CHECK_U64(2, ack.seq);
}

TEST(what_is_no_answer_is_refused)
{
    static const char *const bad[] = { "",
                                       "+OK",
                                       "{}",
                                       "[]",
                                       "{\"seq\":0}",
                                       "{\"seq\":-1}",
                                       "{\"seq\":\"3\"}",
                                       "{\"seq\":3",
                                       "{\"seq\":3}}",
                                       "{\"seq\":3} x",
                                       "{\"seq\":3,}",
                                       "{\"seq\":99999999999999999999}",
                                       "{\"stream\":\"S\\",
                                       "{\"a\":{\"b\":{\"c\":{\"d\":1}}},\"seq\":1}" };
    struct puback ack;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        CHECK(!reads(bad[i], &ack));
}

/* Every prefix of an answer, and every byte of it changed: never past the end (address sanitizer).
 */
TEST(cut_and_changed_answers_are_read_within_their_bounds)
{
    static const char whole[] =
        "{\"error\":{\"err_code\":10077,\"description\":\"a\\\"b\"},\"seq\":0}";
    struct puback ack;
    for (size_t len = 0; len < sizeof whole - 1; len++) {
        uint8_t *copy = malloc(len ? len : 1);
        memcpy(copy, whole, len);
        (void)puback_read(bytes_make(copy, len), &ack);
        free(copy);
    }
    for (size_t at = 0; at < sizeof whole - 1; at++) {
        for (int byte = 0; byte < 256; byte++) {
            uint8_t copy[sizeof whole - 1];
            memcpy(copy, whole, sizeof copy);
            copy[at] = (uint8_t)byte;
            (void)puback_read(bytes_make(copy, sizeof copy), &ack);
        }
    }
}
