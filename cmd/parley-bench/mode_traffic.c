/* mode_traffic.c - fanout, pairs, resume, storm and slow: one traffic, five disturbances. */
#include <stdlib.h>

#include "mode.h"
#include "traffic.h"

static double rate_or(const struct options *options, double otherwise)
{
    return options->rate > 0 ? options->rate : otherwise;
}

static int run_rooms(struct options *options, void (*on_fault)(void *traffic),
                     void (*before)(struct traffic *t))
{
    struct traffic *t = xcalloc(1, sizeof *t); /* histograms: too large for a stack */
    traffic_prepare(t, options, (size_t)options->rooms, (size_t)options->members,
                    rate_or(options, 200));
    t->on_fault = on_fault;
    if (before)
        before(t);
    traffic_connect(t);
    traffic_run(t);
    int status = traffic_finish(t);
    free(t);
    return status;
}

int mode_fanout(struct options *options)
{
    return run_rooms(options, NULL, NULL);
}

int mode_pairs(struct options *options)
{
    struct traffic *t = xcalloc(1, sizeof *t);
    size_t users = options->users ? (size_t)options->users : 2000;
    traffic_prepare(t, options, users / 2, 2, rate_or(options, 100000) / 60);
    traffic_connect(t);
    traffic_run(t);
    int status = traffic_finish(t);
    free(t);
    return status;
}

static bool is_sending(const struct traffic *t)
{
    return now_ns() < t->end_ns;
}

static uint64_t some_away_ns(struct traffic *t)
{
    return 1 + rng_below(&t->rng, (uint64_t)t->options->away_ms * 1000000);
}

/* One connection torn off, at a random moment of its life. */
static void tear_one(void *owner)
{
    struct traffic *t = owner;
    struct client *client = traffic_pick(t);
    if (!is_sending(t))
        return;
    if (client)
        client_cut(client, some_away_ns(t));
    timer_set(t->crowd.loop, &t->faults,
              now_ns() +
                  (uint64_t)(1e9 / (t->options->cuts_per_s > 0 ? t->options->cuts_per_s : 1)));
}

int mode_resume(struct options *options)
{
    return run_rooms(options, options->cuts_per_s > 0 ? tear_one : NULL, NULL);
}

/* All at once, in the middle of the run; they come back as soon as they can. */
static void tear_all(void *owner)
{
    struct traffic *t = owner;
    uint64_t middle = t->start_ns + (t->end_ns - t->start_ns) / 2;
    if (now_ns() < middle) {
        timer_set(t->crowd.loop, &t->faults, middle);
        return;
    }
    for (size_t i = 0; i < t->crowd.count; i++)
        client_cut(&t->crowd.clients[i], some_away_ns(t));
}

int mode_storm(struct options *options)
{
    return run_rooms(options, tear_all, NULL);
}

/* The first few of each room are the ones that stall. */
static void each_stalled(struct traffic *t, void (*act)(struct client *client))
{
    for (size_t r = 0; r < t->room_count; r++)
        for (size_t m = 0; m < t->rooms[r].count && m < (size_t)t->options->stalled; m++)
            act(&t->crowd.clients[t->rooms[r].first + m]);
}

static void shrink_window(struct client *client)
{
    client->ws.receive_bytes = 4096;
}

static void stop_reading(struct client *client)
{
    ws_pause(&client->ws, true);
}

static void read_again(struct client *client)
{
    client->awake_ns = now_ns();
    ws_pause(&client->ws, false);
}

static void wake_one(struct traffic *t, size_t nth)
{
    size_t each = (size_t)t->options->stalled;
    struct room *room = &t->rooms[nth / each];
    if (nth % each < room->count)
        read_again(&t->crowd.clients[room->first + nth % each]);
}

/* From half a second on some members stop reading. In the last third they read again, one after the
 * other through the half of it: were it all at once, the bench's own work on what they missed would
 * be measured on the others. */
static void stall_some(void *owner)
{
    struct traffic *t = owner;
    uint64_t third = (t->end_ns - t->start_ns) / 3, wake = t->end_ns - third, now = now_ns();
    size_t all = t->room_count * (size_t)t->options->stalled;
    if (!t->is_stalling) {
        t->is_stalling = true;
        each_stalled(t, stop_reading);
        timer_set(t->crowd.loop, &t->faults, wake);
        return;
    }
    size_t due = now >= wake + third / 2
                     ? all
                     : (size_t)((double)all * (double)(now - wake) / ((double)third / 2));
    while (t->woken < due)
        wake_one(t, t->woken++);
    if (t->woken < all)
        timer_set(t->crowd.loop, &t->faults, now + 5000000);
}

static void shrink_windows(struct traffic *t)
{
    each_stalled(t, shrink_window);
}

int mode_slow(struct options *options)
{
    return run_rooms(options, stall_some, shrink_windows);
}
