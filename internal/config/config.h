/* config.h - every setting of the server, typed.
 *
 * One table (config_table.c) holds each setting's section, key, type, default, limits, unit and
 * help. Parsing, --help, `parleyctl config ...` and docs/CONFIGURATION.md are made from it. Values
 * come from, each over the one before:
 *
 *   1. the default                         3. the environment, PARLEY_<SECTION>_<KEY>
 *   2. the file, [section] key = value     4. flags, --section.key=value and a few short ones
 *
 * A secret may also be named by a file: key `x_file`, or PARLEY_<SECTION>_<X>_FILE; it is never
 * taken from a flag, which every user of the machine could read.
 * An unknown key, a key given twice, a value out of its limits stops the start with a text that
 * names key, file and line and says what would be right.
 *
 * Thread: loaded before threads start, read-only after that.
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include "base/buf.h"
#include "base/bytes.h"
#include "base/log.h"
#include "base/rc.h"

enum config_role {
    CONFIG_ROLE_GATEWAY = 1 << 0,
    CONFIG_ROLE_PERSISTER = 1 << 1,
};

enum config_query_token {
    CONFIG_QUERY_TOKEN_AUTO, /* on where the listener is loopback or TLS */
    CONFIG_QUERY_TOKEN_ON,
    CONFIG_QUERY_TOKEN_OFF,
};

enum config_registration { CONFIG_REGISTRATION_CLOSED, CONFIG_REGISTRATION_OPEN };

enum config_algorithm { CONFIG_RS256, CONFIG_ES256 };

/* Where to listen. */
struct config_address {
    char host[256]; /* a name or an address, IPv6 without brackets; "" is every interface */
    uint16_t port;  /* 0: any free one (tests) */
};

/* One identity provider. */
struct config_issuer {
    char *iss; /* "": this place is free */
    char *audience;
    int algorithm; /* enum config_algorithm */
    char *jwks;    /* an absolute path, or an https URL */
    char *user_prefix;
    int64_t refresh_s;
    bool trusts_roles;
};

enum { CONFIG_ISSUERS = 4 };

/* Texts are never NULL ("" when not set) and belong to the struct; paths are absolute. */
struct config {
    struct {
        char *home;
        unsigned roles; /* enum config_role, or-ed */
        char *instance_id;
        int log_level;  /* enum log_level */
        int log_format; /* enum log_format */
        int64_t drain_seconds;
    } server;
    struct {
        struct config_address listen;
        int query_token;       /* enum config_query_token */
        char *allowed_origins; /* comma-separated, as written */
        int64_t frame_bytes;
        int64_t message_bytes;
        int64_t inflight;
        int64_t outbox_bytes;
        int64_t ring_bytes_per_conversation;
        int64_t ring_bytes_total;
        int64_t connections_max;
        int64_t connections_per_user;
        int64_t connections_per_address_max;
        int64_t heartbeat_ms;
        int64_t pong_ms;
        int64_t slow_close_ms;
        int64_t watch_max;
        int64_t store_workers;
        char *trusted_proxies; /* comma-separated addresses or networks, as written */
    } gateway;
    struct {
        int64_t send_per_s;
        int64_t send_burst;
        int64_t other_per_s;
        int64_t other_burst;
        int64_t network_per_s;
        int64_t network_burst;
    } limits;
    struct {
        struct config_address listen;
    } ops;
    struct {
        char *url;
        char *gateway_user;
        char *gateway_password;
        char *persister_user;
        char *persister_password;
        char *operator_user;
        char *operator_password;
        char *viewer_user;
        char *viewer_password;
        char *monitor_url; /* comma-separated, one a server */
        bool require_sync;
    } nats;
    struct {
        char *url; /* "sqlite:/absolute/path" or "mongodb://..." */
    } store;
    struct {
        char *cert;
        char *key;
        char *ca_file; /* "": the system's */
    } tls;
    struct {
        char *keys_dir;
        char *jwks_file;
        char *issuer;
        char *audience;
        int algorithm; /* enum config_algorithm */
        int64_t leeway_s;
    } auth;
    struct {
        bool enabled;
        int registration; /* enum config_registration */
        int64_t password_chars_min;
        int64_t hash_passes;
        int64_t hash_memory;
        int64_t hash_threads;
        int64_t hash_queue;
        int64_t access_s;
        int64_t refresh_s;
        int64_t session_s;
        int64_t grace_s;
        int64_t sessions_max;
        int64_t reset_s;
        int64_t confirm_s;
    } accounts;
    struct {
        char *url; /* "file:/absolute/folder" or "smtp://..." */
        char *user;
        char *password;
        char *from;
    } mail;
    struct config_issuer issuers[CONFIG_ISSUERS]; /* [issuer], [issuer2], ... */
    struct {
        char *dir;
        int64_t partitions;
        int64_t generation;
        int64_t replicas;
    } streams;
    struct {
        int64_t batch;
        int64_t batch_ms;
    } persister;
    struct {
        char *nats_server;
        char *nats_config; /* {n}: the server's number */
        int64_t nats_servers;
        int64_t gateways;
        bool separate;
        int64_t persisters;
        int64_t log_file_bytes;
    } mind;

    char *file;                    /* the file that was read, "" if none */
    char *warnings;                /* one a line, "" if none: unknown PARLEY_* variables */
    struct config_origin *origins; /* one a row of the table: who set it */
};

enum config_program { CONFIG_PARLEYD = 1, CONFIG_PARLEYCTL = 2, CONFIG_BENCH = 4 };

/* What went wrong, ready to print: 'gateway.listen: "80800" is not ... (parley.ini:12)'. */
struct config_error {
    char text[1024];
};

/* Reads all four sources.
 *   program    whose short flags count (parleyctl has --role for itself)
 *   argc,argv  flags that are settings are taken out; the rest is moved up, argc lowered; argv[0]
 *              stays. A "--" ends the search and stays too. argv ends in NULL.
 *   variables  like environ(7)
 *   out        given to the caller (config_destroy)
 *   errors     RC_INVALID, RC_NOT_FOUND (no such file), RC_NOMEM; out_error says what to put right
 */
MUST_CHECK enum rc config_load(enum config_program program, int *argc, char **argv,
                               char **variables, struct config **out,
                               struct config_error *out_error);

/* The name of an issuer's section: "issuer", "issuer2", ...; static storage. */
const char *config_issuer_section(size_t place);

/* Frees it; secrets are wiped. NULL is fine. */
void config_destroy(struct config *config);

/* Appends what the table says, for people: lines for --help, Markdown for docs/CONFIGURATION.md,
 * a sample parley.ini, and the names of the environment variables. */
void config_write_help(enum config_program program, struct buf *out);
void config_write_markdown(struct buf *out);
void config_write_man(struct buf *out); /* mdoc, parley.ini(5) */
void config_write_sample(struct buf *out);
void config_write_environment(struct buf *out, bool as_json);

/* Appends the values in force and where each comes from; secrets are shown as "(set)".
 *   as_json  one object, section to key to {"value", "from"}
 */
void config_write_values(const struct config *config, bool as_json, struct buf *out);

/* Whether an address is on the loopback interface (127.0.0.0/8, ::1, localhost). */
bool config_address_is_loopback(const struct config_address *address);

/* "gateway,persister" */
void config_roles_write(unsigned roles, char out[64]);

#endif
