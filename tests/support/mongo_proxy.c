#include "support/mongo_proxy.h"

#include "support/process.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Wire protocol: 16 bytes of header (length, request, answered request, opcode), then for OP_MSG
 * four bytes of flags, a byte 0, and a document whose first key is the command's name. */
enum {
    HEADER_BYTES = 16,
    NAME_AT = HEADER_BYTES + 4 + 1 + 4 + 1,
    OP_MSG = 2013,
    MESSAGE_BYTES_MAX = 48 << 20,
    POLL_MS = 50
};

struct link {
    struct mongo_proxy *proxy;
    int client, server;
    uint8_t *message;
    size_t message_len;
};

static uint32_t read_u32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static void write_u32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

static bool receive(int fd, uint8_t *into, size_t len)
{
    while (len > 0) {
        ssize_t got = recv(fd, into, len, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        into += got;
        len -= (size_t)got;
    }
    return true;
}

static bool send_all(int fd, const uint8_t *from, size_t len)
{
    while (len > 0) {
        ssize_t put = send(fd, from, len, MSG_NOSIGNAL);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return false;
        from += put;
        len -= (size_t)put;
    }
    return true;
}

/* One whole message into the link's buffer. */
static bool receive_message(struct link *l, int fd)
{
    uint8_t header[HEADER_BYTES];
    if (!receive(fd, header, sizeof header))
        return false;
    size_t len = read_u32(header);
    if (len < sizeof header || len > MESSAGE_BYTES_MAX)
        return false;
    uint8_t *grown = realloc(l->message, len + 1);
    if (!grown)
        return false;
    l->message = grown;
    l->message_len = len;
    memcpy(l->message, header, sizeof header);
    l->message[len] = 0;
    return receive(fd, l->message + sizeof header, len - sizeof header);
}

static const char *command_of(const struct link *l)
{
    bool is_command = l->message_len > NAME_AT && read_u32(l->message + 12) == OP_MSG;
    return is_command ? (const char *)l->message + NAME_AT : "";
}

static bool is_counted(const char *command)
{
    static const char *const names[] = { "insert", "update", "delete", "find", "getMore" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(command, names[i]) == 0)
            return true;
    return false;
}

/* An answer to the message at hand: a BSON document written by hand. */
static bool answer(struct link *l, uint32_t request, const uint8_t *doc, size_t doc_len)
{
    uint8_t out[512] = { 0 };
    size_t len = HEADER_BYTES + 4 + 1 + doc_len;
    write_u32(out, (uint32_t)len);
    write_u32(out + 4, request + 1);
    write_u32(out + 8, request);
    write_u32(out + 12, OP_MSG);
    memcpy(out + HEADER_BYTES + 5, doc, doc_len);
    return send_all(l->client, out, len);
}

/* {ok: 0.0, code: 96, errmsg: "no"} */
static bool answer_refusal(struct link *l, uint32_t request)
{
    static const uint8_t doc[] = "\x2a\0\0\0"
                                 "\x01ok\0\0\0\0\0\0\0\0\0"
                                 "\x10"
                                 "code\0\x60\0\0\0"
                                 "\x02"
                                 "errmsg\0\x03\0\0\0no\0";
    return answer(l, request, doc, sizeof doc);
}

/* {ok: 1.0, n: 0, writeConcernError: {code: 64}} */
static bool answer_concern(struct link *l, uint32_t request)
{
    static const uint8_t doc[] = "\x3a\0\0\0"
                                 "\x01ok\0\0\0\0\0\0\0\xf0\x3f"
                                 "\x10n\0\0\0\0\0"
                                 "\x03"
                                 "writeConcernError\0\x0f\0\0\0\x10"
                                 "code\0\x40\0\0\0\0";
    return answer(l, request, doc, sizeof doc);
}

static bool pass_command(struct link *l)
{
    return send_all(l->server, l->message, l->message_len);
}

/* false: the connection ends. */
static bool harm_command(struct link *l, enum proxy_harm harm, bool is_write)
{
    uint32_t request = read_u32(l->message + 4);
    switch (harm) {
    case HARM_CUT_BEFORE:
        return false;
    case HARM_CUT_AFTER:
        (void)(pass_command(l) && receive_message(l, l->server)); /* it ends here either way */
        return false;
    case HARM_CONCERN:
        if (is_write)
            return pass_command(l) && receive_message(l, l->server) && answer_concern(l, request);
        return answer_refusal(l, request);
    case HARM_REFUSE:
    case HARM_COUNT:
        break;
    }
    return answer_refusal(l, request);
}

static bool from_client(struct link *l)
{
    struct mongo_proxy *p = l->proxy;
    if (!receive_message(l, l->client))
        return false;
    const char *command = command_of(l);
    if (!is_counted(command))
        return pass_command(l);
    bool is_write = strcmp(command, "find") != 0 && strcmp(command, "getMore") != 0;
    atomic_fetch_add(&p->commands, 1);
    if (atomic_load(&p->left) <= 0 || atomic_fetch_sub(&p->left, 1) != 1)
        return pass_command(l);
    atomic_fetch_add(&p->done, 1);
    return harm_command(l, (enum proxy_harm)atomic_load(&p->harm), is_write);
}

static bool from_server(struct link *l)
{
    return receive_message(l, l->server) && send_all(l->client, l->message, l->message_len);
}

static int connect_server(int port)
{
    const struct sockaddr_in address = { .sin_family = AF_INET,
                                         .sin_port = htons((uint16_t)port),
                                         .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static void *run_link(void *arg)
{
    struct link *l = arg;
    bool is_open = (l->server = connect_server(l->proxy->server_port)) >= 0;
    while (is_open && !atomic_load(&l->proxy->is_over)) {
        struct pollfd fds[2] = { { l->client, POLLIN, 0 }, { l->server, POLLIN, 0 } };
        if (poll(fds, 2, POLL_MS) < 0 && errno != EINTR)
            break;
        if (fds[1].revents)
            is_open = from_server(l);
        if (is_open && fds[0].revents)
            is_open = from_client(l);
    }
    close(l->client);
    if (l->server >= 0)
        close(l->server);
    free(l->message);
    free(l);
    return NULL;
}

static void take_client(struct mongo_proxy *p, int client)
{
    struct link *l = calloc(1, sizeof *l);
    int on = 1;
    if (!l)
        process_give_up("no memory");
    *l = (struct link){ .proxy = p, .client = client, .server = -1 };
    (void)setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    size_t at = p->link_count++ % PROXY_LINKS_MAX;
    if (p->link_count > PROXY_LINKS_MAX) /* the oldest one has ended, or ends with its client */
        (void)pthread_detach(p->links[at]);
    if (pthread_create(&p->links[at], NULL, run_link, l) != 0)
        process_give_up("no thread");
}

static void *run_proxy(void *arg)
{
    struct mongo_proxy *p = arg;
    while (!atomic_load(&p->is_over)) {
        struct pollfd fd = { p->listen_fd, POLLIN, 0 };
        if (poll(&fd, 1, POLL_MS) <= 0)
            continue;
        int client = accept4(p->listen_fd, NULL, NULL, SOCK_CLOEXEC);
        if (client >= 0)
            take_client(p, client);
    }
    return NULL;
}

void mongo_proxy_start(struct mongo_proxy *p, int server_port)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof address;
    memset(p, 0, sizeof *p);
    p->server_port = server_port;
    p->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (p->listen_fd < 0 || bind(p->listen_fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(p->listen_fd, PROXY_LINKS_MAX) != 0 ||
        getsockname(p->listen_fd, (struct sockaddr *)&address, &len) != 0 ||
        pthread_create(&p->thread, NULL, run_proxy, p) != 0)
        process_give_up("no proxy: %s", strerror(errno));
    p->port = ntohs(address.sin_port);
}

void mongo_proxy_break(struct mongo_proxy *p, int64_t nth, enum proxy_harm harm)
{
    atomic_store(&p->harm, (int)harm);
    atomic_store(&p->left, nth);
}

void mongo_proxy_stop(struct mongo_proxy *p)
{
    if (p->listen_fd <= 0)
        return;
    atomic_store(&p->is_over, 1);
    (void)pthread_join(p->thread, NULL);
    size_t count = p->link_count < PROXY_LINKS_MAX ? p->link_count : PROXY_LINKS_MAX;
    for (size_t i = 0; i < count; i++)
        (void)pthread_join(p->links[i], NULL);
    close(p->listen_fd);
    p->listen_fd = 0;
}
