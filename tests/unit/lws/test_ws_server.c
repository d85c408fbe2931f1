/* The promises of ws_server.h, client_link.h and http_link.h to the app: ids, ownership, who is
 * told what and how often, and the end. A server on a real loop; its clients are threads with
 * blocking sockets. What goes over the wire is the matter of tests/contract/http. */
#include "adapters/lws/ws_server.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/check.h"

enum { LINKS_MAX = 64 };

struct fixture {
    struct loop *loop;
    struct ws_server *server;
    struct client_sink clients;
    struct http_sink http;

    struct link_id links[LINKS_MAX];
    int opened, closed, messages, requests, servers_closed;
    int depth; /* of calls into the adapter: the sink must not be called meanwhile */
    int nested;
    struct http_id first_request;
    enum rc second_reply, late_reply;
    uint16_t close_on_open, close_on_message;
    int stop_after_closed, stop_after_opened;
    atomic_int clients_done;
    int clients_wanted;
    struct timer timer, stop;
};

static struct client_links *links_of(struct fixture *f)
{
    return ws_server_links(f->server);
}

static void on_upgrade(void *app, struct link_id link, const struct upgrade_request *request,
                       struct upgrade_decision *out_decision)
{
    struct fixture *f = app;
    f->nested += f->depth;
    CHECK_TEXT("/v1/ws", request->path);
    CHECK_TEXT("127.0.0.1", request->remote_address);
    CHECK(request->is_loopback && !request->is_tls);
    CHECK(link.generation != 0);
    out_decision->user = f;
}

static void close_it(struct fixture *f, struct link_id link, uint16_t code)
{
    f->depth++;
    link_close(links_of(f), link, code, bytes_of("test"));
    link_close(links_of(f), link, CLOSE_INTERNAL, bytes_of("too late"));
    f->depth--;
}

static void on_open(void *app, struct link_id link, void *user)
{
    struct fixture *f = app;
    CHECK(user == f);
    f->nested += f->depth;
    f->links[f->opened++] = link;
    if (f->close_on_open)
        close_it(f, link, f->close_on_open);
    if (f->opened == f->stop_after_opened)
        loop_stop(f->loop);
}

static void on_message(void *app, struct link_id link, void *user, struct bytes text)
{
    struct fixture *f = app;
    (void)user, (void)text;
    f->nested += f->depth;
    f->messages++;
    if (f->close_on_message)
        close_it(f, link, f->close_on_message);
}

static void on_writable(void *app, struct link_id link, void *user)
{
    (void)app, (void)link, (void)user;
}

static void on_close(void *app, struct link_id link, void *user)
{
    struct fixture *f = app;
    struct frame *frame = frame_copy(bytes_of("x"));
    CHECK(user == f);
    f->nested += f->depth;
    CHECK_RC(RC_NOT_FOUND, link_send(links_of(f), link, frame));
    frame_unref(frame);
    if (++f->closed == f->stop_after_closed)
        loop_stop(f->loop);
}

static void on_request(void *app, const struct http_request *request)
{
    struct fixture *f = app;
    struct http_reply reply = { .status = 200, .body = bytes_of("{}") };
    if (f->requests++ == 0)
        f->first_request = request->id;
    f->late_reply = http_reply(ws_server_http(f->server), f->first_request, &reply);
    if (f->requests > 1)
        (void)http_reply(ws_server_http(f->server), request->id, &reply);
    f->second_reply = http_reply(ws_server_http(f->server), request->id, &reply);
}

static void start(struct fixture *f)
{
    struct fault fault = { 0 };
    f->loop = loop_create();
    f->clients = (struct client_sink){ f, on_upgrade, on_open, on_message, on_writable, on_close };
    f->http = (struct http_sink){ f, on_request };
    struct ws_server_options options = { .clients = &f->clients, .http = &f->http };
    CHECK_RC(RC_OK, ws_server_create(f->loop, &options, &f->server, &fault));
}

static void on_server_closed(void *arg)
{
    struct fixture *f = arg;
    f->servers_closed++;
    loop_stop(f->loop);
}

