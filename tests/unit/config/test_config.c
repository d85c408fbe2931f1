/* Settings from all four sources. Each test gives a file's text, an environment and arguments, and
 * looks at the typed result or at the words of the complaint: a person has to find the place by
 * them. */
#include <sys/stat.h>
#include <unistd.h>

#include "config/config.h"
#include "config/table.h"
#include "support/check.h"
#include "support/scratch.h"

enum { ARGS_MAX = 16 };

static struct {
    struct scratch dir;
    char ini[SCRATCH_PATH_CHARS + 32];
    char home[SCRATCH_PATH_CHARS + 64]; /* "PARLEY_HOME=..." */
    struct config *config;
    struct config_error error;
    int argc;
    char *argv[ARGS_MAX];
} given;

static void put_file(const char *name, const char *text)
{
    char path[SCRATCH_PATH_CHARS + 64];
    FILE *file;

    scratch_file(&given.dir, name, path, sizeof path);
    file = fopen(path, "we");
    CHECK(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void begin(const char *ini)
{
    scratch_init(&given.dir);
    scratch_file(&given.dir, "parley.ini", given.ini, sizeof given.ini);
    (void)snprintf(given.home, sizeof given.home, "PARLEY_HOME=%s", given.dir.path);
    given.config = NULL;
    given.error.text[0] = 0;
    if (ini)
        put_file("parley.ini", ini);
}

static void end(void)
{
    config_destroy(given.config);
    given.config = NULL;
    scratch_fini(&given.dir);
}

/* Loads with PARLEY_HOME, up to three more variables and up to six arguments; NULL ends each. */
static enum rc load_with(enum config_program program, const char *const variables[],
                         const char *const arguments[])
{
    char *environment[8] = { given.home };
    size_t count = 1;

    given.argc = 1;
    given.argv[0] = (char *)(uintptr_t) "program";
    for (size_t i = 0; variables && variables[i]; i++)
        environment[count++] = (char *)(uintptr_t)variables[i];
    for (size_t i = 0; arguments && arguments[i]; i++)
        given.argv[given.argc++] = (char *)(uintptr_t)arguments[i];
    given.argv[given.argc] = NULL;
    return config_load(program, &given.argc, given.argv, environment, &given.config, &given.error);
}

#define VARIABLES(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define ARGUMENTS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static enum rc load(void)
{
    return load_with(CONFIG_PARLEYD, NULL, NULL);
}

static void check_says(const char *part)
{
    if (!strstr(given.error.text, part))
        print_error("said: %s\nwanted: %s\n", given.error.text, part);
    CHECK(strstr(given.error.text, part) != NULL);
}

TEST(without_a_file_the_defaults_hold)
{
    begin(NULL);
    CHECK_RC(RC_OK, load());
    CHECK_STR("127.0.0.1", given.config->gateway.listen.host);
    CHECK_INT(8080, given.config->gateway.listen.port);
    CHECK_INT(9090, given.config->ops.listen.port);
    CHECK_INT(CONFIG_ROLE_GATEWAY | CONFIG_ROLE_PERSISTER, given.config->server.roles);
    CHECK_INT(20, given.config->server.drain_seconds);
    CHECK_INT(65536, given.config->gateway.frame_bytes);
    CHECK_INT(1 << 20, given.config->gateway.ring_bytes_per_conversation);
    CHECK_INT(500, given.config->limits.send_burst);
    CHECK_INT(4, given.config->streams.partitions);
    CHECK_STR("parley", given.config->auth.issuer);
    CHECK_STR("", given.config->nats.gateway_password);
    CHECK(!given.config->mind.separate);
    CHECK(*given.config->server.instance_id);
    CHECK_STR("", given.config->file);
    CHECK_STR("", given.config->warnings);
    end();
}

TEST(every_default_is_a_value_that_its_own_row_takes)
{
    struct config *config = calloc(1, sizeof *config);
    char why[256];

    for (size_t i = 0; i < config_row_count; i++) {
        const struct config_row *row = &config_rows[i];
        bool is_file;
        CHECK_RC(RC_OK, config_value_set(config, row, row->fallback, why));
        CHECK(row == config_row_find(bytes_of(row->section), bytes_of(row->key), &is_file));
        CHECK(!is_file && *row->help);
        if (row->kind == CONFIG_INT || row->kind == CONFIG_BYTES)
            CHECK(row->min < row->max && row->unit);
        if (row->kind <= CONFIG_STORE) {
            char **field = (char **)(void *)((char *)config + row->offset);
            free(*field);
            *field = NULL;
        }
    }
    free(config);
}

TEST(each_source_wins_over_the_one_before)
{
    begin("[limits]\nsend_per_s = 1\nsend_burst = 2\nother_per_s = 3\n");
    CHECK_RC(RC_OK,
             load_with(CONFIG_PARLEYD,
                       VARIABLES("PARLEY_LIMITS_SEND_BURST=20", "PARLEY_LIMITS_OTHER_PER_S=30"),
                       ARGUMENTS("--limits.other_per_s=300")));
    CHECK_INT(1, given.config->limits.send_per_s);
    CHECK_INT(20, given.config->limits.send_burst);
    CHECK_INT(300, given.config->limits.other_per_s);
    CHECK_INT(500, given.config->limits.other_burst);
    CHECK_STR(given.ini, given.config->file);
    end();
}

TEST(a_wrong_value_is_told_with_its_key_file_and_line)
{
    static const struct {
        const char *line;
        const char *key;
        const char *hint;
    } cases[] = {
        { "[gateway]\nlisten = 80800\n", "gateway.listen = \"80800\"", "host:port" },
        { "[gateway]\nlisten = 1.2.3.4:65536\n", "gateway.listen", "host:port" },
        { "[gateway]\nlisten = ::1:80\n", "gateway.listen", "[::1]:8080" },
        { "[gateway]\ninflight = 0\n", "gateway.inflight = \"0\"", "1 to 4096" },
        { "[gateway]\ninflight = 4097\n", "gateway.inflight", "1 to 4096" },
        { "[gateway]\ninflight = 12x\n", "gateway.inflight", "a whole number" },
        { "[gateway]\ninflight = 1.5\n", "gateway.inflight", "a whole number" },
        { "[gateway]\ninflight =\n", "gateway.inflight = \"\"", "a whole number" },
        { "[gateway]\ninflight = 99999999999999999999\n", "gateway.inflight", "a whole number" },
        { "[gateway]\ninflight = +5\n", "gateway.inflight", "a whole number" },
        { "[gateway]\nframe_bytes = 1TiB\n", "gateway.frame_bytes", "KiB" },
        { "[gateway]\nring_bytes_total = 9223372036854775807k\n", "gateway.ring_bytes_total",
          "bytes" },
        { "[gateway]\nquery_token = maybe\n", "gateway.query_token", "auto, on or off" },
        { "[server]\nroles = gateway,king\n", "server.roles", "gateway and persister" },
        { "[server]\nroles =\n", "server.roles", "gateway and persister" },
        { "[server]\nlog_level = loud\n", "server.log_level", "debug, info, warn or error" },
        { "[server]\ninstance_id = a b\n", "server.instance_id", "64 characters" },
        { "[mind]\nseparate = perhaps\n", "mind.separate", "true or false" },
        { "[nats]\nurl = http://x\n", "nats.url", "nats:// or tls://" },
        { "[nats]\nurl = nats://a:1,b:2\n", "nats.url", "nats:// or tls://" },
        { "[nats]\nurl =\n", "nats.url", "nats:// or tls://" },
        { "[store]\nurl = postgres://x\n", "store.url", "sqlite:" },
        { "[store]\nurl = sqlite:\n", "store.url", "sqlite:" },
        { "[auth]\nissuer = a\x01z\n", "auth.issuer", "control characters" },
        { "[auth]\nissuer = a\xffz\n", "auth.issuer", "text" },
        { "[auth]\nalgorithm = HS256\n", "auth.algorithm", "RS256 or ES256" },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        begin(cases[i].line);
        CHECK_RC(RC_INVALID, load());
        check_says(cases[i].key);
        check_says("parley.ini:2");
        check_says(cases[i].hint);
        end();
    }
}

TEST(lines_that_are_no_ini_are_told_with_their_number)
{
    char *text = malloc(6000);
    static const char *const cases[] = {
        "[gateway]\nno value\n",
        "[gateway]\n[limits\n",
        "[gateway]\n= 5\n",
        "\n  listen = 1.2.3.4:5\n",
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        begin(cases[i]);
        CHECK_RC(RC_INVALID, load());
        check_says("parley.ini:2");
        end();
    }
    (void)snprintf(text, 6000, "[gateway]\nallowed_origins = %05000d\n", 0);
    begin(text);
    CHECK_RC(RC_INVALID, load());
    check_says("parley.ini:2");
    end();
    (void)snprintf(text, 6000, "[gateway]\nallowed_origins = %03900d\n", 0);
    begin(text);
    CHECK_RC(RC_OK, load());
    CHECK_SIZE(3900, strlen(given.config->gateway.allowed_origins));
    end();
    free(text);
}

TEST(an_unknown_key_stops_the_start_and_the_near_one_is_named)
{
    begin("[gateway]\nlisten = :1\nmax_connections = 5\n");
    CHECK_RC(RC_INVALID, load());
    check_says("gateway.max_connections (");
    check_says("parley.ini:3): no such setting");
    end();
    begin("[gateway]\nlissten = :1\n");
    CHECK_RC(RC_INVALID, load());
    check_says("did you mean gateway.listen?");
    end();
    begin("[gatway]\ninflight = 1\n");
    CHECK_RC(RC_INVALID, load());
    check_says("did you mean gateway.inflight?");
    end();
    begin("inflight = 1\n");
    CHECK_RC(RC_INVALID, load());
    check_says("before the first [section]");
    end();
    begin("[gateway]\nlisten_file = x\n"); /* only secrets have that form */
    CHECK_RC(RC_INVALID, load());
    check_says("gateway.listen_file");
    end();
}

TEST(a_key_given_twice_stops_the_start)
{
    begin("[gateway]\ninflight = 1\n\n[ops]\n[gateway]\ninflight = 1\n");
    CHECK_RC(RC_INVALID, load());
    check_says("parley.ini:6): is given twice");
    check_says("parley.ini:2 already");
    end();
    begin("[nats]\ngateway_password = x\ngateway_password_file = y\n");
    CHECK_RC(RC_INVALID, load());
    check_says("is given twice");
    end();
}

TEST(a_wrong_line_is_found_even_where_a_flag_hides_it)
{
    begin("[gateway]\ninflight = no\n");
    CHECK_RC(RC_INVALID, load_with(CONFIG_PARLEYD, NULL, ARGUMENTS("--gateway.inflight=5")));
    check_says("parley.ini:2");
    end();
}

TEST(a_file_that_is_named_must_be_there)
{
    begin(NULL);
    CHECK_RC(RC_NOT_FOUND, load_with(CONFIG_PARLEYD, NULL, ARGUMENTS("--config", "/no/such.ini")));
    check_says("/no/such.ini");
    CHECK_RC(RC_NOT_FOUND,
             load_with(CONFIG_PARLEYD, VARIABLES("PARLEY_CONFIG=/no/such.ini"), NULL));
    CHECK_RC(RC_INVALID, load_with(CONFIG_PARLEYD, NULL, ARGUMENTS("--config", given.dir.path)));
    check_says("can't be read");
    end();
}

TEST(secrets_come_from_files_and_never_from_flags)
{
    begin("[nats]\ngateway_password_file = pass\n");
    put_file("pass", "hunter2\n");
    put_file("other", "swordfish");
    CHECK_RC(RC_OK, load());
    CHECK_STR("hunter2", given.config->nats.gateway_password);
    config_destroy(given.config);
    CHECK_RC(RC_OK,
             load_with(CONFIG_PARLEYD, VARIABLES("PARLEY_NATS_GATEWAY_PASSWORD_FILE=other"), NULL));
    CHECK_STR("swordfish", given.config->nats.gateway_password);
    config_destroy(given.config);
    CHECK_RC(RC_OK,
             load_with(CONFIG_PARLEYD, VARIABLES("PARLEY_NATS_GATEWAY_PASSWORD=plain"), NULL));
    CHECK_STR("plain", given.config->nats.gateway_password);
    config_destroy(given.config);
    given.config = NULL;
    CHECK_RC(RC_INVALID, load_with(CONFIG_PARLEYD,
                                   VARIABLES("PARLEY_NATS_GATEWAY_PASSWORD=a",
                                             "PARLEY_NATS_GATEWAY_PASSWORD_FILE=other"),
                                   NULL));
    check_says("not both");
    CHECK_RC(RC_INVALID,
             load_with(CONFIG_PARLEYD, NULL, ARGUMENTS("--nats.gateway_password=hunter3")));
    check_says("--nats.gateway_password_file");
    CHECK(!strstr(given.error.text, "hunter3"));
    CHECK_RC(RC_OK,
             load_with(CONFIG_PARLEYD, NULL, ARGUMENTS("--nats.gateway_password_file=other")));
    CHECK_STR("swordfish", given.config->nats.gateway_password);
    config_destroy(given.config);
    given.config = NULL;
    CHECK_RC(RC_NOT_FOUND,
             load_with(CONFIG_PARLEYD, NULL, ARGUMENTS("--nats.gateway_password_file=none")));
    check_says("nats.gateway_password_file");
    put_file("other", "two\nlines\n");
    CHECK_RC(RC_INVALID,
             load_with(CONFIG_PARLEYD, NULL, ARGUMENTS("--nats.gateway_password_file=other")));
    check_says("one line");
    end();
}

TEST(no_output_shows_a_secret)
{
    SCOPED_BUF(text, 1 << 20);

    begin("[nats]\ngateway_password = hunter2\nurl = nats://me:hunter3@127.0.0.1:1\n"
          "[store]\nurl = mongodb://me:hunter4@127.0.0.1/x\n");
    CHECK_RC(RC_OK, load());
    config_write_values(given.config, false, &text);
    config_write_values(given.config, true, &text);
    buf_add_byte(&text, 0);
    CHECK(!text.has_failed);
    CHECK(!strstr((const char *)text.ptr, "hunter"));
    CHECK(strstr((const char *)text.ptr, "nats.gateway_password = (set)"));
    end();
    begin("[store]\nurl = mongdb://me:hunter4@127.0.0.1/x\n");
    CHECK_RC(RC_INVALID, load());
    CHECK(!strstr(given.error.text, "hunter"));
    check_says("store.url");
    end();
}

TEST(paths_start_at_home)
{
    char wanted[SCRATCH_PATH_CHARS + 64];

    begin("[auth]\nkeys_dir = ./secret\njwks_file = /etc/jwks.json\n");
    CHECK_RC(RC_OK, load());
    (void)snprintf(wanted, sizeof wanted, "%s/secret", given.config->server.home);
    CHECK_STR(wanted, given.config->auth.keys_dir);
    CHECK_STR("/etc/jwks.json", given.config->auth.jwks_file);
    (void)snprintf(wanted, sizeof wanted, "sqlite:%s/store/parley.db", given.config->server.home);
    CHECK_STR(wanted, given.config->store.url);
    CHECK_STR("", given.config->tls.cert);
    end();
    begin(NULL);
    CHECK_RC(RC_OK, load_with(CONFIG_PARLEYD, NULL, ARGUMENTS("--home", "some/where")));
    CHECK(given.config->server.home[0] == '/');
    CHECK(strstr(given.config->server.home, "/some/where"));
    end();
}

TEST(flags_that_are_settings_are_taken_and_the_rest_is_left)
{
    begin(NULL);
    CHECK_RC(RC_OK, load_with(CONFIG_PARLEYD, NULL,
                              ARGUMENTS("mind", "--listen", "[::1]:81", "--separate", "--role",
                                        "persister", "-x", "--other", "--", "--listen")));
    CHECK_STR("::1", given.config->gateway.listen.host);
    CHECK_INT(81, given.config->gateway.listen.port);
    CHECK(given.config->mind.separate);
    CHECK_INT(CONFIG_ROLE_PERSISTER, given.config->server.roles);
    CHECK_INT(6, given.argc);
    CHECK_STR("mind", given.argv[1]);
    CHECK_STR("-x", given.argv[2]);
    CHECK_STR("--other", given.argv[3]);
    CHECK_STR("--", given.argv[4]);
    CHECK_STR("--listen", given.argv[5]);
    CHECK(given.argv[6] == NULL);
    end();
    begin(NULL); /* parleyctl has --role for itself */
    CHECK_RC(RC_OK, load_with(CONFIG_PARLEYCTL, NULL, ARGUMENTS("token", "--role", "admin")));
    CHECK_INT(4, given.argc);
    end();
    begin(NULL);
    CHECK_RC(RC_INVALID, load_with(CONFIG_PARLEYD, NULL, ARGUMENTS("--listen")));
    check_says("--listen: needs a value");
    CHECK_RC(RC_INVALID, load_with(CONFIG_PARLEYD, NULL, ARGUMENTS("--gateway.lisen=:1")));
    check_says("did you mean gateway.listen?");
    CHECK_RC(RC_INVALID, load_with(CONFIG_PARLEYD, NULL, ARGUMENTS("--mind.separate=2")));
    check_says("--mind.separate");
    end();
}

TEST(unknown_variables_warn_and_those_of_others_are_left_alone)
{
    begin(NULL);
    CHECK_RC(RC_OK, load_with(CONFIG_PARLEYD,
                              VARIABLES("PARLEY_GATEWAY_LISEN=:1", "PARLEY_URL=http://x",
                                        "PARLEY_WS_URL=ws://x", "PARLEY_OPS_URL=http://y",
                                        "PARLEY_GATEWAY_LISTEN="),
                              NULL));
    CHECK(strstr(given.config->warnings, "PARLEY_GATEWAY_LISEN"));
    CHECK(!strchr(given.config->warnings, '\n'));
    CHECK_INT(8080, given.config->gateway.listen.port); /* set to nothing is not set */
    end();
    begin(NULL);
    CHECK_RC(RC_INVALID, load_with(CONFIG_PARLEYD, VARIABLES("PARLEY_GATEWAY_INFLIGHT=no"), NULL));
    check_says("(PARLEY_GATEWAY_INFLIGHT)");
    end();
}

TEST(settings_that_must_agree_are_compared)
{
    static const char *const cases[][2] = {
        { "[tls]\ncert = a.pem\n", "tls.key" },
        { "[tls]\nkey = a.pem\n", "tls.cert" },
        { "[gateway]\nframe_bytes = 2048\n", "gateway.message_bytes" },
        { "[gateway]\nring_bytes_total = 4096\n", "gateway.ring_bytes_per_conversation" },
        { "[gateway]\noutbox_bytes = 16KiB\n", "gateway.outbox_bytes" },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        begin(cases[i][0]);
        CHECK_RC(RC_INVALID, load());
        check_says(cases[i][1]);
        end();
    }
}

TEST(clients_and_operations_need_ports_of_their_own)
{
    static const struct {
        const char *clients, *ops;
        bool is_right;
    } rows[] = {
        { "127.0.0.1:8080", "127.0.0.1:8080", false },
        { "127.0.0.1:8080", "localhost:8080", false },
        { ":8080", "127.0.0.1:8080", false },
        { "127.0.0.1:8080", "*:8080", false },
        { "0.0.0.0:8080", "10.0.0.1:8080", false },
        { "10.0.0.1:8080", "[::]:8080", false },
        { "[::1]:8080", "[::1]:8080", false },
        { "10.0.0.1:8080", "127.0.0.1:8080", true },
        { "127.0.0.1:8080", "127.0.0.1:8081", true },
        { ":8080", ":9090", true },
        { "127.0.0.1:0", "127.0.0.1:0", true },
    };
    char file[200];

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        (void)snprintf(file, sizeof file, "[gateway]\nlisten = %s\n[ops]\nlisten = %s\n",
                       rows[i].clients, rows[i].ops);
        begin(file);
        CHECK_RC(rows[i].is_right ? RC_OK : RC_INVALID, load());
        if (!rows[i].is_right) {
            check_says("gateway.listen");
            check_says("ops.listen");
            check_says("8080");
        }
        end();
    }
    begin("[server]\nroles = persister\n[ops]\nlisten = 127.0.0.1:8080\n");
    CHECK_RC(RC_OK, load()); /* which has no clients */
    end();
}

TEST(values_are_read_as_people_write_them)
{
    begin("# comment\n; comment\n[gateway]\nlisten = *:80 ; inline\nframe_bytes = 1m\n"
          "trusted_proxies = 10.0.0.0/8,::1\n[mind]\nseparate = YES\n[server]\n"
          "roles = gateway , persister\n[nats]\nurl = nats://a:1,tls://b:2\n");
    CHECK_RC(RC_OK, load());
    CHECK_STR("", given.config->gateway.listen.host);
    CHECK_INT(80, given.config->gateway.listen.port);
    CHECK_INT(1 << 20, given.config->gateway.frame_bytes);
    CHECK(given.config->mind.separate);
    CHECK_INT(3, given.config->server.roles);
    CHECK_STR("nats://a:1,tls://b:2", given.config->nats.url);
    CHECK(!config_address_is_loopback(&given.config->gateway.listen));
    CHECK(config_address_is_loopback(&given.config->ops.listen));
    end();
}

TEST(several_nats_servers_want_a_configuration_each)
{
    begin("[mind]\nnats_servers = 3\n");
    CHECK_RC(RC_INVALID, load());
    check_says("mind.nats_config");
    check_says("{n}");
    end();
    begin("[mind]\nnats_servers = 3\nnats_config = nats/{n}.conf\n[nats]\n"
          "monitor_url = http://a:1,http://b:2\n");
    CHECK_RC(RC_OK, load());
    CHECK_INT(3, given.config->mind.nats_servers);
    CHECK(strstr(given.config->mind.nats_config, "/nats/{n}.conf"));
    CHECK_STR("http://a:1,http://b:2", given.config->nats.monitor_url);
    end();
    begin("[nats]\nmonitor_url = http://a:1,b:2\n");
    CHECK_RC(RC_INVALID, load());
    check_says("nats.monitor_url");
    end();
}

/* What `config default` prints is a file, and one that changes nothing. */
TEST(the_sample_file_holds_every_key_and_loads)
{
    SCOPED_BUF(sample, 1 << 20);
    char **field;

    config_write_sample(&sample);
    buf_add_byte(&sample, 0);
    begin((const char *)sample.ptr);
    CHECK_RC(RC_OK, load());
    CHECK_INT(65536, given.config->gateway.frame_bytes);
    for (size_t i = 0; i < config_row_count; i++)
        CHECK(strstr((const char *)sample.ptr, config_rows[i].key));
    field = &given.config->auth.issuer;
    CHECK_STR("parley", *field);
    end();
}

TEST(help_and_page_name_every_setting)
{
    SCOPED_BUF(help, 1 << 20);
    SCOPED_BUF(page, 1 << 20);
    SCOPED_BUF(variables, 1 << 20);

    config_write_help(CONFIG_PARLEYD, &help);
    config_write_markdown(&page);
    config_write_environment(&variables, false);
    buf_add_byte(&help, 0);
    buf_add_byte(&page, 0);
    buf_add_byte(&variables, 0);
    for (size_t i = 0; i < config_row_count; i++) {
        const struct config_row *row = &config_rows[i];
        char name[128];
        (void)snprintf(name, sizeof name, "--%s.%s", row->section, row->key);
        CHECK(strstr((const char *)help.ptr, name));
        (void)snprintf(name, sizeof name, "| `%s`", row->key);
        CHECK(strstr((const char *)page.ptr, name));
        config_row_variable(row, name);
        CHECK(strstr((const char *)variables.ptr, name));
    }
}
