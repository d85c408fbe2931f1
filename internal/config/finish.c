/* finish.c - paths, secrets from files, derived values, settings that must agree. */
#include "config/finish.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/table.h"

enum { SECRET_BYTES_MAX = 4096 };

static enum rc __attribute__((format(printf, 3, 4)))
fail(struct config_error *error, enum rc rc, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(error->text, sizeof error->text, format, args);
    va_end(args);
    return rc;
}

static enum rc fail_memory(struct config_error *error)
{
    return fail(error, RC_NOMEM, "out of memory");
}

static char **text_field(struct config *config, const struct config_row *row)
{
    return (char **)(void *)((char *)config + row->offset);
}

/* Takes prefix + path, made absolute from base, in place of the field. */
static enum rc make_absolute(char **field, size_t prefix_len, const char *base,
                             struct config_error *error)
{
    const char *path = *field + prefix_len;
    char *absolute = NULL;

    if (!*path || *path == '/')
        return RC_OK;
    if (strncmp(path, "./", 2) == 0)
        path += 2;
    if (asprintf(&absolute, "%.*s%s/%s", (int)prefix_len, *field, base, path) < 0)
        return fail_memory(error);
    free(*field);
    *field = absolute;
    return RC_OK;
}

static enum rc finish_home(struct config *config, struct config_error *error)
{
    char cwd[PATH_MAX];
    char real[PATH_MAX];
    char *copy;

    if (!*config->server.home)
        return fail(error, RC_INVALID, "server.home (%s): give a folder", config->origins[0].where);
    if (*config->server.home != '/' && !getcwd(cwd, sizeof cwd))
        return fail(error, RC_UNAVAILABLE, "the working folder is gone: %s", strerror(errno));
    TRY(make_absolute(&config->server.home, 0, cwd, error));
    if (!realpath(config->server.home, real))
        return RC_OK; /* not made yet */
    copy = strdup(real);
    if (!copy)
        return fail_memory(error);
    free(config->server.home);
    config->server.home = copy;
    return RC_OK;
}

static enum rc finish_paths(struct config *config, struct config_error *error)
{
    for (size_t i = 1; i < config_row_count; i++) {
        const struct config_row *row = &config_rows[i];
        char **field = text_field(config, row);
        if (row->kind == CONFIG_PATH)
            TRY(make_absolute(field, 0, config->server.home, error));
        if (row->kind == CONFIG_STORE && strncmp(*field, "sqlite:", 7) == 0)
            TRY(make_absolute(field, 7, config->server.home, error));
        if (row->kind == CONFIG_STORE && strncmp(*field, "file:", 5) == 0)
            TRY(make_absolute(field, 5, config->server.home, error));
    }
    return RC_OK;
}

static ssize_t read_small_file(const char *path, char *out, size_t room)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    ssize_t len;

    if (fd < 0)
        return -1;
    len = read(fd, out, room);
    (void)close(fd);
    return len;
}

/* The field holds the path; it gets the content, less the line end that editors leave. */
static enum rc read_secret(struct config *config, const struct config_row *row, const char *where,
                           struct config_error *error)
{
    char **field = text_field(config, row);
    char text[SECRET_BYTES_MAX + 2] = "";
    char why[256];
    ssize_t len;
    enum rc rc;

    TRY(make_absolute(field, 0, config->server.home, error));
    len = read_small_file(*field, text, sizeof text - 1);
    if (len < 0)
        return fail(error, RC_NOT_FOUND, "%s.%s_file = \"%s\" (%s): %s", row->section, row->key,
                    *field, where, strerror(errno));
    if (len > SECRET_BYTES_MAX)
        return fail(error, RC_INVALID, "%s.%s_file (%s): the file has more than %d bytes",
                    row->section, row->key, where, SECRET_BYTES_MAX);
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
        text[--len] = 0;
    rc = strlen(text) == (size_t)len ? config_value_set(config, row, text, why) : RC_INVALID;
    explicit_bzero(text, sizeof text);
    if (rc == RC_INVALID)
        return fail(error, rc, "%s.%s_file (%s): the file must hold one line of text", row->section,
                    row->key, where);
    return rc == RC_OK ? RC_OK : fail_memory(error);
}

