/* Lines are read back from a file or a pipe that the log writes to. What must hold for every line:
 * one line end, at its end; valid JSON or logfmt; no byte that a terminal would act upon. */
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "support/check.h"

enum { ROOM = 1 << 20 };

static char text[ROOM];

/* Starts writing to a new pipe; returns the end to read from. */
static int open_log(enum log_format format, int ends[2])
{
    CHECK_INT(0, pipe2(ends, O_CLOEXEC | O_NONBLOCK));
    (void)fcntl(ends[1], F_SETPIPE_SZ, ROOM);
    log_setup(&(struct log_options){ .level = LOG_LEVEL_INFO,
                                     .format = format,
                                     .service = "svc",
                                     .instance = "one",
                                     .fd = ends[1] });
    return ends[0];
}

static const char *take(int fd)
{
    ssize_t len = read(fd, text, sizeof text - 1);

    text[len > 0 ? len : 0] = 0;
    return text;
}

static void close_log(int ends[2])
{
    log_setup(&(struct log_options){ .level = LOG_LEVEL_INFO, .service = "test" });
    (void)close(ends[0]);
    (void)close(ends[1]);
}

/* The line without its time, which is checked for its form. */
static const char *after_ts(const char *line, const char *head)
{
    struct bytes at = { (const uint8_t *)line + strlen(head), 24 };
    int64_t wall_us;

    CHECK(strncmp(line, head, strlen(head)) == 0);
    CHECK(rfc3339_read(at, &wall_us));
    return line + strlen(head) + 24;
}

TEST(a_line_is_json_with_its_fields_typed)
{
    int ends[2];
    int fd = open_log(LOG_FORMAT_JSON, ends);

    log_warn("test.event", LOG_STR("text", "a b"), LOG_INT("int", -5), LOG_UINT("uint", UINT64_MAX),
             LOG_NUM("num", 0.25), LOG_NUM("nan", 0.0 / 0.0), LOG_BOOL("yes", true),
             LOG_ID("id", "x_1"), LOG_ID("number", 7U), LOG_ID("run", bytes_of("r")),
             LOG_STR("none", NULL), LOG_RC(RC_TIMEOUT));
    CHECK_STR("\",\"level\":\"warn\",\"msg\":\"test.event\",\"svc\":\"svc\",\"instance\":\"one\","
              "\"text\":\"a b\",\"int\":-5,\"uint\":18446744073709551615,\"num\":0.25,"
              "\"nan\":null,\"yes\":true,\"id\":\"x_1\",\"number\":7,\"run\":\"r\",\"none\":\"\","
              "\"rc\":\"timeout\"}\n",
              after_ts(take(fd), "{\"ts\":\""));
    close_log(ends);
}

TEST(a_line_is_logfmt_with_quotes_where_needed)
{
    int ends[2];
    int fd = open_log(LOG_FORMAT_LOGFMT, ends);

    log_info("test.event", LOG_STR("bare", "a-b_c.d"), LOG_STR("blank", "a b"),
             LOG_STR("equal", "a=b"), LOG_STR("quote", "a\"b"), LOG_STR("empty", ""),
             LOG_INT("n", 1));
    CHECK_STR(" level=info msg=test.event svc=svc instance=one bare=a-b_c.d blank=\"a b\" "
              "equal=\"a=b\" quote=\"a\\\"b\" empty=\"\" n=1\n",
              after_ts(take(fd), "ts="));
    close_log(ends);
}

TEST(text_cannot_forge_a_line_or_move_a_cursor)
{
    static const char *const evil[] = { "a\nlevel=error msg=forged",
                                        "a\r\nb",
                                        "\x1b[2J\x1b[31m",
                                        "\x7f\x01\x1f",
                                        "\xc2\x9b[2J",
                                        "\xe2\x80\xa8x\xe2\x80\xa9",
                                        "\"},{\"msg\":\"forged\"" };
    int ends[2];

    for (enum log_format format = LOG_FORMAT_JSON; format <= LOG_FORMAT_LOGFMT; format++) {
        int fd = open_log(format, ends);
        for (size_t i = 0; i < COUNT_OF(evil); i++) {
            const char *line;
            size_t len;
            log_info("test.event", LOG_STR("text", evil[i]));
            line = take(fd);
            len = strlen(line);
            CHECK(len > 0 && strchr(line, '\n') == line + len - 1);
            for (size_t j = 0; j + 1 < len; j++) {
                CHECK((uint8_t)line[j] >= 0x20 && line[j] != 0x7f);
                CHECK((uint8_t)line[j] != 0xc2 || (uint8_t)line[j + 1] >= 0xa0);
            }
            CHECK(!strstr(line, "\xe2\x80\xa8"));
        }
        close_log(ends);
    }
}

