/* command.c - a command's life: taken, given its facts, decided, published, answered. */
#include "app/command_run.h"

#include <stdlib.h>

static bool copy_command(struct command_run *run, const struct command *c)
{
    run->c = *c;
    run->c.content = arena_copy(&run->arena, c->content);
    run->c.name = arena_copy(&run->arena, c->name);
    struct command_member *members =
        arena_alloc(&run->arena, (c->member_count + 1) * sizeof *members);
    if (!members || !run->c.content.ptr || !run->c.name.ptr)
        return false;
    if (c->member_count)
        memcpy(members, c->members, c->member_count * sizeof *members);
    run->c.members = members;
    run->has_given_id = run->c.client_id.len > 0;
    if (!run->has_given_id)
        run->c.client_id = id_make(run->g->d.clock);
    return true;
}

static void answer(struct task *task)
{
    struct command_run *run = CONTAINER_OF(task, struct command_run, task);
    struct gateway *g = run->g;
    g->commands--;
    latency_add(&g->stats.accept, (now_ms(g) - run->began_ms) * 1000);
    if (run->result.error.code == ERROR_NONE)
        run->result.is_duplicate ? g->stats.duplicates++ : g->stats.accepted++;
    else if (run->result.error.code == ERROR_TIMEOUT)
        g->stats.unknown++;
    else
        g->stats.failed++;
    if (run->c.kind == COMMAND_SEND && run->result.error.code == ERROR_NONE)
        typing_stopped_by_send(g, &run->c.actor.user, &run->c.conversation);
    if (run->result.seq)
        lag_saw(g, subject_partition(&run->c.conversation, g->d.partitions), run->result.seq);
    run->result.conversation = run->c.conversation;
    run->result.client_id = run->c.client_id;
    run->done(run->closure, &run->result);
    arena_fini(&run->arena);
    free(run);
}

/* The answer comes on a later turn, never inside the call that asked. */
void command_finish(struct command_run *run)
{
    lane_leave(run);
    run->task.run = answer;
    task_post(run->g->d.timers, &run->task);
}

void command_refuse(struct command_run *run, enum error_code code)
{
    run->result.error.code = code;
    command_finish(run);
}

void command_refuse_unsent(struct command_run *run, enum error_code code)
{
    command_refuse(run, run->c.is_retry ? ERROR_TIMEOUT : code);
}

/* ---- facts and decision ---- */

/* Longer ago than this (the time that the process stood still counts) the client may have tried
 * again, and the log forgets ids. */
enum { COMMAND_AGE_MAX_MS = 60000 };

/* A guarded event may be beaten and decided again: the others wait until that is known. */
static void publish(struct command_run *run)
{
    if (!run->out[0].is_guarded)
        lane_leave(run); /* the next one has its turn on a later turn of the loop */
    command_publish(run);
}

static void decide(struct command_run *run)
{
    bool is_old = clock_monotonic_ms(run->g->d.clock) - run->taken_ms > COMMAND_AGE_MAX_MS;
    enum error_code code = is_old ? ERROR_TIMEOUT : command_decide(run);
    if (code != ERROR_NONE)
        command_refuse(run, code);
    else if (run->out_count)
        publish(run);
    else
        command_finish(run);
}

static void facts_run(struct job *job)
{
    facts_load(CONTAINER_OF(job, struct command_run, base.job));
}

static void facts_ended(struct job *job)
{
    struct command_run *run = CONTAINER_OF(job, struct command_run, base.job);
    gateway_job_ended(&run->base);
    run->is_loading = false;
    run->has_facts = true;
    if (run->has_turn || !run->is_in_lane)
        decide(run);
}

void command_load_facts(struct command_run *run)
{
    memset(&run->facts, 0, sizeof run->facts);
    run->is_loading = true;
    if (gateway_submit(run->g, &run->base, facts_run, facts_ended) != RC_OK)
        command_refuse_unsent(run, ERROR_OVERLOADED);
}

static bool needs_no_read(const struct command_run *run)
{
    const struct command *c = &run->c;
    return c->kind == COMMAND_SEND && !run->is_late && !c->reply_to && !c->thread_of;
}

/* The common case needs no read: the sender is connected here and the room is followed. */
static bool facts_from_memory(struct command_run *run)
{
    const struct command *c = &run->c;
    struct gateway *g = run->g;
    const struct roster *roster = map_get(&g->rosters, id_bytes(&c->actor.user));
    const struct room *room = roster ? room_find(g, &c->conversation) : NULL;
    const struct place *place = room ? roster_place(roster, room) : NULL;
    if (!needs_no_read(run) || !place || !place_is_active(place) || room->state == ROOM_JOINING)
        return false;
    run->facts.conversation = (struct conversation){ .id = room->id,
                                                     .type = room->type,
                                                     .history = room->history,
                                                     .deleted_seq = room->deleted_seq };
    run->facts.actor = place->m;
    return true;
}

/* While it waited, its actor may have been removed: that is known here at once. */
static bool has_lost_place(const struct command_run *run)
{
    const struct roster *roster = map_get(&run->g->rosters, id_bytes(&run->c.actor.user));
    const struct room *room = roster ? room_find(run->g, &run->c.conversation) : NULL;
    const struct place *place = room ? roster_place(roster, room) : NULL;
    return run->facts.actor.is_member && !(place && place_is_active(place));
}

void command_take_turn(struct command_run *run)
{
    if (run->is_loading)
        return; /* facts_ended decides */
    if (run->has_facts ? !has_lost_place(run) : facts_from_memory(run))
        decide(run);
    else
        command_load_facts(run);
}

/* A retry that may be older than the server's memory of ids must be looked up. So must one whose
 * first try was before this gateway began: the streams may be of a later generation than it was,
 * and new streams remember no ids. In the first generation there is nothing earlier. */
static bool is_late(const struct gateway *g, const struct command *c)
{
    bool may_be_earlier = g->d.generation > 1 && c->first_tried_ms >= now_ms(g) - g->began_ms;
    return c->is_retry && !(c->has_first_tried && c->first_tried_ms < g->d.limits.late_retry_ms &&
                            !may_be_earlier);
}

void command_submit(struct gateway *g, const struct command *command, command_done_fn *done,
                    void *closure)
{
    struct command_run *run = calloc(1, sizeof *run);
    if (!run)
        abort(); /* a few hundred bytes: a restart is cheap, the log keeps what was acknowledged */
    run->g = g;
    run->done = done;
    run->closure = closure;
    run->began_ms = now_ms(g);
    run->taken_ms = gateway_came_ms(g);
    g->commands++;
    list_init(&run->lane_node);
    arena_init(&run->arena, COMMAND_ARENA_BYTES);
    if (!copy_command(run, command)) {
        command_refuse_unsent(run, ERROR_OVERLOADED);
        return;
    }
    if (!g->is_log_right || g->is_refusing_sends) {
        command_refuse_unsent(run, g->is_log_right ? ERROR_STORAGE_FULL : ERROR_UNAVAILABLE);
        return;
    }
    run->is_late = is_late(g, &run->c);
    command_hash_body(run);
    bool is_clear = lane_is_clear(run);
    if (is_clear && facts_from_memory(run)) {
        decide(run);
        return;
    }
    lane_enter(run);
    if (is_clear || !needs_no_read(run))
        command_load_facts(run); /* beside those before it: only the deciding is in order */
}