static enum rc finish_secrets(struct config *config, struct config_error *error)
{
    for (size_t i = 0; i < config_row_count; i++)
        if (config->origins[i].is_secret_file)
            TRY(read_secret(config, &config_rows[i], config->origins[i].where, error));
    return RC_OK;
}

/* The host's name in the alphabet of names. */
static enum rc finish_instance(struct config *config, struct config_error *error)
{
    char name[65] = "";
    char *copy;

    if (*config->server.instance_id)
        return RC_OK;
    (void)gethostname(name, sizeof name - 1);
    for (char *c = name; *c; c++)
        if (!(*c >= '0' && *c <= '9') && !(*c >= 'a' && *c <= 'z') && !(*c >= 'A' && *c <= 'Z') &&
            *c != '_')
            *c = '-';
    copy = strdup(*name ? name : "parley");
    if (!copy)
        return fail_memory(error);
    free(config->server.instance_id);
    config->server.instance_id = copy;
    return RC_OK;
}

/* PREFIX/share/parley/streams beside PREFIX/bin/parleyd, else CHECKOUT/streams above
 * CHECKOUT/build/PRESET/bin/parleyd. */
static enum rc finish_streams(struct config *config, struct config_error *error)
{
    static const char *const places[] = { "/../share/parley/streams", "/../../../streams" };
    char program[PATH_MAX] = "";
    char path[PATH_MAX + 64];
    char real[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", program, sizeof program - 1);
    char *slash = len > 0 ? strrchr(program, '/') : NULL;

    if (*config->streams.dir || !slash)
        return RC_OK;
    *slash = 0;
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        char *copy;
        (void)snprintf(path, sizeof path, "%s%s", program, places[i]);
        if (!realpath(path, real))
            continue;
        copy = strdup(real);
        if (!copy)
            return fail_memory(error);
        free(config->streams.dir);
        config->streams.dir = copy;
        return RC_OK;
    }
    return RC_OK;
}

const char *config_issuer_section(size_t place)
{
    static const char *const names[CONFIG_ISSUERS] = { "issuer", "issuer2", "issuer3", "issuer4" };

    return names[place];
}

/* Two providers of one name would be one whose tokens two key sets prove. */
static enum rc check_issuer(const struct config *config, size_t place, struct config_error *error)
{
    const struct config_issuer *issuer = &config->issuers[place];
    const char *section = config_issuer_section(place);

    if (*issuer->iss && !*issuer->jwks)
        return fail(error, RC_INVALID, "%s.iss: set %s.jwks too, a URL or a file of keys", section,
                    section);
    if (*issuer->jwks && *issuer->jwks != '/' && strncmp(issuer->jwks, "https://", 8) != 0 &&
        strncmp(issuer->jwks, "http://", 7) != 0)
        return fail(error, RC_INVALID,
                    "%s.jwks = %s: give an https URL, or the absolute path of a file", section,
                    issuer->jwks);
    if (*issuer->iss && strcmp(issuer->iss, config->auth.issuer) == 0)
        return fail(error, RC_INVALID,
                    "%s.iss = %s: give another one than auth.issuer; keys of its own under our "
                    "name belong to auth.jwks_file",
                    section, issuer->iss);
    for (size_t i = 0; i < place; i++)
        if (*issuer->iss && strcmp(issuer->iss, config->issuers[i].iss) == 0)
            return fail(error, RC_INVALID, "%s.iss = %s: %s.iss is the same; each needs its own",
                        section, issuer->iss, config_issuer_section(i));
    return RC_OK;
}

static enum rc check_issuers(const struct config *config, struct config_error *error)
{
    enum rc rc = RC_OK;

    for (size_t i = 0; i < CONFIG_ISSUERS && rc == RC_OK; i++)
        rc = check_issuer(config, i, error);
    return rc;
}

/* localhost stands for one of its addresses, so that the two ways to write it are one. */
static const char *host_of(const struct config_address *address)
{
    return strcmp(address->host, "localhost") == 0 ? "127.0.0.1" : address->host;
}

