/* mem_log.c - the log itself: storing, planned failures, reading. */
#include "adapters/mem/mem_log_priv.h"

#include "base/encode.h"
#include "wire/event_json.h"

#include <stdio.h>

enum { IN_FLIGHT_MAX = 1024, PAYLOAD_MAX = 32768, KEY_BYTES_MAX = 128 };

int64_t mem_now_ms(const struct mem_log *log)
{
    return clock_monotonic_ms(log->o.clock);
}

void mem_post(struct mem_log *log, struct mem_call *call, void (*run)(struct mem_call *call))
{
    call->run = run;
    list_add_last(&log->calls, &call->node);
}

/* Tests have memory: what can't be had ends the program. */
void *mem_take_memory(size_t size)
{
    void *ptr = calloc(1, size ? size : 1);
    if (!ptr)
        abort();
    return ptr;
}

static uint8_t *copy_bytes(struct bytes source)
{
    uint8_t *copy = mem_take_memory(source.len + 1);
    if (source.len > 0)
        memcpy(copy, source.ptr, source.len);
    return copy;
}

static struct bytes head_key(char room[KEY_BYTES_MAX], uint32_t partition, char kind,
                             const struct id *owner)
{
    int len = snprintf(room, KEY_BYTES_MAX, "%u.%c.%s", partition, kind, owner->text);
    return bytes_make(room, (size_t)len);
}

static struct mem_stream *stream_of(struct mem_log *log, uint32_t partition)
{
    return partition < log->o.partitions ? &log->streams[partition] : NULL;
}

uint64_t mem_last_seq(const struct mem_log *log, const struct mem_stream *s)
{
    return log_floor(log->o.generation) + s->count;
}

struct mem_record *mem_record_at(struct mem_log *log, uint32_t partition, uint64_t seq)
{
    struct mem_stream *s = stream_of(log, partition);
    if (!s || seq < s->first_seq || seq > mem_last_seq(log, s))
        return NULL;
    return s->records[seq - log_floor(log->o.generation) - 1];
}

/* The last record of a subject that isn't forgotten. */
static struct mem_record *head_of(struct mem_log *log, uint32_t partition, char kind,
                                  const struct id *owner)
{
    char room[KEY_BYTES_MAX];
    struct mem_record *r = map_get(&log->heads, head_key(room, partition, kind, owner));
    return r && r->record.seq >= log->streams[partition].first_seq ? r : NULL;
}

/* ---- storing ---- */

static void read_header(struct log_record *record, const struct publish_header *header)
{
    uint64_t number;
    size_t len;
    struct bytes value = header->value;
    if (strcmp(header->name, HEADER_OP) == 0 && value.len == 1)
        record->op = (char)value.ptr[0];
    else if (strcmp(header->name, HEADER_SCHEMA) == 0 && bytes_to_u64(value, UINT32_MAX, &number))
        record->schema = (uint32_t)number;
    else if (strcmp(header->name, HEADER_SENDER) == 0)
        (void)id_read(value, &record->actor); /* a bad one counts as missing */
    else if (strcmp(header->name, HEADER_CLIENT_ID) == 0)
        (void)id_read(value, &record->client_id);
    else if (strcmp(header->name, HEADER_BODY_HASH) == 0 &&
             value.len == B64URL_CHARS(BODY_HASH_BYTES))
        record->has_body_hash =
            b64url_read(value, record->body_hash, &len) && len == BODY_HASH_BYTES;
}

static void put(struct map *map, struct bytes key, void *value)
{
    if (map_put(map, key, value) != RC_OK)
        abort();
}

static struct mem_record *append(struct mem_log *log, const struct log_record *place,
                                 const struct publish_request *request)
{
    struct mem_stream *s = &log->streams[place->partition];
    char room[KEY_BYTES_MAX];
    if (s->count == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 64;
        s->records = realloc(s->records, s->cap * sizeof *s->records);
        if (!s->records)
            abort();
    }
    struct mem_record *r = mem_take_memory(sizeof *r);
    const struct mem_record *before = head_of(log, place->partition, place->kind, &place->owner);
    r->record = *place;
    r->record.seq = mem_last_seq(log, s) + 1;
    r->record.prev = before ? before->record.seq : 0;
    r->record.at_us = clock_wall_us(log->o.clock);
    r->record.payload = bytes_make(copy_bytes(request->payload), request->payload.len);
    for (size_t i = 0; i < request->header_count; i++)
        read_header(&r->record, &request->headers[i]);
    s->records[s->count++] = r;
    put(&log->by_msg_id, bytes_of(request->msg_id), r);
    put(&log->heads, head_key(room, place->partition, place->kind, &place->owner), r);
    return r;
}

