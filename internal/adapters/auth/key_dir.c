#include "adapters/auth/key_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sys/file.h>
#include <unistd.h>

#include "adapters/auth/jwt_claims.h"
#include "base/encode.h"

static const char name_prefix[] = "jwt-";
static const char name_suffix[] = ".pem";

static bool read_kid(const char *name, char out_kid[65])
{
    size_t len = strlen(name);
    size_t around = sizeof name_prefix - 1 + sizeof name_suffix - 1;
    struct bytes kid;

    if (len <= around || strncmp(name, name_prefix, sizeof name_prefix - 1) != 0 ||
        strcmp(name + len - (sizeof name_suffix - 1), name_suffix) != 0)
        return false;
    kid = bytes_make(name + sizeof name_prefix - 1, len - around);
    if (!jwt_kid_is_right(kid))
        return false;
    memcpy(out_kid, kid.ptr, kid.len);
    out_kid[kid.len] = 0;
    return true;
}

static int by_kid(const void *a, const void *b)
{
    return strcmp(((const struct key_file *)a)->kid, ((const struct key_file *)b)->kid);
}

enum rc key_dir_list(const char *keys_dir, struct key_file *out_files, size_t *out_count)
{
    DIR *dir = opendir(keys_dir);
    struct dirent *entry;
    size_t count = 0;

    if (!dir && errno != ENOENT)
        return RC_DENIED;
    while (dir && (entry = readdir(dir))) {
        struct key_file file;
        if (!read_kid(entry->d_name, file.kid) ||
            fstatat(dirfd(dir), entry->d_name, &file.stat, 0) != 0 || !S_ISREG(file.stat.st_mode))
            continue;
        if (count == JWT_KEYS_MAX) {
            (void)closedir(dir);
            return RC_FULL;
        }
        out_files[count++] = file;
    }
    if (dir)
        (void)closedir(dir);
    qsort(out_files, count, sizeof *out_files, by_kid);
    *out_count = count;
    return RC_OK;
}

enum rc key_file_read(const char *path, char **out_text, size_t *out_len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat stat;
    char *text;
    ssize_t len;

    if (fd < 0)
        return RC_NOT_FOUND;
    if (fstat(fd, &stat) != 0 || !S_ISREG(stat.st_mode) || stat.st_size > JWT_KEY_FILE_BYTES_MAX) {
        (void)close(fd);
        return RC_INVALID;
    }
    text = malloc((size_t)stat.st_size + 1);
    len = text ? read(fd, text, (size_t)stat.st_size) : -1;
    (void)close(fd);
    if (len < 0) {
        free(text);
        return text ? RC_INVALID : RC_NOMEM;
    }
    text[len] = 0;
    *out_text = text;
    *out_len = (size_t)len;
    return RC_OK;
}

/* OpenSSL would ask on the terminal for the passphrase of an encrypted key. */
static int no_passphrase(char *text, int size, int is_writing, void *closure)
{
    (void)text, (void)size, (void)is_writing, (void)closure;
    return -1;
}

EVP_PKEY *key_read_pem(const char *text, size_t len, bool *out_is_private)
{
    BIO *bio = BIO_new_mem_buf(text, (int)len);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;

    *out_is_private = key != NULL;
    BIO_free(bio);
    if (key)
        return key;
    bio = BIO_new_mem_buf(text, (int)len);
    key = bio ? PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL) : NULL;
    BIO_free(bio);
    return key;
}

static EVP_PKEY *load_private(const char *keys_dir, const char *kid, enum jws_algorithm algorithm)
{
    char path[PATH_MAX];
    char *text = NULL;
    size_t len = 0;
    bool is_private = false;
    EVP_PKEY *key;

    (void)snprintf(path, sizeof path, "%s/jwt-%s.pem", keys_dir, kid);
    if (key_file_read(path, &text, &len) != RC_OK)
        return NULL;
    key = key_read_pem(text, len, &is_private);
    explicit_bzero(text, len);
    free(text);
    if (key && is_private && jws_key_fits(key, algorithm))
        return key;
    EVP_PKEY_free(key);
    return NULL;
}