static bool is_wildcard(const char *host)
{
    return !*host || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

/* Clients and operators have a socket each: on one port the second of them can't be had. */
static enum rc check_listeners(const struct config *config, struct config_error *error)
{
    const struct config_address *clients = &config->gateway.listen, *ops = &config->ops.listen;
    const char *one = host_of(clients), *other = host_of(ops);

    if (!(config->server.roles & CONFIG_ROLE_GATEWAY) || !clients->port ||
        clients->port != ops->port ||
        (strcmp(one, other) != 0 && !is_wildcard(one) && !is_wildcard(other)))
        return RC_OK;
    return fail(error, RC_INVALID,
                "gateway.listen and ops.listen are both on port %u: give one of them another",
                clients->port);
}

static enum rc check_agreement(const struct config *config, struct config_error *error)
{
    if (!*config->tls.cert != !*config->tls.key)
        return fail(error, RC_INVALID, "tls.%s: set tls.cert and tls.key, or neither",
                    *config->tls.cert ? "key" : "cert");
    if (*config->tls.ca_file && access(config->tls.ca_file, R_OK) != 0)
        return fail(error, RC_NOT_FOUND, "tls.ca_file = %s: %s", config->tls.ca_file,
                    strerror(errno));
    if (config->gateway.message_bytes >= config->gateway.frame_bytes)
        return fail(error, RC_INVALID,
                    "gateway.message_bytes = %lld: give less than gateway.frame_bytes (%lld)",
                    (long long)config->gateway.message_bytes,
                    (long long)config->gateway.frame_bytes);
    if (config->gateway.ring_bytes_per_conversation > config->gateway.ring_bytes_total)
        return fail(error, RC_INVALID,
                    "gateway.ring_bytes_per_conversation = %lld: give no more than "
                    "gateway.ring_bytes_total (%lld)",
                    (long long)config->gateway.ring_bytes_per_conversation,
                    (long long)config->gateway.ring_bytes_total);
    if (config->gateway.outbox_bytes <= config->gateway.message_bytes)
        return fail(error, RC_INVALID,
                    "gateway.outbox_bytes = %lld: give more than gateway.message_bytes (%lld)",
                    (long long)config->gateway.outbox_bytes,
                    (long long)config->gateway.message_bytes);
    if (config->mind.nats_servers > 1 && !strstr(config->mind.nats_config, "{n}"))
        return fail(error, RC_INVALID,
                    "mind.nats_config = %s: put {n} where the server's number is, since "
                    "mind.nats_servers is %lld",
                    config->mind.nats_config, (long long)config->mind.nats_servers);
    return RC_OK;
}

enum rc config_finish(struct config *config, struct config_error *error)
{
    TRY(finish_home(config, error));
    TRY(finish_paths(config, error));
    TRY(finish_secrets(config, error));
    TRY(finish_instance(config, error));
    TRY(finish_streams(config, error));
    TRY(check_issuers(config, error));
    TRY(check_listeners(config, error));
    return check_agreement(config, error);
}

void config_destroy(struct config *config)
{
    if (!config)
        return;
    for (size_t i = 0; i < config_row_count; i++) {
        const struct config_row *row = &config_rows[i];
        bool is_text = row->kind <= CONFIG_STORE;
        char *text = is_text ? *text_field(config, row) : NULL;
        if (text && row->is_secret)
            explicit_bzero(text, strlen(text));
        free(text);
    }
    free(config->origins);
    free(config->file);
    free(config->warnings);
    free(config);
}

bool config_address_is_loopback(const struct config_address *address)
{
    return strncmp(address->host, "127.", 4) == 0 || strcmp(address->host, "::1") == 0 ||
           strcmp(address->host, "localhost") == 0;
}

void config_roles_write(unsigned roles, char out[64])
{
    (void)snprintf(out, 64, "%s%s%s", roles & CONFIG_ROLE_GATEWAY ? "gateway" : "",
                   (roles & CONFIG_ROLE_GATEWAY) && (roles & CONFIG_ROLE_PERSISTER) ? "," : "",
                   roles & CONFIG_ROLE_PERSISTER ? "persister" : "");
}