static void finish(struct fixture *f)
{
    ws_server_close(f->server, on_server_closed, f);
    CHECK_INT(0, f->servers_closed); /* never inside the call */
    loop_run(f->loop);
    CHECK_INT(1, f->servers_closed);
    CHECK_INT(f->opened, f->closed);
    CHECK_INT(0, f->nested);
    loop_destroy(f->loop);
}

/* ---- clients ---- */

struct client {
    pthread_t thread;
    uint16_t port;
    const char *say; /* after the handshake */
    size_t say_len;
    const char *request; /* instead of the handshake */
    uint8_t heard[4096];
    size_t heard_len;
    int fd;
    bool stays;       /* does not close */
    atomic_int *done; /* counts those that have ended */
};

static int dial(uint16_t port)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct timeval limit = { .tv_sec = 5 };
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        abort();
    return fd;
}

static const char handshake[] = "GET /v1/ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                                "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

static void *converse(void *arg)
{
    struct client *client = arg;
    const char *first = client->request ? client->request : handshake;
    client->fd = dial(client->port);
    (void)!send(client->fd, first, strlen(first), MSG_NOSIGNAL);
    if (client->say)
        (void)!send(client->fd, client->say, client->say_len, MSG_NOSIGNAL);
    if (client->stays)
        return NULL;
    ssize_t got;
    while (client->heard_len < sizeof client->heard &&
           (got = recv(client->fd, client->heard + client->heard_len,
                       sizeof client->heard - client->heard_len, 0)) > 0) {
        client->heard_len += (size_t)got;
        if (memmem(client->heard, client->heard_len, "\x88", 1))
            break; /* a close frame: the answer's header has no such byte */
    }
    close(client->fd);
    if (client->done)
        atomic_fetch_add(client->done, 1);
    return NULL;
}

static void begin(struct client *client, struct fixture *f)
{
    client->port = ws_server_port(f->server);
    pthread_create(&client->thread, NULL, converse, client);
}

/* The close frame that the client heard: its code, 0 for none. */
static unsigned close_code_of(const struct client *client)
{
    const uint8_t *frame = memmem(client->heard, client->heard_len, "\x88", 1);
    const uint8_t *end = client->heard + client->heard_len;
    return frame && end - frame >= 4 ? (unsigned)(frame[2] << 8 | frame[3]) : 0;
}

#define MASKED_HI "\x81\x82\0\0\0\0hi"

TEST(closes_from_on_open_once_with_the_first_code_on_a_later_turn)
{
    struct fixture f = { .close_on_open = 4006, .stop_after_closed = 1 };
    struct client client = { 0 };
    start(&f);
    begin(&client, &f);
    loop_run(f.loop);
    finish(&f);
    pthread_join(client.thread, NULL);
    CHECK_INT(1, f.closed);
    CHECK_INT(4006, close_code_of(&client));
}

TEST(closes_from_on_message_and_delivers_nothing_after)
{
    struct fixture f = { .close_on_message = 4003, .stop_after_closed = 1 };
    struct client client = { .say = MASKED_HI MASKED_HI MASKED_HI,
                             .say_len = 3 * (sizeof MASKED_HI - 1) };
    start(&f);
    begin(&client, &f);
    loop_run(f.loop);
    finish(&f);
    pthread_join(client.thread, NULL);
    CHECK_INT(1, f.messages);
    CHECK_INT(4003, close_code_of(&client));
}

