/* limits.c - token buckets, one a user and command class, for all that the user does here: sockets
 * old and new, and REST.
 *
 * A budget outlives the connections and is kept until it must be full again, so that connecting
 * anew brings no new one. When the table is full the one that was used longest ago is forgotten.
 */
#include "app/gateway_state.h"

#include <stdlib.h>

enum { DROPS_A_TICK = 4096 };

struct bucket {
    double tokens;
    int64_t at_ms;
};

struct budget {
    struct list node; /* in g->budget_list, used longest ago first */
    struct id user;
    struct bucket send, other;
    int64_t used_ms;
};

static bool take(struct bucket *bucket, double per_s, double burst, int64_t now, int64_t *out_retry)
{
    double elapsed_s = (double)(now - bucket->at_ms) / 1000.0;
    bucket->tokens += elapsed_s * per_s;
    if (bucket->tokens > burst)
        bucket->tokens = burst;
    bucket->at_ms = now;
    if (bucket->tokens >= 1.0) {
        bucket->tokens -= 1.0;
        return true;
    }
    *out_retry = (int64_t)((1.0 - bucket->tokens) / per_s * 1000.0) + 1;
    return false;
}

static void drop(struct gateway *g, struct budget *budget)
{
    list_remove(&budget->node);
    (void)map_remove(&g->budgets, id_bytes(&budget->user));
    free(budget);
}

static struct budget *oldest(const struct gateway *g)
{
    return LIST_ENTRY(g->budget_list.next, struct budget, node);
}

static struct budget *budget_of(struct gateway *g, const struct id *user, int64_t now)
{
    struct budget *budget = map_get(&g->budgets, id_bytes(user));
    if (budget)
        return budget;
    if (g->budgets.count && g->budgets.count >= g->d.limits.budgets_kept)
        drop(g, oldest(g));
    budget = calloc(1, sizeof *budget);
    if (!budget || map_put(&g->budgets, id_bytes(user), budget) != RC_OK) {
        free(budget);
        return NULL;
    }
    list_init(&budget->node);
    budget->user = *user;
    budget->send = (struct bucket){ g->d.limits.send_burst, now };
    budget->other =
        (struct bucket){ user->text[0] == '/' ? g->d.limits.range_burst : g->d.limits.other_burst,
                         now };
    return budget;
}

static struct budget *use_budget(struct gateway *g, const struct id *key)
{
    int64_t now = now_ms(g);
    struct budget *budget = budget_of(g, key, now);
    if (!budget)
        return NULL; /* memory is short */
    budget->used_ms = now;
    list_remove(&budget->node);
    list_add_last(&g->budget_list, &budget->node);
    return budget;
}

bool user_may(struct gateway *g, const struct id *user, unsigned roles, bool is_send,
              int64_t *out_retry_ms)
{
    const struct gateway_limits *l = &g->d.limits;
    int64_t now = now_ms(g);
    if (roles & USER_ROLE_SERVICE)
        return true;
    struct budget *budget = use_budget(g, user);
    if (!budget) {
        *out_retry_ms = 1000;
        return false;
    }
    bool may = is_send ? take(&budget->send, l->send_per_s, l->send_burst, now, out_retry_ms)
                       : take(&budget->other, l->other_per_s, l->other_burst, now, out_retry_ms);
    if (!may)
        g->stats.rate_limited++;
    return may;
}

int64_t gateway_admit(struct gateway *g, const struct identity *identity, bool is_send)
{
    int64_t retry_ms = 0;
    return user_may(g, &identity->user, identity->roles, is_send, &retry_ms) ? 0 : retry_ms;
}

/* A range is no id (it has a slash), so it never meets a user's budget in the table. */
int64_t gateway_admit_range(struct gateway *g, const struct address_range *range)
{
    struct id key = { .len = (uint8_t)(strlen(range->text) + 1) };
    int64_t retry_ms = 1000;
    (void)snprintf(key.text, sizeof key.text, "/%s", range->text);
    struct budget *budget = use_budget(g, &key);
    if (budget && take(&budget->other, g->d.limits.range_per_s, g->d.limits.range_burst,
                       budget->used_ms, &retry_ms))
        return 0;
    g->stats.rate_limited++;
    return retry_ms;
}

/* Those that must be full again say no more than new ones would. */
void budgets_tick(struct gateway *g, int64_t now)
{
    const struct gateway_limits *l = &g->d.limits;
    double send_s = l->send_burst / l->send_per_s, other_s = l->other_burst / l->other_per_s;
    double range_s = l->range_per_s > 0 ? l->range_burst / l->range_per_s : 0;
    double longest_s = send_s > other_s ? send_s : other_s;
    int64_t full_ms = (int64_t)((longest_s > range_s ? longest_s : range_s) * 1000.0) + 1;
    for (int i = 0; i < DROPS_A_TICK && g->budgets.count; i++) {
        if (now - oldest(g)->used_ms < full_ms)
            return;
        drop(g, oldest(g));
    }
}

void budgets_fini(struct gateway *g)
{
    while (g->budgets.count)
        drop(g, oldest(g));
    map_fini(&g->budgets);
}
