/* ops.c - the operations listener: /livez, /readyz, /metrics. Never the clients' port. */
#include "server.h"

#include "base/buf.h"

enum { PING_MS = 1000, SWEEP_PINGS = 60 };

static void reply(struct server *s, const struct http_request *request, uint16_t status,
                  const char *content_type, struct bytes body)
{
    const struct http_reply answer = { .status = status,
                                       .content_type = content_type,
                                       .body = body };
    (void)http_reply(ws_server_http(s->ops), request->id, &answer);
}

/* Ready means: a send would be acknowledged. A store that is away is said, and doesn't change
 * that: sends go on, and the recent past is read from the log. */
static void answer_ready(struct server *s, const struct http_request *request)
{
    const char *why;
    bool is_ready = server_is_ready(s, &why);
    const char *trouble = server_trouble(s);
    SCOPED_BUF(body, 4096);
    buf_add_format(&body, "{\"status\":\"%s\",\"reason\":",
                   !is_ready ? "not_ready"
                   : trouble ? "degraded"
                             : "ready");
    if (!is_ready || trouble)
        buf_add_json_string(&body, bytes_of(is_ready ? trouble : why));
    else
        buf_add_text(&body, "null");
    buf_add_text(&body, "}\n");
    reply(s, request, is_ready ? 200 : 503, "application/json", buf_bytes(&body));
}

static void on_request(void *app, const struct http_request *request)
{
    struct server *s = app;
    bool is_read = request->method == HTTP_GET || request->method == HTTP_HEAD;
    if (!is_read) {
        reply(s, request, 405, "text/plain", bytes_of("GET only\n"));
    } else if (bytes_is(request->path, "/livez")) {
        reply(s, request, 200, "application/json", bytes_of("{\"status\":\"live\"}\n"));
    } else if (bytes_is(request->path, "/readyz")) {
        answer_ready(s, request);
    } else if (bytes_is(request->path, "/metrics")) {
        SCOPED_BUF(body, 1 << 20);
        metrics_write(s, &body);
        reply(s, request, 200, "text/plain; version=0.0.4", buf_bytes(&body));
    } else {
        reply(s, request, 404, "text/plain", bytes_of("/livez, /readyz, /metrics\n"));
    }
}

/* ---- is the store there? Each minute what has expired in it is removed. ---- */

static void ping_run(struct job *job)
{
    struct server *s = CONTAINER_OF(job, struct server, ping_job);
    const struct message_store *store = store_messages(s->store);
    const struct directory_store *directory = store_directory(s->store);
    const struct account_store *accounts = store_accounts(s->store);
    s->is_store_up = store->ping(store->self) == RC_OK;
    if (s->is_store_up && !s->is_store_told)
        s->is_store_told = store_log_facts(s->store);
    if (s->is_store_up && s->pings++ % SWEEP_PINGS == 0 &&
        (directory->sweep(directory->self, clock_wall_us(clock_system())) != RC_OK ||
         accounts->sweep(accounts->self, clock_wall_us(clock_system())) != RC_OK))
        log_debug("store.not_swept"); /* expired rows are not believed anyway */
}

static void ping_ended(struct job *job)
{
    CONTAINER_OF(job, struct server, ping_job)->is_pinging = false;
}

static void ping(struct timer *timer)
{
    struct server *s = CONTAINER_OF(timer, struct server, ping_timer);
    if (s->is_pinging)
        return;
    s->ping_job.run = ping_run;
    s->ping_job.done = ping_ended;
    s->is_pinging = executor_submit(workers_executor(s->workers), &s->ping_job) == RC_OK;
}

bool ops_start(struct server *s)
{
    const struct config *c = s->config;
    struct fault fault = { 0 };
    s->ops_http = (struct http_sink){ s, on_request };
    const struct ws_server_options options = {
        .bind_address = c->ops.listen.host[0] ? c->ops.listen.host : "0.0.0.0",
        .port = c->ops.listen.port,
        .http = &s->ops_http,
        .connections_max = 64,
    };
    enum rc rc = ws_server_create(s->loop, &options, &s->ops, &fault);
    if (rc != RC_OK) {
        log_error("ops.no_listener", LOG_RC(rc), LOG_STR("setting", "ops.listen"),
                  LOG_STR("address", c->ops.listen.host), LOG_INT("port", c->ops.listen.port),
                  LOG_STR("why", fault.text));
        return false;
    }
    s->ping_timer.run = ping;
    timer_start(loop_timers(s->loop), &s->ping_timer, PING_MS, PING_MS);
    return true;
}

void ops_stop(struct server *s)
{
    if (s->loop)
        timer_stop(loop_timers(s->loop), &s->ping_timer);
}
