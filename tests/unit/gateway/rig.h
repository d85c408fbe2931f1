/* rig.h - the real gateway over fakes: nothing happens unless the test says so.
 *
 * One clock, one loop and one pool for all; a log with its live feed and a store that a persister
 * fills when asked; up to two gateways (nodes) on them; sockets whose peers are slow on demand.
 *
 *     struct rig *r = rig_create();
 *     rig_conversation(r, "c", CONVERSATION_GROUP, HISTORY_JOINED, "ann", "bob", NULL);
 *     struct rig_link *ann = rig_connect_flowing(r, 0, "ann");
 *     uint64_t seq = rig_send(r, "c", "bob", "hello");   another gateway's publish
 *     rig_settle(r);
 *     CHECK(rig_event_count(ann, "c") == 1);
 *
 * rig_settle runs what is due now: tasks, live copies, jobs, answers. rig_advance moves the clock
 * in steps that are no freeze. With auto_jobs false jobs wait for rig_job_run (the blocking half)
 * and rig_job_done (the loop's half).
 */
#ifndef TESTS_UNIT_GATEWAY_RIG_H
#define TESTS_UNIT_GATEWAY_RIG_H

#include "adapters/mem/mem_store.h"
#include "adapters/uv/timer_heap.h"
#include "app/command.h"
#include "app/gateway_state.h"
#include "support/check.h"
#include "support/fake_clock.h"
#include "unit/gateway/alloc_fault.h"

enum { RIG_PARTITIONS = 2, RIG_GENERATION = 1, RIG_NODES = 2 };

/* ---- the log ---- */

struct rig_record {
    struct log_record record;
    uint8_t *payload;
    char msg_id[MSG_ID_CHARS + 1];
};

struct rig_stream {
    struct rig_record *records;
    size_t count, cap;
    uint64_t first_seq; /* what came before has aged out */
    uint64_t announced; /* heads were told up to here */
    uint64_t applied;   /* the persister did its work up to here */
};

/* What becomes of the live copy of the records that are stored next. */
enum rig_live { LIVE_GOOD, LIVE_LOST, LIVE_TWICE, LIVE_HELD };

enum rig_publish {
    PUB_GOOD,
    PUB_UNKNOWN_STORED,
    PUB_UNKNOWN_LOST,
    PUB_FULL,
    PUB_TOO_LARGE,
    PUB_UNAVAILABLE,
    PUB_CONFLICT,
    PUB_REFUSED, /* publish itself answers RC_FULL */
};

struct rig_delivery { /* a live copy on its way to one node */
    struct list node;
    int to;
    uint32_t partition;
    size_t index;
    uint64_t prev; /* as it was when it was republished */
};

struct rig_signal { /* on its way to one node */
    struct list node;
    int to;
    uint32_t partition;
    struct id owner;
    size_t len;
    char json[];
};

struct rig_ack {
    struct list node;
    publish_done_fn *done;
    void *closure;
    struct publish_result result;
    bool is_receipt;
};

enum { RIG_RECEIPTS_NOTED = 512 };

enum { RIG_SESSIONS = 64 };

struct rig_session { /* a key of the presence bucket */
    struct id user, session;
    char payload[256];
    uint64_t revision;
    bool is_gone;
};

struct rig_receipt {
    char subject[256];
    uint64_t seq;
};

/* ---- sockets ---- */

struct rig_said {
    char *text;
    bool is_event;
    uint64_t seq, prev;
    struct id conversation;
};

struct rig_link {
    struct rig *rig;
    int node;
    struct link_id id;
    void *user;
    bool is_open, is_closing, is_gone, is_paused, owes_writable;
    size_t room; /* frames that the socket still takes */
    uint16_t close_code;
    char close_reason[64];
    uint16_t http_status;
    char refusal[1024]; /* the body that goes with http_status */
    size_t pauses;
    struct rig_said *said;
    size_t said_count, said_cap;
    size_t mark;
    size_t frames;
};

struct rig_sub {
    uint64_t handle;
    char kind;
    struct id owner;
};

struct rig_flush {
    struct list node;
    void (*done)(void *closure, enum rc rc);
    void *closure;
};

struct rig_node {
    struct rig *rig;
    int index;
    struct gateway *g;
    struct live_feed feed;
    struct live_feed_events events;
    struct client_sink sink;
    struct client_links links; /* first user: CONTAINER_OF */
    struct rig_sub *subs;
    size_t sub_count, sub_cap;
    struct list flushes;
    bool is_flush_held;
    bool is_subscribe_failing;
    unsigned presence_puts, presence_ends, signals;
};

struct rig {
    struct fake_clock clock;
    struct timer_heap heap;
    struct timers timers;
    struct task *first_task, *last_task;
    struct executor executor;
    struct job *jobs, *last_job; /* submitted */
    struct job *ended, *last_ended;
    size_t job_count;
    bool auto_jobs;
    uint64_t submits, refuse_submit_at; /* 0: none */
    struct token_verifier verifier;
    struct event_log log;
    struct rig_stream streams[RIG_PARTITIONS];
    enum rig_live live;
    enum rig_publish plan[64]; /* of the next publishes of conversation events */
    size_t plan_at, plan_count;
    bool are_acks_held;
    bool is_log_away;
    uint64_t log_calls, fail_log_at, fail_log_count; /* that call and count - 1 more fail */
    struct list deliveries, held, acks, said_signals;
    unsigned publishes, feed_publishes, receipts, reads, heads_asked;
    struct rig_receipt noted[RIG_RECEIPTS_NOTED]; /* the first ones that were stored */
    size_t noted_count;
    unsigned receipts_open, receipts_open_max; /* not answered yet */
    enum rig_publish receipt_plan;             /* of all of them */
    bool are_feeds_lost;                       /* user feed records of gateways never get there */
    struct mem_store *mem;
    struct message_store store;
    struct directory_store directory;
    struct rig_node nodes[RIG_NODES];
    struct rig_link **all_links;
    size_t link_count, link_cap;
    struct gateway_limits limits; /* change before rig_start */
    unsigned operations;
    struct rig_session sessions[RIG_SESSIONS];
    size_t session_count;
    bool is_bucket_away;
    bool keeps_puts;             /* what gateways put is in the bucket, and heard */
    bool loses_signals;          /* what gateways say to each other gets nowhere */
    const char *origin, *cookie; /* of the next handshakes; NULL: none */
};

