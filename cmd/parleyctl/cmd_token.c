/* cmd_token.c - parleyctl token, token check.
 *
 * A file of ids is checked as a whole before the first token is made. Signing is nine tenths of the
 * work (0.6 ms with RSA 2048), so blocks of lines are signed by a thread a core; the output keeps
 * the order of the input.
 */
#include <pthread.h>
#include <unistd.h>

#include "adapters/auth/jwt_claims.h"
#include "adapters/auth/jwt_keys.h"
#include "adapters/auth/jwt_signer.h"
#include "adapters/auth/jwt_verifier.h"
#include "ctl_keys.h"
#include "domain/id.h"

enum {
    TOKEN_BYTES_MAX = 8192,
    BLOCK_LINES = 2048,
    THREADS_MAX = 16,
};

struct order {
    struct jwt_grant grant; /* of every token of this run, but for user and name */
    struct jwt_signer *signer;
    bool is_json;
};

static enum rc sign(const struct order *order, struct bytes user, struct bytes name,
                    struct buf *out)
{
    struct jwt_grant grant = order->grant;

    grant.user_id = user;
    grant.name = name;
    return jwt_signer_sign(order->signer, &grant, out);
}

static int token_one(const struct order *order, const char *user, const char *name)
{
    SCOPED_BUF(token, TOKEN_BYTES_MAX);
    SCOPED_BUF(text, 2 * TOKEN_BYTES_MAX);
    enum rc rc = sign(order, bytes_of(user), bytes_of(name), &token);

    if (rc == RC_INVALID)
        return ctl_usage("--user takes 1 to 64 characters of A-Z a-z 0-9 _ -, --session the same");
    if (rc != RC_OK)
        return ctl_fail("%s", rc_name(rc));
    if (order->is_json) {
        buf_add_format(&text, "{\"user\":\"%s\",\"token\":\"%.*s\",\"expiresAt\":%lld}\n", user,
                       BYTES_ARG(buf_bytes(&token)),
                       (long long)(order->grant.issued_s + order->grant.ttl_s));
    } else {
        buf_add(&text, buf_bytes(&token));
        buf_add_byte(&text, '\n');
    }
    return ctl_print(&text);
}

struct line {
    struct bytes user;
    struct bytes name;
};

static bool next_line(struct bytes *rest, int *number, struct line *out)
{
    struct bytes line;
    const uint8_t *tab;

    if (!ctl_next_line(rest, number, &line))
        return false;
    tab = memchr(line.ptr, '\t', line.len);
    out->user = tab ? bytes_make(line.ptr, (size_t)(tab - line.ptr)) : line;
    out->name = tab ? bytes_make(tab + 1, line.len - out->user.len - 1) : (struct bytes){ NULL, 0 };
    return true;
}

static int check_lines(struct bytes text, const char *path)
{
    struct line line;
    struct id id;
    int number = 0;

    while (next_line(&text, &number, &line))
        if (!id_read(line.user, &id) || !ctl_is_user_name(line.name))
            return ctl_fail("%s:%d: give an id of 1 to 64 characters of A-Z a-z 0-9 _ -, and after "
                            "a TAB, if you like, a name: " CTL_USER_NAME,
                            path, number);
    return CTL_OK;
}

/* One thread's share of a block: the lines first, first + step, ... */
struct share {
    pthread_t thread;
    const struct order *order;
    const struct line *lines;
    struct buf *texts; /* one a line */
    size_t first;
    size_t step;
    size_t count;
    enum rc rc;
};

static void *sign_share(void *closure)
{
    struct share *share = closure;

    for (size_t i = share->first; i < share->count && share->rc == RC_OK; i += share->step) {
        struct buf *out = &share->texts[i];
        const struct line *line = &share->lines[i];
        bool is_json = share->order->is_json;
        buf_add_text(out, is_json ? "{\"user\":\"" : "");
        buf_add(out, line->user);
        buf_add_text(out, is_json ? "\",\"token\":\"" : "\t");
        share->rc = sign(share->order, line->user, line->name, out);
        buf_add_text(out, is_json ? "\"}\n" : "\n");
        if (share->rc == RC_OK && out->has_failed)
            share->rc = RC_NOMEM;
    }
    return NULL;
}

