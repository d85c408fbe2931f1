#include "fake_log.h"

#include "wire/subjects.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

struct holder {
    struct fake_log *log;
    int number;
};

static struct holder holders[8]; /* ports point here; a test has few */

static int64_t now_ms(const struct fake_log *log)
{
    return clock_monotonic_ms(&log->clock->source);
}

struct fake_log *fake_log_create(struct fake_clock *clock, uint32_t partition, uint32_t generation)
{
    struct fake_log *log = calloc(1, sizeof *log);
    assert(log);
    log->clock = clock;
    log->partition = partition;
    log->partitions = 4;
    log->schema = PARLEY_SCHEMA_VERSION;
    log->generation = generation;
    log->first_seq = log_floor(generation) + 1;
    log->records = calloc(FAKE_RECORDS_MAX, sizeof *log->records);
    log->said = calloc(FAKE_RECORDS_MAX, sizeof *log->said);
    assert(log->records && log->said);
    return log;
}

void fake_log_destroy(struct fake_log *log)
{
    for (size_t i = 0; i < log->said_count; i++)
        free(log->said[i].json);
    free(log->records);
    free(log->said);
    free(log);
}

static uint64_t last_seq(const struct fake_log *log)
{
    return log_floor(log->generation) + log->count;
}

struct fake_record *fake_log_at(struct fake_log *log, uint64_t seq)
{
    uint64_t floor = log_floor(log->generation);
    return seq > floor && seq <= floor + log->count ? &log->records[seq - floor - 1] : NULL;
}

static uint64_t previous_of(const struct fake_log *log, const struct log_record *record)
{
    for (size_t i = log->count; i-- > 0;)
        if (log->records[i].record.kind == record->kind &&
            id_equal(&log->records[i].record.owner, &record->owner))
            return log->records[i].record.seq;
    return 0;
}

uint64_t fake_log_add(struct fake_log *log, char kind, const char *owner, char op,
                      const char *payload)
{
    assert(log->count < FAKE_RECORDS_MAX && strlen(payload) < FAKE_TEXT_MAX);
    struct fake_record *r = &log->records[log->count];
    r->record = (struct log_record){ .partition = log->partition,
                                     .kind = kind,
                                     .seq = last_seq(log) + 1,
                                     .at_us = clock_wall_us(&log->clock->source),
                                     .op = op,
                                     .schema = PARLEY_SCHEMA_VERSION };
    (void)id_read(bytes_of(owner), &r->record.owner); /* a bad one stays empty, as in the adapter */
    r->record.prev = previous_of(log, &r->record);
    (void)snprintf(r->payload, sizeof r->payload, "%s", payload);
    r->record.payload = bytes_of(r->payload);
    log->count++;
    return r->record.seq;
}

uint64_t fake_log_message(struct fake_log *log, const char *conversation, const char *sender,
                          const char *client_id, const char *text)
{
    char payload[FAKE_TEXT_MAX];
    (void)snprintf(payload, sizeof payload,
                   "{\"type\":\"message.new\",\"conversationId\":\"%s\",\"senderId\":\"%s\","
                   "\"clientMessageId\":\"%s\",\"kind\":\"text\",\"text\":\"%s\"}",
                   conversation, sender, client_id, text);
    uint64_t seq = fake_log_add(log, 'c', conversation, 'm', payload);
    struct log_record *record = &fake_log_at(log, seq)->record;
    (void)id_read(bytes_of(sender), &record->actor);
    (void)id_read(bytes_of(client_id), &record->client_id);
    record->has_body_hash = true;
    body_hash_write(record->body_hash, bytes_of(text));
    return seq;
}

uint64_t fake_log_member(struct fake_log *log, const char *conversation, const char *user)
{
    char payload[FAKE_TEXT_MAX];
    (void)snprintf(payload, sizeof payload,
                   "{\"type\":\"member.added\",\"conversationId\":\"%s\",\"by\":\"owner\","
                   "\"operationId\":\"add-%s\",\"userId\":\"%s\",\"role\":\"member\"}",
                   conversation, user, user);
    return fake_log_add(log, 'c', conversation, 'a', payload);
}

size_t fake_log_count(const struct fake_log *log, enum fake_place place)
{
    size_t count = 0;
    for (size_t i = 0; i < log->count; i++)
        count += log->records[i].place == place;
    return count;
}

