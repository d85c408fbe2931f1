/* A mail as mail servers want it. */
#include "ports/mail_text.h"
#include "support/check.h"

TEST(a_mail_has_its_headers_and_short_lines)
{
    SCOPED_BUF(out, 1 << 20);
    char text[400];
    memset(text, 'x', sizeof text);
    const struct mail mail = { .to = bytes_of("ada@example.org"),
                               .subject = bytes_of("Gr\xc3\xbc\xc3\x9f"
                                                   "e, und noch sehr viel mehr "
                                                   "W\xc3\xb6rter als in eine Zeile passen"),
                               .text = bytes_make(text, sizeof text) };
    mail_text_write(&out, &mail, "parley@localhost", 1700000000);
    CHECK(!out.has_failed);
    buf_add_byte(&out, 0);
    const char *got = (const char *)out.ptr;
    CHECK(strstr(got, "Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n"));
    CHECK(strstr(got, "From: <parley@localhost>\r\nTo: <ada@example.org>\r\n"));
    CHECK(strstr(got, "\r\n\r\neHh4"));
    size_t line = 0;
    for (const char *at = got; *at; at++) {
        CHECK(*at != '\n' || at[-1] == '\r');
        line = *at == '\n' ? 0 : line + 1;
        CHECK(line <= 78);
    }
}