struct rig *rig_create(void);      /* with node 0 started */
struct rig *rig_create_bare(void); /* limits can be changed, then rig_start */
void rig_start(struct rig *r, int node);
void rig_destroy(struct rig *r);
struct gateway *rig_gateway(struct rig *r, int node);

struct id id_of(const char *text);

/* ---- time and jobs ---- */

void rig_settle(struct rig *r);
void rig_advance(struct rig *r, int64_t ms);
bool rig_turn(struct rig *r);     /* one turn of the loop: what is posted now; false: nothing was */
bool rig_job_run(struct rig *r);  /* the blocking half of the first submitted job */
bool rig_job_done(struct rig *r); /* the loop's half of the first that ran */

/* ---- the log as others write it ---- */

uint64_t rig_append(struct rig *r, const struct event *event, const char *content);
/* created, owner added, then members until NULL; feed records too. Returns seq of the last. */
uint64_t rig_conversation(struct rig *r, const char *id, enum conversation_type type,
                          enum history_rule history, const char *owner, ...);
uint64_t rig_send(struct rig *r, const char *conversation, const char *sender, const char *text);
uint64_t rig_member(struct rig *r, enum event_kind kind, const char *conversation,
                    const char *user); /* with its feed record */
uint64_t rig_member_only(struct rig *r, enum event_kind kind, const char *conversation,
                         const char *user);
uint64_t rig_feed(struct rig *r, const char *user, const char *conversation, uint64_t seq);
uint64_t rig_delete_conversation(struct rig *r, const char *conversation);
void rig_plan(struct rig *r, enum rig_publish outcome);
/* The log no longer knows the ids of what it holds: its window for doubles has passed. */
void rig_forget_ids(struct rig *r);
void rig_release_held(struct rig *r); /* live copies that were held */
void rig_age_out(struct rig *r, const char *conversation, uint64_t below_seq);
uint32_t rig_partition(const char *owner);
uint64_t rig_last_seq(const struct rig *r, const char *conversation);

void rig_apply(struct rig *r); /* the persister: everything, emitted too */
void rig_heads(struct rig *r); /* announces all partitions to all nodes */
void rig_heads_of(struct rig *r, uint32_t p, uint64_t from, uint64_t to, int node);
void rig_applied(struct rig *r, uint32_t p, const char *json);
/* Another gateway's session says so; NULL: its key is gone. All who watch hear of it. */
void rig_presence(struct rig *r, const char *user, const char *session, const char *status);
void rig_boundary(struct rig *r, int node);
void rig_link_up(struct rig *r, int node, bool is_up);

/* ---- sockets ---- */

struct rig_link *rig_upgrade(struct rig *r, int node, const char *token, const char *cursor);
struct rig_link *rig_connect(struct rig *r, int node, const char *user, const char *cursor);
struct rig_link *rig_connect_flowing(struct rig *r, int node,
                                     const char *user); /* synced, settled */
void rig_say(struct rig_link *link, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Connects the user at node 0, takes the cursor, and cuts the link; it is gone for good then. */
void rig_leave_with_cursor(struct rig *r, const char *user, char cursor[CURSOR_TEXT_MAX + 1]);
void rig_sync(struct rig_link *link, const char *cursor);
void rig_stall(struct rig_link *link, size_t room);
void rig_drain(struct rig_link *link); /* the socket takes everything again */
void rig_cut(struct rig_link *link);
void rig_mark(struct rig_link *link);
bool rig_heard(const struct rig_link *link, const char *part);   /* since the mark */
size_t rig_count(const struct rig_link *link, const char *part); /* since the mark */
const char *rig_find(const struct rig_link *link, const char *part);
size_t rig_event_count(const struct rig_link *link, const char *conversation); /* since mark */
/* The seqs, since the mark, are these; ends with 0. */
void rig_check_events(const struct rig_link *link, const char *conversation, const char *file,
                      int line, ...);
#define CHECK_EVENTS(link, conversation, ...)                                                      \
    rig_check_events((link), (conversation), __FILE__, __LINE__, __VA_ARGS__, (uint64_t)0)
#define CHECK_NO_EVENTS(link, conversation)                                                        \
    rig_check_events((link), (conversation), __FILE__, __LINE__, (uint64_t)0)
/* The newest cursor of any frame; false: none. */
bool rig_cursor(const struct rig_link *link, char out[CURSOR_TEXT_MAX + 1]);
/* What the newest cursor says of that conversation's partition. */
uint64_t rig_cursor_safe(const struct rig_link *link, const char *conversation);

void rig_links_init(struct rig_node *node);
void rig_links_fini(struct rig *r);
bool rig_links_turn(struct rig *r); /* closes what asked for it, writable calls */
void rig_log_init(struct rig *r);
void rig_log_fini(struct rig *r);
bool rig_log_turn(struct rig *r);
void rig_feed_init(struct rig_node *node);

#endif
