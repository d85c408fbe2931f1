#include "adapters/auth/jwt_keys.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <sys/stat.h>

#include "adapters/auth/jwks.h"
#include "adapters/auth/key_dir.h"

struct jwt_key {
    char kid[65];
    EVP_PKEY *key;
};

struct jwt_keys {
    enum jws_algorithm algorithm;
    size_t count;
    size_t skipped;
    struct jwt_key items[JWT_KEYS_MAX];
};

static enum rc __attribute__((format(printf, 3, 4)))
fail(struct jwt_keys_error *error, enum rc rc, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(error->text, sizeof error->text, format, args);
    va_end(args);
    return rc;
}

EVP_PKEY *jwt_keys_get(const struct jwt_keys *keys, const char *kid)
{
    for (size_t i = 0; i < keys->count; i++)
        if (strcmp(keys->items[i].kid, kid) == 0)
            return keys->items[i].key;
    return NULL;
}

size_t jwt_keys_count(const struct jwt_keys *keys)
{
    return keys->count;
}

size_t jwt_keys_skipped(const struct jwt_keys *keys)
{
    return keys->skipped;
}

void jwt_keys_destroy(struct jwt_keys *keys)
{
    if (!keys)
        return;
    for (size_t i = 0; i < keys->count; i++)
        EVP_PKEY_free(keys->items[i].key);
    free(keys);
}

/* Takes key. */
static enum rc add_key(void *closure, const char *kid, EVP_PKEY *key)
{
    struct jwt_keys *keys = closure;
    bool is_full = keys->count == JWT_KEYS_MAX;

    if (is_full || jwt_keys_get(keys, kid)) {
        EVP_PKEY_free(key);
        return is_full ? RC_FULL : RC_CONFLICT;
    }
    (void)snprintf(keys->items[keys->count].kid, sizeof keys->items[0].kid, "%s", kid);
    keys->items[keys->count++].key = key;
    return RC_OK;
}

static enum rc load_pem(struct jwt_keys *keys, const char *keys_dir, const char *kid)
{
    char path[PATH_MAX];
    char *text = NULL;
    size_t len = 0;
    bool is_private;
    EVP_PKEY *key = NULL;

    (void)snprintf(path, sizeof path, "%s/jwt-%s.pem", keys_dir, kid);
    if (key_file_read(path, &text, &len) == RC_OK) {
        key = key_read_pem(text, len, &is_private);
        explicit_bzero(text, len);
        free(text);
    }
    if (key && jws_key_fits(key, keys->algorithm))
        return add_key(keys, kid, key);
    EVP_PKEY_free(key);
    keys->skipped++;
    return RC_OK;
}

static enum rc load_dir(struct jwt_keys *keys, const char *keys_dir, struct jwt_keys_error *error)
{
    struct key_file *files = calloc(JWT_KEYS_MAX, sizeof *files);
    size_t count = 0;
    enum rc rc = files ? key_dir_list(keys_dir, files, &count) : RC_NOMEM;

    if (rc == RC_DENIED)
        rc = fail(error, rc, "auth.keys_dir %s: %s", keys_dir, strerror(errno));
    else if (rc == RC_FULL)
        rc = fail(error, rc, "auth.keys_dir %s: more than %d keys", keys_dir, JWT_KEYS_MAX);
    for (size_t i = 0; rc == RC_OK && i < count; i++)
        rc = load_pem(keys, keys_dir, files[i].kid);
    free(files);
    return rc;
}

static enum rc load_jwks(struct jwt_keys *keys, const char *path, struct jwt_keys_error *error)
{
    char *text = NULL;
    size_t len = 0;
    enum rc rc = key_file_read(path, &text, &len);

    if (rc == RC_NOT_FOUND)
        return fail(error, rc, "auth.jwks_file %s: %s", path, strerror(errno));
    if (rc == RC_OK)
        rc = jwks_read(bytes_make(text, len), keys->algorithm, add_key, keys);
    free(text);
    if (rc == RC_INVALID)
        return fail(error, rc,
                    "auth.jwks_file %s: give a JSON Web Key Set, {\"keys\": [...]}, "
                    "of at most 64 KiB",
                    path);
    if (rc == RC_CONFLICT)
        return fail(error, RC_INVALID,
                    "auth.jwks_file %s: a kid is there twice, or also among "
                    "the files of auth.keys_dir",
                    path);
    if (rc == RC_FULL)
        return fail(error, rc, "auth.jwks_file %s: more than %d keys in all", path, JWT_KEYS_MAX);
    return rc;
}

enum rc jwt_keys_load(const char *keys_dir, const char *jwks_file, enum jws_algorithm algorithm,
                      struct jwt_keys **out_keys, struct jwt_keys_error *error)
{
    struct jwt_keys *keys = calloc(1, sizeof *keys);
    enum rc rc = RC_OK;

    if (!keys)
        return fail(error, RC_NOMEM, "out of memory");
    keys->algorithm = algorithm;
    if (*keys_dir)
        rc = load_dir(keys, keys_dir, error);
    if (rc == RC_OK && *jwks_file)
        rc = load_jwks(keys, jwks_file, error);
    ERR_clear_error(); /* what the keys that were passed over left behind */
    if (rc != RC_OK) {
        jwt_keys_destroy(keys);
        return rc;
    }
    *out_keys = keys;
    return RC_OK;
}

static void add_stat(struct buf *out, const char *name, const struct stat *stat)
{
    buf_add_format(out, "%s %llu %lld %lld.%09ld\n", name, (unsigned long long)stat->st_ino,
                   (long long)stat->st_size, (long long)stat->st_mtim.tv_sec,
                   stat->st_mtim.tv_nsec);
}

enum rc jwt_keys_stamp(const char *keys_dir, const char *jwks_file,
                       struct jwt_keys_stamp *out_stamp)
{
    SCOPED_BUF(text, 64 * 1024);
    struct key_file *files = calloc(JWT_KEYS_MAX, sizeof *files);
    struct stat stat_;
    size_t count = 0;
    enum rc rc = files ? RC_OK : RC_NOMEM;

    if (files && *keys_dir && key_dir_list(keys_dir, files, &count) != RC_OK)
        buf_add_text(&text, "unreadable\n");
    for (size_t i = 0; i < count; i++)
        add_stat(&text, files[i].kid, &files[i].stat);
    if (*jwks_file && stat(jwks_file, &stat_) == 0)
        add_stat(&text, "/", &stat_);
    if (rc == RC_OK && !text.has_failed)
        rc = jws_hash(buf_bytes(&text), out_stamp->hash);
    else
        rc = RC_NOMEM;
    free(files);
    return rc;
}

void jwt_keys_write_jwks(const struct jwt_keys *keys, struct buf *out)
{
    buf_add_text(out, "{\"keys\":[");
    for (size_t i = 0; i < keys->count; i++) {
        buf_add_text(out, i ? "," : "");
        jwks_write_key(keys->items[i].key, keys->items[i].kid, keys->algorithm, out);
    }
    buf_add_text(out, "]}");
}

void jwt_keys_write_list(const struct jwt_keys *keys, struct buf *out)
{
    for (size_t i = 0; i < keys->count; i++)
        buf_add_format(out, "%s\t%s\n", keys->items[i].kid, jws_algorithm_name(keys->algorithm));
}
