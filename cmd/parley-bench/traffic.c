/* traffic.c - setting up, pacing and ending; answers and deliveries are in traffic_take.c. */
#include "traffic.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "traffic_take.h"

static void make_rooms(struct traffic *t, size_t members)
{
    const char **ids = xcalloc(members, sizeof *ids);
    const char *service = service_token(t->options);
    bool is_pair = members == 2 && t->options->mode[0] == 'p';
    for (size_t r = 0; r < t->room_count; r++) {
        struct room *room = &t->rooms[r];
        char id[65];
        room->first = r * members;
        room->count = members;
        for (size_t m = 0; m < members; m++)
            ids[m] = t->crowd.people.list[room->first + m].id;
        struct conversation_request request = { .id = id,
                                                .type = t->options->type,
                                                .name = id,
                                                .member_ids = ids,
                                                .member_count = members };
        snprintf(id, sizeof id, "%s_room_%zu", t->options->run, r);
        if (is_pair)
            request = (struct conversation_request){ .type = "direct",
                                                     .member_ids = &ids[1],
                                                     .member_count = 1 };
        conversation_make(&t->crowd.http,
                          is_pair ? t->crowd.people.list[room->first].token : service, &request,
                          room->id);
        room->key = key_of(bytes_of(room->id));
    }
    free(ids);
}

static void on_progress(void *owner)
{
    struct traffic *t = owner;
    fprintf(stderr,
            "%5.1f s  sent %zu, answered %zu, deliveries %llu, errors %llu, ready %zu of %zu, "
            "wrong so far %llu\n",
            (double)(now_ns() - t->crowd.began_ns) / 1e9, t->sent, t->answered,
            (unsigned long long)t->deliveries, (unsigned long long)t->errors,
            crowd_ready(&t->crowd), t->crowd.count,
            (unsigned long long)tally_bad(&t->crowd.swarm.tally));
}

void traffic_prepare(struct traffic *t, struct options *options, size_t rooms, size_t members,
                     double rate_per_s)
{
    *t = (struct traffic){ .options = options,
                           .room_count = rooms,
                           .rate = rate_per_s,
                           .rng = { (uint64_t)options->seed * 7919 } };
    if (rooms == 0 || members == 0 || rate_per_s <= 0 || options->duration <= 0)
        die("rooms, members, rate and duration must be above 0");
    crowd_init(&t->crowd, options);
    t->crowd.on_progress = on_progress;
    t->crowd.owner = t;
    people_make(&t->crowd.people, options, "u", rooms * members);
    people_register(&t->crowd.people, &t->crowd.http, service_token(options));
    t->rooms = xcalloc(rooms, sizeof *t->rooms);
    t->senders = xcalloc(rooms * members, sizeof *t->senders);
    make_rooms(t, members);
    crowd_populate(&t->crowd);
    t->crowd.swarm.hooks = traffic_hooks;
    for (size_t i = 0; i < t->crowd.count; i++)
        t->crowd.clients[i].extra = t;
}

void traffic_connect(struct traffic *t)
{
    size_t wave = t->options->wave ? (size_t)t->options->wave : 200;
    size_t ready = crowd_connect(&t->crowd, wave, 120);
    if (ready < t->crowd.count)
        die("only %zu of %zu sockets became ready; last failure: %s", ready, t->crowd.count,
            t->crowd.swarm.last_failure);
    /* Membership made just before may still be on its way to the gateway. */
    (void)crowd_wait(&t->crowd, NULL, NULL, 0.5);
}

struct client *traffic_pick(struct traffic *t)
{
    for (int i = 0; i < 20; i++) {
        struct client *client = &t->crowd.clients[rng_below(&t->rng, t->crowd.count)];
        if (client->state == CLIENT_READY)
            return client;
    }
    return NULL;
}