struct publish_result mem_store_request(struct mem_log *log, const struct publish_request *request,
                                        size_t republished_times)
{
    struct log_record place = { .kind = 0 };
    enum subject_kind kind;
    const struct mem_record *there = map_get(&log->by_msg_id, bytes_of(request->msg_id));
    if (there)
        return (struct publish_result){ PUBLISH_DUPLICATE, there->record.seq };
    if (!subject_split(bytes_of(request->subject), &place.partition, &kind, &place.owner) ||
        place.partition >= log->o.partitions)
        return (struct publish_result){ .outcome = PUBLISH_UNAVAILABLE }; /* nobody takes it */
    if (request->payload.len > log->o.payload_max)
        return (struct publish_result){ .outcome = PUBLISH_TOO_LARGE };
    place.kind = (char)kind;
    const struct mem_record *head = head_of(log, place.partition, place.kind, &place.owner);
    if (request->has_expected_last_seq &&
        request->expected_last_seq != (head ? head->record.seq : 0))
        return (struct publish_result){ .outcome = PUBLISH_CONFLICT };
    const struct mem_record *stored = append(log, &place, request);
    for (size_t i = 0; i < republished_times; i++)
        mem_feed_record(log, &stored->record);
    return (struct publish_result){ PUBLISH_STORED, stored->record.seq };
}

/* ---- publishing ---- */

struct done_call {
    struct mem_call call; /* first */
    struct mem_log *log;
    publish_done_fn *done;
    void *closure;
    struct publish_result result;
};

static void run_done(struct mem_call *call)
{
    struct done_call *d = (struct done_call *)(void *)call;
    pthread_mutex_lock(&d->log->lock);
    d->log->in_flight--;
    pthread_mutex_unlock(&d->log->lock);
    d->done(d->closure, &d->result);
    free(d);
}

static enum mem_failure take_plan(struct mem_log *log)
{
    if (log->plan_count == 0)
        return MEM_PUBLISH_OK;
    enum mem_failure plan = log->plans[log->plan_first];
    log->plan_first = (log->plan_first + 1) % MEM_PLANS_MAX;
    log->plan_count--;
    return plan;
}

static void keep_late(struct mem_log *log, const struct publish_request *request)
{
    struct mem_late *late = mem_take_memory(sizeof *late);
    late->request = *request;
    late->subject = (char *)copy_bytes(bytes_of(request->subject));
    late->msg_id = (char *)copy_bytes(bytes_of(request->msg_id));
    late->payload = copy_bytes(request->payload);
    late->headers = mem_take_memory(request->header_count * sizeof *late->headers);
    for (size_t i = 0; i < request->header_count; i++)
        late->headers[i] =
            (struct publish_header){ (char *)copy_bytes(bytes_of(request->headers[i].name)),
                                     bytes_make(copy_bytes(request->headers[i].value),
                                                request->headers[i].value.len) };
    late->request.subject = late->subject;
    late->request.msg_id = late->msg_id;
    late->request.payload.ptr = late->payload;
    late->request.headers = late->headers;
    list_add_last(&log->late, &late->node);
}

void mem_late_free(struct mem_late *late)
{
    for (size_t i = 0; i < late->request.header_count; i++) {
        free((void *)(uintptr_t)late->headers[i].name);
        free((void *)(uintptr_t)late->headers[i].value.ptr);
    }
    free(late->headers);
    free(late->subject);
    free(late->msg_id);
    free(late->payload);
    free(late);
}

static struct publish_result publish_as_planned(struct mem_log *log, enum mem_failure plan,
                                                const struct publish_request *request)
{
    struct publish_result unknown = { .outcome = PUBLISH_UNKNOWN };
    if (log->is_down)
        return (struct publish_result){ .outcome = PUBLISH_UNAVAILABLE };
    switch (plan) {
    case MEM_PUBLISH_OK:
    case MEM_PUBLISH_HELD:
        return mem_store_request(log, request, 1);
    case MEM_PUBLISH_NOT_REPUBLISHED:
        return mem_store_request(log, request, 0);
    case MEM_PUBLISH_REPUBLISHED_TWICE:
        return mem_store_request(log, request, 2);
    case MEM_PUBLISH_UNKNOWN_STORED:
        (void)mem_store_request(log, request, 1);
        return unknown;
    case MEM_PUBLISH_LATE:
        keep_late(log, request);
        return unknown;
    case MEM_PUBLISH_UNKNOWN_LOST:
        return unknown;
    case MEM_PUBLISH_FULL:
        return (struct publish_result){ .outcome = PUBLISH_FULL };
    case MEM_PUBLISH_TOO_LARGE:
        return (struct publish_result){ .outcome = PUBLISH_TOO_LARGE };
    case MEM_PUBLISH_UNAVAILABLE:
        return (struct publish_result){ .outcome = PUBLISH_UNAVAILABLE };
    case MEM_PUBLISH_CONFLICT:
        return (struct publish_result){ .outcome = PUBLISH_CONFLICT };
    }
    return unknown;
}

