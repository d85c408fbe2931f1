/* replay_plan.c - who is where when, and what is done in which order.
 *
 * The log tells joins and leaves only of a part of the day: who speaks without having joined was
 * there from the start, and who speaks after leaving has come back unseen. So: whoever's first
 * event isn't a join is a member from the start; a join is put in before a message of somebody who
 * is away; a join of a member and a leave of a stranger are left out.
 */
#include "replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum presence { NEVER_SEEN, PRESENT, AWAY };

static void add_op(struct replay *r, struct thread *thread, uint32_t user, enum op_kind kind,
                   struct bytes text)
{
    thread->ops = xgrow(thread->ops, &thread->op_cap, thread->op_count + 1, sizeof *thread->ops);
    thread->ops[thread->op_count++] = (struct op){ .user = user, .kind = kind, .text = text };
    r->speakers[user].remaining++;
    r->ops_total++;
    r->messages_total += kind == OP_MESSAGE || kind == OP_ACTION;
    r->joins += kind == OP_JOIN;
    r->leaves += kind == OP_LEAVE;
}

static void add_initial(struct thread *thread, uint32_t user)
{
    thread->initial = xgrow(thread->initial, &thread->initial_cap, thread->initial_count + 1,
                            sizeof *thread->initial);
    thread->initial[thread->initial_count++] = user;
}

static void plan_event(struct replay *r, struct thread *thread, const struct corpus_event *event,
                       uint8_t *presence)
{
    uint8_t *there = &presence[event->user];
    if (event->kind != CORPUS_JOINED && *there == NEVER_SEEN) {
        add_initial(thread, event->user);
        *there = PRESENT;
    }
    switch (event->kind) {
    case CORPUS_JOINED:
        if (*there != PRESENT)
            add_op(r, thread, event->user, OP_JOIN, bytes_of(""));
        *there = PRESENT;
        break;
    case CORPUS_LEFT:
        if (*there == PRESENT)
            add_op(r, thread, event->user, OP_LEAVE, bytes_of(""));
        *there = AWAY;
        break;
    case CORPUS_MESSAGE:
    case CORPUS_ACTION:
        if (*there != PRESENT)
            add_op(r, thread, event->user, OP_JOIN, bytes_of(""));
        *there = PRESENT;
        add_op(r, thread, event->user, event->kind == CORPUS_ACTION ? OP_ACTION : OP_MESSAGE,
               event->text);
        break;
    }
}

/* The events of each conversation, in the order of the file. */
static size_t **index_by_conversation(const struct corpus *corpus, size_t *counts)
{
    size_t **index = xcalloc(corpus->conversation_count, sizeof *index);
    for (size_t i = 0; i < corpus->count; i++)
        counts[corpus->events[i].conversation]++;
    for (size_t c = 0; c < corpus->conversation_count; c++) {
        index[c] = xcalloc(counts[c], sizeof **index);
        counts[c] = 0;
    }
    for (size_t i = 0; i < corpus->count; i++) {
        uint32_t c = corpus->events[i].conversation;
        index[c][counts[c]++] = i;
    }
    return index;
}

static void plan_thread(struct replay *r, size_t t, const size_t *events, size_t count)
{
    struct thread *thread = &r->threads[t];
    uint8_t *presence = xcalloc(r->corpus.user_count, 1);
    snprintf(thread->id, sizeof thread->id, "%s_t%zu", r->options->run, t);
    thread->key = key_of(bytes_of(thread->id));
    thread->replay = r;
    thread->book.is_ordered = true;
    for (size_t i = 0; i < count; i++)
        plan_event(r, thread, &r->corpus.events[events[i]], presence);
    free(presence);
}

static void plan_speakers(struct replay *r)
{
    r->people.count = r->corpus.user_count;
    r->people.list = xcalloc(r->people.count, sizeof *r->people.list);
    r->speakers = xcalloc(r->people.count, sizeof *r->speakers);
    for (size_t u = 0; u < r->people.count; u++) {
        char id[65];
        snprintf(id, sizeof id, "%s_u%zu", r->options->run, u);
        r->people.list[u].id = xstrdup(id);
        r->people.list[u].name = xstrdup(r->corpus.users[u]);
    }
}

void replay_plan(struct replay *r)
{
    size_t split = r->options->split > 0 ? (size_t)r->options->split : 1;
    corpus_load(&r->corpus, r->options->corpus, (size_t)r->options->limit);
    plan_speakers(r);
    r->thread_count = r->corpus.conversation_count * split;
    r->threads = xcalloc(r->thread_count, sizeof *r->threads);
    size_t *counts = xcalloc(r->corpus.conversation_count, sizeof *counts);
    size_t **index = index_by_conversation(&r->corpus, counts);
    for (size_t c = 0; c < r->corpus.conversation_count; c++) {
        for (size_t part = 0; part < split; part++) {
            size_t from = counts[c] * part / split, to = counts[c] * (part + 1) / split;
            r->threads[c * split + part].corpus_conversation = c;
            plan_thread(r, c * split + part, index[c] + from, to - from);
        }
        free(index[c]);
    }
    free(index);
    free(counts);
}

static void make_thread(struct replay *r, size_t t, const char *service)
{
    struct thread *thread = &r->threads[t];
    size_t listeners = replay_listener_count(r), count = 0;
    const char **ids = xcalloc(thread->initial_count + listeners, sizeof *ids);
    for (size_t l = 0; l < listeners; l++)
        if (replay_hears(r, l, t))
            ids[count++] = r->crowd.people.list[l].id;
    for (size_t i = 0; i < thread->initial_count; i++)
        ids[count++] = r->people.list[thread->initial[i]].id;
    struct conversation_request request = {
        .id = thread->id,
        .type = "channel",
        .name = r->corpus.conversations[thread->corpus_conversation],
        .member_ids = ids,
        .member_count = count,
    };
    char id[65];
    conversation_make(&r->crowd.http, service, &request, id);
    free(ids);
}

void replay_make(struct replay *r)
{
    const char *service = service_token(r->options);
    people_tokens(&r->people, r->options, "user");
    people_register(&r->people, &r->crowd.http, service);
    people_register(&r->crowd.people, &r->crowd.http, service);
    for (size_t t = 0; t < r->thread_count; t++)
        make_thread(r, t, service);
}

void replay_plan_fini(struct replay *r)
{
    for (size_t t = 0; t < r->thread_count; t++) {
        free(r->threads[t].ops);
        free(r->threads[t].initial);
        book_fini(&r->threads[t].book);
    }
    free(r->threads);
    free(r->speakers);
    people_fini(&r->people);
    corpus_fini(&r->corpus);
}