/* A ready member of a room picked at random; SIZE_MAX when all of it are away. */
static size_t pick_sender(struct traffic *t, const struct room *room)
{
    size_t from = rng_below(&t->rng, room->count);
    for (size_t i = 0; i < room->count; i++) {
        size_t at = room->first + (from + i) % room->count;
        if (t->crowd.clients[at].state == CLIENT_READY && !t->crowd.clients[at].ws.is_paused)
            return at;
    }
    return SIZE_MAX;
}

static bool send_next(struct traffic *t)
{
    uint32_t r = (uint32_t)rng_below(&t->rng, t->room_count);
    size_t sender = pick_sender(t, &t->rooms[r]);
    if (sender == SIZE_MAX)
        return false; /* stays due, with its moment: the wait counts */
    t->messages = xgrow(t->messages, &t->message_cap, t->sent + 1, sizeof *t->messages);
    t->messages[t->sent] =
        (struct message){ .intended_ns = t->next_ns, .room = r, .sender = (uint32_t)sender };
    traffic_send(t, t->sent++);
    return true;
}

void traffic_send_due(void *owner)
{
    struct traffic *t = owner;
    uint64_t now = now_ns();
    while (t->next_ns <= now && t->next_ns < t->end_ns) {
        if (!send_next(t)) {
            t->held++;
            timer_set(t->crowd.loop, &t->pace, now + 5000000);
            return;
        }
        t->next_ns += (uint64_t)(-log(1 - rng_unit(&t->rng)) / t->rate * 1e9);
    }
    if (t->next_ns < t->end_ns)
        timer_set(t->crowd.loop, &t->pace, t->next_ns);
}

static bool is_drained(void *owner)
{
    struct traffic *t = owner;
    if (t->next_ns < t->end_ns || t->answered < t->sent)
        return false;
    for (size_t r = 0; r < t->room_count; r++) {
        const struct room *room = &t->rooms[r];
        for (size_t m = room->first; m < room->first + room->count; m++) {
            const struct trail *trail = client_trail(&t->crowd.clients[m], room->key);
            if (trail->last < room->book.last && !trail->is_after_reset)
                return false;
        }
    }
    return true;
}

void traffic_run(struct traffic *t)
{
    procs_sample(&t->crowd.procs, 1);
    procs_mark(&t->crowd.procs);
    t->start_ns = t->next_ns = now_ns() + 1000000;
    t->end_ns = t->start_ns + (uint64_t)t->options->duration * 1000000000ull;
    t->pace = (struct timer){ .on_due = traffic_send_due, .owner = t };
    t->sweep = (struct timer){ .on_due = traffic_sweep, .owner = t };
    t->faults = (struct timer){ .on_due = t->on_fault, .owner = t };
    timer_set(t->crowd.loop, &t->pace, t->next_ns);
    timer_set(t->crowd.loop, &t->sweep, t->next_ns);
    if (t->on_fault)
        timer_set(t->crowd.loop, &t->faults, t->start_ns + 500000000);
    (void)crowd_wait(&t->crowd, NULL, NULL, (double)t->options->duration + 0.01);
    t->drained_ns = now_ns();
    (void)crowd_wait(&t->crowd, is_drained, t, (double)t->options->grace); /* else: lost */
    t->finished_ns = now_ns();
    t->self_cpu_s = procs_self_cpu(&t->crowd.procs);
    procs_sample(&t->crowd.procs, 1);
    /* What a server doubles late would come now. */
    (void)crowd_wait(&t->crowd, NULL, NULL, 0.3);
    timer_clear(t->crowd.loop, &t->sweep);
    timer_clear(t->crowd.loop, &t->faults);
}

static void check_room(struct traffic *t, size_t r)
{
    struct room *room = &t->rooms[r];
    struct record *record = &t->records.list[r];
    records_judge(&t->records, record, false);
    for (size_t m = room->first; m < room->first + room->count; m++) {
        struct client *client = &t->crowd.clients[m];
        struct trail *trail = client_trail(client, room->key);
        crowd_fill_holes(&t->crowd, trail, room->id, client->token);
        records_judge_observer(&t->records, record, trail, client->id);
    }
    trail_fini(&record->log); /* thousands of rooms: one log at a time */
}

