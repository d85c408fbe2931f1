#include "adapters/curl/page_fetch.h"

#include <curl/curl.h>
#include <pthread.h>
#include <string.h>

static pthread_once_t library_once = PTHREAD_ONCE_INIT;

/* Counted by the library, so that others in the process may do the same. */
static void begin_library(void)
{
    (void)curl_global_init(CURL_GLOBAL_DEFAULT); /* curl_easy_init fails then, too */
}

bool page_url_is_good(const char *url)
{
    static const char *const starts[] = { "https://", "http://127.0.0.1:", "http://localhost:",
                                          "http://[::1]:" };
    for (size_t i = 0; i < COUNT_OF(starts); i++)
        if (strncmp(url, starts[i], strlen(starts[i])) == 0 && !strchr(url, '@'))
            return true;
    return false;
}

/* Less than it was given makes libcurl end the transfer. */
static size_t take(char *data, size_t size, size_t count, void *closure)
{
    struct buf *out = closure;
    buf_add(out, bytes_make(data, size * count));
    return out->has_failed ? 0 : size * count;
}

static bool set_up(CURL *curl, const char *url, const char *ca_file, int64_t timeout_ms,
                   struct buf *out)
{
    return curl_easy_setopt(curl, CURLOPT_URL, url) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https,http") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK &&
           (!*ca_file || curl_easy_setopt(curl, CURLOPT_CAINFO, ca_file) == CURLE_OK) &&
           curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_WRITEDATA, out) == CURLE_OK;
}

static enum rc rc_of(CURLcode code, long status, const struct buf *out)
{
    if (out->has_failed)
        return RC_FULL;
    if (code == CURLE_OPERATION_TIMEDOUT)
        return RC_TIMEOUT;
    if (code == CURLE_OUT_OF_MEMORY)
        return RC_NOMEM;
    return code == CURLE_OK && status == 200 ? RC_OK : RC_UNAVAILABLE;
}

enum rc page_fetch(const char *url, const char *ca_file, int64_t timeout_ms, struct buf *out)
{
    CURL *curl;
    CURLcode code = CURLE_OUT_OF_MEMORY;
    long status = 0;

    if (!page_url_is_good(url))
        return RC_INVALID;
    (void)pthread_once(&library_once, begin_library); /* can't fail with a valid control */
    curl = curl_easy_init();
    if (!curl)
        return RC_NOMEM;
    if (set_up(curl, url, ca_file, timeout_ms, out)) {
        code = curl_easy_perform(curl);
        (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status); /* 0: no answer */
    }
    curl_easy_cleanup(curl);
    return rc_of(code, status, out);
}
