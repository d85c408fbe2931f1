/* replay_compare.c - the books of the senders against everything that can be read again. */
#include <stdio.h>

#include "replay.h"

static void judge_listeners(struct replay *r, size_t t, struct record *record)
{
    for (size_t l = t % r->groups; l < r->crowd.count; l += r->groups) {
        struct client *client = &r->crowd.clients[l];
        struct trail *trail = client_trail(client, r->threads[t].key);
        crowd_fill_holes(&r->crowd, trail, record->id, client->token);
        records_judge_observer(&r->records, record, trail, client->id);
    }
}

void replay_compare(struct replay *r)
{
    records_init(&r->records, r->options, &r->crowd.http, r->thread_count);
    for (size_t t = 0; t < r->thread_count; t++) {
        struct record *record = &r->records.list[t];
        record->id = r->threads[t].id;
        record->token = r->crowd.clients[t % r->groups].token;
        record->book = &r->threads[t].book;
    }
    records_read(&r->records);
    for (size_t t = 0; t < r->thread_count; t++) {
        if (!r->options->quiet && (t % 50 == 49 || t + 1 == r->thread_count))
            fprintf(stderr, "comparing %zu of %zu conversations\n", t + 1, r->thread_count);
        records_judge(&r->records, &r->records.list[t], true);
        judge_listeners(r, t, &r->records.list[t]);
    }
}
