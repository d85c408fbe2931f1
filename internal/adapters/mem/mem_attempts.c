#include "adapters/mem/mem_attempts.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/map.h"
#include "domain/guess.h"
#include "wire/ladder_json.h"

struct mem_attempts {
    pthread_mutex_t lock;
    struct map ladders; /* key -> struct ladder */
    bool is_away;
};

static struct ladder *ladder_of(struct mem_attempts *a, const struct attempt *attempt,
                                const char *network)
{
    char key[LADDER_KEY_CHARS + 1];
    struct ladder *ladder;
    ladder_key(attempt->use, attempt->account, network, key);
    ladder = map_get(&a->ladders, bytes_of(key));
    if (ladder)
        return ladder;
    ladder = calloc(1, sizeof *ladder);
    if (ladder && map_put(&a->ladders, bytes_of(key), ladder) != RC_OK) {
        free(ladder);
        return NULL;
    }
    return ladder;
}

typedef void change_fn(struct ladder *ladder, int64_t now_ms);

static enum rc change(struct mem_attempts *a, const struct attempt *attempt, int64_t now_ms,
                      change_fn *source_fn, change_fn *account_fn, int64_t *out_wait_ms)
{
    const char *network = attempt->range.text[0] ? attempt->range.text : "?";
    struct ladder *source = ladder_of(a, attempt, network);
    struct ladder *account = ladder_of(a, attempt, "");
    if (!source || !account)
        return RC_NOMEM;
    int64_t wait_ms = out_wait_ms ? guess_wait_ms(source, account, now_ms) : 0;
    if (wait_ms > 0) {
        *out_wait_ms = wait_ms;
        return RC_FULL;
    }
    source_fn(source, now_ms);
    account_fn(account, now_ms);
    return RC_OK;
}

static enum rc change_locked(struct mem_attempts *a, const struct attempt *attempt, int64_t now_ms,
                             change_fn *source_fn, change_fn *account_fn, int64_t *out_wait_ms)
{
    pthread_mutex_lock(&a->lock);
    enum rc rc = a->is_away ? RC_UNAVAILABLE
                            : change(a, attempt, now_ms, source_fn, account_fn, out_wait_ms);
    pthread_mutex_unlock(&a->lock);
    return rc;
}

static enum rc begin(void *self, const struct attempt *attempt, int64_t now_ms,
                     int64_t *out_wait_ms)
{
    return change_locked(self, attempt, now_ms, guess_count_source, guess_count_account,
                         out_wait_ms);
}

static enum rc succeeded(void *self, const struct attempt *attempt, int64_t now_ms)
{
    return change_locked(self, attempt, now_ms, guess_right_source, guess_right_account, NULL);
}

static enum rc take_back(void *self, const struct attempt *attempt, int64_t now_ms)
{
    return change_locked(self, attempt, now_ms, guess_take_back_source, guess_take_back_account,
                         NULL);
}

struct mem_attempts *mem_attempts_create(void)
{
    struct mem_attempts *a = calloc(1, sizeof *a);
    if (!a)
        return NULL;
    pthread_mutex_init(&a->lock, NULL);
    map_init(&a->ladders);
    return a;
}

struct attempts mem_attempts_port(struct mem_attempts *attempts)
{
    return (struct attempts){
        .self = attempts, .begin = begin, .succeeded = succeeded, .take_back = take_back
    };
}

void mem_attempts_set_away(struct mem_attempts *a, bool is_away)
{
    pthread_mutex_lock(&a->lock);
    a->is_away = is_away;
    pthread_mutex_unlock(&a->lock);
}

void mem_attempts_destroy(struct mem_attempts *a)
{
    struct ladder *ladder;
    size_t at = 0;
    if (!a)
        return;
    while ((ladder = map_next(&a->ladders, &at, NULL)) != NULL)
        free(ladder);
    map_fini(&a->ladders);
    pthread_mutex_destroy(&a->lock);
    free(a);
}