const char *fake_log_last_said(const struct fake_log *log, const char *subject)
{
    for (size_t i = log->said_count; i-- > 0;)
        if (strcmp(log->said[i].subject, subject) == 0)
            return log->said[i].json;
    return NULL;
}

static bool is_visible(const struct fake_log *log, const struct fake_record *r)
{
    if (r->record.seq < log->first_seq || now_ms(log) < r->visible_at_ms)
        return false;
    if (r->record.seq >= log->hidden_from && r->record.seq <= log->hidden_to)
        return false;
    return r->place == FAKE_WAITING || r->place == FAKE_FETCHED;
}

static enum rc fake_fetch(void *self, size_t records_max, int64_t wait_ms,
                          struct consumed_batch *out)
{
    struct holder *holder = self;
    struct fake_log *log = holder->log;
    (void)wait_ms;
    log->fetches++;
    if (log->fetch_rc != RC_OK)
        return log->fetch_rc;
    if (log->pin_holder != holder->number && now_ms(log) < log->pin_until_ms)
        return RC_CONFLICT;
    log->pin_holder = holder->number;
    log->pin_until_ms = now_ms(log) + FAKE_PIN_MS;
    struct consumed_batch batch = { .items = calloc(records_max, sizeof *batch.items) };
    assert(batch.items);
    for (size_t i = 0; i < log->count; i++) {
        struct fake_record *r = &log->records[i];
        if (!is_visible(log, r))
            continue;
        if (batch.count == records_max) {
            batch.pending++;
            continue;
        }
        r->place = FAKE_FETCHED;
        r->visible_at_ms = now_ms(log) + FAKE_ACK_WAIT_MS;
        r->deliveries++;
        batch.items[batch.count++] =
            (struct consumed){ .record = r->record, .deliveries = r->deliveries, .handle = r };
    }
    batch.adapter = batch.items;
    *out = batch;
    return RC_OK;
}

static void fake_ack(void *self, struct consumed_batch *batch)
{
    struct fake_log *log = ((struct holder *)self)->log;
    log->acks++;
    for (size_t i = 0; i < batch->count && !log->loses_acks; i++) {
        struct fake_record *r = batch->items[i].handle;
        if (r->place != FAKE_TERMINATED)
            r->place = FAKE_ACKED;
    }
}

static void fake_terminate(void *self, struct consumed *item)
{
    struct fake_record *r = item->handle;
    ((struct holder *)self)->log->terminates++;
    r->place = FAKE_TERMINATED;
}

static void fake_give_back(void *self, struct consumed_batch *batch, int64_t delay_ms)
{
    struct fake_log *log = ((struct holder *)self)->log;
    log->give_backs++;
    log->last_delay_ms = delay_ms;
    for (size_t i = 0; i < batch->count; i++) {
        struct fake_record *r = batch->items[i].handle;
        r->place = FAKE_WAITING;
        r->visible_at_ms = now_ms(log) + delay_ms;
    }
}

static void fake_release(void *self, struct consumed_batch *batch)
{
    (void)self;
    free(batch->adapter);
}

static enum rc fake_read_run(void *self, uint64_t from, uint64_t to,
                             bool (*each)(void *closure, const struct log_record *record),
                             void *closure)
{
    struct fake_log *log = ((struct holder *)self)->log;
    log->runs_read++;
    if (log->read_run_rc != RC_OK)
        return log->read_run_rc;
    if (from < log->first_seq)
        return RC_NOT_FOUND;
    for (uint64_t seq = from; seq <= to && fake_log_at(log, seq); seq++)
        if (!each(closure, &fake_log_at(log, seq)->record))
            break;
    return RC_OK;
}

static enum rc fake_state(void *self, struct log_state *out)
{
    struct fake_log *log = ((struct holder *)self)->log;
    if (log->state_rc != RC_OK)
        return log->state_rc;
    *out = (struct log_state){ .first_seq = log->first_seq,
                               .last_seq = last_seq(log),
                               .generation = log->generation,
                               .partitions = log->partitions,
                               .schema = log->schema };
    return RC_OK;
}

static enum rc fake_dead_letter(void *self, const struct dead_letter *letter)
{
    struct fake_log *log = ((struct holder *)self)->log;
    if (log->dead_letter_rc != RC_OK)
        return log->dead_letter_rc;
    assert(log->letter_count < FAKE_LETTERS_MAX);
    struct fake_letter *kept = &log->letters[log->letter_count++];
    kept->seq = letter->record->seq;
    kept->deliveries = letter->deliveries;
    (void)snprintf(kept->reason, sizeof kept->reason, "%s", letter->reason);
    (void)snprintf(kept->error, sizeof kept->error, "%s", letter->error);
    return RC_OK;
}

