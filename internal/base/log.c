/* log.c - lines are built on the stack and leave in one write(2).
 *
 * The only shared state is a few words set by log_setup and atomic counters, so no lock is needed.
 * A pipe with less than PIPE_BUF (4096) bytes free is not reported writable by poll(2) on Linux,
 * and no line is longer than that: asking first means a write that neither blocks nor splits.
 */
#include "base/log.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <unistd.h>

#include "base/clock.h"

enum { LINE_BYTES_MAX = 4096, VALUE_BYTES_MAX = 512, LINE_TAIL_BYTES = 64 };

static struct {
    const char *service;
    const char *instance;
    bool is_json;
    int fd;
} log_target = { "parley", NULL, true, STDERR_FILENO };

static _Atomic int threshold = LOG_LEVEL_INFO;
static _Atomic uint64_t dropped_total;
static _Atomic uint64_t dropped_unsaid;

struct line {
    char text[LINE_BYTES_MAX];
    size_t len;
    bool is_json;
};

void log_setup(const struct log_options *options)
{
    int fd = options->fd ? options->fd : STDERR_FILENO;
    bool is_json =
        options->format == LOG_FORMAT_JSON || (options->format == LOG_FORMAT_AUTO && !isatty(fd));

    log_target.service = options->service ? options->service : "parley";
    log_target.instance = options->instance;
    log_target.is_json = is_json;
    log_target.fd = fd;
    log_set_level(options->level);
}

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&threshold, (int)level, memory_order_relaxed);
}

bool log_is_on(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&threshold, memory_order_relaxed);
}

uint64_t log_dropped_count(void)
{
    return atomic_load(&dropped_total);
}

int64_t log_now_ms(void)
{
    return clock_monotonic_ms(clock_system());
}

/* All or nothing, so that an escape is never cut in two; room for the closing bytes stays free. */
static bool line_put(struct line *line, const char *text, size_t len)
{
    if (line->len + len > sizeof line->text - LINE_TAIL_BYTES)
        return false;
    memcpy(line->text + line->len, text, len);
    line->len += len;
    return true;
}

static bool line_put_text(struct line *line, const char *text)
{
    return line_put(line, text, strlen(text));
}

/* Length of the valid UTF-8 sequence at the start of text and its code point; 0 if there is none
 * (RFC 3629: no overlong forms, no surrogates). */
static size_t utf8_take(struct bytes text, uint32_t *out_point)
{
    static const uint32_t lowest[] = { 0, 0, 0x80, 0x800, 0x10000 };
    uint8_t lead = text.ptr[0];
    size_t len = lead < 0x80         ? 1
                 : (lead >> 5) == 6  ? 2
                 : (lead >> 4) == 14 ? 3
                 : (lead >> 3) == 30 ? 4
                                     : 0;
    uint32_t point = len == 1 ? lead : lead & (0x7FU >> len);

    if (len == 0 || len > text.len)
        return 0;
    for (size_t i = 1; i < len; i++) {
        if ((text.ptr[i] & 0xC0) != 0x80)
            return 0;
        point = point << 6 | (text.ptr[i] & 0x3F);
    }
    if (point < lowest[len] || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF))
        return 0;
    *out_point = point;
    return len;
}

/* C0, DEL, C1 and the Unicode line separators would move a terminal's cursor or split the line. */
static bool is_harmful(uint32_t point)
{
    return point < 0x20 || (point >= 0x7F && point < 0xA0) || point == 0x2028 || point == 0x2029;
}

static bool line_put_point(struct line *line, struct bytes sequence, uint32_t point)
{
    char escape[8];

    if (point == '"' || point == '\\') {
        escape[0] = '\\';
        escape[1] = (char)point;
        return line_put(line, escape, 2);
    }
    if (!is_harmful(point))
        return line_put(line, (const char *)sequence.ptr, sequence.len);
    if (point == '\n')
        return line_put(line, "\\n", 2);
    if (point == '\r')
        return line_put(line, "\\r", 2);
    if (point == '\t')
        return line_put(line, "\\t", 2);
    (void)snprintf(escape, sizeof escape, "\\u%04x", (unsigned)point & 0xFFFF);
    return line_put(line, escape, 6);
}

static bool line_put_quoted(struct line *line, struct bytes value)
{
    bool is_cut = value.len > VALUE_BYTES_MAX;
    struct bytes rest = { value.ptr, is_cut ? VALUE_BYTES_MAX : value.len };
    bool fits = line_put(line, "\"", 1);

    while (fits && rest.len > 0) {
        uint32_t point = 0;
        size_t len = utf8_take(rest, &point);
        if (len == 0 && is_cut && rest.len < 4)
            break; /* the cut went through a character */
        fits = len ? line_put_point(line, bytes_make(rest.ptr, len), point)
                   : line_put_text(line, "\xEF\xBF\xBD");
        len = len ? len : 1;
        rest = bytes_make(rest.ptr + len, rest.len - len);
    }
    return fits && (!is_cut || line_put_text(line, "…")) && line_put(line, "\"", 1);
}

