/* http.c - a small blocking HTTP/1.1 client. */
#include "http.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

void http_init(struct http *http, const char *url)
{
    *http = (struct http){ .fd = -1, .patience_s = 60 };
    endpoint_parse(url, &http->to);
    if (http->to.is_tls)
        die("URL %s: requests are made over http:// alone", url);
}

static void disconnect(struct http *http)
{
    if (http->fd >= 0)
        close(http->fd);
    http->fd = -1;
    http->in.len = 0;
}

void http_fini(struct http *http)
{
    disconnect(http);
    sbuf_free(&http->in);
}

static bool connect_now(struct http *http)
{
    struct timeval limit = { 30, 0 };
    int on = 1;
    if (http->fd >= 0)
        return true;
    http->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (http->fd < 0)
        die("no socket: error %d", errno);
    (void)setsockopt(http->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    (void)setsockopt(http->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(http->fd, (struct sockaddr *)&http->to.addr, sizeof http->to.addr) == 0)
        return true;
    disconnect(http);
    return false;
}

static bool send_all(struct http *http, struct sbuf *text)
{
    size_t sent = 0;
    while (sent < text->len) {
        ssize_t n = send(http->fd, text->ptr + sent, text->len - sent, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        sent += (size_t)n;
    }
    return true;
}

static bool read_more(struct http *http)
{
    char block[65536];
    ssize_t n = recv(http->fd, block, sizeof block, 0);
    if (n <= 0)
        return false;
    sbuf_add(&http->in, block, (size_t)n);
    return true;
}

/* A header's value within head, NULL if missing. */
static const char *header(const char *head, const char *name)
{
    size_t len = strlen(name);
    for (const char *line = strstr(head, "\r\n"); line; line = strstr(line + 2, "\r\n"))
        if (strncasecmp(line + 2, name, len) == 0 && line[2 + len] == ':')
            return line + 2 + len + 1 + strspn(line + 3 + len, " ");
    return NULL;
}

/* Makes sure that size bytes are there. */
static bool have(struct http *http, size_t size)
{
    while (http->in.len < size)
        if (!read_more(http))
            return false;
    return true;
}

/* Joins the chunks in place; gives where the body ends. */
static bool read_chunks(struct http *http, size_t from, size_t *out_end)
{
    size_t at = from, to = from;
    for (;;) {
        const char *eol;
        while (!(eol = memmem(http->in.ptr + at, http->in.len - at, "\r\n", 2)))
            if (!read_more(http))
                return false;
        size_t size = strtoul(http->in.ptr + at, NULL, 16);
        at = (size_t)(eol + 2 - http->in.ptr);
        if (!have(http, at + size + 2))
            return false;
        memmove(http->in.ptr + to, http->in.ptr + at, size);
        to += size;
        at += size + 2;
        if (size == 0) {
            *out_end = to;
            return true;
        }
    }
}

static unsigned read_answer(struct http *http, struct bytes *out_body)
{
    const char *end;
    http->in.len = 0;
    while (!http->in.len || !(end = memmem(http->in.ptr, http->in.len, "\r\n\r\n", 4)))
        if (!read_more(http))
            return 0;
    size_t from = (size_t)(end + 4 - http->in.ptr), to = from;
    char *head = xstrndup(http->in.ptr, from);
    unsigned status = 0;
    const char *length = header(head, "content-length"),
               *coding = header(head, "transfer-encoding");
    const char *connection = header(head, "connection");
    bool is_last = connection && strncasecmp(connection, "close", 5) == 0, is_whole = true;
    (void)sscanf(head, "HTTP/1.1 %3u", &status); /* 0 stays, and is an error */
    if (coding && strncasecmp(coding, "chunked", 7) == 0) {
        is_whole = read_chunks(http, from, &to);
    } else if (length) {
        to = from + strtoul(length, NULL, 10);
        is_whole = have(http, to);
    }
    free(head);
    *out_body = bytes_make(http->in.ptr + from, to - from);
    if (is_last) {
        close(http->fd);
        http->fd = -1;
    }
    return is_whole ? status : 0;
}

static unsigned call_once(struct http *http, struct sbuf *request, struct bytes *out_body)
{
    if (!connect_now(http))
        return 0;
    unsigned status = send_all(http, request) ? read_answer(http, out_body) : 0;
    if (status == 0)
        disconnect(http);
    return status;
}

unsigned http_call(struct http *http, const char *method, const char *path, const char *token,
                   struct bytes body, struct bytes *out_body)
{
    struct sbuf request = { 0 };
    uint64_t give_up = now_ns() + http->patience_s * 1000000000ull;
    unsigned status, wait_ms = 20;
    *out_body = bytes_of("");
    sbuf_printf(&request, "%s %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n", method,
                path, http->to.host, token);
    if (body.len || strcmp(method, "GET") != 0)
        sbuf_printf(&request, "Content-Type: application/json\r\nContent-Length: %zu\r\n",
                    body.len);
    sbuf_puts(&request, "\r\n");
    sbuf_add(&request, body.ptr, body.len);
    http->calls++;
    for (;;) {
        status = call_once(http, &request, out_body);
        if ((status != 0 && status < 500 && status != 429) || status == 501 || now_ns() > give_up)
            break;
        http->retries++;
        usleep(wait_ms * 1000);
        wait_ms = wait_ms < 1000 ? wait_ms * 2 : 1000;
    }
    sbuf_free(&request);
    return status;
}
