/* command_lane.c - one FIFO per connection and conversation.
 *
 * A command that must read before it is decided would be overtaken by a later one that need not. So
 * it stands in its connection's lane until it is published, and whoever comes after it into the
 * same conversation stands behind it. A send that finds nothing waiting never enters: it costs one
 * look at an empty list.
 *
 * Bounds: a connection has `inflight` requests under way, then it isn't read; each job ends within
 * its ports' time limits; a command that waited for a minute is answered `timeout`, unpublished.
 *
 * Invariant: of the commands of one conversation in a lane the one that came first has the turn.
 * The ring may have lost its head (lane_forget). Then it is walked from any node on: that is right
 * for the one with the turn, since none of its conversation is before it.
 */
#include "app/command_run.h"

static struct command_run *run_of(struct list *node)
{
    return LIST_ENTRY(node, struct command_run, lane_node);
}

static bool is_same(const struct command_run *a, const struct command_run *b)
{
    return id_equal(&a->c.conversation, &b->c.conversation);
}

bool lane_is_clear(const struct command_run *run)
{
    struct list *lane = run->c.lane;
    for (struct list *n = lane ? lane->next : NULL; n != lane; n = n->next)
        if (is_same(run_of(n), run))
            return false;
    return true;
}

void lane_enter(struct command_run *run)
{
    if (!run->c.lane)
        return;
    run->has_turn = lane_is_clear(run);
    run->is_in_lane = true;
    list_add_last(run->c.lane, &run->lane_node);
}

static void take_turn(struct task *task)
{
    struct command_run *run = CONTAINER_OF(task, struct command_run, task);
    run->has_turn = true; /* not before: facts that come meanwhile must not decide it too */
    command_take_turn(run);
}

void lane_leave(struct command_run *run)
{
    struct list *start = &run->lane_node;
    struct command_run *next = NULL;
    if (!run->is_in_lane)
        return;
    for (struct list *n = start->next; run->has_turn && !next && n != start; n = n->next)
        if (n != run->c.lane && is_same(run_of(n), run))
            next = run_of(n);
    run->is_in_lane = false;
    list_remove(&run->lane_node);
    if (!next)
        return;
    next->task.run = take_turn; /* free until it is answered */
    task_post(next->g->d.timers, &next->task);
}

void lane_forget(struct list *lane)
{
    for (struct list *n = lane->next; n != lane; n = n->next)
        run_of(n)->c.lane = NULL;
    list_remove(lane);
}
