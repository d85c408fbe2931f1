#include "adapters/auth/foreign_issuer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <unistd.h>

#include "adapters/auth/jwks.h"

struct foreign_issuer {
    struct token_verifier port; /* first: the port's self is this struct */
    struct token_verifier *before;
    struct jwt_verifier *verifier;
    struct jwt_verifier_options options; /* its texts are those below */
    char *issuer, *audience, *jwks_file, *user_prefix;
    bool trusts_roles;
};

/* Without a file there are no keys, so nothing is taken. */
static enum rc open_verifier(struct foreign_issuer *issuer, struct jwt_keys_error *error)
{
    if (issuer->verifier)
        return jwt_verifier_rescan(issuer->verifier, NULL, error);
    if (access(issuer->jwks_file, F_OK) != 0 && errno == ENOENT)
        return RC_OK;
    return jwt_verifier_create(&issuer->options, &issuer->verifier, error);
}

static bool put_prefix(const struct foreign_issuer *issuer, struct id *user)
{
    char text[2 * ID_CHARS_MAX + 1];
    int len = snprintf(text, sizeof text, "%s%s", issuer->user_prefix, user->text);

    return len > 0 && (size_t)len < sizeof text && id_read(bytes_make(text, (size_t)len), user);
}

static enum token_error verify(struct token_verifier *self, struct bytes token, int64_t now_s,
                               struct identity *out_identity)
{
    struct foreign_issuer *issuer = (struct foreign_issuer *)self;
    struct identity identity;
    enum token_error error = token_verify(issuer->before, token, now_s, out_identity);

    if (error != TOKEN_INVALID || !issuer->verifier)
        return error;
    error = token_verify(jwt_verifier_port(issuer->verifier), token, now_s, &identity);
    if (error != TOKEN_OK)
        return error;
    if (!put_prefix(issuer, &identity.user))
        return TOKEN_INVALID;
    if (!issuer->trusts_roles)
        identity.roles = USER_ROLE_USER;
    *out_identity = identity;
    return TOKEN_OK;
}

enum rc foreign_issuer_create(const struct foreign_issuer_options *options,
                              struct foreign_issuer **out_issuer, struct jwt_keys_error *error)
{
    struct foreign_issuer *issuer = calloc(1, sizeof *issuer);
    enum rc rc = RC_NOMEM;

    if (!issuer)
        return RC_NOMEM;
    issuer->port.verify = verify;
    issuer->before = options->before;
    issuer->trusts_roles = options->trusts_roles;
    issuer->issuer = strdup(options->issuer);
    issuer->audience = strdup(options->audience);
    issuer->jwks_file = strdup(options->jwks_file);
    issuer->user_prefix = strdup(options->user_prefix);
    issuer->options = (struct jwt_verifier_options){ .keys_dir = "",
                                                     .jwks_file = issuer->jwks_file,
                                                     .issuer = issuer->issuer,
                                                     .audience = issuer->audience,
                                                     .algorithm = options->algorithm,
                                                     .leeway_s = options->leeway_s };
    if (issuer->issuer && issuer->audience && issuer->jwks_file && issuer->user_prefix)
        rc = open_verifier(issuer, error);
    if (rc != RC_OK) {
        foreign_issuer_destroy(issuer);
        return rc;
    }
    *out_issuer = issuer;
    return RC_OK;
}

void foreign_issuer_destroy(struct foreign_issuer *issuer)
{
    if (!issuer)
        return;
    jwt_verifier_destroy(issuer->verifier);
    free(issuer->issuer);
    free(issuer->audience);
    free(issuer->jwks_file);
    free(issuer->user_prefix);
    free(issuer);
}

struct token_verifier *foreign_issuer_port(struct foreign_issuer *issuer)
{
    return &issuer->port;
}

enum rc foreign_issuer_rescan(struct foreign_issuer *issuer, struct jwt_keys_error *error)
{
    return open_verifier(issuer, error);
}

static enum rc count_key(void *closure, const char *kid, struct evp_pkey_st *key)
{
    size_t *count = closure;

    (void)kid;
    ++*count;
    EVP_PKEY_free(key);
    return RC_OK;
}

bool foreign_issuer_check(struct bytes json, enum jws_algorithm algorithm)
{
    size_t count = 0;

    return jwks_read(json, algorithm, count_key, &count) == RC_OK && count > 0 &&
           count <= JWT_KEYS_MAX;
}

enum rc foreign_issuer_keep(const char *jwks_file, struct bytes json)
{
    char beside[PATH_MAX];
    bool is_kept = false;
    int fd;

    if ((size_t)snprintf(beside, sizeof beside, "%s.%d", jwks_file, getpid()) >= sizeof beside)
        return RC_UNAVAILABLE;
    fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return errno == EACCES || errno == EROFS ? RC_DENIED : RC_UNAVAILABLE;
    is_kept = write(fd, json.ptr, json.len) == (ssize_t)json.len && fsync(fd) == 0;
    is_kept = close(fd) == 0 && is_kept && rename(beside, jwks_file) == 0;
    if (!is_kept)
        (void)unlink(beside);
    return is_kept ? RC_OK : RC_UNAVAILABLE;
}
