/* tls.h - the client's half of TLS over a socket that doesn't block.
 *
 * The certificate must be of an authority that the system knows, or of one in the file that
 * $SSL_CERT_FILE names (as `. .parley/env` has it), and name the host. One that isn't ends the
 * program with the reason: trying again would not help.
 */
#ifndef BENCH_TLS_H
#define BENCH_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct tls;

/* Begins on a socket that connects or is connected; the handshake goes with the first calls.
 *   host  a name or an IPv4 address
 *   returns  the caller's, for tls_free; the socket stays the caller's, too */
struct tls *tls_begin(int fd, const char *host);
void tls_free(struct tls *tls); /* NULL is fine */

/* As recv and send: -1 with EAGAIN when the socket must be ready first. After it, is_hungry says
 * whether that is for reading, whichever of the two was called. */
ssize_t tls_read(struct tls *tls, void *out, size_t room);
ssize_t tls_write(struct tls *tls, const void *bytes, size_t len);
bool tls_is_hungry(const struct tls *tls);

/* Whether there is more to read that the socket doesn't show. */
bool tls_has_more(const struct tls *tls);

#endif
