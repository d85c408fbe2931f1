/* partitions.c - proving that nothing is missing: announced heads against what was seen.
 *
 * The persister announces, for each partition, every subject that got a record in (from, to], with
 * its last seq. When the announcements follow each other without a hole and every room and roster
 * here has reached what they name, everything up to `to` was seen: verified_to, from which cursors
 * are made. After a hole, five seconds of silence or a lost link the heads are asked for instead.
 */
#include "app/gateway_state.h"
#include "base/log.h"
#include "wire/subjects.h"

#include <stdlib.h>

/* While leaders are away each question waits for its time-out on a worker: never on all of them. */
enum { SILENCE_MS = 5000, CHECKS_MAX = 2 };

/* verified_to moves when nothing is missing that was announced, and no question is open. */
static void settle(struct gateway *g, uint32_t p)
{
    struct partition *part = &g->parts[p];
    bool is_asked = part->is_checking || part->check_again;
    if (part->missing == 0 && !is_asked && part->waiting_to > part->verified_to)
        part->verified_to = part->waiting_to;
}

void partitions_room_moved(struct room *room)
{
    if (!room->is_missing || room_is_behind(room))
        return;
    room->is_missing = false;
    room->g->parts[room->p].missing--;
    settle(room->g, room->p);
}

void partitions_roster_moved(struct roster *roster)
{
    if (!roster->is_missing || roster->need_seq > roster->feed_seq)
        return;
    roster->is_missing = false;
    roster->g->parts[roster->p].missing--;
    settle(roster->g, roster->p);
}

void partitions_roster_behind(struct roster *roster, uint64_t seq)
{
    if (seq > roster->need_seq)
        roster->need_seq = seq;
    roster->g->parts[roster->p].missing += !roster->is_missing;
    roster->is_missing = true;
}

/* Names one head; counts it when it isn't reached. */
static void need(struct gateway *g, uint32_t p, const struct heads_entry *entry)
{
    struct partition *part = &g->parts[p];
    if (subject_partition(&entry->owner, g->d.partitions) != p)
        return; /* published by a gateway of other settings: nobody will ever see it here */
    if (entry->kind == 'c') {
        struct room *room = room_find(g, &entry->owner);
        if (!room || entry->seq <= room->last_seq)
            return;
        part->missing += !room->is_missing;
        room->is_missing = true;
        if (entry->seq > room->repair_to)
            room->repair_to = entry->seq; /* a live event on its way gets its chance: the tick */
    } else {
        struct roster *roster = map_get(&g->rosters, id_bytes(&entry->owner));
        if (!roster || entry->seq <= roster->feed_seq)
            return;
        partitions_roster_behind(roster, entry->seq);
        roster_load(roster);
    }
}

void partitions_heads(struct gateway *g, uint32_t p, struct bytes json)
{
    struct heads heads;
    SCOPED_ARENA(arena, 64 << 20);
    if (p >= g->d.partitions || heads_parse(json, &arena, &heads) != RC_OK)
        return;
    struct partition *part = &g->parts[p];
    if (heads.generation != g->d.generation) {
        log_warn_every(5000, "heads.other_generation", LOG_UINT("theirs", heads.generation));
        return;
    }
    bool is_first = part->heard_ms == 0;
    part->heard_ms = now_ms(g);
    if (heads.to <= part->heads_to && !is_first)
        return; /* another persister's, or an old one */
    for (size_t i = 0; i < heads.count; i++)
        need(g, p, &heads.entries[i]);
    lag_saw(g, p, heads.to);
    bool has_hole = !is_first && heads.from > part->heads_to;
    part->heads_to = heads.to;
    if (has_hole || (is_first && (g->rooms.count || g->rosters.count))) {
        part->doubt_to = heads.to;
        partitions_check(g, p);
        return;
    }
    if (heads.to > part->waiting_to && !part->doubt_to)
        part->waiting_to = heads.to;
    settle(g, p);
}

/* ---- asking for the heads ---- */

struct heads_job {
    struct gateway_job base;
    uint32_t p;
    enum rc rc;
    struct id *ids; /* conversations first, then users */
    uint64_t *seqs;
    size_t rooms, users;
    uint64_t as_of;
};

