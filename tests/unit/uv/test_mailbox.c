/* The mailbox under real threads: nothing lost, the order of each writer kept, the bound held, and
 * one turn's budget not passed. */
#include "adapters/uv/mailbox.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "support/check.h"

enum { WRITERS = 4, LETTERS = 20000, BOUND = 1000 };

struct letter {
    struct mail mail;
    struct reader *reader;
    int writer, number;
};

struct reader {
    struct loop *loop;
    struct mailbox *box;
    int next[WRITERS];
    int taken, wrong_order;
    size_t most_waiting;
    struct task task;
    int turns;
};

struct writer {
    pthread_t thread;
    struct reader *reader;
    int index;
    long refused;
    struct letter *letters;
};

static void on_letter(struct mail *mail)
{
    struct letter *letter = CONTAINER_OF(mail, struct letter, mail);
    struct reader *reader = letter->reader;
    if (letter->number != reader->next[letter->writer]++)
        reader->wrong_order++;
    if (mailbox_count(reader->box) > reader->most_waiting)
        reader->most_waiting = mailbox_count(reader->box);
    if (++reader->taken == WRITERS * LETTERS)
        loop_stop(reader->loop);
}

static void *write_letters(void *arg)
{
    struct writer *writer = arg;
    for (int i = 0; i < LETTERS; i++) {
        struct letter *letter = &writer->letters[i];
        *letter = (struct letter){ { .run = on_letter }, writer->reader, writer->index, i };
        while (mailbox_post(writer->reader->box, &letter->mail) != RC_OK) {
            writer->refused++;
            sched_yield();
        }
    }
    return NULL;
}

TEST(takes_every_letter_of_every_thread_in_its_order_within_the_bound)
{
    struct reader reader = { .loop = loop_create() };
    struct writer writers[WRITERS] = { 0 };
    reader.box = mailbox_create(reader.loop, &(struct mailbox_options){ .letters_max = BOUND });
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){ .reader = &reader, .index = i };
        writers[i].letters = calloc(LETTERS, sizeof *writers[i].letters);
        pthread_create(&writers[i].thread, NULL, write_letters, &writers[i]);
    }
    loop_run(reader.loop);
    for (int i = 0; i < WRITERS; i++) {
        pthread_join(writers[i].thread, NULL);
        free(writers[i].letters);
    }
    CHECK_INT(WRITERS * LETTERS, reader.taken);
    CHECK_INT(0, reader.wrong_order);
    /* A writer counts itself in before it knows whether there is room. */
    CHECK(reader.most_waiting <= BOUND + WRITERS);
    mailbox_destroy(reader.box);
    loop_destroy(reader.loop);
}

TEST(refuses_at_its_bound_and_takes_again_after)
{
    struct reader reader = { .loop = loop_create(), .taken = WRITERS * LETTERS - 3 };
    reader.box = mailbox_create(reader.loop, &(struct mailbox_options){ .letters_max = 2 });
    struct letter letters[3];
    for (int i = 0; i < 3; i++)
        letters[i] = (struct letter){ { .run = on_letter }, &reader, 0, i };
    CHECK_RC(RC_OK, mailbox_post(reader.box, &letters[0].mail));
    CHECK_RC(RC_OK, mailbox_post(reader.box, &letters[1].mail));
    CHECK_RC(RC_FULL, mailbox_post(reader.box, &letters[2].mail));
    CHECK_SIZE(2, mailbox_count(reader.box));
    mailbox_destroy(reader.box); /* runs what is in it */
    CHECK_INT(WRITERS * LETTERS - 1, reader.taken);
    loop_destroy(reader.loop);
}

static void on_turn(struct task *task)
{
    struct reader *reader = CONTAINER_OF(task, struct reader, task);
    reader->turns++;
    task_post(loop_timers(reader->loop), task);
}

TEST(leaves_a_flood_to_later_turns)
{
    enum { FLOOD = 1000, BUDGET = 10 };
    static struct letter letters[FLOOD];
    struct reader reader = { .loop = loop_create(),
                             .taken = WRITERS * LETTERS - FLOOD,
                             .task = { .run = on_turn } };
    reader.box = mailbox_create(
        reader.loop, &(struct mailbox_options){ .letters_max = FLOOD, .turn_budget = BUDGET });
    for (int i = 0; i < FLOOD; i++) {
        letters[i] = (struct letter){ { .run = on_letter }, &reader, 0, i };
        CHECK_RC(RC_OK, mailbox_post(reader.box, &letters[i].mail));
    }
    task_post(loop_timers(reader.loop), &reader.task);
    loop_run(reader.loop);
    CHECK(reader.turns >= FLOOD / BUDGET);
    task_cancel(loop_timers(reader.loop), &reader.task);
    mailbox_destroy(reader.box);
    loop_destroy(reader.loop);
}