static enum rc log_publish(void *self, const struct publish_request *request, publish_done_fn *done,
                           void *closure)
{
    struct mem_log *log = self;
    TRY(publish_request_check(request));
    pthread_mutex_lock(&log->lock);
    if (log->in_flight >= log->o.in_flight_max) {
        pthread_mutex_unlock(&log->lock);
        return RC_FULL;
    }
    struct done_call *d = mem_take_memory(sizeof *d);
    enum mem_failure plan = take_plan(log);
    *d = (struct done_call){ .log = log, .done = done, .closure = closure };
    log->in_flight++;
    d->result = publish_as_planned(log, plan, request); /* queues the republished copies first */
    d->call.run = run_done;
    list_add_last(plan == MEM_PUBLISH_HELD ? &log->held : &log->calls, &d->call.node);
    pthread_mutex_unlock(&log->lock);
    return RC_OK;
}

/* ---- reading ---- */

static enum rc log_head(void *self, uint32_t partition, char kind, const struct id *owner,
                        uint64_t *out_seq)
{
    struct mem_log *log = self;
    enum rc rc = RC_UNAVAILABLE;
    pthread_mutex_lock(&log->lock);
    if (!log->reads_away && partition < log->o.partitions) {
        const struct mem_record *r = head_of(log, partition, kind, owner);
        rc = r ? RC_OK : RC_NOT_FOUND;
        if (r)
            *out_seq = r->record.seq;
    }
    pthread_mutex_unlock(&log->lock);
    return rc;
}

static bool is_of(const struct log_record *record, const struct log_range *range)
{
    return record->kind == range->kind && id_equal(&record->owner, range->owner);
}

/* The next record of the range's subject behind `after`; NULL. Takes the lock. */
static const struct log_record *next_record(struct mem_log *log, const struct log_range *range,
                                            uint64_t after)
{
    const struct log_record *found = NULL;
    pthread_mutex_lock(&log->lock);
    const struct mem_stream *s = &log->streams[range->partition];
    uint64_t seq = after + 1 > s->first_seq ? after + 1 : s->first_seq;
    for (; !found && seq <= mem_last_seq(log, s); seq++) {
        const struct mem_record *r = mem_record_at(log, range->partition, seq);
        if (is_of(&r->record, range))
            found = &r->record;
    }
    pthread_mutex_unlock(&log->lock);
    return found;
}

/* Nothing behind `after` was forgotten, or the first record is the conversation's creation. */
static bool is_begun(struct mem_log *log, const struct log_range *range,
                     const struct log_record *first)
{
    pthread_mutex_lock(&log->lock);
    uint64_t first_seq = log->streams[range->partition].first_seq;
    pthread_mutex_unlock(&log->lock);
    return first_seq <= range->after + 1 ||
           (log->o.generation == 1 && first_seq == log_floor(1) + 1) ||
           (first->kind == SUBJECT_CONVERSATION &&
            first->op == event_kind_op(EVENT_CONVERSATION_CREATED));
}

static enum rc log_read(void *self, const struct log_range *range,
                        bool (*each)(void *closure, const struct log_record *record), void *closure)
{
    struct mem_log *log = self;
    uint64_t after = range->after, prev = 0;
    size_t left = range->records_max ? range->records_max : SIZE_MAX;
    if (log->reads_away || range->partition >= log->o.partitions)
        return RC_UNAVAILABLE;
    while (after < range->until) {
        const struct log_record *found = next_record(log, range, after);
        if (!found || found->seq > range->until || (prev == 0 && !is_begun(log, range, found)))
            return RC_NOT_FOUND;
        struct log_record record = *found;
        record.prev = prev;
        prev = after = record.seq;
        if (!each(closure, &record) || --left == 0)
            return RC_OK;
    }
    return RC_OK;
}

