#include "adapters/nats/nats_attempts.h"

#include <sys/random.h>
#include <time.h>

#include "adapters/nats/nats_bucket.h"
#include "base/clock.h"
#include "domain/guess.h"
#include "wire/ladder_json.h"

enum { TRYING_MS = 4000, PAUSE_MS_MAX = 16 };

static const char bucket[] = "ATTEMPTS";

struct entry {
    char key[LADDER_KEY_CHARS + 1];
    struct ladder ladder;
    uint64_t revision; /* 0: the key isn't there */
};

static enum rc load(struct nats_link *link, struct entry *entry)
{
    SCOPED_ARENA(arena, 4096);
    struct bytes value;
    enum rc rc = nats_bucket_get(link, bucket, entry->key, &arena, &value, &entry->revision);
    entry->ladder = (struct ladder){ 0 };
    if (rc == RC_NOT_FOUND) {
        entry->revision = 0;
        return RC_OK;
    }
    if (rc == RC_OK && ladder_parse(value, &entry->ladder) != RC_OK)
        entry->ladder = (struct ladder){ 0 }; /* not ours: written over */
    return rc;
}

static enum rc store(struct nats_link *link, const struct entry *entry)
{
    SCOPED_BUF(value, LADDER_JSON_BYTES_MAX);
    ladder_write(&value, &entry->ladder);
    const struct bucket_put put = { .bucket = bucket,
                                    .key = entry->key,
                                    .value = buf_bytes(&value),
                                    .has_revision = true,
                                    .revision = entry->revision };
    return value.has_failed ? RC_NOMEM : nats_bucket_put(link, &put);
}

/* Those who lost a race would meet again. */
static void pause_a_little(void)
{
    uint8_t random = 0;
    (void)!getrandom(&random, sizeof random, 0); /* any value will do */
    const struct timespec span = { .tv_nsec = (1 + random % PAUSE_MS_MAX) * 1000000L };
    (void)nanosleep(&span, NULL);
}

typedef void change_fn(struct ladder *ladder, int64_t now_ms);

/* One ladder's change; with source and account set, a guess that has to wait changes nothing. */
struct change {
    struct entry *entry;
    change_fn *apply;
    const struct ladder *source, *account; /* both set: judge before each try */
};

static enum rc change(struct nats_link *link, const struct change *c, int64_t now_ms,
                      int64_t *out_wait_ms)
{
    int64_t stop_ms = clock_monotonic_ms(clock_system()) + TRYING_MS;
    enum rc rc = RC_CONFLICT;
    while (rc == RC_CONFLICT && clock_monotonic_ms(clock_system()) < stop_ms) {
        TRY(load(link, c->entry));
        int64_t wait_ms = c->source ? guess_wait_ms(c->source, c->account, now_ms) : 0;
        if (wait_ms > 0) {
            *out_wait_ms = wait_ms;
            return RC_FULL;
        }
        c->apply(&c->entry->ladder, now_ms);
        rc = store(link, c->entry);
        if (rc == RC_CONFLICT)
            pause_a_little();
    }
    /* A bucket that takes no more lets old ladders go, so "full" means that the disk is. */
    return rc == RC_FULL || rc == RC_CONFLICT ? RC_UNAVAILABLE : rc;
}

static void name_entries(const struct attempt *attempt, struct entry *source, struct entry *account)
{
    ladder_key(attempt->use, attempt->account, attempt->range.text[0] ? attempt->range.text : "?",
               source->key);
    ladder_key(attempt->use, attempt->account, "", account->key);
}

static enum rc begin(void *self, const struct attempt *attempt, int64_t now_ms,
                     int64_t *out_wait_ms)
{
    struct entry source, account;
    name_entries(attempt, &source, &account);
    TRY(load(self, &account));
    const struct change one = { &source, guess_count_source, &source.ladder, &account.ladder };
    TRY(change(self, &one, now_ms, out_wait_ms));
    const struct change all = { .entry = &account, .apply = guess_count_account };
    return change(self, &all, now_ms, out_wait_ms);
}

static enum rc change_both(struct nats_link *link, const struct attempt *attempt, int64_t now_ms,
                           change_fn *source_fn, change_fn *account_fn)
{
    struct entry source, account;
    name_entries(attempt, &source, &account);
    const struct change one = { .entry = &source, .apply = source_fn };
    const struct change all = { .entry = &account, .apply = account_fn };
    TRY(change(link, &one, now_ms, NULL));
    return change(link, &all, now_ms, NULL);
}

static enum rc succeeded(void *self, const struct attempt *attempt, int64_t now_ms)
{
    return change_both(self, attempt, now_ms, guess_right_source, guess_right_account);
}

static enum rc take_back(void *self, const struct attempt *attempt, int64_t now_ms)
{
    return change_both(self, attempt, now_ms, guess_take_back_source, guess_take_back_account);
}

struct attempts nats_attempts_port(struct nats_link *link)
{
    return (struct attempts){
        .self = link, .begin = begin, .succeeded = succeeded, .take_back = take_back
    };
}