static void check(struct traffic *t)
{
    for (size_t n = 0; n < t->sent; n++)
        if (!t->messages[n].is_answered)
            book_open(&t->rooms[t->messages[n].room].book, t->messages[n].row.who,
                      t->messages[n].row.what);
    records_init(&t->records, t->options, &t->crowd.http, t->room_count);
    for (size_t r = 0; r < t->room_count; r++) {
        t->records.list[r].id = t->rooms[r].id;
        t->records.list[r].token = t->crowd.clients[t->rooms[r].first].token;
        t->records.list[r].book = &t->rooms[r].book;
    }
    records_read(&t->records);
    for (size_t r = 0; r < t->room_count; r++)
        check_room(t, r);
}

static void report_run(struct report *report, struct traffic *t)
{
    struct swarm *swarm = &t->crowd.swarm;
    double window_s = (double)(t->drained_ns - t->start_ns) / 1e9,
           cpu_s = procs_cpu(&t->crowd.procs);
    report_group(report, "traffic");
    report_count(report, "rooms", t->room_count);
    report_count(report, "members", t->rooms[0].count);
    report_real(report, "windowS", window_s);
    report_count(report, "sent", t->sent);
    report_count(report, "acknowledged", t->acked);
    report_count(report, "unanswered", t->sent - t->answered);
    report_count(report, "duplicateAcks", t->duplicates);
    report_count(report, "errors", t->errors);
    if (t->last_error[0])
        report_text(report, "lastError", t->last_error);
    report_real(report, "sentPerS", (double)t->sent / window_s);
    report_count(report, "deliveries", t->deliveries);
    report_real(report, "deliveriesPerS", (double)t->deliveries / window_s);
    report_real(report, "benchCpuSeconds", t->self_cpu_s);
    if (cpu_s > 0) {
        report_real(report, "serverCpuSeconds", cpu_s);
        report_real(report, "deliveriesPerCpuSecond", (double)t->deliveries / cpu_s);
    }
    report_real(report, "drainedAfterS", (double)(t->finished_ns - t->drained_ns) / 1e9);
    report_end_group(report);
    report_group(report, "latency");
    report_hist(report, "delivery", &t->delivery);
    report_hist(report, "sendToOk", &t->ack);
    report_hist(report, "connect", &swarm->connect);
    if (t->recovered.count)
        report_hist(report, "deliveryAfterAway", &t->recovered);
    if (swarm->resume.count)
        report_hist(report, "resume", &swarm->resume);
    report_end_group(report);
    report_group(report, "connections");
    report_count(report, "torn", swarm->cut);
    report_count(report, "closedByServer", swarm->closes);
    report_count(report, "attemptsFailed", swarm->failures);
    report_count(report, "resumedWithAll", swarm->recovered);
    report_count(report, "resumedWithResets", swarm->not_recovered);
    report_count(report, "eventsAtResume", swarm->resumed_events);
    if (swarm->last_failure[0])
        report_text(report, "lastFailure", swarm->last_failure);
    report_end_group(report);
}

int traffic_finish(struct traffic *t)
{
    struct report report;
    check(t);
    report_init(&report, t->options);
    report_run(&report, t);
    report_records(&report, &t->records);
    struct tally sum = records_tally(&t->records);
    tally_merge(&sum, &t->crowd.swarm.tally);
    report_tally(&report, &sum);
    report_procs(&report, &t->crowd.procs);
    bool is_good = tally_bad(&sum) == 0 && t->acked > 0 &&
                   t->errors + (t->sent - t->answered) <= (uint64_t)t->options->max_errors;
    int status = report_finish(&report, t->options, is_good);
    records_fini(&t->records);
    for (size_t r = 0; r < t->room_count; r++)
        book_fini(&t->rooms[r].book);
    for (size_t i = 0; i < t->crowd.count; i++)
        free(t->senders[i].open);
    free(t->senders);
    free(t->rooms);
    free(t->messages);
    crowd_stop(&t->crowd);
    return status;
}