/* What logfmt readers take without quotes. */
static bool is_bare_word(struct bytes value)
{
    if (value.len == 0 || value.len > 64)
        return false;
    for (size_t i = 0; i < value.len; i++) {
        uint8_t c = value.ptr[i];
        bool is_plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_plain && !strchr("_-.:/+,@", c))
            return false;
    }
    return true;
}

static bool line_put_text_value(struct line *line, struct bytes value)
{
    if (!line->is_json && is_bare_word(value))
        return line_put(line, (const char *)value.ptr, value.len);
    return line_put_quoted(line, value);
}

static bool line_put_number(struct line *line, const struct log_field *field)
{
    char text[40];

    if (field->kind == LOG_FIELD_INT)
        (void)snprintf(text, sizeof text, "%lld", (long long)field->i);
    else if (field->kind == LOG_FIELD_UINT)
        (void)snprintf(text, sizeof text, "%llu", (unsigned long long)field->u);
    else if (isfinite(field->num))
        (void)snprintf(text, sizeof text, "%.6g", field->num);
    else
        return line_put_text(line, "null"); /* JSON has no NaN */
    return line_put_text(line, text);
}

static bool line_put_value(struct line *line, const struct log_field *field)
{
    switch (field->kind) {
    case LOG_FIELD_TEXT:
        return line_put_text_value(line, field->text);
    case LOG_FIELD_BOOL:
        return line_put_text(line, field->is ? "true" : "false");
    case LOG_FIELD_INT:
    case LOG_FIELD_UINT:
    case LOG_FIELD_NUM:
        return line_put_number(line, field);
    }
    return false;
}

/* A field that does not fit whole is left out: half a field would be a lie or bad JSON. */
static void line_put_field(struct line *line, struct log_field field)
{
    size_t before = line->len;
    bool is_first = before <= 1;
    bool fits = is_first || line_put(line, line->is_json ? "," : " ", 1);

    fits = fits && (!line->is_json || line_put(line, "\"", 1)) && line_put_text(line, field.key) &&
           line_put_text(line, line->is_json ? "\":" : "=") && line_put_value(line, &field);
    if (!fits)
        line->len = before;
}

static void line_put_head(struct line *line, enum log_level level, const char *event)
{
    static const char *const names[] = { "debug", "info", "warn", "error" };
    char at[RFC3339_CHARS];

    rfc3339_write(clock_wall_us(clock_system()), at);
    line_put_field(line, LOG_STR("ts", at));
    line_put_field(line, LOG_STR("level", names[level]));
    line_put_field(line, LOG_STR("msg", event));
    line_put_field(line, LOG_STR("svc", log_target.service));
    if (log_target.instance)
        line_put_field(line, LOG_STR("instance", log_target.instance));
}

static bool line_send(const struct line *line)
{
    struct pollfd ready = { .fd = log_target.fd, .events = POLLOUT };

    /* POLLERR stands beside POLLOUT when nobody reads: writing would raise SIGPIPE. */
    if (poll(&ready, 1, 0) != 1 || ready.revents != POLLOUT)
        return false;
    return write(log_target.fd, line->text, line->len) == (ssize_t)line->len;
}

void log_write(enum log_level level, const char *event, const struct log_field *fields,
               size_t field_count)
{
    struct line line;
    int saved_errno = errno;
    uint64_t lost = atomic_exchange(&dropped_unsaid, 0);

    line.len = 0;
    line.is_json = log_target.is_json;
    if (line.is_json)
        line.text[line.len++] = '{';
    line_put_head(&line, level, event);
    for (size_t i = 0; i < field_count; i++)
        line_put_field(&line, fields[i]);
    if (lost)
        line_put_field(&line, LOG_UINT("dropped", lost));
    if (line.is_json)
        line.text[line.len++] = '}';
    line.text[line.len++] = '\n';
    if (!line_send(&line)) {
        atomic_fetch_add(&dropped_total, 1);
        atomic_fetch_add(&dropped_unsaid, lost + 1);
    }
    errno = saved_errno;
}

bool log_repeat_pass(struct log_repeat *repeat, int64_t now_ms, int64_t every_ms,
                     uint64_t *out_repeats)
{
    int64_t next_ms = atomic_load(&repeat->next_ms);

    if (now_ms < next_ms ||
        !atomic_compare_exchange_strong(&repeat->next_ms, &next_ms, now_ms + every_ms)) {
        atomic_fetch_add(&repeat->held_back, 1);
        return false;
    }
    *out_repeats = atomic_exchange(&repeat->held_back, 0);
    return true;
}
