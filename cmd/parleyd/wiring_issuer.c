/* wiring_issuer.c - tokens of an identity provider: its key set from a file, or from a URL that is
 * asked on a worker and kept in KEYS_DIR/issuer.jwks.json, so that a restart while the provider is
 * away still has the keys.
 */
#include "server.h"

#include <limits.h>
#include <stdlib.h>

#include "adapters/auth/foreign_issuer.h"
#include "adapters/curl/page_fetch.h"

enum { FETCH_MS = 10000, AGAIN_MS = 5000 };

struct foreign {
    struct foreign_issuer *issuer;
    const struct config *config;
    struct server *server;
    char file[PATH_MAX];
    struct timer timer;
    struct job job;
    bool has_url, is_ending;
    enum rc rc; /* the job's, read when it has ended */
};

static enum jws_algorithm algorithm_of(const struct config *c)
{
    return c->issuer.algorithm == CONFIG_ES256 ? JWS_ES256 : JWS_RS256;
}

static void fetch(struct job *job)
{
    struct foreign *f = CONTAINER_OF(job, struct foreign, job);
    SCOPED_BUF(page, JWT_KEY_FILE_BYTES_MAX);
    f->rc = page_fetch(f->config->issuer.jwks, FETCH_MS, &page);
    if (f->rc == RC_OK && !foreign_issuer_check(buf_bytes(&page), algorithm_of(f->config)))
        f->rc = RC_INVALID;
    if (f->rc == RC_OK)
        f->rc = foreign_issuer_keep(f->file, buf_bytes(&page));
}

static void fetched(struct job *job)
{
    struct foreign *f = CONTAINER_OF(job, struct foreign, job);
    int64_t wait_ms = f->rc == RC_OK ? f->config->issuer.refresh_s * 1000 : AGAIN_MS;
    if (f->is_ending)
        return;
    if (f->rc != RC_OK)
        log_warn_every(60000, "issuer.keys_not_fetched", LOG_RC(f->rc));
    wiring_issuer_rescan(f->server);
    timer_start(loop_timers(f->server->loop), &f->timer, (uint64_t)wait_ms, 0);
}

static void start_fetch(struct timer *timer)
{
    struct foreign *f = CONTAINER_OF(timer, struct foreign, timer);
    f->job = (struct job){ .run = fetch, .done = fetched };
    if (executor_submit(workers_executor(f->server->workers), &f->job) != RC_OK)
        timer_start(loop_timers(f->server->loop), timer, AGAIN_MS, 0);
}

static bool open_issuer(struct server *s, struct foreign *f)
{
    struct jwt_keys_error error = { "" };
    const struct config *c = s->config;
    const struct foreign_issuer_options options = {
        .own = jwt_verifier_port(s->verifier),
        .issuer = c->issuer.iss,
        .audience = c->issuer.audience,
        .algorithm = algorithm_of(c),
        .jwks_file = f->file,
        .leeway_s = c->auth.leeway_s,
        .trusts_roles = c->issuer.trusts_roles,
    };
    enum rc rc = foreign_issuer_create(&options, &f->issuer, &error);
    if (rc != RC_OK)
        log_error("issuer.keys_not_read", LOG_RC(rc), LOG_STR("setting", "issuer.jwks"),
                  LOG_STR("why", error.text));
    return rc == RC_OK;
}

bool wiring_issuer(struct server *s)
{
    const struct config *c = s->config;
    if (!c->issuer.iss[0])
        return true;
    struct foreign *f = s->foreign = calloc(1, sizeof *f);
    if (!f)
        return false;
    f->config = c;
    f->server = s;
    f->has_url = c->issuer.jwks[0] != '/';
    if (f->has_url && !page_url_is_good(c->issuer.jwks)) {
        log_error("issuer.bad_url", LOG_STR("setting", "issuer.jwks"));
        return false;
    }
    if (f->has_url)
        (void)snprintf(f->file, sizeof f->file, "%s/issuer.jwks.json", c->auth.keys_dir);
    else
        (void)snprintf(f->file, sizeof f->file, "%s", c->issuer.jwks);
    if (!open_issuer(s, f))
        return false;
    f->timer.run = start_fetch;
    if (f->has_url)
        timer_start(loop_timers(s->loop), &f->timer, 0, 0);
    return true;
}

void wiring_issuer_rescan(struct server *s)
{
    struct jwt_keys_error error = { "" };
    if (s->foreign && foreign_issuer_rescan(s->foreign->issuer, &error) != RC_OK)
        log_warn_every(60000, "issuer.keys_not_read", LOG_STR("why", error.text));
}

void wiring_issuer_stop(struct server *s)
{
    if (!s->foreign)
        return;
    s->foreign->is_ending = true;
    timer_stop(loop_timers(s->loop), &s->foreign->timer);
}

void wiring_issuer_end(struct server *s)
{
    if (s->foreign)
        foreign_issuer_destroy(s->foreign->issuer);
    free(s->foreign);
    s->foreign = NULL;
}

struct token_verifier *server_verifier(struct server *s)
{
    return s->foreign ? foreign_issuer_port(s->foreign->issuer) : jwt_verifier_port(s->verifier);
}
