/* page_fetch.h - one small page by HTTPS: the key set of an identity provider.
 *
 * The URL is the operator's. https, or http to a loopback host; certificates are checked; no
 * redirect is followed, since the one who answers would then choose where keys come from.
 *
 * Thread: worker threads; blocks up to timeout_ms.
 */
#ifndef ADAPTERS_CURL_PAGE_FETCH_H
#define ADAPTERS_CURL_PAGE_FETCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/rc.h"

/* Whether it is a URL that page_fetch takes. */
bool page_url_is_good(const char *url);

/* Appends the body of an answer 200 to out, whose bytes_max is the limit.
 *   errors  RC_INVALID the URL; RC_FULL the page is too large; RC_TIMEOUT; RC_NOMEM;
 *           RC_UNAVAILABLE no answer, a bad certificate, or another status */
MUST_CHECK enum rc page_fetch(const char *url, const char *ca_file, int64_t timeout_ms,
                              struct buf *out);

#endif
