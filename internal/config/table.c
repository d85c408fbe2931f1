/* table.c - one line a setting; all else about settings is made from here. */
#include "config/table.h"

#include <ctype.h>

/* clang-format off */
#define AT(section, field) offsetof(struct config, section.field)

#define KIB INT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

#define ANY_PROGRAM (CONFIG_PARLEYD | CONFIG_PARLEYCTL | CONFIG_BENCH)

#define NUMBER_ROW(s, k, unit_, kind_, def, min_, max_, help_, ...)                                \
    { .section = #s, .key = #k, .kind = kind_, .offset = AT(s, k), .fallback = def, .min = min_,   \
      .max = max_, .unit = unit_, .help = help_, ##__VA_ARGS__ }
#define INT_ROW(s, k, unit_, def, min_, max_, help_, ...)                                          \
    NUMBER_ROW(s, k, unit_, CONFIG_INT, def, min_, max_, help_, ##__VA_ARGS__)
#define BYTES_ROW(s, k, def, min_, max_, help_)                                                    \
    NUMBER_ROW(s, k, "bytes", CONFIG_BYTES, def, min_, max_, help_)
#define TEXT_ROW(s, k, kind_, def, help_, ...)                                                     \
    { .section = #s, .key = #k, .kind = kind_, .offset = AT(s, k), .fallback = def,                \
      .help = help_, ##__VA_ARGS__ }
#define USER_ROWS(s, who, what)                                                                    \
    TEXT_ROW(s, who##_user, CONFIG_NAME, #who, "NATS user of " what),                              \
    TEXT_ROW(s, who##_password, CONFIG_TEXT, "", "its password", .is_secret = true)
#define ISSUER_TEXT_ROW(s, place, k, kind_, def, help_, ...)                                       \
    { .section = s, .key = #k, .kind = kind_, .offset = AT(issuers[place], k), .fallback = def,    \
      .help = help_, ##__VA_ARGS__ }
#define ISSUER_ROWS(s, place)                                                                      \
    ISSUER_TEXT_ROW(s, place, iss, CONFIG_TEXT, "",                                                \
                    "claim iss of an identity provider whose access tokens are taken beside our "  \
                    "own; empty: none"),                                                           \
    ISSUER_TEXT_ROW(s, place, audience, CONFIG_TEXT, "parley", "claim aud of its tokens"),         \
    ISSUER_TEXT_ROW(s, place, algorithm, CONFIG_CHOICE, "RS256",                                   \
                    "the one algorithm that it signs by", .choices = "RS256|ES256"),               \
    ISSUER_TEXT_ROW(s, place, jwks, CONFIG_TEXT, "",                                               \
                    "its keys: an https URL (http on loopback), or the absolute path of a JSON "   \
                    "Web Key Set"),                                                                \
    ISSUER_TEXT_ROW(s, place, user_prefix, CONFIG_NAME, "",                                        \
                    "put before the claim sub of its tokens to make the user id, so that its "     \
                    "users are never those of another"),                                           \
    { .section = s, .key = "refresh_s", .kind = CONFIG_INT,                                        \
      .offset = AT(issuers[place], refresh_s), .fallback = "300", .min = 1, .max = 86400,          \
      .unit = "s", .help = "how often the URL is asked for changed keys" },                        \
    ISSUER_TEXT_ROW(s, place, trusts_roles, CONFIG_BOOL, "false",                                  \
                    "take the claim roles of its tokens; otherwise its users have the role user")
#define FLAG(name, programs) .flag = name, .flag_programs = programs

const struct config_row config_rows[] = {
    TEXT_ROW(server, home, CONFIG_PATH, ".parley",
             "folder of keys, store, logs and pid files; relative paths in settings start here",
             FLAG("home", ANY_PROGRAM)),
    TEXT_ROW(server, roles, CONFIG_ROLES, "gateway,persister", "what this process does",
             .choices = "gateway|persister", FLAG("role", CONFIG_PARLEYD)),
    TEXT_ROW(server, instance_id, CONFIG_NAME, "",
             "name of this process in logs and metrics; the host's name if empty"),
    TEXT_ROW(server, log_level, CONFIG_CHOICE, "info", "lines below this level are not written",
             .choices = "debug|info|warn|error", FLAG("log-level", CONFIG_PARLEYD)),
    TEXT_ROW(server, log_format, CONFIG_CHOICE, "auto", "auto: logfmt on a terminal, else JSON",
             .choices = "auto|json|logfmt"),
    INT_ROW(server, drain_seconds, "s", "20", 0, 24,
            "time to say goodbye and flush after SIGTERM; the process ends within 25 s"),

    TEXT_ROW(gateway, listen, CONFIG_ADDRESS, "127.0.0.1:8080", "where WebSocket and REST listen",
             FLAG("listen", CONFIG_PARLEYD)),
    TEXT_ROW(gateway, query_token, CONFIG_CHOICE, "auto",
             "take ?token= at the handshake; auto: only where the listener is loopback or TLS",
             .choices = "auto|on|off"),
    TEXT_ROW(gateway, allowed_origins, CONFIG_TEXT, "",
             "origins of web pages that may connect, separated by commas; * is any, but for cookies"),
    BYTES_ROW(gateway, frame_bytes, "65536", 1024, 16 * MIB, "largest frame from a client"),
    BYTES_ROW(gateway, message_bytes, "16384", 256, 28 * KIB,
              "largest text of a message; with all that goes with it it has to fit a stream's 32 KiB"),
    INT_ROW(gateway, inflight, "requests", "64", 1, 4096,
            "unanswered requests of a connection before it is read no further"),
    BYTES_ROW(gateway, outbox_bytes, "262144", 16 * KIB, 64 * MIB,
              "what may wait to be written to one connection"),
    BYTES_ROW(gateway, ring_bytes_per_conversation, "1MiB", 0, 1 * GIB,
              "recent events of a conversation kept in memory for those who catch up"),
    BYTES_ROW(gateway, ring_bytes_total, "128MiB", 0, 64 * GIB, "the same, of all conversations"),
    INT_ROW(gateway, connections_max, "connections", "20000", 1, 1000000,
            "connections of this process; more are answered 503"),
    INT_ROW(gateway, connections_per_user, "connections", "16", 1, 100000,
            "connections of one user on this process; more are closed with 4006"),
    INT_ROW(gateway, connections_per_address_max, "connections", "20000", 0, 1000000,
            "connections of one address (IPv6: one /64) on this process; more are answered 429; 0: no "
            "limit. Of a trusted proxy its clients' WebSockets are counted"),
    INT_ROW(gateway, heartbeat_ms, "ms", "30000", 100, 3600000, "silence before a ping is sent"),
    INT_ROW(gateway, pong_ms, "ms", "10000", 50, 600000, "silence after a ping before close 4004"),
    INT_ROW(gateway, slow_close_ms, "ms", "30000", 100, 3600000,
            "time a full outbox may take to drain before close 4005"),
    INT_ROW(gateway, watch_max, "conversations", "50", 0, 1000,
            "channels one connection may watch without being a member"),
    INT_ROW(gateway, store_workers, "threads", "4", 1, 64, "threads for calls to the store"),
    TEXT_ROW(gateway, trusted_proxies, CONFIG_TEXT, "",
             "addresses or networks whose X-Forwarded-For is believed, separated by commas: its right-most "
             "address that isn't among them is the client's"),

    INT_ROW(limits, send_per_s, "1/s", "50", 1, 1000000, "message.send of one user"),
    INT_ROW(limits, send_burst, "requests", "500", 1, 1000000, "the same, at once"),
    INT_ROW(limits, other_per_s, "1/s", "50", 1, 1000000, "all other requests of one user"),
    INT_ROW(limits, other_burst, "requests", "500", 1, 1000000, "the same, at once"),
    INT_ROW(limits, network_per_s, "1/s", "50", 1, 1000000,
            "requests without a token (login, register, keys) of one network: IPv4 /24, IPv6 /64"),
    INT_ROW(limits, network_burst, "requests", "200", 1, 1000000, "the same, at once"),

    TEXT_ROW(ops, listen, CONFIG_ADDRESS, "127.0.0.1:9090",
             "where /livez, /readyz and /metrics listen; not for the public",
             FLAG("ops-listen", CONFIG_PARLEYD)),

    TEXT_ROW(nats, url, CONFIG_URL, "nats://127.0.0.1:4222",
             "servers of the cluster, separated by commas", .choices = "nats://|tls://"),
    USER_ROWS(nats, gateway, "the role gateway"),
    USER_ROWS(nats, persister, "the role persister"),
    USER_ROWS(nats, operator, "parleyctl: may create and change streams"),
    USER_ROWS(nats, viewer, "people with the nats CLI: reads only"),
    TEXT_ROW(nats, monitor_url, CONFIG_URL, "",
             "monitoring page of each server, separated by commas, asked for its settings; e.g. "
             "http://127.0.0.1:8222",
             .choices = "http://|https://"),
    TEXT_ROW(nats, require_sync, CONFIG_BOOL, "true",
             "not ready unless nats.monitor_url shows that every server syncs each write "
             "(sync_interval: always); false: what was acknowledged may be lost with the power"),

    TEXT_ROW(store, url, CONFIG_STORE, "sqlite:store/parley.db",
             "sqlite:FILE or mongodb://HOST/DATABASE", .has_file_form = true,
             .choices = "sqlite:|mongodb://|mongodb+srv://"),

    TEXT_ROW(tls, cert, CONFIG_PATH, "", "certificate chain (PEM); with it the gateway speaks TLS"),
    TEXT_ROW(tls, key, CONFIG_PATH, "", "its private key (PEM)"),
    TEXT_ROW(tls, ca_file, CONFIG_PATH, "",
             "authorities (PEM) that mail servers and identity providers are checked by; the system's if empty"),

    TEXT_ROW(auth, keys_dir, CONFIG_PATH, "keys",
             "folder of jwt-<kid>.pem: private (PKCS#8) or public keys of access tokens"),
    TEXT_ROW(auth, jwks_file, CONFIG_PATH, "", "more public keys, as a JSON Web Key Set"),
    TEXT_ROW(auth, issuer, CONFIG_TEXT, "parley", "claim iss of access tokens"),
    TEXT_ROW(auth, audience, CONFIG_TEXT, "parley", "claim aud of access tokens"),
    TEXT_ROW(auth, algorithm, CONFIG_CHOICE, "RS256", "the one algorithm that tokens are signed by",
             .choices = "RS256|ES256"),
    INT_ROW(auth, leeway_s, "s", "30", 0, 600, "how far clocks may differ"),

    TEXT_ROW(accounts, enabled, CONFIG_BOOL, "false",
             "people log in here with a name and a password; off: tokens come from elsewhere only"),
    TEXT_ROW(accounts, registration, CONFIG_CHOICE, "closed",
             "open: anybody may register; closed: parleyctl user add makes accounts",
             .choices = "closed|open"),
    INT_ROW(accounts, password_chars_min, "characters", "8", 8, 64, "of a new password at least"),
    INT_ROW(accounts, hash_passes, "passes", "2", 1, 64,
            "Argon2id; a hash made with less is made anew at the next login"),
    BYTES_ROW(accounts, hash_memory, "64MiB", 8 * MIB, 1 * GIB,
              "memory of one hash; times hash_threads is what a storm of logins takes"),
    INT_ROW(accounts, hash_threads, "hashes", "2", 1, 64,
            "hashes at one time, each in a process of its own"),
    INT_ROW(accounts, hash_queue, "requests", "64", 1, 4096,
            "requests that may wait for a hash; more are answered 503"),
    INT_ROW(accounts, access_s, "s", "900", 10, 86400, "life of an access token"),
    INT_ROW(accounts, refresh_s, "s", "2592000", 60, 31536000,
            "life of a refresh token that isn't used"),
    INT_ROW(accounts, session_s, "s", "15552000", 60, 315360000,
            "life of a session, however often it is refreshed"),
    INT_ROW(accounts, grace_s, "s", "10", 0, 60,
            "for so long a used refresh token gets its device the same answer again"),
    INT_ROW(accounts, sessions_max, "sessions", "50", 1, 500,
            "of one user; a new one ends the one seen longest ago"),
    INT_ROW(accounts, reset_s, "s", "3600", 60, 86400, "life of a mailed code for a new password"),
    INT_ROW(accounts, confirm_s, "s", "86400", 60, 604800,
            "life of a mailed code that confirms an address"),

    TEXT_ROW(mail, url, CONFIG_STORE, "file:outbox",
             "smtp://HOST[:PORT] (STARTTLS where offered), smtps://HOST[:PORT], or file:FOLDER, where "
             "mails become files for development",
             .choices = "file:|smtp://|smtps://"),
    TEXT_ROW(mail, user, CONFIG_TEXT, "", "login at the mail server; none if empty"),
    TEXT_ROW(mail, password, CONFIG_TEXT, "", "its password", .is_secret = true),
    TEXT_ROW(mail, from, CONFIG_TEXT, "parley@localhost", "sender of our mails"),

    ISSUER_ROWS("issuer", 0),
    ISSUER_ROWS("issuer2", 1),
    ISSUER_ROWS("issuer3", 2),
    ISSUER_ROWS("issuer4", 3),

    TEXT_ROW(streams, dir, CONFIG_PATH, "",
             "folder of the stream definitions; the installed one, or the checkout's, if empty"),
    INT_ROW(streams, partitions, "streams", "4", 1, 256,
            "CHAT streams that conversations are spread over; fixed for a generation"),
    INT_ROW(streams, generation, "", "1", 1, 4095,
            "raised by one when streams were lost and are made anew"),
    INT_ROW(streams, replicas, "servers", "1", 1, 5, "copies of each stream"),

    INT_ROW(persister, batch, "events", "500", 1, 500, "events of one transaction at most"),
    INT_ROW(persister, batch_ms, "ms", "50", 1, 10000, "time a batch waits to fill up"),

    TEXT_ROW(mind, nats_server, CONFIG_TEXT, "nats-server",
             "program that `parleyd mind` starts, found on PATH; empty: none"),
    TEXT_ROW(mind, nats_config, CONFIG_PATH, "nats/nats-server.conf",
             "its configuration file; {n} in it is the server's number, from 1"),
    INT_ROW(mind, nats_servers, "processes", "1", 1, 9,
            "nats-servers, each with a configuration of its own"),
    INT_ROW(mind, gateways, "processes", "1", 1, 64,
            "gateway processes on one port; more than one means separate",
            FLAG("gateways", CONFIG_PARLEYD)),
    TEXT_ROW(mind, separate, CONFIG_BOOL, "false", "one process a role instead of one for all",
             FLAG("separate", CONFIG_PARLEYD)),
    INT_ROW(mind, persisters, "processes", "1", 1, 16,
            "persister processes; more than one means separate",
            FLAG("persisters", CONFIG_PARLEYD)),
    BYTES_ROW(mind, log_file_bytes, "16MiB", 64 * KIB, 4 * GIB,
              "size of logs/<name>.log before it is moved to .1"),
};
/* clang-format on */

const size_t config_row_count = COUNT_OF(config_rows);

static bool row_key_is(const struct config_row *row, struct bytes key, bool *out_is_file)
{
    size_t len = strlen(row->key);

    *out_is_file = config_row_takes_file(row) && key.len == len + 5 &&
                   bytes_starts(key, row->key) && memcmp(key.ptr + len, "_file", 5) == 0;
    return *out_is_file || bytes_is(key, row->key);
}

const struct config_row *config_row_find(struct bytes section, struct bytes key, bool *out_is_file)
{
    for (size_t i = 0; i < config_row_count; i++) {
        const struct config_row *row = &config_rows[i];
        if (bytes_is(section, row->section) && row_key_is(row, key, out_is_file))
            return row;
    }
    return NULL;
}

/* Levenshtein's distance, one line of the matrix at a time; keys are short. */
static size_t distance(struct bytes a, const char *b)
{
    size_t b_len = strlen(b);
    size_t costs[64];

    if (b_len >= COUNT_OF(costs))
        return SIZE_MAX;
    for (size_t j = 0; j <= b_len; j++)
        costs[j] = j;
    for (size_t i = 0; i < a.len; i++) {
        size_t diagonal = costs[0];
        costs[0] = i + 1;
        for (size_t j = 0; j < b_len; j++) {
            size_t change = diagonal + (a.ptr[i] != (uint8_t)b[j]);
            size_t gap = (costs[j] < costs[j + 1] ? costs[j] : costs[j + 1]) + 1;
            diagonal = costs[j + 1];
            costs[j + 1] = change < gap ? change : gap;
        }
    }
    return costs[b_len];
}

const struct config_row *config_row_near(struct bytes section, struct bytes key)
{
    const struct config_row *best = NULL;
    size_t best_cost = 4;

    if (key.len > 64 || section.len > 64)
        return NULL;
    for (size_t i = 0; i < config_row_count; i++) {
        const struct config_row *row = &config_rows[i];
        /* A right key in a wrong section is as near as two typing errors. */
        size_t in_section = bytes_is(section, row->section) ? 0 : distance(section, row->section);
        size_t cost = distance(key, row->key) + (in_section > 2 ? 2 : in_section);
        if (cost < best_cost) {
            best = row;
            best_cost = cost;
        }
    }
    return best;
}

void config_row_variable(const struct config_row *row, char out[96])
{
    (void)snprintf(out, 96, "PARLEY_%s_%s", row->section, row->key);
    for (char *c = out; *c; c++)
        *c = (char)toupper((unsigned char)*c);
}