static enum rc fake_announce(void *self, const char *subject, struct bytes json)
{
    struct fake_log *log = ((struct holder *)self)->log;
    if (log->announce_rc != RC_OK)
        return log->announce_rc;
    assert(log->said_count < FAKE_RECORDS_MAX);
    struct fake_said *said = &log->said[log->said_count++];
    (void)snprintf(said->subject, sizeof said->subject, "%s", subject);
    said->json = calloc(1, json.len + 1); /* not strndup: the bytes have no end of their own */
    assert(said->json);
    memcpy(said->json, json.ptr, json.len);
    return RC_OK;
}

static struct fake_record *find_msg_id(struct fake_log *log, const char *msg_id)
{
    for (size_t i = 0; i < log->count; i++)
        if (strcmp(log->records[i].msg_id, msg_id) == 0)
            return &log->records[i];
    return NULL;
}

static struct publish_result publish_one(struct fake_log *log,
                                         const struct publish_request *request)
{
    uint32_t p;
    enum subject_kind kind;
    struct id owner;
    char payload[FAKE_TEXT_MAX];
    if (log->publish_outcome != PUBLISH_STORED)
        return (struct publish_result){ .outcome = log->publish_outcome };
    assert(subject_split(bytes_of(request->subject), &p, &kind, &owner));
    assert(p == request->partition);
    struct fake_record *there = find_msg_id(log, request->msg_id);
    if (there) {
        log->duplicates++;
        return (struct publish_result){ PUBLISH_DUPLICATE, there->record.seq };
    }
    if (p != log->partition) {
        log->published_elsewhere++;
        return (struct publish_result){ PUBLISH_STORED, 1 };
    }
    (void)snprintf(payload, sizeof payload, "%.*s", BYTES_ARG(request->payload));
    uint64_t seq =
        fake_log_add(log, (char)kind, owner.text, (char)request->headers[0].value.ptr[0], payload);
    (void)snprintf(fake_log_at(log, seq)->msg_id, 32, "%s", request->msg_id);
    return (struct publish_result){ PUBLISH_STORED, seq };
}

static enum rc fake_publish(void *self, const struct publish_request *requests, size_t count,
                            struct publish_result *results)
{
    struct fake_log *log = ((struct holder *)self)->log;
    if (log->publish_rc != RC_OK)
        return log->publish_rc;
    for (size_t i = 0; i < count; i++)
        results[i] = publish_one(log, &requests[i]);
    return RC_OK;
}

static enum rc fake_tail(void *self, uint64_t after, int64_t wait_ms,
                         void (*each)(void *closure, char kind, const struct id *owner,
                                      uint64_t seq),
                         void *closure, uint64_t *out_to)
{
    struct fake_log *log = ((struct holder *)self)->log;
    bool has_some = after < last_seq(log);
    if (log->tail_rc != RC_OK)
        return log->tail_rc;
    if (!has_some)
        fake_clock_advance(log->clock, wait_ms < FAKE_TAIL_MS
                                           ? wait_ms
                                           : FAKE_TAIL_MS); /* what the real one would have slept */
    *out_to = after;
    for (uint64_t seq = after + 1; seq <= last_seq(log); seq++) {
        const struct log_record *record = &fake_log_at(log, seq)->record;
        each(closure, record->kind, &record->owner, seq);
        *out_to = seq;
    }
    return RC_OK;
}

static uint32_t fake_epoch(void *self)
{
    return ((struct holder *)self)->log->epoch;
}

static void fake_close(void *self)
{
    (void)self;
}

struct log_consumer fake_log_port(struct fake_log *log, int holder)
{
    assert(holder > 0 && holder < 8);
    holders[holder] = (struct holder){ log, holder };
    return (struct log_consumer){ .self = &holders[holder],
                                  .fetch = fake_fetch,
                                  .ack = fake_ack,
                                  .terminate = fake_terminate,
                                  .give_back = fake_give_back,
                                  .release = fake_release,
                                  .read_run = fake_read_run,
                                  .state = fake_state,
                                  .dead_letter = fake_dead_letter,
                                  .announce = fake_announce,
                                  .publish = fake_publish,
                                  .tail = fake_tail,
                                  .epoch = fake_epoch,
                                  .close = fake_close };
}
