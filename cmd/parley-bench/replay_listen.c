/* replay_listen.c - who hears what, and being torn off on the way. */
#include <stdio.h>
#include <stdlib.h>

#include "replay.h"

#define THREADS_EACH 16 /* conversations that one listener is in */

size_t replay_listener_count(const struct replay *r)
{
    return r->groups * (size_t)r->options->listeners;
}

bool replay_hears(const struct replay *r, size_t listener, size_t thread)
{
    return listener % r->groups == thread % r->groups;
}

static void on_event(struct client *client, const struct event *ev, struct trail *trail)
{
    struct replay *r = client->extra;
    (void)trail;
    r->deliveries += bytes_is(ev->type, "message.new");
}

void replay_listen_init(struct replay *r)
{
    r->groups = (r->thread_count + THREADS_EACH - 1) / THREADS_EACH;
    size_t count = replay_listener_count(r);
    r->crowd.people.count = count;
    r->crowd.people.list = xcalloc(count, sizeof *r->crowd.people.list);
    for (size_t l = 0; l < count; l++) {
        char id[65];
        snprintf(id, sizeof id, "%s_l%zu", r->options->run, l);
        r->crowd.people.list[l].id = xstrdup(id);
    }
    people_tokens(&r->crowd.people, r->options, "service");
    crowd_populate(&r->crowd);
    r->crowd.swarm.hooks = (struct client_hooks){ .on_event = on_event };
    for (size_t l = 0; l < count; l++)
        r->crowd.clients[l].extra = r;
}

/* A listener that is connected, from a random place on; NULL when all are away. */
static struct client *pick_ready(struct replay *r)
{
    size_t from = rng_below(&r->crowd.swarm.rng, r->crowd.count);
    for (size_t i = 0; i < r->crowd.count; i++) {
        struct client *client = &r->crowd.clients[(from + i) % r->crowd.count];
        if (client->state == CLIENT_READY)
            return client;
    }
    return NULL;
}

void replay_cut_some(struct replay *r)
{
    size_t cuts = (size_t)r->options->cut;
    while (r->cuts_done < cuts && r->ops_done * (cuts + 1) >= r->ops_total * (r->cuts_done + 1)) {
        struct client *client = pick_ready(r);
        uint64_t away_ns = (uint64_t)r->options->away_ms * 1000000;
        if (!client)
            return; /* at a later op, then */
        r->cuts_done++;
        client_cut(client, 1 + rng_below(&r->crowd.swarm.rng, away_ns));
    }
}

bool replay_is_heard(void *replay)
{
    struct replay *r = replay;
    for (size_t l = 0; l < r->crowd.count; l++)
        for (size_t t = l % r->groups; t < r->thread_count; t += r->groups) {
            const struct trail *trail = client_trail(&r->crowd.clients[l], r->threads[t].key);
            if (trail->last < r->threads[t].book.last && !trail->is_after_reset)
                return false;
        }
    return true;
}
