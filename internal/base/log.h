/* log.h - one structured line for each thing worth knowing.
 *
 * A line is a constant event name ("session.outbox_full") and typed fields, as JSON or logfmt, with
 * the keys ts, level, msg, svc and instance in front. Never put a message body, a token, a password
 * or a network address into a field: logs are copied to places that chats must not reach.
 *
 *     log_warn("session.outbox_full", LOG_ID("conn", conn->id), LOG_UINT("bytes",
 * outbox_bytes(box)));
 *
 * Text is made harmless on the way out: control characters (CR, LF, ANSI escapes, C1) are escaped,
 * bytes that aren't UTF-8 become U+FFFD, a value is cut at 512 bytes and a line at 4 KiB. One line
 * is one write(2), so lines of several threads and processes do not mix. A reader that is too slow
 * loses lines rather than stopping the process; the next line that gets through says how many
 * ("dropped").
 *
 * Thread: any, after log_setup.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdatomic.h>

#include "base/bytes.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

enum log_format {
    LOG_FORMAT_AUTO, /* logfmt on a terminal, else JSON */
    LOG_FORMAT_JSON,
    LOG_FORMAT_LOGFMT,
};

struct log_options {
    enum log_level level;
    enum log_format format;
    const char *service;  /* "parleyd"; borrowed, must outlive all logging */
    const char *instance; /* "gateway-1", or NULL; borrowed likewise */
    int fd;               /* where lines go; 0 means standard error */
};

enum log_field_kind {
    LOG_FIELD_TEXT,
    LOG_FIELD_INT,
    LOG_FIELD_UINT,
    LOG_FIELD_NUM,
    LOG_FIELD_BOOL
};

struct log_field {
    const char *key; /* a constant, [a-z_]+ */
    enum log_field_kind kind;
    union {
        struct bytes text;
        int64_t i;
        uint64_t u;
        double num;
        bool is;
    };
};

/* Sets how lines look and where they go. Once, before other threads start; until then lines from
 * "info" up go to standard error under the name "parley". */
void log_setup(const struct log_options *options);

/* Changes the threshold of a running process. Any thread. */
void log_set_level(enum log_level level);

/* Whether a line of that level would be written. */
bool log_is_on(enum log_level level);

/* Writes one line; never fails. Use the macros below. */
void log_write(enum log_level level, const char *event, const struct log_field *fields,
               size_t field_count);

/* Lines lost since the start because standard error took none. */
uint64_t log_dropped_count(void);

static inline struct log_field log_field_bytes(const char *key, struct bytes value)
{
    return (struct log_field){ .key = key, .kind = LOG_FIELD_TEXT, .text = value };
}

static inline struct log_field log_field_text(const char *key, const char *value)
{
    return log_field_bytes(key, bytes_of(value));
}

static inline struct log_field log_field_int(const char *key, int64_t value)
{
    return (struct log_field){ .key = key, .kind = LOG_FIELD_INT, .i = value };
}

static inline struct log_field log_field_uint(const char *key, uint64_t value)
{
    return (struct log_field){ .key = key, .kind = LOG_FIELD_UINT, .u = value };
}

static inline struct log_field log_field_num(const char *key, double value)
{
    return (struct log_field){ .key = key, .kind = LOG_FIELD_NUM, .num = value };
}

static inline struct log_field log_field_bool(const char *key, bool value)
{
    return (struct log_field){ .key = key, .kind = LOG_FIELD_BOOL, .is = value };
}

#define LOG_STR(key, value) log_field_text((key), (value))    /* const char *; NULL is "" */
#define LOG_BYTES(key, value) log_field_bytes((key), (value)) /* struct bytes */
#define LOG_INT(key, value) log_field_int((key), (value))
#define LOG_UINT(key, value) log_field_uint((key), (value))
#define LOG_NUM(key, value) log_field_num((key), (value))
#define LOG_BOOL(key, value) log_field_bool((key), (value))
#define LOG_RC(value) log_field_text("rc", rc_name(value)) /* needs base/rc.h */
/* An id in whatever form the caller has it: text, bytes, or a number. */
#define LOG_ID(key, value)                                                                         \
    _Generic((value),                                                                              \
        char *: log_field_text,                                                                    \
        const char *: log_field_text,                                                              \
        struct bytes: log_field_bytes,                                                             \
        default: log_field_uint)((key), (value))

/* The first element is a filler, so that an event without fields is legal C. */
#define LOG_AT(level, event, ...)                                                                  \
    do {                                                                                           \
        if (log_is_on(level)) {                                                                    \
            const struct log_field log_fields_[] = { { .key = NULL }, ##__VA_ARGS__ };             \
            log_write((level), (event), log_fields_ + 1, COUNT_OF_FIELDS_(log_fields_));           \
        }                                                                                          \
    } while (0)
#define COUNT_OF_FIELDS_(array) (sizeof(array) / sizeof((array)[0]) - 1)

#define log_debug(event, ...) LOG_AT(LOG_LEVEL_DEBUG, event, ##__VA_ARGS__)
#define log_info(event, ...) LOG_AT(LOG_LEVEL_INFO, event, ##__VA_ARGS__)
#define log_warn(event, ...) LOG_AT(LOG_LEVEL_WARN, event, ##__VA_ARGS__)
#define log_error(event, ...) LOG_AT(LOG_LEVEL_ERROR, event, ##__VA_ARGS__)

/* Counts the repeats of one thing, so that a storm writes one line each period. */
struct log_repeat {
    _Atomic int64_t next_ms;
    _Atomic uint64_t held_back;
};

/* Whether this occurrence should be written.
 *   now_ms       monotonic
 *   out_repeats  on true: how many were held back since the last one that was written
 */
bool log_repeat_pass(struct log_repeat *repeat, int64_t now_ms, int64_t every_ms,
                     uint64_t *out_repeats);

/* At most one line each every_ms for this place in the code, with the field "repeats". */
#define LOG_EVERY(every_ms, level, event, ...)                                                     \
    do {                                                                                           \
        static struct log_repeat log_repeat_;                                                      \
        uint64_t log_repeats_ = 0;                                                                 \
        if (log_is_on(level) &&                                                                    \
            log_repeat_pass(&log_repeat_, log_now_ms(), (every_ms), &log_repeats_))                \
            LOG_AT(level, event, LOG_UINT("repeats", log_repeats_), ##__VA_ARGS__);                \
    } while (0)
#define log_warn_every(every_ms, event, ...)                                                       \
    LOG_EVERY(every_ms, LOG_LEVEL_WARN, event, ##__VA_ARGS__)
#define log_error_every(every_ms, event, ...)                                                      \
    LOG_EVERY(every_ms, LOG_LEVEL_ERROR, event, ##__VA_ARGS__)
#define log_info_every(every_ms, event, ...)                                                       \
    LOG_EVERY(every_ms, LOG_LEVEL_INFO, event, ##__VA_ARGS__)

/* The system's monotonic clock: for LOG_EVERY only, logic takes a clock_source. */
int64_t log_now_ms(void);

#endif
