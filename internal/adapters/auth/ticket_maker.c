#include "adapters/auth/ticket_maker.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/encode.h"

enum { KEY_BYTES = 32, SEAL_BYTES = 32, BODY_BYTES_MAX = 1280 };

static const char prefix[] = "v1~";

struct ticket_maker {
    const struct clock_source *clock;
    uint8_t key[KEY_BYTES];
};

/* ---- the key ---- */

static enum rc read_key(const char *path, uint8_t key[KEY_BYTES])
{
    uint8_t bytes[KEY_BYTES + 1];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT ? RC_NOT_FOUND : errno == EACCES ? RC_DENIED : RC_UNAVAILABLE;
    ssize_t len = read(fd, bytes, sizeof bytes);
    (void)close(fd);
    if (len != KEY_BYTES)
        return RC_INVALID;
    memcpy(key, bytes, KEY_BYTES);
    explicit_bzero(bytes, sizeof bytes);
    return RC_OK;
}

/* Written beside and linked, so that of several processes that start at once one makes the key and
 * the others find it whole. */
static enum rc make_key(const char *path)
{
    char beside[PATH_MAX + 32];
    uint8_t key[KEY_BYTES];
    if (getrandom(key, sizeof key, 0) != (ssize_t)sizeof key)
        abort(); /* the kernel's pool is always ready once the machine is up */
    (void)snprintf(beside, sizeof beside, "%s.%d", path, getpid());
    (void)unlink(beside);
    int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return errno == EACCES || errno == EROFS ? RC_DENIED : RC_UNAVAILABLE;
    bool is_written = write(fd, key, sizeof key) == (ssize_t)sizeof key && fsync(fd) == 0;
    explicit_bzero(key, sizeof key);
    (void)close(fd);
    if (is_written && link(beside, path) != 0 && errno != EEXIST)
        is_written = false;
    (void)unlink(beside);
    return is_written ? RC_OK : RC_UNAVAILABLE;
}

static enum rc ensure_key(const char *keys_dir, uint8_t key[KEY_BYTES])
{
    char path[PATH_MAX];
    if ((size_t)snprintf(path, sizeof path, "%s/ticket.key", keys_dir) >= sizeof path)
        return RC_INVALID;
    (void)mkdir(keys_dir, 0700); /* the file tells */
    enum rc rc = read_key(path, key);
    if (rc != RC_NOT_FOUND)
        return rc;
    TRY(make_key(path));
    return read_key(path, key);
}

/* ---- tickets ---- */

static enum rc seal(const struct ticket_maker *maker, struct bytes text, uint8_t out[SEAL_BYTES])
{
    unsigned len = 0;
    return HMAC(EVP_sha256(), maker->key, KEY_BYTES, text.ptr, text.len, out, &len) &&
                   len == SEAL_BYTES
               ? RC_OK
               : RC_NOMEM;
}

static void write_body(struct buf *out, const struct identity *who, const struct id *ticket,
                       int64_t expires_s)
{
    buf_add_format(out, "{\"id\":\"%s\",\"until\":%lld,\"user\":\"%s\",\"session\":\"%s\"",
                   ticket->text, (long long)expires_s, who->user.text, who->session.text);
    buf_add_format(out, ",\"roles\":%u,\"issued\":%lld,\"expires\":%lld,\"name\":", who->roles,
                   (long long)who->issued_s, (long long)who->expires_s);
    buf_add_json_string(out, bytes_of(who->name));
    buf_add_byte(out, '}');
}

static void add_base64(struct buf *out, struct bytes raw)
{
    char text[B64URL_CHARS(BODY_BYTES_MAX) + 1];
    buf_add(out, bytes_make(text, b64url_write(raw, text)));
}

static enum rc issue(void *self, const struct identity *identity, int64_t now_s, struct buf *out,
                     int64_t *out_expires_s)
{
    const struct ticket_maker *maker = self;
    struct id ticket = id_make(maker->clock);
    uint8_t sealed[SEAL_BYTES];
    SCOPED_BUF(body, BODY_BYTES_MAX);
    SCOPED_BUF(text, TICKET_BYTES_MAX);
    write_body(&body, identity, &ticket, now_s + TICKET_S);
    if (body.has_failed)
        return RC_NOMEM;
    buf_add_text(&text, prefix);
    add_base64(&text, buf_bytes(&body));
    TRY(seal(maker, buf_bytes(&text), sealed));
    buf_add_byte(&text, '~');
    add_base64(&text, bytes_make(sealed, sizeof sealed));
    buf_add(out, buf_bytes(&text));
    if (text.has_failed || out->has_failed)
        return RC_NOMEM;
    *out_expires_s = now_s + TICKET_S;
    return RC_OK;
}

