/* rest_cookies.h - a browser's session in cookies; private to app/rest_*.c.
 *
 * All are __Host- cookies: set by this host, for this host, over TLS (RFC 6265bis, 4.1.3.2). The
 * tokens are HttpOnly, so that no script reads them; the CSRF token is for the page to repeat in
 * X-CSRF-Token, which a page of another site can't do.
 *
 *     __Host-parley-access    the access token     as long as it is good
 *     __Host-parley-refresh   the refresh token    as long as it is good
 *     __Host-parley-csrf      256 random bits      as long as the refresh token
 */
#ifndef APP_REST_COOKIES_H
#define APP_REST_COOKIES_H

#include "app/rest_call.h"

struct rest_cookies {
    struct bytes access, refresh; /* of [A-Za-z0-9._~-] */
    int64_t access_s, refresh_s;  /* how long each is good, from now; more than 0 */
};

/* Adds the three cookies to the answer, with a fresh CSRF token, which it also gives back (the
 * call's arena): the page may want it from the body.
 * errors: RC_NOMEM; RC_INVALID a token holds what a cookie can't */
MUST_CHECK enum rc rest_cookies_set(struct rest_call *call, const struct rest_cookies *cookies,
                                    struct bytes *out_csrf);

/* Takes all three away. */
void rest_cookies_clear(struct rest_call *call);

/* The refresh token of a request that came with cookies. A cookie comes by itself, from any page,
 * so it counts only with the proof that our own page has sent it.
 * errors: ERROR_UNAUTHENTICATED there is none, ERROR_FORBIDDEN no proof, or a foreign page */
MUST_CHECK enum error_code rest_cookies_refresh(struct rest_call *call, struct bytes *out_token);

#endif
