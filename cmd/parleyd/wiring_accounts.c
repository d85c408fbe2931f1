/* wiring_accounts.c - accounts of this server: hashing pool, mails, the ports of app/accounts.h. */
#include "server.h"

#include "adapters/utf8proc/utf8_forms.h"

enum { MAIL_TIMEOUT_MS = 20000, MAILS_QUEUED_MAX = 256 };

static bool make_mailer(struct server *s)
{
    const struct config *c = s->config;
    enum rc rc;
    if (strncmp(c->mail.url, "file:", 5) == 0) {
        rc = file_mailer_create(c->mail.url + 5, c->mail.from, &s->file_mailer);
        if (rc == RC_OK)
            s->accounts.mailer = file_mailer_port(s->file_mailer);
    } else {
        const struct smtp_mailer_options options = { .url = c->mail.url,
                                                     .user = c->mail.user,
                                                     .password = c->mail.password,
                                                     .from = c->mail.from,
                                                     .ca_file = c->tls.ca_file,
                                                     .timeout_ms = MAIL_TIMEOUT_MS };
        rc = smtp_mailer_create(&options, &s->smtp_mailer);
        if (rc == RC_OK)
            s->accounts.mailer = smtp_mailer_port(s->smtp_mailer);
    }
    if (rc != RC_OK)
        log_error("accounts.no_mailer", LOG_RC(rc), LOG_STR("setting", "mail.url"));
    return rc == RC_OK;
}

static bool make_pools(struct server *s)
{
    const struct config *c = s->config;
    const struct hash_process_options hash = {
        .program = "/proc/self/exe",
        .count = (size_t)c->accounts.hash_threads,
        .argon2 = { .passes = (unsigned long long)c->accounts.hash_passes,
                    .memory_bytes = (size_t)c->accounts.hash_memory },
    };
    const struct workers_options pool = { .name = "hash",
                                          .thread_count = (size_t)c->accounts.hash_threads,
                                          .queue_max = (size_t)c->accounts.hash_queue };
    const struct workers_options errands = { .name = "errand",
                                             .thread_count = 1,
                                             .queue_max = MAILS_QUEUED_MAX };
    enum rc rc = hash_process_pool_create(&hash, &s->hasher);
    if (rc == RC_OK && (!(s->hash_pool = workers_create(s->loop, &pool)) ||
                        !(s->errands = workers_create(s->loop, &errands))))
        rc = RC_NOMEM;
    if (rc != RC_OK)
        log_error("accounts.no_hashing", LOG_RC(rc), LOG_STR("setting", "accounts.hash_memory"));
    return rc == RC_OK;
}

static struct accounts_limits limits_of(const struct config *c)
{
    return (struct accounts_limits){
        .password = { .chars_min = (size_t)c->accounts.password_chars_min },
        .is_open = c->accounts.registration == CONFIG_REGISTRATION_OPEN,
        .access_s = c->accounts.access_s,
        .refresh_s = c->accounts.refresh_s,
        .session_s = c->accounts.session_s,
        .grace_s = c->accounts.grace_s,
        .reset_s = c->accounts.reset_s,
        .confirm_s = c->accounts.confirm_s,
        .sessions_max = (size_t)c->accounts.sessions_max,
    };
}

bool wiring_accounts(struct server *s)
{
    if (!s->config->accounts.enabled)
        return true;
    s->accounts.store = store_accounts(s->store);
    if (!make_pools(s) || !make_mailer(s))
        return false;
    s->accounts.directory = store_directory(s->store);
    s->accounts.forms = utf8_forms();
    s->accounts.hasher = hash_process_pool_port(s->hasher);
    s->accounts.issuer = &s->issuer_port;
    s->accounts.revocations = &s->revocations_port;
    s->accounts.attempts = &s->attempts_port;
    s->accounts.audit = &s->audit_port;
    s->accounts.clock = clock_system();
    s->accounts.pool = workers_executor(s->hash_pool);
    s->accounts.errands = workers_executor(s->errands);
    s->accounts.server_name = bytes_of(s->config->auth.issuer);
    s->accounts.limits = limits_of(s->config);
    return true;
}

void wiring_accounts_stop(struct server *s)
{
    /* What hashes ends on a worker, which may have an errand to give: so these end before the
     * workers, and calls that the workers still end find no pool. */
    workers_destroy(s->hash_pool);
    workers_destroy(s->errands);
    s->hash_pool = s->errands = NULL;
    s->accounts.pool = s->accounts.errands = NULL;
}

void wiring_accounts_end(struct server *s)
{
    wiring_accounts_stop(s);
    hash_process_pool_destroy(s->hasher);
    file_mailer_destroy(s->file_mailer);
    smtp_mailer_destroy(s->smtp_mailer);
}