static void heads_run(struct job *job)
{
    struct heads_job *j = CONTAINER_OF(job, struct heads_job, base.job);
    const struct event_log *log = j->base.g->d.log;
    uint64_t as_of = 0;
    struct log_state state;
    j->rc = log->state(log->self, j->p, &state);
    if (j->rc != RC_OK)
        return;
    j->as_of = state.last_seq;
    if (j->rooms)
        j->rc = log->heads(log->self, j->p, 'c', j->ids, j->rooms, j->seqs, &as_of);
    if (j->rc == RC_OK && j->users)
        j->rc = log->heads(log->self, j->p, 'u', j->ids + j->rooms, j->users, j->seqs + j->rooms,
                           &as_of);
}

/* Those that had to wait for others. One that failed waits for the tick. */
static void check_next(struct gateway *g, uint32_t but)
{
    for (uint32_t p = 0; p < g->d.partitions && g->checks < CHECKS_MAX; p++)
        if (p != but && g->parts[p].check_again && !g->parts[p].is_checking)
            partitions_check(g, p);
}

static void free_job(struct heads_job *j)
{
    free(j->ids);
    free(j->seqs);
    free(j);
}

static void heads_ended(struct job *job)
{
    struct heads_job *j = CONTAINER_OF(job, struct heads_job, base.job);
    struct gateway *g = j->base.g;
    struct partition *part = &g->parts[j->p];
    gateway_job_ended(&j->base);
    part->is_checking = false;
    g->checks--;
    if (j->rc == RC_OK) {
        lag_saw(g, j->p, j->as_of);
        for (size_t i = 0; i < j->rooms + j->users; i++) {
            struct heads_entry entry = { j->ids[i], i < j->rooms ? 'c' : 'u', j->seqs[i] };
            need(g, j->p, &entry);
            struct room *room = i < j->rooms ? room_find(g, &j->ids[i]) : NULL;
            if (room)
                room_need(room, j->seqs[i]);
        }
        /* A room or roster that came meanwhile was not asked about, and may lack what the heads of
         * that moment would have named: the answer proves nothing for it. */
        if (part->has_newcomers || j->as_of < part->doubt_to) {
            part->check_again = true;
        } else {
            part->doubt_to = 0;
            if (j->as_of > part->waiting_to)
                part->waiting_to = j->as_of;
            if (j->as_of > part->heads_to)
                part->heads_to = j->as_of;
        }
        settle(g, j->p);
    } else {
        part->check_again = true; /* the tick tries again */
    }
    check_next(g, j->p);
    free_job(j);
}

static bool collect(struct gateway *g, struct heads_job *j)
{
    size_t at = 0;
    const struct room *room;
    const struct roster *roster;
    size_t total = g->rooms.count + g->rosters.count + 1;
    j->ids = malloc(total * sizeof *j->ids);
    j->seqs = calloc(total, sizeof *j->seqs);
    if (!j->ids || !j->seqs)
        return false;
    while ((room = map_next(&g->rooms, &at, NULL)) != NULL)
        if (room->p == j->p)
            j->ids[j->rooms++] = room->id;
    at = 0;
    while ((roster = map_next(&g->rosters, &at, NULL)) != NULL)
        if (roster->p == j->p)
            j->ids[j->rooms + j->users++] = roster->user;
    return true;
}

void partitions_check(struct gateway *g, uint32_t p)
{
    struct partition *part = &g->parts[p];
    if (part->is_checking || g->checks == CHECKS_MAX) {
        part->check_again = true;
        return;
    }
    struct heads_job *j = calloc(1, sizeof *j);
    part->check_again = part->has_newcomers = false;
    if (j) {
        j->p = p;
        if (collect(g, j) && gateway_submit(g, &j->base, heads_run, heads_ended) == RC_OK) {
            part->is_checking = true;
            g->checks++;
            return;
        }
        free_job(j);
    }
    part->check_again = true;
}

void partitions_check_all(struct gateway *g)
{
    for (uint32_t p = 0; p < g->d.partitions; p++)
        partitions_check(g, p);
}

void partitions_tick(struct gateway *g, int64_t now)
{
    for (uint32_t p = 0; p < g->d.partitions; p++) {
        struct partition *part = &g->parts[p];
        bool is_silent = part->heard_ms && now - part->heard_ms > SILENCE_MS;
        if (is_silent)
            part->heard_ms += 1000; /* once a second while it lasts */
        if ((is_silent || part->check_again) && g->is_link_up)
            partitions_check(g, p);
        if (part->missing) {
            size_t at = 0;
            struct room *room;
            while ((room = map_next(&g->rooms, &at, NULL)) != NULL)
                if (room->p == p && room_is_behind(room))
                    room_need(room, room->repair_to);
        }
    }
}