static enum rc log_get(void *self, uint32_t partition, uint64_t seq, struct arena *arena,
                       struct log_record *out_record)
{
    struct mem_log *log = self;
    if (log->reads_away)
        return RC_UNAVAILABLE;
    pthread_mutex_lock(&log->lock);
    const struct mem_record *r = mem_record_at(log, partition, seq);
    pthread_mutex_unlock(&log->lock);
    if (!r)
        return RC_NOT_FOUND;
    struct log_record record = r->record;
    record.prev = 0; /* as the leader's answer has it */
    record.payload = arena_copy(arena, r->record.payload);
    if (!record.payload.ptr)
        return RC_NOMEM;
    *out_record = record;
    return RC_OK;
}

static enum rc log_state(void *self, uint32_t partition, struct log_state *out_state)
{
    struct mem_log *log = self;
    if (log->reads_away || partition >= log->o.partitions)
        return RC_UNAVAILABLE;
    pthread_mutex_lock(&log->lock);
    *out_state = (struct log_state){ .first_seq = log->streams[partition].first_seq,
                                     .last_seq = mem_last_seq(log, &log->streams[partition]),
                                     .generation = log->o.generation,
                                     .partitions = log->o.partitions,
                                     .schema = PARLEY_SCHEMA_VERSION };
    pthread_mutex_unlock(&log->lock);
    return RC_OK;
}

static enum rc log_heads(void *self, uint32_t partition, char kind, const struct id *owners,
                         size_t count, uint64_t *out_seqs, uint64_t *out_as_of)
{
    struct log_state state;
    TRY(log_state(self, partition, &state));
    for (size_t i = 0; i < count; i++) {
        out_seqs[i] = 0;
        enum rc rc = log_head(self, partition, kind, &owners[i], &out_seqs[i]);
        if (rc != RC_OK && rc != RC_NOT_FOUND)
            return rc;
    }
    *out_as_of = state.last_seq;
    return RC_OK;
}

struct event_log mem_log_port(struct mem_log *log)
{
    return (struct event_log){
        .self = log,
        .publish = log_publish,
        .head = log_head,
        .read = log_read,
        .get = log_get,
        .heads = log_heads,
        .state = log_state,
    };
}

/* ---- making and ending ---- */

struct mem_log *mem_log_create(const struct mem_log_options *options)
{
    struct mem_log *log = calloc(1, sizeof *log);
    if (!log)
        return NULL;
    log->o = *options;
    log->o.clock = options->clock ? options->clock : clock_system();
    log->o.in_flight_max = options->in_flight_max ? options->in_flight_max : IN_FLIGHT_MAX;
    log->o.payload_max = options->payload_max ? options->payload_max : PAYLOAD_MAX;
    pthread_mutex_init(&log->lock, NULL);
    map_init(&log->by_msg_id);
    map_init(&log->heads);
    list_init(&log->calls);
    list_init(&log->held);
    list_init(&log->late);
    log->streams = calloc(options->partitions, sizeof *log->streams);
    if (!log->streams) {
        free(log);
        return NULL;
    }
    for (uint32_t p = 0; p < options->partitions; p++) {
        log->streams[p].first_seq = log_floor(options->generation) + 1;
        log->streams[p].announced = log_floor(options->generation);
    }
    return log;
}

/* What never came to run: without calling anybody. A call is the first member of what it is in. */
static void drop_calls(struct list *calls)
{
    while (!list_is_empty(calls)) {
        struct mem_call *call = LIST_ENTRY(calls->next, struct mem_call, node);
        list_remove(&call->node);
        free(call);
    }
}

void mem_log_destroy(struct mem_log *log)
{
    if (!log)
        return;
    drop_calls(&log->calls);
    drop_calls(&log->held);
    while (!list_is_empty(&log->late)) {
        struct mem_late *late = LIST_ENTRY(log->late.next, struct mem_late, node);
        list_remove(&late->node);
        mem_late_free(late);
    }
    mem_feeds_destroy(log);
    for (uint32_t p = 0; p < log->o.partitions; p++) {
        for (size_t i = 0; i < log->streams[p].count; i++) {
            free((void *)(uintptr_t)log->streams[p].records[i]->record.payload.ptr);
            free(log->streams[p].records[i]);
        }
        free(log->streams[p].records);
    }
    for (size_t i = 0; i < log->letter_count; i++) {
        free((void *)(uintptr_t)log->letters[i].reason);
        free((void *)(uintptr_t)log->letters[i].error);
        free((void *)(uintptr_t)log->letters[i].payload.ptr);
    }
    free(log->letters);
    free(log->streams);
    map_fini(&log->by_msg_id);
    map_fini(&log->heads);
    pthread_mutex_destroy(&log->lock);
    free(log);
}
