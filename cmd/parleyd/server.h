/* server.h - one running parleyd: what wiring.c builds, and its parts share. Loop thread. */
#ifndef PARLEYD_SERVER_H
#define PARLEYD_SERVER_H

#include "adapters/auth/jwt_issuer.h"
#include "adapters/auth/jwt_verifier.h"
#include "adapters/auth/ticket_maker.h"
#include "adapters/curl/smtp_mailer.h"
#include "adapters/lws/ws_server.h"
#include "adapters/nats/nats_attempts.h"
#include "adapters/nats/nats_audit.h"
#include "adapters/nats/nats_consumer.h"
#include "adapters/nats/nats_feed.h"
#include "adapters/nats/nats_log.h"
#include "adapters/nats/nats_revocations.h"
#include "adapters/nats/nats_tickets.h"
#include "adapters/nats/streams.h"
#include "adapters/sodium/hash_process.h"
#include "adapters/sys/file_mailer.h"
#include "adapters/uv/workers.h"
#include "app/accounts.h"
#include "app/gateway.h"
#include "app/persisters.h"
#include "app/rest.h"
#include "app/revoked.h"
#include "config/config.h"
#include "store.h"

enum { ORIGINS_MAX = 32 };

/* The stream check: at start, after each reconnect, and each minute (check.c). */
struct stream_watch {
    struct job job;
    struct timer timer;
    struct nats_link_listener listener;
    struct nats_link *link;
    struct stream_set *set;
    uint32_t proven_epoch; /* of the link when all servers were last seen to sync; the job's */
    bool is_running, is_asked_again;
    bool has_answer, is_answer_right; /* the job's, read when it has ended */
    char why[256];                    /* the same */
    bool is_right;                    /* what the gateway was told */
    struct job probe;
    struct timer probe_timer;
    int silent;             /* the partition whose leader didn't answer, -1: all did; the job's */
    char silence[64];       /* the same for people; empty: all did */
    int64_t probe_began_ms; /* 0: none is under way */
    int64_t doubt_ms;       /* since when no answer comes; 0: it does */
};

struct server {
    const struct config *config;
    struct loop *loop;
    struct workers *workers;
    struct store *store;

    /* role gateway */
    struct nats_link *log_link, *feed_link, *read_link;
    struct nats_log *log;
    struct nats_feed *feed;
    struct event_log log_port;
    struct live_feed feed_port;
    struct jwt_verifier *verifier;
    struct jwt_issuer *issuer;
    struct foreign *foreign[CONFIG_ISSUERS]; /* wiring_issuer.c's */
    size_t foreign_count;
    struct token_issuer issuer_port;
    struct revoked *revoked;
    struct ticket_maker *tickets;
    struct ticket_book tickets_port;
    struct ticket_claims claims_port;
    struct attempts attempts_port;
    struct nats_audit *audit;
    struct audit_log audit_port;
    struct nats_revocations *revocations;
    struct revocations revocations_port;
    struct gateway *gateway;
    struct rest *rest;
    struct ws_server *edge;
    struct client_sink sink;
    struct http_sink http;
    struct stream_watch streams;
    struct timer rescan, revoked_timer;
    char *origin_text;
    const char *origins[ORIGINS_MAX + 1];

    /* accounts, of role gateway */
    struct accounts accounts;
    struct hash_process_pool *hasher;
    struct workers *hash_pool, *errands;
    struct file_mailer *file_mailer; /* one of the two */
    struct smtp_mailer *smtp_mailer;

    /* role persister */
    struct nats_consumers *consumers;
    struct log_consumer_source consumers_port;
    struct persisters *persisters;

    /* operations */
    struct ws_server *ops;
    struct http_sink ops_http;
    struct job ping_job;
    struct timer ping_timer;
    uint32_t pings;
    bool is_pinging, is_store_asked, is_store_told; /* told: a worker logged what it is */
    _Atomic bool is_store_up;                       /* written by a worker */

    struct timer watchdog;
    struct timer link_timer;
    bool has_dead_link; /* then the exit code is 1 */

    /* the end (drain.c) */
    struct timer drain_timer;
    bool is_draining, is_edge_drained;
    int64_t goodbye_ms, drain_until_ms;
    int exit_code;
};

/* Whether clients should come; out_why is for people. */
bool server_is_ready(const struct server *s, const char **out_why);
/* What is wrong although clients may come: the store, the persister. NULL: nothing. Static storage.
 */
const char *server_trouble(const struct server *s);

/* wiring_gateway.c, wiring_persister.c: build one role; false after a log line said why not. */
bool wiring_gateway(struct server *s);
void wiring_gateway_end(struct server *s);
/* Looks for keys that came or went; a few small files. */
void gateway_rescan_keys(struct server *s);
bool wiring_persister(struct server *s);
void wiring_persister_end(struct server *s);

/* wiring_accounts.c: the same of accounts. stop: the pool and the errands end, before the workers.
 */
bool wiring_accounts(struct server *s);
void wiring_accounts_stop(struct server *s);
void wiring_accounts_end(struct server *s);

/* wiring_issuer.c: tokens of the identity providers that are set. */
bool wiring_issuer(struct server *s); /* once there is a verifier */
void wiring_issuer_rescan(struct server *s);
void wiring_issuer_stop(struct server *s); /* before the workers end */
void wiring_issuer_end(struct server *s);
/* What stands behind an access token: our verifier, and the provider's. */
struct token_verifier *server_verifier(struct server *s);

/* wiring_doors.c: tickets, attempts, audit, revocations; in the order of these calls. */
bool wiring_doors(struct server *s);        /* once there is a verifier */
bool wiring_doors_link(struct server *s);   /* once there are links */
bool wiring_doors_listen(struct server *s); /* once there is a gateway */
void wiring_doors_stop(struct server *s);   /* before the workers end */
void wiring_doors_end(struct server *s);    /* after the gateway, before the links */

/* check.c */
bool stream_watch_start(struct server *s);
void stream_watch_stop(struct server *s);
/* Why a send might have to wait, although nothing is wrong; NULL: it needn't. */
const char *stream_watch_silence(const struct server *s);

/* ops.c: /livez, /readyz, /metrics */
bool ops_start(struct server *s);
void ops_stop(struct server *s);
/* metrics.c */
struct buf;
void metrics_write(const struct server *s, struct buf *out);

/* dead_link.c */
void dead_link_watch(struct server *s);
/* Says in the log if a link is dead because its login is refused. Blocks up to 2 s a role. */
void dead_link_say_why(struct server *s);

/* drain.c */
void drain_start(struct server *s);

#endif