static enum rc sign_block(const struct order *order, const struct line *lines, size_t count,
                          struct buf *texts)
{
    struct share shares[THREADS_MAX];
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    size_t threads = cores < 1 ? 1 : cores > THREADS_MAX ? THREADS_MAX : (size_t)cores;
    size_t started = 1;
    enum rc rc = RC_OK;

    for (size_t i = 0; i < threads; i++)
        shares[i] = (struct share){ .order = order,
                                    .lines = lines,
                                    .texts = texts,
                                    .first = i,
                                    .step = threads,
                                    .count = count };
    while (started < threads &&
           pthread_create(&shares[started].thread, NULL, sign_share, &shares[started]) == 0)
        started++;
    (void)sign_share(&shares[0]);
    for (size_t i = started; i < threads; i++)
        (void)sign_share(&shares[i]); /* no thread to be had: do it here */
    for (size_t i = 1; i < started; i++)
        (void)pthread_join(shares[i].thread, NULL);
    for (size_t i = 0; i < threads && rc == RC_OK; i++)
        rc = shares[i].rc;
    return rc;
}

static int write_block(struct buf *texts, size_t count)
{
    bool is_written = true;

    for (size_t i = 0; i < count; i++) {
        is_written = is_written && fwrite(texts[i].ptr, 1, texts[i].len, stdout) == texts[i].len;
        buf_fini(&texts[i]);
    }
    return is_written ? CTL_OK : ctl_fail("can't write to standard output");
}

static int token_lines(const struct order *order, struct bytes text, const char *path)
{
    struct line *lines = calloc(BLOCK_LINES, sizeof *lines);
    struct buf *texts = calloc(BLOCK_LINES, sizeof *texts);
    int number = 0;
    int code = lines && texts ? CTL_OK : ctl_fail("out of memory");
    size_t count = 1;

    while (code == CTL_OK && count > 0) {
        enum rc rc;
        for (count = 0; count < BLOCK_LINES && next_line(&text, &number, &lines[count]); count++)
            buf_init(&texts[count], TOKEN_BYTES_MAX);
        rc = sign_block(order, lines, count, texts);
        code = rc == RC_OK ? CTL_OK
                           : ctl_fail("%s: a name before line %d isn't one", path, number + 1);
        if (code == CTL_OK)
            code = write_block(texts, count);
    }
    free(lines);
    free(texts);
    if (code == CTL_OK && fflush(stdout) != 0)
        code = ctl_fail("can't write to standard output");
    return code;
}

static int token_file(const struct order *order, const char *path)
{
    SCOPED_BUF(text, CTL_FILE_BYTES_MAX);
    int code = ctl_read_file(path, &text) ? check_lines(buf_bytes(&text), path) : CTL_FAILED;

    return code == CTL_OK ? token_lines(order, buf_bytes(&text), path) : code;
}

int cmd_token(const struct ctl *ctl, int argc, char **argv)
{
    const struct config *config = ctl->config;
    const char *user = NULL;
    const char *name = "";
    const char *role = NULL;
    const char *session = "";
    const char *ttl = "1h";
    const char *file = NULL;
    const struct ctl_option options[] = {
        { "user", &user, NULL },       { "name", &name, NULL }, { "role", &role, NULL },
        { "session", &session, NULL }, { "ttl", &ttl, NULL },   { "from-file", &file, NULL },
    };
    struct order order = { .is_json = ctl->is_json };
    enum rc rc;
    int code;

    if (!ctl_options(options, COUNT_OF(options), &argc, argv))
        return CTL_USAGE;
    if (argc > 1 || !user == !file)
        return ctl_usage("token: give either --user ID or --from-file FILE");
    if (!ctl_is_user_name(bytes_of(name)))
        return ctl_usage("--name takes " CTL_USER_NAME);
    if (role && !user_roles_read(bytes_of(role), &order.grant.roles))
        return ctl_usage("--role takes user, moderator, admin, service, separated by commas");
    if (!ctl_read_span(ttl, &order.grant.ttl_s))
        return ctl_usage("--ttl takes a span of time: 90s, 15m, 1h, 30d");
    order.grant.session_id = bytes_of(session);
    order.grant.issued_s = clock_wall_us(clock_system()) / 1000000;
    rc = jwt_keys_ensure(config->auth.keys_dir, ctl_algorithm(config), NULL);
    if (rc == RC_OK)
        rc = jwt_signer_create(config->auth.keys_dir, ctl_algorithm(config), config->auth.issuer,
                               config->auth.audience, &order.signer);
    if (rc != RC_OK)
        return ctl_fail_keys(config, rc);
    code = user ? token_one(&order, user, name) : token_file(&order, file);
    jwt_signer_destroy(order.signer);
    return code;
}

