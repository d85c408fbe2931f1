/* wiring_persister.c - the persister role: the durable consumers, and the store behind them. */
#include "server.h"

bool wiring_persister(struct server *s)
{
    const struct config *c = s->config;
    struct fault fault = { 0 };
    char name[96];
    (void)snprintf(name, sizeof name, "parleyd-%s-persister", c->server.instance_id);
    const struct nats_consumers_options options = {
        .url = c->nats.url,
        .user = c->nats.persister_password[0] ? c->nats.persister_user : NULL,
        .password = c->nats.persister_password,
        .name = name,
        .linger_ms = c->persister.batch_ms,
    };
    enum rc rc = nats_consumers_create(&options, &s->consumers, &fault);
    if (rc != RC_OK) {
        log_error("nats.no_link", LOG_RC(rc),
                  LOG_STR("setting", rc == RC_DENIED ? "nats.persister_user" : "nats.url"),
                  LOG_STR("why", fault.text));
        return false;
    }
    s->consumers_port = nats_consumers_port(s->consumers);
    const struct persisters_options all = {
        .log = &s->consumers_port,
        .store = store_messages(s->store),
        .clock = clock_system(),
        .partitions = (uint32_t)c->streams.partitions,
        .generation = (uint32_t)c->streams.generation,
        .batch_records_max = (size_t)c->persister.batch,
    };
    s->persisters = persisters_start(&all);
    if (!s->persisters)
        log_error("persister.not_started");
    return s->persisters != NULL;
}

void wiring_persister_end(struct server *s)
{
    if (s->consumers)
        nats_consumers_stop(s->consumers);
    persisters_stop(s->persisters);
    s->persisters = NULL;
    nats_consumers_destroy(s->consumers);
    s->consumers = NULL;
}
