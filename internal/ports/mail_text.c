#include "ports/mail_text.h"

#include <time.h>

enum { LINE_BYTES = 57, /* 76 characters of base64: RFC 2045, 6.8 */ WORD_BYTES = 42 };

static void add_base64(struct buf *out, const uint8_t *bytes, size_t len)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < len; i += 3) {
        size_t left = len - i;
        uint32_t group = (uint32_t)bytes[i] << 16 | (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
                         (left > 2 ? bytes[i + 2] : 0);
        buf_add_byte(out, (uint8_t)letters[group >> 18]);
        buf_add_byte(out, (uint8_t)letters[group >> 12 & 63]);
        buf_add_byte(out, left > 1 ? (uint8_t)letters[group >> 6 & 63] : '=');
        buf_add_byte(out, left > 2 ? (uint8_t)letters[group & 63] : '=');
    }
}

/* Encoded words (RFC 2047) of at most 75 characters, cut between characters. */
static void add_subject(struct buf *out, struct bytes text)
{
    for (size_t at = 0; at < text.len;) {
        size_t len = text.len - at < WORD_BYTES ? text.len - at : WORD_BYTES;
        while (len > 1 && at + len < text.len && (text.ptr[at + len] & 0xc0) == 0x80)
            len--;
        buf_add_text(out, at ? "\r\n =?UTF-8?B?" : "=?UTF-8?B?");
        add_base64(out, text.ptr + at, len);
        buf_add_text(out, "?=");
        at += len;
    }
    buf_add_text(out, "\r\n");
}

void mail_text_write(struct buf *out, const struct mail *mail, const char *from, int64_t now_s)
{
    static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
    static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    struct tm tm;
    time_t at = (time_t)now_s;
    (void)gmtime_r(&at, &tm);
    buf_add_format(out, "Date: %s, %d %s %d %02d:%02d:%02d +0000\r\n", days[tm.tm_wday], tm.tm_mday,
                   months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
    buf_add_format(out, "From: <%s>\r\nTo: <%.*s>\r\nSubject: ", from, BYTES_ARG(mail->to));
    add_subject(out, mail->subject);
    buf_add_text(out,
                 "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
                 "Content-Transfer-Encoding: base64\r\nAuto-Submitted: auto-generated\r\n\r\n");
    for (size_t i = 0; i < mail->text.len; i += LINE_BYTES) {
        size_t left = mail->text.len - i;
        add_base64(out, mail->text.ptr + i, left < LINE_BYTES ? left : LINE_BYTES);
        buf_add_text(out, "\r\n");
    }
}