static bool is_newer(const struct stat *a, const struct stat *b)
{
    return a->st_mtim.tv_sec != b->st_mtim.tv_sec ? a->st_mtim.tv_sec > b->st_mtim.tv_sec
                                                  : a->st_mtim.tv_nsec > b->st_mtim.tv_nsec;
}

enum rc jwt_keys_newest_private(const char *keys_dir, enum jws_algorithm algorithm,
                                EVP_PKEY **out_key, char out_kid[65])
{
    struct key_file *files = calloc(JWT_KEYS_MAX, sizeof *files);
    const struct key_file *newest = NULL;
    EVP_PKEY *best = NULL;
    size_t count = 0;
    enum rc rc = files ? key_dir_list(keys_dir, files, &count) : RC_NOMEM;

    for (size_t i = 0; rc == RC_OK && i < count; i++) {
        EVP_PKEY *key;
        if (newest && !is_newer(&files[i].stat, &newest->stat))
            continue;
        key = load_private(keys_dir, files[i].kid, algorithm);
        if (!key)
            continue;
        EVP_PKEY_free(best);
        best = key;
        newest = &files[i];
    }
    if (best) {
        (void)snprintf(out_kid, 65, "%s", newest->kid);
        *out_key = best;
    }
    free(files);
    return rc != RC_OK ? rc : best ? RC_OK : RC_NOT_FOUND;
}

static EVP_PKEY *generate(enum jws_algorithm algorithm)
{
    return algorithm == JWS_RS256 ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
}

/* The kid says what key it is: the start of the hash of its public half. */
static enum rc name_key(EVP_PKEY *key, char out_kid[65])
{
    unsigned char *der = NULL;
    uint8_t hash[32];
    int len = i2d_PUBKEY(key, &der);
    enum rc rc = len > 0 ? jws_hash(bytes_make(der, (size_t)len), hash) : RC_NOMEM;

    OPENSSL_free(der);
    if (rc == RC_OK)
        (void)b64url_write(bytes_make(hash, 12), out_kid);
    return rc;
}

static enum rc rc_of_errno(void)
{
    return errno == EACCES || errno == EPERM || errno == EROFS ? RC_DENIED : RC_UNAVAILABLE;
}

static enum rc write_key(const char *path, EVP_PKEY *key)
{
    char temporary[PATH_MAX + 16];
    FILE *file;
    int fd;
    bool is_written;

    (void)snprintf(temporary, sizeof temporary, "%s.new", path);
    (void)unlink(temporary); /* left by a crash; the lock is ours */
    fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return rc_of_errno();
    file = fdopen(fd, "w");
    if (!file) {
        (void)close(fd);
        return RC_NOMEM;
    }
    is_written = PEM_write_PKCS8PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1 &&
                 fflush(file) == 0 && fsync(fd) == 0;
    is_written = fclose(file) == 0 && is_written;
    if (is_written && rename(temporary, path) == 0)
        return RC_OK;
    (void)unlink(temporary);
    return rc_of_errno();
}

static enum rc add_locked(const char *keys_dir, enum jws_algorithm algorithm, char out_kid[65])
{
    char path[PATH_MAX];
    char kid[65];
    EVP_PKEY *key = generate(algorithm);
    enum rc rc = key ? name_key(key, kid) : RC_NOMEM;

    if (rc == RC_OK) {
        (void)snprintf(path, sizeof path, "%s/jwt-%s.pem", keys_dir, kid);
        rc = write_key(path, key);
    }
    EVP_PKEY_free(key);
    if (rc == RC_OK && out_kid)
        (void)snprintf(out_kid, 65, "%s", kid);
    return rc;
}

