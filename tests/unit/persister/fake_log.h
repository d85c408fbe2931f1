/* fake_log.h - one partition of the log with its durable consumer, by the clock of the test.
 *
 * It does what a JetStream pull consumer with a pinned group does, as research measured it: one
 * holder of the pin at a time, until it hasn't fetched for pin_ms; what a holder has fetched and
 * not settled stays hidden from everybody until ack_wait_ms is over; what is given back comes after
 * its delay; a lost ack changes nothing. Publishing dedupes by message id. Each call can be made to
 * fail.
 *
 * Thread: one at a time.
 */
#ifndef TESTS_FAKE_LOG_H
#define TESTS_FAKE_LOG_H

#include "ports/log_consumer.h"
#include "support/fake_clock.h"

enum { FAKE_RECORDS_MAX = 4096, FAKE_TEXT_MAX = 2048, FAKE_LETTERS_MAX = 64 };
/* How long tail waits at most: a test's records don't come by themselves meanwhile. */
enum { FAKE_TAIL_MS = 10 };
enum { FAKE_PIN_MS = 2000, FAKE_ACK_WAIT_MS = 30000 };

enum fake_place { FAKE_WAITING, FAKE_FETCHED, FAKE_ACKED, FAKE_TERMINATED };

struct fake_record {
    struct log_record record;
    char payload[FAKE_TEXT_MAX];
    char msg_id[32];
    enum fake_place place;
    int64_t visible_at_ms; /* WAITING: from when; FETCHED: hidden until */
    uint64_t deliveries;
};

struct fake_letter {
    uint64_t seq, deliveries;
    char reason[32], error[200];
    uint64_t applied_then; /* of the store, when the letter was stored; see fake_log.applied */
};

struct fake_said {
    char subject[32];
    char *json;
};

struct fake_log {
    struct fake_clock *clock;
    uint32_t partition, partitions, generation, schema;
    uint32_t epoch;     /* of the link: a test counts it up */
    uint64_t first_seq; /* records below have aged out */
    struct fake_record *records;
    size_t count; /* seq of records[i] = floor + 1 + i */
    int pin_holder;
    int64_t pin_until_ms;
    /* other partitions' records that were published through this one */
    size_t published_elsewhere;
    size_t duplicates; /* publishes that were answered so */
    struct fake_letter letters[FAKE_LETTERS_MAX];
    size_t letter_count;
    struct fake_said *said; /* announcements, oldest first */
    size_t said_count;
    size_t fetches, acks, give_backs, terminates, runs_read;
    int64_t last_delay_ms; /* of the last give_back */
    /* what fails; RC_OK: works */
    enum rc fetch_rc, read_run_rc, state_rc, dead_letter_rc, publish_rc, announce_rc, tail_rc;
    enum publish_outcome publish_outcome; /* PUBLISH_STORED: decide by yourself */
    bool loses_acks;
    uint64_t hidden_from, hidden_to; /* records that fetch doesn't give; 0: none */
};

struct fake_log *fake_log_create(struct fake_clock *clock, uint32_t partition, uint32_t generation);
void fake_log_destroy(struct fake_log *log);

/* The port as instance `holder` (1, 2, …) has it. */
struct log_consumer fake_log_port(struct fake_log *log, int holder);

/* Appends a record as a gateway would have published it; the clock's time is its time. Returns its
 * seq. kind 'c' or 'u'; payload is copied. */
uint64_t fake_log_add(struct fake_log *log, char kind, const char *owner, char op,
                      const char *payload);
struct fake_record *fake_log_at(struct fake_log *log, uint64_t seq);

/* message.new of that sender, with that id and text. */
uint64_t fake_log_message(struct fake_log *log, const char *conversation, const char *sender,
                          const char *client_id, const char *text);
/* member.added of that user. */
uint64_t fake_log_member(struct fake_log *log, const char *conversation, const char *user);

/* How many records are in that place. */
size_t fake_log_count(const struct fake_log *log, enum fake_place place);

/* The newest announcement with that subject; NULL if there is none. */
const char *fake_log_last_said(const struct fake_log *log, const char *subject);

#endif