TEST(bytes_that_are_not_utf8_are_replaced)
{
    int ends[2];
    int fd = open_log(LOG_FORMAT_JSON, ends);

    log_info("e", LOG_STR("t", "a\xff\xc0\xaf"
                               "b\xed\xa0\x80\xe2\x82"));
    CHECK(strstr(take(fd), "\"t\":\"a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
                           "b\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"}\n"));
    CHECK(bytes_is_utf8(bytes_of(text)));
    close_log(ends);
}

TEST(long_values_are_cut_and_long_lines_stay_whole)
{
    char value[3000];
    int ends[2];
    int fd = open_log(LOG_FORMAT_JSON, ends);
    const char *line;

    memset(value, 'x', sizeof value);
    value[sizeof value - 1] = 0;
    log_info("e", LOG_STR("a", value), LOG_STR("b", value), LOG_STR("c", value),
             LOG_STR("d", value), LOG_STR("e", value), LOG_STR("f", value), LOG_STR("g", value),
             LOG_STR("h", value), LOG_STR("i", value), LOG_INT("last", 1));
    line = take(fd);
    CHECK(strlen(line) <= 4096);
    CHECK(strstr(line, "xxx\xe2\x80\xa6\",\"b\"") != NULL);
    CHECK(strstr(line, "\"last\":1}\n") != NULL); /* a field that does not fit is left out whole */
    CHECK(bytes_is_utf8(bytes_of(line)));
    close_log(ends);
}

TEST(a_cut_does_not_go_through_a_character)
{
    char value[700];
    int ends[2];
    int fd = open_log(LOG_FORMAT_JSON, ends);

    for (size_t i = 0; i + 3 < sizeof value; i += 3)
        memcpy(value + i, "\xe2\x82\xac", 4); /* 512 is no multiple of three */
    log_info("e", LOG_STR("t", value));
    CHECK(bytes_is_utf8(bytes_of(take(fd))));
    CHECK(!strstr(text, "\xef\xbf\xbd"));
    close_log(ends);
}

TEST(levels_below_the_threshold_cost_nothing_and_write_nothing)
{
    int ends[2];
    int fd = open_log(LOG_FORMAT_JSON, ends);
    int evaluated = 0;

    log_debug("e", LOG_INT("n", ++evaluated));
    CHECK_INT(0, evaluated);
    CHECK_STR("", take(fd));
    log_set_level(LOG_LEVEL_DEBUG);
    log_debug("e", LOG_INT("n", ++evaluated));
    CHECK_INT(1, evaluated);
    CHECK(strstr(take(fd), "\"level\":\"debug\""));
    log_set_level(LOG_LEVEL_ERROR);
    log_warn("e");
    CHECK_STR("", take(fd));
    close_log(ends);
}

TEST(a_reader_that_stops_loses_lines_and_is_told_how_many)
{
    int ends[2];
    uint64_t before = log_dropped_count();
    int fd;

    CHECK_INT(0, pipe2(ends, O_CLOEXEC)); /* blocking, as a service manager's pipe is */
    fd = ends[0];
    log_setup(&(struct log_options){
        .level = LOG_LEVEL_INFO, .format = LOG_FORMAT_JSON, .service = "svc", .fd = ends[1] });
    for (int i = 0; i < 5000; i++)
        log_info("flood", LOG_INT("i", i));
    CHECK(log_dropped_count() > before);
    while (read(fd, text, sizeof text) == sizeof text)
        ;
    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    while (read(fd, text, sizeof text) > 0)
        ;
    log_info("after");
    CHECK(strstr(take(fd), "\"dropped\":") != NULL);
    log_info("after");
    (void)take(fd);
    CHECK(!strstr(text, "dropped"));
    (void)close(fd); /* nobody reads at all: still no end of the process */
    log_info("nobody");
    log_setup(&(struct log_options){ .level = LOG_LEVEL_INFO, .service = "test" });
    (void)close(ends[1]);
}

TEST(repeats_are_counted)
{
    struct log_repeat repeat = { .next_ms = 0 };
    uint64_t repeats = 9;

    CHECK(log_repeat_pass(&repeat, 1000, 100, &repeats));
    CHECK_U64(0, repeats);
    CHECK(!log_repeat_pass(&repeat, 1000, 100, &repeats));
    CHECK(!log_repeat_pass(&repeat, 1099, 100, &repeats));
    CHECK(log_repeat_pass(&repeat, 1100, 100, &repeats));
    CHECK_U64(2, repeats);
}

static void *write_lines(void *closure)
{
    for (int i = 0; i < 200; i++)
        log_info("thread", LOG_STR("who", closure), LOG_INT("i", i));
    return NULL;
}

TEST(lines_of_several_threads_do_not_mix)
{
    static char names[4][2] = { "a", "b", "c", "d" };
    pthread_t threads[4];
    int ends[2];
    int fd = open_log(LOG_FORMAT_JSON, ends);
    size_t lines = 0;

    for (int i = 0; i < 4; i++)
        CHECK_INT(0, pthread_create(&threads[i], NULL, write_lines, names[i]));
    for (int i = 0; i < 4; i++)
        CHECK_INT(0, pthread_join(threads[i], NULL));
    (void)take(fd);
    for (char *line = text; *line; lines++) {
        char *end = strchr(line, '\n');
        CHECK(end && strncmp(line, "{\"ts\":\"", 7) == 0 && end[-1] == '}');
        line = end + 1;
    }
    CHECK_SIZE(800, lines);
    close_log(ends);
}