static void add_identity(const struct identity *identity, bool is_json, struct buf *out)
{
    if (is_json) {
        buf_add_format(out, "{\"ok\":true,\"user\":\"%s\",\"session\":\"%s\",\"expiresAt\":%lld,",
                       identity->user.text, identity->session.text, (long long)identity->expires_s);
        buf_add_text(out, "\"name\":");
        buf_add_json_string(out, bytes_of(identity->name));
        buf_add_text(out, ",\"roles\":");
    } else {
        buf_add_format(out,
                       "ok user=%s session=%s expires=%lld name=\"%s\" roles=", identity->user.text,
                       identity->session.text, (long long)identity->expires_s, identity->name);
    }
    user_roles_write(out, identity->roles, is_json);
    buf_add_text(out, is_json ? "}\n" : "\n");
}

/* Returns whether the token is good. */
static bool check_one(struct jwt_verifier *verifier, struct bytes token, bool is_json,
                      struct buf *out)
{
    struct identity identity;
    int64_t now_s = clock_wall_us(clock_system()) / 1000000;
    enum token_error error = token_verify(jwt_verifier_port(verifier), token, now_s, &identity);

    if (error == TOKEN_OK)
        add_identity(&identity, is_json, out);
    else
        buf_add_format(out,
                       is_json ? "{\"ok\":false,\"error\":\"%s\",\"reason\":\"%s\"}\n" : "%s: %s\n",
                       token_error_name(error), jwt_verifier_reason(verifier));
    return error == TOKEN_OK;
}

static int check_all(struct jwt_verifier *verifier, const char *token, const char *path,
                     bool is_json)
{
    SCOPED_BUF(text, CTL_FILE_BYTES_MAX);
    SCOPED_BUF(out, CTL_FILE_BYTES_MAX);
    struct bytes rest = bytes_of(token);
    struct bytes line;
    int number = 0;
    bool are_good = true;
    int code;

    if (path && !ctl_read_file(path, &text))
        return CTL_FAILED;
    if (path)
        rest = buf_bytes(&text);
    while (ctl_next_line(&rest, &number, &line))
        are_good = check_one(verifier, line, is_json, &out) && are_good;
    code = ctl_print(&out);
    return code == CTL_OK && !are_good ? CTL_FAILED : code;
}

/* What a gateway would say of it: the same code reads the token. */
int cmd_token_check(const struct ctl *ctl, int argc, char **argv)
{
    const struct config *config = ctl->config;
    const struct jwt_verifier_options settings = { .keys_dir = config->auth.keys_dir,
                                                   .jwks_file = config->auth.jwks_file,
                                                   .issuer = config->auth.issuer,
                                                   .audience = config->auth.audience,
                                                   .algorithm = ctl_algorithm(config),
                                                   .leeway_s = config->auth.leeway_s };
    const char *file = NULL;
    const struct ctl_option options[] = { { "from-file", &file, NULL } };
    struct jwt_keys_error error = { "out of memory" };
    struct jwt_verifier *verifier = NULL;
    int code;

    if (!ctl_options(options, COUNT_OF(options), &argc, argv))
        return CTL_USAGE;
    if (argc != (file ? 1 : 2))
        return ctl_usage("token check: give one token, or --from-file FILE");
    if (jwt_verifier_create(&settings, &verifier, &error) != RC_OK)
        return ctl_fail("%s", error.text);
    code = check_all(verifier, argv[1], file, ctl->is_json);
    jwt_verifier_destroy(verifier);
    return code;
}
