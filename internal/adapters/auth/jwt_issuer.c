#include "adapters/auth/jwt_issuer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "adapters/auth/jwt_keys.h"
#include "adapters/auth/jwt_signer.h"

/* Signing goes on with the old signer while a new one takes its place. */
struct held_signer {
    struct jwt_signer *signer;
    atomic_uint refs;
};

struct jwt_issuer {
    char *keys_dir;
    char *issuer;
    char *audience;
    enum jws_algorithm algorithm;
    struct jwt_keys_stamp stamp;
    pthread_mutex_t lock;
    struct held_signer *held; /* under lock; NULL: there is no key */
};

static void unref(struct held_signer *held)
{
    if (!held || atomic_fetch_sub(&held->refs, 1) != 1)
        return;
    jwt_signer_destroy(held->signer);
    free(held);
}

static struct held_signer *hold(struct jwt_issuer *issuer)
{
    struct held_signer *held;

    pthread_mutex_lock(&issuer->lock);
    held = issuer->held;
    if (held)
        atomic_fetch_add(&held->refs, 1);
    pthread_mutex_unlock(&issuer->lock);
    return held;
}

static void put_signer(struct jwt_issuer *issuer, struct held_signer *held)
{
    struct held_signer *old;

    pthread_mutex_lock(&issuer->lock);
    old = issuer->held;
    issuer->held = held;
    pthread_mutex_unlock(&issuer->lock);
    unref(old);
}

enum rc jwt_issuer_rescan(struct jwt_issuer *issuer)
{
    struct jwt_keys_stamp stamp;
    struct held_signer *held;
    enum rc rc;

    TRY(jwt_keys_stamp(issuer->keys_dir, "", &stamp));
    if (issuer->held && memcmp(&stamp, &issuer->stamp, sizeof stamp) == 0)
        return RC_OK;
    held = calloc(1, sizeof *held);
    if (!held)
        return RC_NOMEM;
    atomic_store(&held->refs, 1);
    rc = jwt_signer_create(issuer->keys_dir, issuer->algorithm, issuer->issuer, issuer->audience,
                           &held->signer);
    if (rc != RC_OK) {
        unref(held);
        return rc;
    }
    issuer->stamp = stamp;
    put_signer(issuer, held);
    return RC_OK;
}

static enum rc issue(void *self, const struct access_claims *claims, struct buf *out)
{
    const struct jwt_grant grant = {
        .user_id = id_bytes(&claims->user),
        .session_id = id_bytes(&claims->session),
        .name = claims->name,
        .roles = claims->roles,
        .issued_s = claims->issued_s,
        .ttl_s = claims->expires_s - claims->issued_s,
    };
    struct held_signer *held;
    enum rc rc;

    if (grant.ttl_s <= 0)
        return RC_INVALID;
    held = hold(self);
    if (!held)
        return RC_UNAVAILABLE;
    rc = jwt_signer_sign(held->signer, &grant, out);
    unref(held);
    return rc;
}

enum rc jwt_issuer_create(const char *keys_dir, enum jws_algorithm algorithm, const char *issuer,
                          const char *audience, struct jwt_issuer **out_issuer)
{
    struct jwt_issuer *made = calloc(1, sizeof *made);
    enum rc rc;

    if (!made)
        return RC_NOMEM;
    pthread_mutex_init(&made->lock, NULL);
    made->keys_dir = strdup(keys_dir);
    made->issuer = strdup(issuer);
    made->audience = strdup(audience);
    made->algorithm = algorithm;
    rc = made->keys_dir && made->issuer && made->audience ? jwt_issuer_rescan(made) : RC_NOMEM;
    if (rc == RC_NOMEM) {
        jwt_issuer_destroy(made);
        return rc;
    }
    *out_issuer = made; /* a folder without a key may get one */
    return RC_OK;
}

void jwt_issuer_destroy(struct jwt_issuer *issuer)
{
    if (!issuer)
        return;
    unref(issuer->held);
    pthread_mutex_destroy(&issuer->lock);
    free(issuer->keys_dir);
    free(issuer->issuer);
    free(issuer->audience);
    free(issuer);
}

struct token_issuer jwt_issuer_port(struct jwt_issuer *issuer)
{
    return (struct token_issuer){ .self = issuer, .issue = issue };
}
