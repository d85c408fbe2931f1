/* RFC 3339 both ways, and the clocks. Vectors were made with GNU date. */
#include "base/clock.h"
#include "support/check.h"
#include "support/fake_clock.h"

static void check_write(int64_t us, const char *wanted)
{
    char text[RFC3339_CHARS];
    rfc3339_write(us, text);
    CHECK_STR(wanted, text);
}

static void check_read(const char *text, int64_t wanted)
{
    int64_t us = -1;
    CHECK(rfc3339_read(bytes_of(text), &us));
    CHECK_INT(wanted, us);
}

static void check_refused(const char *text)
{
    int64_t us = 42;
    if (rfc3339_read(bytes_of(text), &us))
        print_error("taken: %s\n", text);
    CHECK_INT(42, us);
}

TEST(a_time_is_written_in_utc_with_milliseconds)
{
    check_write(0, "1970-01-01T00:00:00.000Z");
    check_write(1767323045678999, "2026-01-02T03:04:05.678Z");
    check_write(951782400000000, "2000-02-29T00:00:00.000Z");
    check_write(4102444799999000, "2099-12-31T23:59:59.999Z");
}

TEST(any_valid_form_is_read)
{
    check_read("1970-01-01T00:00:00Z", 0);
    check_read("2026-01-02T03:04:05.678Z", 1767323045678000);
    check_read("2026-01-02T03:04:05.6Z", 1767323045600000);
    check_read("2026-01-02T03:04:05.678901234Z", 1767323045678901);
    check_read("2026-01-02T05:04:05.678+02:00", 1767323045678000);
    check_read("2026-01-01T21:34:05.678-05:30", 1767323045678000);
    check_read("2000-02-29T00:00:00Z", 951782400000000);
    check_read("1969-12-31T23:59:59Z", -1000000);
}

TEST(what_is_no_time_is_refused)
{
    static const char *const bad[] = {
        "",
        "2026",
        "2026-01-02",
        "2026-01-02T03:04:05",
        "2026-01-02 03:04:05Z",
        "2026-1-02T03:04:05Z",
        "2026-13-02T03:04:05Z",
        "2026-00-02T03:04:05Z",
        "2026-01-32T03:04:05Z",
        "2026-01-00T03:04:05Z",
        "2026-01-02T24:04:05Z",
        "2026-01-02T03:60:05Z",
        "2026-01-02T03:04:61Z",
        "2026-01-02T03:04:05ZZ",
        "2026-01-02T03:04:05+0200",
        "2026-01-02T03:04:05+02",
        "2026-01-02T03:04:05.6789012345Z",
        "x026-01-02T03:04:05Z",
        " 2026-01-02T03:04:05Z",
        "2026-01-02T03:04:05.Z",
        "2026-02-30T03:04:05Z",
        "2025-02-29T03:04:05Z",
        "2026-01-02T03:04:05+25:00",
        "2026-01-02T03:04:05+02:60",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        check_refused(bad[i]);
}

TEST(what_is_written_is_read_back)
{
    char text[RFC3339_CHARS];
    int64_t back;
    for (int64_t us = 0; us < 4102444800000000; us += 86399999777000) {
        rfc3339_write(us, text);
        CHECK(rfc3339_read(bytes_of(text), &back));
        CHECK_INT(us / 1000 * 1000, back);
    }
}

TEST(the_machines_clocks_run)
{
    const struct clock_source *clock = clock_system();
    int64_t before = clock_monotonic_ms(clock);
    CHECK(clock_monotonic_ms(clock) >= before);
    CHECK(clock_wall_us(clock) > 1700000000000000);
}

TEST(the_fake_clock_moves_when_told)
{
    struct fake_clock fake;
    char text[RFC3339_CHARS];
    fake_clock_init(&fake);
    int64_t before = clock_monotonic_ms(&fake.source);
    fake_clock_advance(&fake, 1500);
    CHECK_INT(before + 1500, clock_monotonic_ms(&fake.source));
    rfc3339_write(clock_wall_us(&fake.source), text);
    CHECK_STR("2026-01-02T03:04:07.178Z", text);
}
