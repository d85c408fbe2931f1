/* A problem document has the same members whatever it tells of, and stays JSON whatever it quotes.
 */
#include "support/check.h"
#include "wire/problem_json.h"

static struct bytes write(struct buf *out, const struct error *error, const char *request_id)
{
    out->len = 0;
    problem_write(out, error, bytes_of(request_id));
    return buf_bytes(out);
}

TEST(a_problem_says_what_the_row_says_when_no_more_is_known)
{
    SCOPED_BUF(out, 4096);
    struct error error = { .code = ERROR_GONE };
    CHECK_TEXT("{\"type\":\"urn:parley:problem:gone\",\"title\":\"It has been deleted.\","
               "\"status\":410,\"detail\":\"It has been deleted.\",\"instance\":\"urn:uuid:r-1\","
               "\"code\":\"gone\",\"message\":\"It has been deleted.\",\"retryable\":false,"
               "\"retryAfterMs\":null,\"field\":null,\"requestId\":\"r-1\"}",
               write(&out, &error, "r-1"));
}

TEST(a_problem_names_field_reason_and_wait)
{
    SCOPED_BUF(out, 4096);
    struct error error = { .code = ERROR_RATE_LIMITED, .retry_after_ms = 250 };
    fault_set(&error.fault, "te\"xt", "a \"quoted\"\nreason");
    CHECK_TEXT("{\"type\":\"urn:parley:problem:rate_limited\",\"title\":\"Too many requests; "
               "wait.\",\"status\":429,\"detail\":\"a \\\"quoted\\\"\\nreason\",\"code\":"
               "\"rate_limited\",\"message\":\"a \\\"quoted\\\"\\nreason\",\"retryable\":true,"
               "\"retryAfterMs\":250,\"field\":\"te\\\"xt\",\"requestId\":null}",
               write(&out, &error, NULL));
}
