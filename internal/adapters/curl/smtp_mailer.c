#include "adapters/curl/smtp_mailer.h"

#include "ports/mail_text.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { MESSAGE_BYTES_MAX = 128 * 1024 };

struct smtp_mailer {
    struct mailer port;
    char *url, *user, *password, *from, *ca_file;
    long timeout_ms;
};

static pthread_once_t library_once = PTHREAD_ONCE_INIT;
static bool is_library_ready;

static void begin_library(void)
{
    is_library_ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

/* What a code of libcurl means to who wanted to send. */
static enum rc rc_of(CURLcode code, long answer)
{
    if (code == CURLE_OK)
        return RC_OK;
    if (code == CURLE_OPERATION_TIMEDOUT)
        return RC_TIMEOUT;
    if (code == CURLE_OUT_OF_MEMORY)
        return RC_NOMEM;
    return answer >= 500 ? RC_INVALID : RC_UNAVAILABLE; /* RFC 5321, 4.2.1: 5yz is for good */
}

struct source {
    struct bytes left;
};

static size_t give_text(char *out, size_t size, size_t count, void *closure)
{
    struct source *source = closure;
    size_t len = size * count < source->left.len ? size * count : source->left.len;
    if (len)
        memcpy(out, source->left.ptr, len);
    source->left = bytes_make(source->left.ptr + len, source->left.len - len);
    return len;
}

static bool set_up(const struct smtp_mailer *m, CURL *curl, struct curl_slist *to,
                   struct source *source, const char *from)
{
    bool has_login = m->user[0] != 0;
    bool is_good =
        curl_easy_setopt(curl, CURLOPT_URL, m->url) == CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "smtp,smtps") == CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_USE_SSL, has_login ? CURLUSESSL_ALL : CURLUSESSL_TRY) ==
            CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_MAIL_FROM, from) == CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, to) == CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_READFUNCTION, give_text) == CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_READDATA, source) == CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L) == CURLE_OK &&
        (!m->ca_file[0] || curl_easy_setopt(curl, CURLOPT_CAINFO, m->ca_file) == CURLE_OK) &&
        curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, m->timeout_ms) == CURLE_OK;
    if (is_good && has_login)
        is_good = curl_easy_setopt(curl, CURLOPT_USERNAME, m->user) == CURLE_OK &&
                  curl_easy_setopt(curl, CURLOPT_PASSWORD, m->password) == CURLE_OK;
    return is_good;
}

static enum rc perform(const struct smtp_mailer *m, const char *to_text, struct bytes text)
{
    struct source source = { text };
    long answer = 0;
    enum rc rc = RC_NOMEM;
    CURL *curl = curl_easy_init();
    struct curl_slist *to = curl_slist_append(NULL, to_text);
    if (curl && to && set_up(m, curl, to, &source, m->from)) {
        CURLcode code = curl_easy_perform(curl);
        (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer);
        rc = rc_of(code, answer);
    }
    curl_slist_free_all(to);
    curl_easy_cleanup(curl);
    return rc;
}

static enum rc send_mail(void *self, const struct mail *mail)
{
    const struct smtp_mailer *m = self;
    SCOPED_BUF(text, MESSAGE_BYTES_MAX);
    char to[512];
    if (mail->to.len + 1 > sizeof to)
        return RC_INVALID;
    (void)snprintf(to, sizeof to, "%.*s", BYTES_ARG(mail->to));
    mail_text_write(&text, mail, m->from, time(NULL));
    return text.has_failed ? RC_NOMEM : perform(m, to, buf_bytes(&text));
}

enum rc smtp_mailer_create(const struct smtp_mailer_options *options,
                           struct smtp_mailer **out_mailer)
{
    (void)pthread_once(&library_once, begin_library); /* can't fail with these arguments */
    if (!is_library_ready)
        return RC_UNAVAILABLE;
    struct smtp_mailer *m = calloc(1, sizeof *m);
    if (!m)
        return RC_NOMEM;
    m->port = (struct mailer){ .self = m, .send = send_mail };
    m->url = strdup(options->url);
    m->user = strdup(options->user);
    m->password = strdup(options->password);
    m->from = strdup(options->from);
    m->ca_file = strdup(options->ca_file);
    m->timeout_ms = (long)options->timeout_ms;
    if (!m->url || !m->user || !m->password || !m->from || !m->ca_file) {
        smtp_mailer_destroy(m);
        return RC_NOMEM;
    }
    *out_mailer = m;
    return RC_OK;
}

const struct mailer *smtp_mailer_port(const struct smtp_mailer *mailer)
{
    return &mailer->port;
}

void smtp_mailer_destroy(struct smtp_mailer *m)
{
    if (!m)
        return;
    if (m->password)
        explicit_bzero(m->password, strlen(m->password));
    free(m->url);
    free(m->user);
    free(m->password);
    free(m->from);
    free(m->ca_file);
    free(m);
}
