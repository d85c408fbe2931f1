/* mem_log_priv.h - what the files of the log in memory share. Fields are under `lock`. */
#ifndef ADAPTERS_MEM_MEM_LOG_PRIV_H
#define ADAPTERS_MEM_MEM_LOG_PRIV_H

#include "adapters/mem/mem_log.h"
#include "base/list.h"
#include "base/map.h"
#include "wire/subjects.h"

#include <pthread.h>

enum { MEM_PLANS_MAX = 1024 };

/* One stored record; never freed before the log, so that pointers to it may be kept. */
struct mem_record {
    struct log_record record; /* its payload belongs to this */
    uint64_t deliveries;      /* to the persister's consumer */
    int64_t due_ms;           /* not delivered again before this */
    bool is_out, is_done;     /* with the consumer; acknowledged or terminated */
};

struct mem_stream {
    struct mem_record **records; /* [i] has the seq floor + 1 + i */
    size_t count, cap;
    uint64_t first_seq; /* what came before is forgotten */
    size_t consumer_at; /* everything before is done */
    void *holder;       /* the consumer that has the pin */
    uint64_t announced; /* by mem_log_announce_heads */
};

/* A publish as it was asked for, kept for the one that is stored late. */
struct mem_late {
    struct list node;
    char *subject, *msg_id;
    uint8_t *payload;
    struct publish_header *headers;
    struct publish_request request;
};

struct mem_presence {
    struct id user, session;
    struct bytes payload; /* its own copy */
    uint64_t revision;
    int64_t put_at_ms;
    bool is_gone;
};

struct mem_feed {
    struct mem_feed *next;
    struct mem_log *log;
    struct live_feed_events events;
    struct map subs; /* handle -> struct mem_sub */
};

/* Something that comes later, in mem_log_pump. */
struct mem_call {
    struct list node;
    void (*run)(struct mem_call *call); /* outside the lock; frees itself */
};

struct mem_log {
    pthread_mutex_t lock;
    struct mem_log_options o;
    struct mem_stream *streams;
    struct map by_msg_id; /* message id -> struct mem_record */
    struct map heads;     /* "p.k.owner" -> struct mem_record: the last one */
    struct list calls, held, late;
    size_t in_flight;
    enum mem_failure plans[MEM_PLANS_MAX];
    size_t plan_first, plan_count;
    bool is_down, reads_away, presence_away;
    struct mem_feed *feeds;
    uint64_t last_handle, last_revision;
    struct mem_presence *presence;
    size_t presence_count;
    struct mem_dead_letter *letters;
    size_t letter_count, letters_to_fail;
};

int64_t mem_now_ms(const struct mem_log *log);
void mem_post(struct mem_log *log, struct mem_call *call, void (*run)(struct mem_call *call));

/* Tests have memory: what can't be had ends the program. */
void *mem_take_memory(size_t size);
uint64_t mem_last_seq(const struct mem_log *log, const struct mem_stream *s);
void mem_late_free(struct mem_late *late);

/* Stores a request, or finds what is stored under its id. Under the lock. */
struct publish_result mem_store_request(struct mem_log *log, const struct publish_request *request,
                                        size_t republished_times);
/* The record at a place that isn't forgotten; NULL. */
struct mem_record *mem_record_at(struct mem_log *log, uint32_t partition, uint64_t seq);

/* Queues the record for every feed that listens for it. Under the lock. */
void mem_feed_record(struct mem_log *log, const struct log_record *record);
/* heads.<p>, applied.<p>, ctl.<name>; under the lock. */
void mem_feed_announce(struct mem_log *log, const char *subject, struct bytes json);
void mem_feeds_destroy(struct mem_log *log);

#endif
