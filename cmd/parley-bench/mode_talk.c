/* mode_talk.c - a terminal talker: what comes is printed, what is typed is sent. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"
#include "mode.h"

struct talk {
    const struct options *options;
    struct swarm swarm;
    struct client client;
    struct watch input;
    struct sbuf typed;
    uint64_t number;
    bool has_sent, has_input, is_file, at_end;
    size_t unanswered;
    int status;
};

static struct talk *talk_of(struct client *client)
{
    return client->extra;
}

static void say(struct talk *talk, struct bytes text)
{
    struct sbuf request = { 0 };
    uint64_t number = talk->number++;
    if (!talk->options->conversation)
        die("--conversation ID is needed to send");
    sbuf_printf(&request,
                "{\"type\":\"message.send\",\"id\":\"%" PRIu64 "\",\"conversationId\":\"%s\","
                "\"clientMessageId\":\"%s-%" PRIu64 "\",\"text\":\"",
                number, talk->options->conversation, talk->options->run, number);
    sbuf_json(&request, text);
    sbuf_puts(&request, "\"}");
    client_send(&talk->client, &request);
    talk->unanswered++;
    sbuf_free(&request);
}

static void on_line(struct client *client, struct bytes line)
{
    (void)client;
    printf("%.*s\n", BYTES_ARG(line));
    fflush(stdout);
}

static void leave_if_done(struct talk *talk)
{
    /* Input that ended before a line came (a run in the background) means: listen only. */
    if (talk->unanswered == 0 && talk->number && (talk->options->send || talk->at_end))
        loop_stop(talk->swarm.loop);
}

static void on_answer(struct client *client, const struct event *ev, bool is_ok)
{
    struct talk *talk = talk_of(client);
    (void)ev;
    talk->unanswered--;
    if (!is_ok)
        talk->status = 1;
    leave_if_done(talk);
}

static void on_typed(void *owner, uint32_t events)
{
    struct talk *talk = owner;
    char block[4096];
    ssize_t n = read(STDIN_FILENO, block, sizeof block);
    (void)events;
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        if (!talk->is_file)
            loop_remove(talk->swarm.loop, STDIN_FILENO);
        talk->at_end = true;
        leave_if_done(talk);
        return;
    }
    sbuf_add(&talk->typed, block, (size_t)n);
    const char *end;
    while ((end = memchr(talk->typed.ptr, '\n', talk->typed.len))) {
        size_t len = (size_t)(end - talk->typed.ptr);
        if (len)
            say(talk, bytes_make(talk->typed.ptr, len));
        talk->typed.len -= len + 1;
        memmove(talk->typed.ptr, end + 1, talk->typed.len);
    }
}

/* A file (or /dev/null) can't be watched by epoll: it is read at once. */
static void start_input(struct talk *talk)
{
    struct stat about;
    bool known = fstat(STDIN_FILENO, &about) == 0;
    talk->is_file =
        !known || !(S_ISFIFO(about.st_mode) || S_ISSOCK(about.st_mode) || isatty(STDIN_FILENO));
    if (!talk->is_file)
        loop_add(talk->swarm.loop, STDIN_FILENO, EPOLLIN, &talk->input);
    while (talk->is_file && !talk->at_end)
        on_typed(talk, 0);
}

static void on_ready(struct client *client)
{
    struct talk *talk = talk_of(client);
    if (talk->options->send && !talk->has_sent)
        say(talk, bytes_of(talk->options->send));
    talk->has_sent = true;
    if (!talk->options->send && !talk->has_input) {
        talk->has_input = true;
        start_input(talk);
    }
}

static void on_down(struct client *client, unsigned code, struct bytes reason)
{
    struct talk *talk = talk_of(client);
    fprintf(stderr, "disconnected: code %u %.*s\n", code, BYTES_ARG(reason));
    if (code == 1008 || code == 4002 || code == 4006 || (code >= 400 && code < 500)) {
        client->comes_back = false;
        talk->status = 1;
        loop_stop(talk->swarm.loop);
    }
}

int mode_talk(struct options *options)
{
    static struct talk talk;
    talk.options = options;
    const char *token = options->token ? options->token : getenv("PARLEY_TOKEN");
    if (!token)
        die("talk wants --token TOKEN (or $PARLEY_TOKEN)");
    struct loop *loop = loop_create();
    swarm_init(&talk.swarm, loop, options->ws_url, now_ns());
    talk.swarm.hooks = (struct client_hooks){
        .on_ready = on_ready, .on_answer = on_answer, .on_down = on_down, .on_line = on_line
    };
    talk.swarm.keeps_rows = false;
    talk.input = (struct watch){ on_typed, &talk };
    client_init(&talk.client, &talk.swarm, 0, "talk", token);
    talk.client.extra = &talk;
    client_start(&talk.client);
    loop_run(loop, options->send ? now_ns() + (uint64_t)options->grace * 1000000000ull : 0);
    if (talk.unanswered || (options->send && !talk.has_sent))
        talk.status = 1;
    client_fini(&talk.client);
    sbuf_free(&talk.typed);
    loop_destroy(loop);
    return talk.status;
}