TEST(answers_a_stale_id_with_not_found_even_when_its_place_is_taken_again)
{
    struct fixture f = { .close_on_open = 4006, .stop_after_closed = 1 };
    struct client first = { 0 }, second = { .stays = true };
    struct frame *frame = frame_copy(bytes_of("{}"));
    start(&f);
    begin(&first, &f);
    loop_run(f.loop);
    pthread_join(first.thread, NULL);

    /* The first slot is free once its socket's memory is: open others until it is used again. */
    f.close_on_open = 0;
    f.stop_after_closed = 0;
    for (f.stop_after_opened = 2; f.stop_after_opened < LINKS_MAX; f.stop_after_opened++) {
        begin(&second, &f);
        loop_run(f.loop);
        pthread_join(second.thread, NULL);
        if (f.links[f.opened - 1].index == f.links[0].index)
            break;
    }
    CHECK_INT(f.links[0].index, f.links[f.opened - 1].index);
    CHECK(f.links[0].generation != f.links[f.opened - 1].generation);
    CHECK_RC(RC_NOT_FOUND, link_send(links_of(&f), f.links[0], frame));
    link_close(links_of(&f), f.links[0], 4000, bytes_of("nobody"));
    link_pause(links_of(&f), f.links[0]);
    link_resume(links_of(&f), f.links[0]);
    link_want_writable(links_of(&f), f.links[0]);
    CHECK_RC(RC_NOT_FOUND, link_send(links_of(&f), (struct link_id){ 0 }, frame));
    CHECK_RC(RC_NOT_FOUND, link_send(links_of(&f), (struct link_id){ 99999, 1 }, frame));
    CHECK_RC(RC_OK, link_send(links_of(&f), f.links[f.opened - 1], frame));
    finish(&f);
    frame_unref(frame);
}

TEST(keeps_no_reference_to_a_frame_that_it_sent_to_many)
{
    enum { MANY = 20 };
    struct fixture f = { .stop_after_opened = MANY };
    struct client clients[MANY] = { 0 };
    struct frame *frame = frame_copy(bytes_of("{\"type\":\"event\"}"));
    start(&f);
    for (int i = 0; i < MANY; i++) {
        clients[i].stays = true;
        begin(&clients[i], &f);
    }
    loop_run(f.loop);
    for (int i = 0; i < MANY; i++)
        CHECK_RC(RC_OK, link_send(links_of(&f), f.links[i], frame));
    CHECK_INT(1, atomic_load(&frame->refs));
    CHECK_TEXT("{\"type\":\"event\"}", frame_text(frame));
    for (int i = 0; i < MANY; i++) {
        uint8_t heard[256];
        size_t len = 0;
        pthread_join(clients[i].thread, NULL);
        while (len < sizeof heard && !memmem(heard, len, "\x81\x10{\"type\":\"event\"}", 18)) {
            ssize_t got = recv(clients[i].fd, heard + len, sizeof heard - len, 0);
            CHECK(got > 0);
            len += (size_t)got;
        }
    }
    finish(&f); /* with all of them open: each gets its on_close */
    for (int i = 0; i < MANY; i++)
        close(clients[i].fd);
    CHECK_INT(MANY, f.closed);
    frame_unref(frame);
}

/* Stops the loop once every client of an HTTP request has its answer. */
static void on_look(struct timer *timer)
{
    struct fixture *f = CONTAINER_OF(timer, struct fixture, timer);
    if (atomic_load(&f->clients_done) == f->clients_wanted)
        loop_stop(f->loop);
}

static void on_stop(struct timer *timer)
{
    loop_stop(CONTAINER_OF(timer, struct fixture, stop)->loop);
}

static void run_until_clients_end(struct fixture *f, int wanted)
{
    f->clients_wanted = wanted;
    f->timer.run = on_look;
    timer_start(loop_timers(f->loop), &f->timer, 5, 5);
    loop_run(f->loop);
    timer_stop(loop_timers(f->loop), &f->timer);
}

#define GET "GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

TEST(takes_one_reply_a_request_and_none_for_one_that_is_over)
{
    struct fixture f = { 0 };
    struct client clients[2] = { { .request = GET, .done = &f.clients_done },
                                 { .request = GET, .done = &f.clients_done } };
    start(&f);
    for (int i = 0; i < 2; i++) {
        begin(&clients[i], &f);
        run_until_clients_end(&f, i + 1);
        pthread_join(clients[i].thread, NULL);
        CHECK(memmem(clients[i].heard, clients[i].heard_len, "HTTP/1.1 200 OK", 15));
        CHECK_RC(i == 0 ? RC_OK : RC_NOT_FOUND, f.late_reply);
        CHECK_RC(RC_NOT_FOUND, f.second_reply);
    }
    CHECK_INT(2, f.requests);
    finish(&f);
}

