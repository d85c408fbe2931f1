/* wiring_issuer.c - tokens of identity providers: the key set of each from a file, or from a URL
 * that is asked on a worker and kept in KEYS_DIR/<section>.jwks.json, so that a restart while the
 * provider is away still has the keys.
 */
#include "server.h"

#include <limits.h>
#include <stdlib.h>

#include "adapters/auth/foreign_issuer.h"
#include "adapters/curl/page_fetch.h"

enum { FETCH_MS = 10000, AGAIN_MS = 5000 };

struct foreign {
    struct foreign_issuer *issuer;
    const struct config_issuer *config;
    const char *section;
    struct server *server;
    char file[PATH_MAX];
    struct timer timer;
    struct job job;
    bool has_url, is_ending;
    enum rc rc; /* the job's, read when it has ended */
};

static enum jws_algorithm algorithm_of(const struct config_issuer *c)
{
    return c->algorithm == CONFIG_ES256 ? JWS_ES256 : JWS_RS256;
}

static void rescan(struct foreign *f)
{
    struct jwt_keys_error error = { "" };
    if (foreign_issuer_rescan(f->issuer, &error) != RC_OK)
        log_warn_every(60000, "issuer.keys_not_read", LOG_STR("issuer", f->section),
                       LOG_STR("why", error.text));
}

static void fetch(struct job *job)
{
    struct foreign *f = CONTAINER_OF(job, struct foreign, job);
    SCOPED_BUF(page, JWT_KEY_FILE_BYTES_MAX);
    f->rc = page_fetch(f->config->jwks, f->server->config->tls.ca_file, FETCH_MS, &page);
    if (f->rc == RC_OK && !foreign_issuer_check(buf_bytes(&page), algorithm_of(f->config)))
        f->rc = RC_INVALID;
    if (f->rc == RC_OK)
        f->rc = foreign_issuer_keep(f->file, buf_bytes(&page));
}

static void fetched(struct job *job)
{
    struct foreign *f = CONTAINER_OF(job, struct foreign, job);
    int64_t wait_ms = f->rc == RC_OK ? f->config->refresh_s * 1000 : AGAIN_MS;
    if (f->is_ending)
        return;
    if (f->rc != RC_OK)
        log_warn_every(60000, "issuer.keys_not_fetched", LOG_STR("issuer", f->section),
                       LOG_RC(f->rc));
    rescan(f);
    timer_start(loop_timers(f->server->loop), &f->timer, (uint64_t)wait_ms, 0);
}

static void start_fetch(struct timer *timer)
{
    struct foreign *f = CONTAINER_OF(timer, struct foreign, timer);
    f->job = (struct job){ .run = fetch, .done = fetched };
    if (executor_submit(workers_executor(f->server->workers), &f->job) != RC_OK)
        timer_start(loop_timers(f->server->loop), timer, AGAIN_MS, 0);
}

static bool open_issuer(struct foreign *f, struct token_verifier *before)
{
    struct jwt_keys_error error = { "" };
    const struct foreign_issuer_options options = {
        .before = before,
        .issuer = f->config->iss,
        .audience = f->config->audience,
        .algorithm = algorithm_of(f->config),
        .jwks_file = f->file,
        .user_prefix = f->config->user_prefix,
        .leeway_s = f->server->config->auth.leeway_s,
        .trusts_roles = f->config->trusts_roles,
    };
    enum rc rc = foreign_issuer_create(&options, &f->issuer, &error);
    if (rc != RC_OK)
        log_error("issuer.keys_not_read", LOG_RC(rc), LOG_STR("issuer", f->section),
                  LOG_STR("why", error.text));
    return rc == RC_OK;
}

/* One more link of the chain of verifiers. */
static bool add_issuer(struct server *s, size_t place)
{
    struct token_verifier *before = server_verifier(s);
    struct foreign *f = s->foreign[s->foreign_count] = calloc(1, sizeof *f);
    if (!f)
        return false;
    s->foreign_count++;
    f->config = &s->config->issuers[place];
    f->section = config_issuer_section(place);
    f->server = s;
    f->has_url = f->config->jwks[0] != '/';
    if (f->has_url && !page_url_is_good(f->config->jwks)) {
        log_error("issuer.bad_url", LOG_STR("issuer", f->section));
        return false;
    }
    if (f->has_url)
        (void)snprintf(f->file, sizeof f->file, "%s/%s.jwks.json", s->config->auth.keys_dir,
                       f->section);
    else
        (void)snprintf(f->file, sizeof f->file, "%s", f->config->jwks);
    if (!open_issuer(f, before))
        return false;
    f->timer.run = start_fetch;
    if (f->has_url)
        timer_start(loop_timers(s->loop), &f->timer, 0, 0);
    return true;
}

bool wiring_issuer(struct server *s)
{
    for (size_t i = 0; i < CONFIG_ISSUERS; i++)
        if (s->config->issuers[i].iss[0] && !add_issuer(s, i))
            return false;
    return true;
}

void wiring_issuer_rescan(struct server *s)
{
    for (size_t i = 0; i < s->foreign_count; i++)
        rescan(s->foreign[i]);
}

void wiring_issuer_stop(struct server *s)
{
    for (size_t i = 0; i < s->foreign_count; i++) {
        s->foreign[i]->is_ending = true;
        timer_stop(loop_timers(s->loop), &s->foreign[i]->timer);
    }
}

void wiring_issuer_end(struct server *s)
{
    while (s->foreign_count > 0) {
        struct foreign *f = s->foreign[--s->foreign_count];
        foreign_issuer_destroy(f->issuer);
        free(f);
    }
}

struct token_verifier *server_verifier(struct server *s)
{
    size_t count = s->foreign_count;
    return count ? foreign_issuer_port(s->foreign[count - 1]->issuer)
                 : jwt_verifier_port(s->verifier);
}
