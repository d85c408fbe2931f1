#include "wire/ladder_json.h"

#include "base/encode.h"
#include "wire/json_read.h"
#include "wire/subjects.h"

enum { ACCOUNT_BYTES_MAX = 1024 };

void ladder_write(struct buf *out, const struct ladder *ladder)
{
    buf_add_format(out, "{\"failures\":%u,\"failed\":%lld,\"until\":%lld,\"good\":%lld}",
                   ladder->failures, (long long)ladder->failed_ms, (long long)ladder->until_ms,
                   (long long)ladder->good_ms);
}

static bool read_number(const json_t *object, const char *key, int64_t *out)
{
    const json_t *value = json_object_get(object, key);
    *out = json_integer_value(value);
    return json_is_integer(value) && *out >= 0;
}

enum rc ladder_parse(struct bytes json, struct ladder *out)
{
    SCOPED_JSON json_t *object = NULL;
    struct ladder ladder;
    int64_t failures;
    TRY(json_read_object(json, &object, NULL));
    if (!read_number(object, "failures", &failures) || failures > UINT32_MAX ||
        !read_number(object, "failed", &ladder.failed_ms) ||
        !read_number(object, "until", &ladder.until_ms) ||
        !read_number(object, "good", &ladder.good_ms))
        return RC_INVALID;
    ladder.failures = (uint32_t)failures;
    *out = ladder;
    return RC_OK;
}

void ladder_key(unsigned use, struct bytes account, const char *network,
                char out[LADDER_KEY_CHARS + 1])
{
    uint8_t hash[BODY_HASH_BYTES];
    SCOPED_BUF(text, ACCOUNT_BYTES_MAX + 128);
    /* The length keeps account and network apart. A text that is too long is cut: two such accounts
     * share a ladder, which is the safe side. */
    if (account.len > ACCOUNT_BYTES_MAX)
        account.len = ACCOUNT_BYTES_MAX;
    buf_add_format(&text, "attempts %u %zu ", use, account.len);
    buf_add(&text, account);
    buf_add_text(&text, network);
    body_hash_write(hash, buf_bytes(&text));
    (void)b64url_write(bytes_make(hash, sizeof hash), out);
}