static bool read_id(const json_t *root, const char *key, struct id *out)
{
    return id_read(bytes_of(json_string_value(json_object_get(root, key))), out);
}

static int64_t number_of(const json_t *root, const char *key)
{
    return json_integer_value(json_object_get(root, key));
}

/* What we have sealed is well formed; a newer version's may lack something. */
static bool read_body(struct bytes json, struct identity *who, struct id *ticket, int64_t *until_s)
{
    json_t *root = json_loadb((const char *)json.ptr, json.len, JSON_REJECT_DUPLICATES, NULL);
    const char *name = json_string_value(json_object_get(root, "name"));
    bool is_whole = name && strlen(name) <= IDENTITY_NAME_BYTES && read_id(root, "id", ticket) &&
                    read_id(root, "user", &who->user) && read_id(root, "session", &who->session);
    if (is_whole) {
        (void)snprintf(who->name, sizeof who->name, "%s", name);
        who->roles = (unsigned)number_of(root, "roles");
        who->issued_s = number_of(root, "issued");
        who->expires_s = number_of(root, "expires");
        *until_s = number_of(root, "until");
    }
    json_decref(root);
    return is_whole;
}

/* The body's bytes if the seal is ours; len 0 otherwise. */
static struct bytes open_ticket(const struct ticket_maker *maker, struct bytes ticket,
                                uint8_t room[TICKET_BYTES_MAX])
{
    const struct bytes none = { NULL, 0 };
    uint8_t wanted[SEAL_BYTES], given[TICKET_BYTES_MAX];
    size_t start = sizeof prefix - 1, len = 0;
    if (ticket.len <= start || ticket.len > TICKET_BYTES_MAX || !bytes_starts(ticket, prefix))
        return none;
    const uint8_t *mark = memchr(ticket.ptr + start, '~', ticket.len - start);
    size_t body_end = mark ? (size_t)(mark - ticket.ptr) : ticket.len;
    if (!mark || !b64url_read(bytes_make(mark + 1, ticket.len - body_end - 1), given, &len) ||
        seal(maker, bytes_make(ticket.ptr, body_end), wanted) != RC_OK ||
        !bytes_equal_secret(bytes_make(wanted, SEAL_BYTES), bytes_make(given, len)) ||
        !b64url_read(bytes_make(ticket.ptr + start, body_end - start), room, &len))
        return none;
    return bytes_make(room, len);
}

static enum token_error read_ticket(void *self, struct bytes ticket, int64_t now_s,
                                    struct identity *out_identity, struct id *out_ticket)
{
    uint8_t room[TICKET_BYTES_MAX];
    struct identity who = { .roles = 0 };
    struct id id;
    int64_t until_s = 0;
    struct bytes body = open_ticket(self, ticket, room);
    if (body.len == 0 || !read_body(body, &who, &id, &until_s))
        return TOKEN_INVALID;
    if (now_s >= until_s || now_s >= who.expires_s)
        return TOKEN_EXPIRED;
    *out_identity = who;
    *out_ticket = id;
    return TOKEN_OK;
}

enum rc ticket_maker_create(const char *keys_dir, const struct clock_source *clock,
                            struct ticket_maker **out_maker)
{
    struct ticket_maker *maker = calloc(1, sizeof *maker);
    if (!maker)
        return RC_NOMEM;
    maker->clock = clock;
    enum rc rc = ensure_key(keys_dir, maker->key);
    if (rc != RC_OK) {
        ticket_maker_destroy(maker);
        return rc;
    }
    *out_maker = maker;
    return RC_OK;
}

void ticket_maker_destroy(struct ticket_maker *maker)
{
    if (!maker)
        return;
    explicit_bzero(maker->key, sizeof maker->key);
    free(maker);
}

struct ticket_book ticket_maker_port(struct ticket_maker *maker)
{
    return (struct ticket_book){ .self = maker, .issue = issue, .read = read_ticket };
}