/* Makes the folder, its parents too, and takes its lock; closing *out_fd gives it back. */
static enum rc lock_dir(const char *keys_dir, int *out_fd)
{
    char path[PATH_MAX];
    int fd;

    if ((size_t)snprintf(path, sizeof path, "%s", keys_dir) >= sizeof path - 8)
        return RC_INVALID;
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        (void)mkdir(path, 0755); /* the last mkdir tells */
        *slash = '/';
    }
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return rc_of_errno();
    memcpy(path + strlen(path), "/.lock", sizeof "/.lock");
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return rc_of_errno();
    if (flock(fd, LOCK_EX) != 0) {
        (void)close(fd);
        return RC_UNAVAILABLE;
    }
    *out_fd = fd;
    return RC_OK;
}

enum rc jwt_keys_add(const char *keys_dir, enum jws_algorithm algorithm, char out_kid[65])
{
    int lock = -1;
    enum rc rc;

    TRY(lock_dir(keys_dir, &lock));
    rc = add_locked(keys_dir, algorithm, out_kid);
    (void)close(lock);
    return rc;
}

enum rc jwt_keys_ensure(const char *keys_dir, enum jws_algorithm algorithm, bool *out_is_new)
{
    char kid[65];
    EVP_PKEY *key = NULL;
    int lock = -1;
    bool is_new = false;
    enum rc rc = jwt_keys_newest_private(keys_dir, algorithm, &key, kid);

    if (rc == RC_NOT_FOUND) {
        TRY(lock_dir(keys_dir, &lock));
        rc = jwt_keys_newest_private(keys_dir, algorithm, &key, kid); /* another was quicker? */
        is_new = rc == RC_NOT_FOUND;
        if (is_new)
            rc = add_locked(keys_dir, algorithm, NULL);
        (void)close(lock);
    }
    EVP_PKEY_free(key);
    if (rc == RC_OK && out_is_new)
        *out_is_new = is_new;
    return rc;
}

static int by_age(const void *left, const void *right)
{
    const struct key_file *a = left, *b = right;

    return is_newer(&a->stat, &b->stat) ? 1 : is_newer(&b->stat, &a->stat) ? -1 : 0;
}

/* The private ones that fit, the oldest first. */
static size_t keep_private(const char *keys_dir, enum jws_algorithm algorithm,
                           struct key_file *files, size_t count)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        EVP_PKEY *key = load_private(keys_dir, files[i].kid, algorithm);
        if (key)
            files[kept++] = files[i];
        EVP_PKEY_free(key);
    }
    qsort(files, kept, sizeof *files, by_age);
    return kept;
}

static enum rc retire_locked(const char *keys_dir, enum jws_algorithm algorithm, int64_t before_s,
                             void (*each)(void *closure, const char *kid), void *closure)
{
    struct key_file *files = calloc(JWT_KEYS_MAX, sizeof *files);
    char path[PATH_MAX];
    size_t count = 0;
    enum rc rc = files ? key_dir_list(keys_dir, files, &count) : RC_NOMEM;

    count = rc == RC_OK ? keep_private(keys_dir, algorithm, files, count) : 0;
    for (size_t i = 0; rc == RC_OK && i + 1 < count; i++) {
        if (files[i + 1].stat.st_mtim.tv_sec >= before_s)
            break; /* it signed until then, and so did those after it */
        (void)snprintf(path, sizeof path, "%s/jwt-%s.pem", keys_dir, files[i].kid);
        if (unlink(path) != 0)
            rc = rc_of_errno();
        else if (each)
            each(closure, files[i].kid);
    }
    free(files);
    return rc;
}

enum rc jwt_keys_retire(const char *keys_dir, enum jws_algorithm algorithm, int64_t before_s,
                        void (*each)(void *closure, const char *kid), void *closure)
{
    int lock = -1;
    enum rc rc;

    TRY(lock_dir(keys_dir, &lock));
    rc = retire_locked(keys_dir, algorithm, before_s, each, closure);
    (void)close(lock);
    return rc;
}
