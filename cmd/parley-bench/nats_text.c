/* nats_text.c - INFO, CONNECT, SUB, PUB, MSG and HMSG over a blocking socket. */
#include "nats_text.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

struct address {
    char user[64], password[128], host[100], port[8];
};

static void parse_url(const char *url, struct address *out)
{
    const char *user = getenv("NATS_USER"), *password = getenv("NATS_PASSWORD");
    const char *rest = strstr(url, "://");
    *out = (struct address){ .host = "127.0.0.1", .port = "4222" };
    snprintf(out->user, sizeof out->user, "%s", user ? user : "");
    snprintf(out->password, sizeof out->password, "%s", password ? password : "");
    rest = rest ? rest + 3 : url;
    const char *at = strchr(rest, '@');
    if (at) {
        (void)sscanf(rest, "%63[^:@]:%127[^@]", out->user, out->password);
        rest = at + 1;
    }
    (void)sscanf(rest, "%99[^:/,]:%7[0-9]", out->host, out->port);
}

static bool dial(struct nats_text *nats, const struct address *to)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found = NULL;
    struct timeval limit = { 10, 0 };
    if (getaddrinfo(to->host, to->port, &hints, &found) != 0)
        return false;
    nats->fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)setsockopt(nats->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    bool is_up = nats->fd >= 0 && connect(nats->fd, found->ai_addr, found->ai_addrlen) == 0;
    freeaddrinfo(found);
    return is_up;
}

static bool send_text(struct nats_text *nats, struct sbuf *text)
{
    size_t sent = 0;
    while (sent < text->len) {
        ssize_t n = send(nats->fd, text->ptr + sent, text->len - sent, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        sent += (size_t)n;
    }
    return true;
}

static bool read_more(struct nats_text *nats)
{
    char block[65536];
    ssize_t n = recv(nats->fd, block, sizeof block, 0);
    if (n > 0)
        sbuf_add(&nats->in, block, (size_t)n);
    return n > 0;
}

/* The next line, without its end; borrowed until more is read. */
static bool read_line(struct nats_text *nats, char *out, size_t cap)
{
    if (nats->used > 1 << 20) {
        nats->in.len -= nats->used;
        memmove(nats->in.ptr, nats->in.ptr + nats->used, nats->in.len);
        nats->used = 0;
    }
    for (;;) {
        char *from = nats->in.ptr + nats->used;
        char *end =
            nats->in.len > nats->used ? memmem(from, nats->in.len - nats->used, "\r\n", 2) : NULL;
        if (end) {
            snprintf(out, cap, "%.*s", (int)(end - from), from);
            nats->used += (size_t)(end - from) + 2;
            return true;
        }
        if (!read_more(nats))
            return false;
    }
}

static bool log_in(struct nats_text *nats, const struct address *to)
{
    struct sbuf text = { 0 };
    char line[8192];
    if (!read_line(nats, line, sizeof line) || strncmp(line, "INFO ", 5) != 0)
        return false;
    sbuf_puts(&text, "CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true,"
                     "\"no_responders\":true,\"lang\":\"c\",\"version\":\"1\",\"protocol\":1");
    if (to->user[0]) {
        sbuf_puts(&text, ",\"user\":\"");
        sbuf_json(&text, bytes_of(to->user));
        sbuf_puts(&text, "\",\"pass\":\"");
        sbuf_json(&text, bytes_of(to->password));
        sbuf_puts(&text, "\"");
    }
    sbuf_puts(&text, "}\r\nSUB _INBOX.bench.* 1\r\nPING\r\n");
    bool is_sent = send_text(nats, &text);
    sbuf_free(&text);
    while (is_sent && read_line(nats, line, sizeof line)) {
        if (strcmp(line, "PONG") == 0)
            return true;
        if (strncmp(line, "-ERR", 4) == 0) {
            fprintf(stderr, "NATS says %s\n", line);
            return false;
        }
    }
    return false;
}

static bool open_one(struct nats_text *nats, const char *url)
{
    struct address to;
    *nats = (struct nats_text){ .fd = -1 };
    parse_url(url, &to);
    if (dial(nats, &to) && log_in(nats, &to))
        return true;
    fprintf(stderr, "NATS at %s:%s can't be used\n", to.host, to.port);
    nats_text_close(nats);
    return false;
}

bool nats_text_open(struct nats_text *nats, const char *urls)
{
    while (*urls) {
        char url[512];
        size_t len = strcspn(urls, ",");
        snprintf(url, sizeof url, "%.*s", (int)len, urls);
        if (open_one(nats, url))
            return true;
        urls += len + (urls[len] == ',');
    }
    return false;
}

void nats_text_close(struct nats_text *nats)
{
    if (nats->fd >= 0)
        close(nats->fd);
    nats->fd = -1;
    sbuf_free(&nats->in);
}

void nats_text_ask(struct nats_text *nats, const char *subject, const char *body)
{
    struct sbuf text = { 0 };
    sbuf_printf(&text, "PUB %s _INBOX.bench.%u %zu\r\n%s\r\n", subject, ++nats->inbox, strlen(body),
                body);
    (void)send_text(nats, &text); /* a lost connection shows in nats_text_next */
    sbuf_free(&text);
}

/* Takes size bytes and the line's end behind them. */
static bool take_payload(struct nats_text *nats, size_t head, size_t size, struct nats_reply *out)
{
    while (nats->in.len < nats->used + size + 2)
        if (!read_more(nats))
            return false;
    const char *from = nats->in.ptr + nats->used;
    out->headers = bytes_make(from, head);
    out->payload = bytes_make(from + head, size - head);
    out->status = 0;
    if (head > 12 && from[8] == ' ')
        out->status = (unsigned)strtoul(from + 9, NULL, 10); /* NATS/1.0 204 … */
    nats->used += size + 2;
    return true;
}

bool nats_text_next(struct nats_text *nats, struct nats_reply *out)
{
    char line[4096], pong[] = "PONG\r\n";
    while (read_line(nats, line, sizeof line)) {
        struct sbuf answer = { .ptr = pong, .len = 6 };
        unsigned inbox = 0;
        size_t head = 0, size = 0;
        bool is_reply = false;
        if (strcmp(line, "PING") == 0)
            (void)send_text(nats, &answer);
        else if (sscanf(line, "HMSG _INBOX.bench.%u 1 %zu %zu", &inbox, &head, &size) == 3)
            is_reply = true;
        else if (sscanf(line, "MSG _INBOX.bench.%u 1 %zu", &inbox, &size) == 2)
            is_reply = true;
        else if (strncmp(line, "-ERR", 4) == 0)
            fprintf(stderr, "NATS says %s\n", line);
        if (is_reply && !take_payload(nats, head, size, out))
            return false;
        if (is_reply && inbox == nats->inbox)
            return true;
    }
    return false;
}

struct bytes nats_header(const struct nats_reply *reply, const char *name)
{
    size_t len = strlen(name);
    const char *at = (const char *)reply->headers.ptr, *end = at + reply->headers.len;
    while (at < end) {
        const char *eol = memmem(at, (size_t)(end - at), "\r\n", 2);
        if (!eol)
            break;
        if ((size_t)(eol - at) > len && memcmp(at, name, len) == 0 && at[len] == ':') {
            const char *value = at + len + 1;
            value += *value == ' ';
            return bytes_make(value, (size_t)(eol - value));
        }
        at = eol + 2;
    }
    return bytes_of(NULL);
}
