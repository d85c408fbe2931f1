#include "adapters/nats/probe.h"

#include "base/buf.h"

#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { TIMEOUT_S = 2, ANSWER_BYTES_MAX = 1 << 20 };

static int dial(const char *host, const char *port)
{
    const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
    const struct timeval limit = { .tv_sec = TIMEOUT_S };
    struct addrinfo *found = NULL;
    int fd = -1;
    if (getaddrinfo(host, port, &hints, &found) != 0)
        return -1;
    for (const struct addrinfo *at = found; at && fd < 0; at = at->ai_next) {
        fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol);
        if (fd < 0)
            continue;
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit); /* also of connect */
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        if (connect(fd, at->ai_addr, at->ai_addrlen) != 0) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(found);
    return fd;
}

/* Reads until the end, or until `stop` has come. */
static enum rc read_until(int fd, const char *stop, struct buf *out)
{
    uint8_t chunk[4096];
    for (;;) {
        ssize_t got = recv(fd, chunk, sizeof chunk, 0);
        if (got < 0)
            return RC_TIMEOUT;
        if (got == 0)
            return RC_OK;
        buf_add(out, bytes_make(chunk, (size_t)got));
        if (out->has_failed)
            return RC_NOMEM;
        if (stop && memmem(out->ptr, out->len, stop, strlen(stop)))
            return RC_OK;
    }
}

enum rc probe_info(const char *host, const char *port, struct arena *arena, struct bytes *out_json)
{
    SCOPED_BUF(text, ANSWER_BYTES_MAX);
    int fd = dial(host, port);
    if (fd < 0)
        return RC_UNAVAILABLE;
    enum rc rc = read_until(fd, "\r\n", &text);
    close(fd);
    TRY(rc);
    const uint8_t *end = text.len ? memchr(text.ptr, '\r', text.len) : NULL;
    if (!end || !bytes_starts(buf_bytes(&text), "INFO "))
        return RC_UNAVAILABLE;
    *out_json = arena_copy(arena, bytes_make(text.ptr + 5, (size_t)(end - text.ptr) - 5));
    return out_json->ptr ? RC_OK : RC_NOMEM;
}

static enum rc split_url(const char *url, char host[256], char port[8])
{
    static const char scheme[] = "http://";
    if (strncmp(url, scheme, sizeof scheme - 1) != 0)
        return RC_INVALID;
    url += sizeof scheme - 1;
    bool is_v6 = *url == '[';
    size_t host_len = strcspn(url + is_v6, is_v6 ? "]" : ":/");
    const char *rest = url + is_v6 + host_len + is_v6;
    if (host_len == 0 || host_len > 255)
        return RC_INVALID;
    (void)snprintf(host, 256, "%.*s", (int)host_len, url + is_v6);
    (void)snprintf(port, 8, "80");
    if (*rest == ':')
        (void)snprintf(port, 8, "%.*s", (int)strspn(rest + 1, "0123456789"), rest + 1);
    return RC_OK;
}

enum rc probe_http(const char *base_url, const char *path, struct arena *arena,
                   struct bytes *out_body)
{
    SCOPED_BUF(text, ANSWER_BYTES_MAX);
    char host[256], port[8], request[512];
    TRY(split_url(base_url, host, port));
    int fd = dial(host, port);
    if (fd < 0)
        return RC_UNAVAILABLE;
    int len = snprintf(request, sizeof request, "GET %s HTTP/1.0\r\nHost: %s\r\n\r\n", path, host);
    enum rc rc = send(fd, request, (size_t)len, MSG_NOSIGNAL) == len ? read_until(fd, NULL, &text)
                                                                     : RC_UNAVAILABLE;
    close(fd);
    TRY(rc);
    const uint8_t *body = text.len ? memmem(text.ptr, text.len, "\r\n\r\n", 4) : NULL;
    if (!body || text.len < 12 || memcmp(text.ptr + 8, " 200", 4) != 0)
        return RC_UNAVAILABLE;
    body += 4;
    *out_body = arena_copy(arena, bytes_make(body, text.len - (size_t)(body - text.ptr)));
    return out_body->ptr ? RC_OK : RC_NOMEM;
}
