#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static int64_t read_clock(clockid_t id, int64_t per_second)
{
    struct timespec now;
    (void)clock_gettime(id, &now); /* cannot fail for these two clocks */
    return (int64_t)now.tv_sec * per_second + now.tv_nsec / (1000000000 / per_second);
}

static int64_t system_monotonic_ms(void *self)
{
    (void)self;
    return read_clock(CLOCK_MONOTONIC, 1000);
}

static int64_t system_wall_us(void *self)
{
    (void)self;
    return read_clock(CLOCK_REALTIME, 1000000);
}

const struct clock_source *clock_system(void)
{
    static const struct clock_source source = { system_monotonic_ms, system_wall_us, NULL };
    return &source;
}

void rfc3339_write(int64_t wall_us, char out[RFC3339_CHARS])
{
    time_t seconds = (time_t)(wall_us / 1000000);
    struct tm tm;
    if (!gmtime_r(&seconds, &tm))
        memset(&tm, 0, sizeof tm);
    (void)snprintf(out, RFC3339_CHARS, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
                   (unsigned)(tm.tm_year + 1900) % 10000u, (unsigned)(tm.tm_mon + 1) % 100u,
                   (unsigned)tm.tm_mday % 100u, (unsigned)tm.tm_hour % 100u,
                   (unsigned)tm.tm_min % 100u, (unsigned)tm.tm_sec % 100u,
                   (unsigned)(wall_us / 1000 % 1000) % 1000u);
}

static bool read_digits(struct bytes text, size_t *at, size_t count, int *out)
{
    int value = 0;
    if (text.len - *at < count)
        return false;
    for (size_t i = 0; i < count; i++) {
        unsigned digit = (unsigned)text.ptr[*at + i] - '0';
        if (digit > 9)
            return false;
        value = value * 10 + (int)digit;
    }
    *at += count;
    *out = value;
    return true;
}

static bool read_char(struct bytes text, size_t *at, char wanted)
{
    if (*at >= text.len || text.ptr[*at] != (uint8_t)wanted)
        return false;
    (*at)++;
    return true;
}

/* One to nine digits after the point; the first six count. */
static bool read_fraction(struct bytes text, size_t *at, int64_t *out_us)
{
    int64_t us = 0;
    int digits = 0;
    for (; *at < text.len && text.ptr[*at] >= '0' && text.ptr[*at] <= '9' && digits < 9; (*at)++)
        if (digits++ < 6)
            us = us * 10 + (text.ptr[*at] - '0');
    if (digits == 0)
        return false;
    for (; digits < 6; digits++)
        us *= 10;
    *out_us = us;
    return true;
}

static bool read_offset(struct bytes text, size_t *at, int *out_minutes)
{
    int hours, minutes;
    *out_minutes = 0;
    if (read_char(text, at, 'Z'))
        return true;
    bool is_ahead = *at < text.len && text.ptr[*at] == '+';
    if (!is_ahead && !(*at < text.len && text.ptr[*at] == '-'))
        return false;
    (*at)++;
    if (!read_digits(text, at, 2, &hours) || !read_char(text, at, ':') ||
        !read_digits(text, at, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *out_minutes = (hours * 60 + minutes) * (is_ahead ? 1 : -1);
    return true;
}

static int days_in(int year, int month)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && is_leap);
}

bool rfc3339_read(struct bytes text, int64_t *out_wall_us)
{
    struct tm tm = { 0 };
    size_t at = 0;
    int64_t us = 0;
    int offset;
    if (!read_digits(text, &at, 4, &tm.tm_year) || !read_char(text, &at, '-') ||
        !read_digits(text, &at, 2, &tm.tm_mon) || !read_char(text, &at, '-') ||
        !read_digits(text, &at, 2, &tm.tm_mday) || !read_char(text, &at, 'T') ||
        !read_digits(text, &at, 2, &tm.tm_hour) || !read_char(text, &at, ':') ||
        !read_digits(text, &at, 2, &tm.tm_min) || !read_char(text, &at, ':') ||
        !read_digits(text, &at, 2, &tm.tm_sec))
        return false;
    if (read_char(text, &at, '.') && !read_fraction(text, &at, &us))
        return false;
    if (!read_offset(text, &at, &offset) || at != text.len)
        return false;
    if (tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 ||
        tm.tm_mday > days_in(tm.tm_year, tm.tm_mon) || tm.tm_hour > 23 || tm.tm_min > 59 ||
        tm.tm_sec > 60)
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    *out_wall_us = ((int64_t)timegm(&tm) - offset * 60) * 1000000 + us;
    return true;
}