TEST(runs_two_servers_on_one_loop)
{
    struct fixture f = { 0 };
    struct client clients[3] = { { .request = GET, .done = &f.clients_done },
                                 { .request = GET, .done = &f.clients_done },
                                 { .done = &f.clients_done } };
    struct ws_server *operations = NULL;
    start(&f);
    struct ws_server_options options = { .http = NULL }; /* neither sockets nor requests */
    CHECK_RC(RC_OK, ws_server_create(f.loop, &options, &operations, NULL));
    CHECK(ws_server_port(operations) != ws_server_port(f.server));
    begin(&clients[0], &f);
    for (int i = 1; i < 3; i++) {
        clients[i].port = ws_server_port(operations);
        pthread_create(&clients[i].thread, NULL, converse, &clients[i]);
    }
    run_until_clients_end(&f, 3);
    for (int i = 0; i < 3; i++)
        pthread_join(clients[i].thread, NULL);
    CHECK(memmem(clients[0].heard, clients[0].heard_len, " 200 ", 5));
    CHECK(memmem(clients[1].heard, clients[1].heard_len, " 404 ", 5));
    CHECK(memmem(clients[2].heard, clients[2].heard_len, " 404 ", 5));
    ws_server_close(operations, on_server_closed, &f);
    loop_run(f.loop);
    CHECK_INT(1, f.servers_closed);
    f.servers_closed = 0;
    finish(&f);
}

TEST(says_that_its_port_is_in_use_and_which_option_is_wrong)
{
    struct fixture f = { 0 };
    struct fault fault = { 0 };
    struct ws_server *other = NULL;
    start(&f);
    struct ws_server_options options = { .port = ws_server_port(f.server) };
    CHECK_RC(RC_CONFLICT, ws_server_create(f.loop, &options, &other, &fault));
    CHECK_STR("port", fault.field);
    options = (struct ws_server_options){ .bind_address = "no-such-name.invalid" };
    CHECK_RC(RC_INVALID, ws_server_create(f.loop, &options, &other, &fault));
    CHECK_STR("bind_address", fault.field);
    options = (struct ws_server_options){ .bind_address = "localhost" };
    CHECK_RC(RC_OK, ws_server_create(f.loop, &options, &other, &fault));
    CHECK(ws_server_port(other) > 0);
    ws_server_close(other, NULL, NULL);
    other = NULL;
    options = (struct ws_server_options){ .tls_key_file = "/nonexistent" };
    CHECK_RC(RC_INVALID, ws_server_create(f.loop, &options, &other, &fault));
    CHECK_STR("tls_cert_file", fault.field);
    CHECK(!other);
    finish(&f);
}

/* Connects many times, one after the other, and says nothing. */
static void *knock(void *arg)
{
    struct client *client = arg;
    for (size_t i = 0; i < client->say_len; i++)
        close(dial(client->port));
    atomic_fetch_add(client->done, 1);
    return NULL;
}

static uint64_t trims_after(struct fixture *f, size_t knocks, int clients_ended)
{
    struct client client = { .port = ws_server_port(f->server),
                             .say_len = knocks,
                             .done = &f->clients_done };
    struct ws_server_stats stats;
    pthread_create(&client.thread, NULL, knock, &client);
    run_until_clients_end(f, clients_ended);
    pthread_join(client.thread, NULL);
    timer_start(loop_timers(f->loop), &f->stop, 1500, 0);
    loop_run(f->loop);
    ws_server_stats(f->server, &stats);
    return stats.heap_trims;
}

TEST(gives_memory_back_after_a_storm_and_not_after_a_breeze)
{
    struct fixture f = { .stop = { .run = on_stop } };
    start(&f);
    CHECK_U64(0, trims_after(&f, 100, 1));
    uint64_t trims = trims_after(&f, 1000, 2);
    CHECK(trims == 1 || trims == 2); /* two if the machine let the storm stand still for a second */
    CHECK_U64(trims, trims_after(&f, 100, 3));
    finish(&f);
}

TEST(ends_without_ever_having_run)
{
    struct fixture f = { 0 };
    start(&f);
    finish(&f);
}
