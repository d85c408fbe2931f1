/* Tickets: what they carry, how long, and that nothing but a ticket of ours is one. */
#include <sys/stat.h>

#include "adapters/auth/ticket_maker.h"
#include "base/buf.h"
#include "support/check.h"
#include "support/fake_clock.h"
#include "support/scratch.h"

#define NOW INT64_C(1800000000)

struct world {
    struct scratch dir;
    struct fake_clock clock;
    struct ticket_maker *maker;
    struct ticket_book book;
};

static void open_world(struct world *w)
{
    scratch_init(&w->dir);
    fake_clock_init(&w->clock);
    CHECK_RC(RC_OK, ticket_maker_create(w->dir.path, &w->clock.source, &w->maker));
    w->book = ticket_maker_port(w->maker);
}

static void close_world(struct world *w)
{
    ticket_maker_destroy(w->maker);
    scratch_fini(&w->dir);
}

static struct identity ada(void)
{
    struct identity who = { .name = "Ada \"\xc3\x89\"",
                            .roles = USER_ROLE_ADMIN,
                            .expires_s = NOW + 900,
                            .issued_s = NOW - 5 };
    CHECK(id_read(bytes_of("ada"), &who.user) && id_read(bytes_of("s-1"), &who.session));
    return who;
}

static void issue(struct world *w, struct buf *out)
{
    struct identity who = ada();
    int64_t expires_s = 0;
    CHECK_RC(RC_OK, w->book.issue(w->book.self, &who, NOW, out, &expires_s));
    CHECK_INT(NOW + 30, expires_s);
}

static enum token_error ask(struct world *w, struct bytes text, int64_t now_s)
{
    struct identity who;
    struct id ticket;
    return w->book.read(w->book.self, text, now_s, &who, &ticket);
}

TEST(a_ticket_carries_the_identity_and_an_id_of_its_own)
{
    struct world w;
    struct identity who, wanted = ada();
    struct id first, second;
    SCOPED_BUF(one, TICKET_BYTES_MAX);
    SCOPED_BUF(two, TICKET_BYTES_MAX);
    open_world(&w);
    issue(&w, &one);
    issue(&w, &two);
    CHECK_INT(TOKEN_OK, w.book.read(w.book.self, buf_bytes(&one), NOW, &who, &first));
    CHECK_ID("ada", who.user);
    CHECK_ID("s-1", who.session);
    CHECK_STR(wanted.name, who.name);
    CHECK_INT(USER_ROLE_ADMIN, who.roles);
    CHECK_INT(NOW + 900, who.expires_s);
    CHECK_INT(NOW - 5, who.issued_s);
    CHECK_INT(TOKEN_OK, w.book.read(w.book.self, buf_bytes(&two), NOW, &who, &second));
    CHECK(!id_equal(&first, &second));
    for (size_t i = 0; i < one.len; i++) /* nothing that a URL would escape */
        CHECK(strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_~",
                     one.ptr[i]));
    close_world(&w);
}

TEST(it_is_good_for_30_s_and_not_longer_than_its_token)
{
    struct world w;
    struct identity who = ada();
    int64_t expires_s;
    SCOPED_BUF(text, TICKET_BYTES_MAX);
    SCOPED_BUF(brief, TICKET_BYTES_MAX);
    open_world(&w);
    issue(&w, &text);
    CHECK_INT(TOKEN_OK, ask(&w, buf_bytes(&text), NOW + 29));
    CHECK_INT(TOKEN_EXPIRED, ask(&w, buf_bytes(&text), NOW + 30));
    who.expires_s = NOW + 10;
    CHECK_RC(RC_OK, w.book.issue(w.book.self, &who, NOW, &brief, &expires_s));
    CHECK_INT(TOKEN_EXPIRED, ask(&w, buf_bytes(&brief), NOW + 10));
    close_world(&w);
}

TEST(every_change_of_a_byte_is_found)
{
    struct world w;
    SCOPED_BUF(text, TICKET_BYTES_MAX);
    open_world(&w);
    issue(&w, &text);
    for (size_t i = 0; i < text.len; i++) {
        uint8_t was = text.ptr[i];
        text.ptr[i] = was == 'A' ? 'B' : 'A';
        CHECK_INT(TOKEN_INVALID, ask(&w, buf_bytes(&text), NOW));
        text.ptr[i] = was;
        CHECK_INT(TOKEN_INVALID, ask(&w, bytes_make(text.ptr, i), NOW)); /* cut */
    }
    CHECK_INT(TOKEN_OK, ask(&w, buf_bytes(&text), NOW));
    buf_add_byte(&text, 'A');
    CHECK_INT(TOKEN_INVALID, ask(&w, buf_bytes(&text), NOW));
    close_world(&w);
}

TEST(rubbish_is_refused)
{
    static const char *const rubbish[] = {
        "", "v1", "v1~", "v1~~", "v1~e30", "v1~e30~", "v1~e30~AAAA", "v2~e30~AAAA", "a.b.c", "~~~",
    };
    struct world w;
    open_world(&w);
    for (size_t i = 0; i < COUNT_OF(rubbish); i++)
        CHECK_INT(TOKEN_INVALID, ask(&w, bytes_of(rubbish[i]), NOW));
    close_world(&w);
}

TEST(gateways_on_one_folder_take_each_other_s_and_others_do_not)
{
    struct world w, stranger;
    struct ticket_maker *second = NULL;
    struct identity who;
    struct id ticket;
    struct stat stat_;
    char path[SCRATCH_PATH_CHARS + 80];
    SCOPED_BUF(text, TICKET_BYTES_MAX);
    open_world(&w);
    open_world(&stranger);
    issue(&w, &text);
    CHECK_RC(RC_OK, ticket_maker_create(w.dir.path, &w.clock.source, &second));
    struct ticket_book book = ticket_maker_port(second);
    CHECK_INT(TOKEN_OK, book.read(book.self, buf_bytes(&text), NOW, &who, &ticket));
    CHECK_INT(TOKEN_INVALID, ask(&stranger, buf_bytes(&text), NOW));
    scratch_file(&w.dir, "ticket.key", path, sizeof path);
    CHECK_INT(0, stat(path, &stat_));
    CHECK_INT(0600, stat_.st_mode & 0777);
    CHECK_INT(32, stat_.st_size);
    ticket_maker_destroy(second);
    close_world(&w);
    close_world(&stranger);
}
