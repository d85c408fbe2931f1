/* users.c - users that tokens name, on their way to the directory.
 *
 * Each is written once, PUT_USERS at a time, and waits until the store has taken it: an outage is
 * tried through, a storm of new users queues. More than WAITING_MAX aren't taken; such a user is
 * taken with its next request. What the store refuses for good is dropped with a log line, so that
 * it doesn't hold back the others.
 */
#include "app/gateway_state.h"

#include "base/log.h"

#include <stdlib.h>

enum { PUT_USERS = 1000, WAITING_MAX = 100000, KNOWN_MAX = 200000, RETRY_MS = 1000 };

struct new_user {
    struct list node; /* in g->new_users */
    struct user user; /* its name is behind the struct */
};

struct users_job {
    struct gateway_job base;
    struct user users[PUT_USERS];
    struct list taken; /* of new_user; still in g->unwritten_users */
    size_t count;
    enum rc rc;
};

static void put_run(struct job *job)
{
    struct users_job *j = CONTAINER_OF(job, struct users_job, base.job);
    const struct gateway_deps *d = &j->base.g->d;
    j->rc = d->directory->put_users(d->directory->self, j->users, j->count, true,
                                    clock_wall_us(d->clock), NULL);
}

/* Not kept in mind when memory is short: the next sight writes it again, which does no harm. */
static void know(struct gateway *g, const struct id *id)
{
    if (g->known_users.count >= KNOWN_MAX) {
        map_fini(&g->known_users);
        map_init(&g->known_users);
    }
    (void)!map_put(&g->known_users, id_bytes(id), g);
}

static void drop_taken(struct gateway *g, struct users_job *j)
{
    struct list *node;
    while ((node = list_take_first(&j->taken)) != NULL) {
        struct new_user *one = LIST_ENTRY(node, struct new_user, node);
        if (j->rc == RC_OK)
            know(g, &one->user.id);
        (void)map_remove(&g->unwritten_users, id_bytes(&one->user.id));
        free(one);
    }
}

static void give_back(struct gateway *g, struct users_job *j)
{
    struct list *node;
    while ((node = list_take_last(&j->taken)) != NULL)
        list_add_last(g->new_users.next, node); /* before all others, in their order */
}

static bool is_worth_a_retry(enum rc rc)
{
    return rc == RC_UNAVAILABLE || rc == RC_TIMEOUT || rc == RC_FULL || rc == RC_NOMEM;
}

static void put_ended(struct job *job)
{
    struct users_job *j = CONTAINER_OF(job, struct users_job, base.job);
    struct gateway *g = j->base.g;
    gateway_job_ended(&j->base);
    g->is_putting_users = false;
    if (is_worth_a_retry(j->rc)) {
        g->users_due_ms = now_ms(g) + RETRY_MS;
        log_warn_every(5000, "users.not_stored", LOG_RC(j->rc),
                       LOG_UINT("waiting", g->unwritten_users.count));
    } else if (j->rc != RC_OK) {
        log_error("users.refused", LOG_RC(j->rc), LOG_UINT("count", j->count));
    }
    if (is_worth_a_retry(j->rc))
        give_back(g, j);
    else
        drop_taken(g, j);
    free(j);
}

static void take_waiting(struct gateway *g, struct users_job *j)
{
    struct list *node;
    list_init(&j->taken);
    while (j->count < PUT_USERS && (node = list_take_first(&g->new_users)) != NULL) {
        j->users[j->count++] = LIST_ENTRY(node, struct new_user, node)->user;
        list_add_last(&j->taken, node);
    }
}

void users_tick(struct gateway *g, int64_t now)
{
    if (list_is_empty(&g->new_users) || g->is_putting_users || now < g->users_due_ms)
        return;
    struct users_job *j = calloc(1, sizeof *j);
    if (!j)
        return;
    take_waiting(g, j);
    if (gateway_submit(g, &j->base, put_run, put_ended) == RC_OK) {
        g->is_putting_users = true;
    } else {
        give_back(g, j);
        free(j);
    }
}

bool gateway_saw_identity(struct gateway *g, const struct identity *who)
{
    struct bytes key = id_bytes(&who->user);
    size_t len = strlen(who->name);
    if (map_get(&g->known_users, key))
        return false;
    if (map_get(&g->unwritten_users, key))
        return true;
    if (g->unwritten_users.count >= WAITING_MAX) {
        log_warn_every(5000, "users.too_many_waiting", LOG_INT("max", WAITING_MAX));
        return true;
    }
    struct new_user *one = calloc(1, sizeof *one + len + 1);
    if (!one || map_put(&g->unwritten_users, key, one) != RC_OK) {
        free(one);
        return true;
    }
    memcpy(one + 1, who->name, len);
    one->user.id = who->user;
    one->user.name = bytes_make(one + 1, len);
    list_add_last(&g->new_users, &one->node);
    users_tick(g, now_ms(g)); /* at once; those of a storm gather while the first are put */
    return true;
}

void users_init(struct gateway *g)
{
    map_init(&g->known_users);
    map_init(&g->unwritten_users);
    list_init(&g->new_users);
}

void users_fini(struct gateway *g)
{
    size_t at = 0;
    struct new_user *one;
    while ((one = map_next(&g->unwritten_users, &at, NULL)) != NULL)
        free(one);
    map_fini(&g->unwritten_users);
    map_fini(&g->known_users);
}
