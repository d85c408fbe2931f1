#include "tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "util.h"

struct tls {
    SSL *ssl;
    const char *host;
    bool is_hungry;
};

static SSL_CTX *context(void)
{
    static SSL_CTX *made;
    if (made)
        return made;
    made = SSL_CTX_new(TLS_client_method());
    if (!made || SSL_CTX_set_default_verify_paths(made) != 1) /* or $SSL_CERT_FILE */
        die("TLS can't be set up: %s", ERR_reason_error_string(ERR_get_error()));
    (void)SSL_CTX_set_min_proto_version(made, TLS1_2_VERSION);
    SSL_CTX_set_verify(made, SSL_VERIFY_PEER, NULL);
    (void)SSL_CTX_set_mode(made,
                           SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return made;
}

struct tls *tls_begin(int fd, const char *host)
{
    struct tls *tls = calloc(1, sizeof *tls);
    struct in_addr address;
    bool is_address = inet_pton(AF_INET, host, &address) == 1, is_named;
    if (!tls || !(tls->ssl = SSL_new(context())))
        die("out of memory");
    tls->host = host;
    is_named = is_address
                   ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls->ssl), host) == 1
                   : SSL_set1_host(tls->ssl, host) == 1 && SSL_set_tlsext_host_name(tls->ssl, host);
    if (!is_named || SSL_set_fd(tls->ssl, fd) != 1)
        die("TLS can't be used with %s", host);
    SSL_set_connect_state(tls->ssl);
    return tls;
}

void tls_free(struct tls *tls)
{
    if (tls)
        SSL_free(tls->ssl);
    free(tls);
}

/* What a call of the library gave, as a call of the kernel would have given it. */
static ssize_t result(struct tls *tls, int n)
{
    int error = SSL_get_error(tls->ssl, n);
    tls->is_hungry = error == SSL_ERROR_WANT_READ;
    if (error == SSL_ERROR_NONE)
        return n;
    if (error == SSL_ERROR_ZERO_RETURN)
        return 0;
    if (SSL_get_verify_result(tls->ssl) != X509_V_OK)
        die("the certificate of %s: %s ($SSL_CERT_FILE may name the authority)", tls->host,
            X509_verify_cert_error_string(SSL_get_verify_result(tls->ssl)));
    if (error != SSL_ERROR_SYSCALL || errno == 0)
        errno = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? EAGAIN : EPROTO;
    return -1;
}

static int at_most(size_t len)
{
    ERR_clear_error(); /* what an older call left would be taken for this one's */
    errno = 0;
    return len < INT_MAX ? (int)len : INT_MAX;
}

ssize_t tls_read(struct tls *tls, void *out, size_t room)
{
    return result(tls, SSL_read(tls->ssl, out, at_most(room)));
}

ssize_t tls_write(struct tls *tls, const void *bytes, size_t len)
{
    return result(tls, SSL_write(tls->ssl, bytes, at_most(len)));
}

bool tls_is_hungry(const struct tls *tls)
{
    return tls->is_hungry;
}

bool tls_has_more(const struct tls *tls)
{
    return SSL_pending(tls->ssl) > 0;
}
