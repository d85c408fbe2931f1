/* crowd.c - many clients. */
#include "crowd.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "pages.h"

static void on_progress(void *owner)
{
    struct crowd *crowd = owner;
    procs_sample(&crowd->procs, 0);
    if (!crowd->options->quiet && crowd->on_progress)
        crowd->on_progress(crowd->owner);
    timer_set(crowd->loop, &crowd->progress, loop_now(crowd->loop) + 1000000000ull);
}

static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* what is missing shows when a socket is refused */
    }
}

void crowd_init(struct crowd *crowd, const struct options *options)
{
    raise_file_limit();
    *crowd = (struct crowd){ .options = options, .loop = loop_create() };
    swarm_init(&crowd->swarm, crowd->loop, options->ws_url, (uint64_t)options->seed);
    crowd->swarm.backoff_min_ns = (uint64_t)options->backoff_ms * 1000000;
    crowd->swarm.backoff_max_ns = crowd->swarm.backoff_min_ns * 16;
    http_init(&crowd->http, options->url);
    procs_init(&crowd->procs, options->home, options->pids, options->pid_count);
    crowd->progress = (struct timer){ .on_due = on_progress, .owner = crowd };
    crowd->began_ns = now_ns();
}

void crowd_populate(struct crowd *crowd)
{
    crowd->count = crowd->people.count;
    crowd->clients = xcalloc(crowd->count, sizeof *crowd->clients);
    for (size_t i = 0; i < crowd->count; i++)
        client_init(&crowd->clients[i], &crowd->swarm, (unsigned)i, crowd->people.list[i].id,
                    crowd->people.list[i].token);
}

size_t crowd_ready(const struct crowd *crowd)
{
    size_t ready = 0;
    for (size_t i = 0; i < crowd->count; i++)
        ready += crowd->clients[i].state == CLIENT_READY;
    return ready;
}

struct connecting {
    struct crowd *crowd;
    size_t wave;
};

static bool connect_more(void *owner)
{
    struct connecting *c = owner;
    struct crowd *crowd = c->crowd;
    size_t ready = crowd_ready(crowd);
    crowd->ready = ready;
    while (crowd->started < crowd->count && (c->wave == 0 || crowd->started - ready < c->wave))
        client_start(&crowd->clients[crowd->started++]);
    return ready == crowd->count;
}

size_t crowd_connect(struct crowd *crowd, size_t wave, unsigned limit_s)
{
    struct connecting c = { crowd, wave };
    on_progress(crowd);
    (void)crowd_wait(crowd, connect_more, &c, limit_s); /* the caller counts */
    return crowd_ready(crowd);
}

bool crowd_wait(struct crowd *crowd, bool (*is_done)(void *owner), void *owner, double limit_s)
{
    uint64_t end = now_ns() + (uint64_t)(limit_s * 1e9);
    if (crowd->progress.place == 0)
        timer_set(crowd->loop, &crowd->progress, now_ns() + 1000000000ull);
    while (now_ns() < end) {
        if (is_done && is_done(owner))
            return true;
        uint64_t slice = now_ns() + 20000000ull;
        loop_run(crowd->loop, slice < end ? slice : end);
    }
    return is_done ? is_done(owner) : true;
}

void crowd_stop(struct crowd *crowd)
{
    for (size_t i = 0; i < crowd->count; i++)
        client_fini(&crowd->clients[i]);
    timer_clear(crowd->loop, &crowd->progress);
    free(crowd->clients);
    people_fini(&crowd->people);
    http_fini(&crowd->http);
    loop_destroy(crowd->loop);
}

void crowd_fill_holes(struct crowd *crowd, struct trail *trail, const char *conversation,
                      const char *token)
{
    for (size_t i = 0; i < trail->hole_count; i++) {
        struct trail found = { .keeps_rows = true };
        struct hole hole = trail->holes[i];
        pages_events(&crowd->http, conversation, token, hole.after, &found, &crowd->swarm.tally);
        for (size_t k = 0; k < found.len; k++)
            if (hole.before == 0 || found.rows[k].seq < hole.before)
                trail_fill(trail, &found.rows[k]);
        trail_fini(&found);
    }
    trail->hole_count = 0;
}
