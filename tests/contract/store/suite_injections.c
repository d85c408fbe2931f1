/* What other programs take for code: each text of tests/data/injections.ndjson in every text of an
 * account, its session and its mailed secret: ports/account_store.h. */
#include "contract/store/samples.h"

#include <jansson.h>
#include <stdio.h>

enum { TEXTS_MIN = 100, TEXTS_MAX = 400, PAGE = 7 };

static const int64_t now = 1700000000000000;

struct texts {
    struct bytes at[TEXTS_MAX];
    size_t count;
};

static void json_end(json_t **value)
{
    json_decref(*value);
}

/* Those with a NUL are left out: no door lets one in, and not every store has a place for it. The
 * empty text is no name. */
static void read_texts(struct bench *b, struct texts *out)
{
    static const char path[] = "tests/data/injections.ndjson";
    FILE *file = fopen(path, "re");
    CHECK(file != NULL);
    for (;;) {
        json_error_t error;
        __attribute__((cleanup(json_end))) json_t *line =
            json_loadf(file, JSON_DISABLE_EOF_CHECK | JSON_ALLOW_NUL, &error);
        if (!line)
            break;
        const json_t *text = json_object_get(line, "text");
        struct bytes found = bytes_make(json_string_value(text), json_string_length(text));
        CHECK(found.ptr != NULL && out->count < TEXTS_MAX);
        if (found.len && !memchr(found.ptr, 0, found.len))
            out->at[out->count++] = arena_copy(&b->arena, found);
    }
    CHECK(feof(file));
    CHECK_INT(0, fclose(file));
    CHECK(out->count >= TEXTS_MIN);
}

static struct id numbered(const char *prefix, size_t i)
{
    char text[16];
    (void)snprintf(text, sizeof text, "%s%zu", prefix, i);
    return id_of(text);
}

static void fill_hash(uint8_t hash[SECRET_HASH_BYTES], size_t i)
{
    memset(hash, 0, SECRET_HASH_BYTES);
    memcpy(hash, &i, sizeof i);
}

static void put_everywhere(struct bench *b, size_t i, struct bytes text)
{
    const struct account_store *a = b->a;
    enum account_taken taken;
    const struct account account = { .user = numbered("u", i),
                                     .username = text,
                                     .username_key = text,
                                     .email = text,
                                     .email_key = text,
                                     .password = text,
                                     .created_at_us = now,
                                     .password_at_us = now };
    const struct session session = { .id = numbered("s", i),
                                     .user = account.user,
                                     .device = text,
                                     .device_id = text,
                                     .range = text,
                                     .created_at_us = now,
                                     .expires_at_us = now + 1000,
                                     .ends_at_us = now + 1000 };
    struct mailed_secret secret = { .use = MAILED_EMAIL,
                                    .user = account.user,
                                    .email = text,
                                    .email_key = text,
                                    .expires_at_us = now + 1000 };
    fill_hash(secret.hash, i);
    CHECK_RC(RC_OK, a->add(a->self, &account, &taken));
    CHECK_RC(RC_OK, a->add_session(a->self, &session));
    CHECK_RC(RC_OK, a->put_mailed(a->self, &secret));
}

static void check_account(struct bench *b, enum account_by by, struct bytes name, size_t i,
                          struct bytes text)
{
    struct account found;
    CHECK_RC(RC_OK, b->a->find(b->a->self, by, name, &b->arena, &found));
    CHECK_STR(numbered("u", i).text, found.user.text);
    CHECK_BYTES(text, found.username);
    CHECK_BYTES(text, found.username_key);
    CHECK_BYTES(text, found.email);
    CHECK_BYTES(text, found.email_key);
    CHECK_BYTES(text, found.password);
}

static void check_everywhere(struct bench *b, size_t i, struct bytes text)
{
    const struct account_store *a = b->a;
    const struct id user = numbered("u", i), id = numbered("s", i);
    struct session session, *list;
    size_t count;
    check_account(b, ACCOUNT_BY_USER, id_bytes(&user), i, text);
    check_account(b, ACCOUNT_BY_USERNAME_KEY, text, i, text);
    check_account(b, ACCOUNT_BY_EMAIL_KEY, text, i, text);
    CHECK_RC(RC_OK, a->session(a->self, &id, &b->arena, &session));
    CHECK_STR(user.text, session.user.text);
    CHECK_BYTES(text, session.device);
    CHECK_BYTES(text, session.device_id);
    CHECK_BYTES(text, session.range);
    CHECK_RC(RC_OK, a->sessions_of(a->self, &user, now, 10, &b->arena, &list, &count));
    CHECK_SIZE(1, count);
}

static void check_secret(struct bench *b, size_t i, struct bytes text)
{
    const struct account_store *a = b->a;
    uint8_t hash[SECRET_HASH_BYTES];
    struct mailed_secret secret;
    fill_hash(hash, i);
    CHECK_RC(RC_OK, a->take_mailed(a->self, MAILED_EMAIL, hash, now, &b->arena, &secret));
    CHECK_STR(numbered("u", i).text, secret.user.text);
    CHECK_BYTES(text, secret.email);
    CHECK_BYTES(text, secret.email_key);
}

/* By pages, the last name of each where the next begins. */
static size_t count_listed(struct bench *b)
{
    struct account *items;
    struct bytes after = bytes_of("");
    size_t count, total = 0;
    do {
        CHECK_RC(RC_OK, b->a->list(b->a->self, after, PAGE, &b->arena, &items, &count));
        total += count;
        if (count)
            after = items[count - 1].username_key;
    } while (count == PAGE && total <= TEXTS_MAX);
    return total;
}

TEST(what_others_take_for_code_is_only_text)
{
    SCOPED_BENCH(b);
    struct texts texts = { .count = 0 };
    read_texts(&b, &texts);
    for (size_t i = 0; i < texts.count; i++)
        put_everywhere(&b, i, texts.at[i]);
    for (size_t i = 0; i < texts.count; i++)
        check_everywhere(&b, i, texts.at[i]);
    CHECK_SIZE(texts.count, count_listed(&b));
    for (size_t i = 0; i < texts.count; i += 2) {
        const struct id user = numbered("u", i);
        CHECK_RC(RC_OK, b.a->set_email(b.a->self, &user, texts.at[i], texts.at[i]));
        CHECK_RC(RC_OK, b.a->erase(b.a->self, &user));
    }
    for (size_t i = 1; i < texts.count; i += 2) {
        check_everywhere(&b, i, texts.at[i]);
        check_secret(&b, i, texts.at[i]);
    }
    CHECK_SIZE(texts.count / 2, count_listed(&b));
}
