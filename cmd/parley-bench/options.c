/* options.c - the table of options. */
#include "options.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "util.h"

enum option_kind { OPTION_TEXT, OPTION_LONG, OPTION_REAL, OPTION_FLAG, OPTION_LIST };

struct option_rule {
    const char *name;
    enum option_kind kind;
    size_t offset;
    const char *value, *help;
};

#define AT(member) offsetof(struct options, member)

static const struct option_rule rules[] = {
    { "url", OPTION_TEXT, AT(url), "URL",
      "REST address (default $PARLEY_URL or http://127.0.0.1:8080)" },
    { "ws-url", OPTION_TEXT, AT(ws_url), "URL",
      "socket address (default $PARLEY_WS_URL, else --url with /v1/ws)" },
    { "parleyctl", OPTION_TEXT, AT(parleyctl), "PATH",
      "makes the tokens (default: parleyctl on PATH)" },
    { "tokens", OPTION_TEXT, AT(tokens), "FILE",
      "ready-made tokens instead: a line each, id TAB token" },
    { "service-token", OPTION_TEXT, AT(service_token), "TOKEN",
      "token with role service (default: made by parleyctl)" },
    { "run", OPTION_TEXT, AT(run), "NAME",
      "prefix of the ids made by this run (default: from the clock)" },
    { "pid", OPTION_LIST, AT(pids), "NAME=PID", "a server process to measure; may be repeated" },
    { "home", OPTION_TEXT, AT(home), "DIR",
      "whose run/*.pid are measured, and whose store is compared (default $PARLEY_HOME)" },
    { "json", OPTION_TEXT, AT(json), "FILE", "writes the report as JSON (- for standard output)" },
    { "quiet", OPTION_FLAG, AT(quiet), NULL, "no progress on standard error" },
    { "max-errors", OPTION_LONG, AT(max_errors), "N",
      "errors (replay: definite ones) above this fail the run (default 0)" },
    { "seed", OPTION_LONG, AT(seed), "N", "of the random numbers (default 1)" },
    { "users", OPTION_LONG, AT(users), "N", "connect: sockets (1000); pairs: users (2000)" },
    { "hold", OPTION_LONG, AT(hold), "S", "connect: seconds to keep the sockets (default 5)" },
    { "wave", OPTION_LONG, AT(wave), "N",
      "connect, storm: at most N sockets in the making; 0: all at once (default)" },
    { "rooms", OPTION_LONG, AT(rooms), "R", "fanout, resume, slow: rooms (default 50)" },
    { "members", OPTION_LONG, AT(members), "M",
      "fanout, resume, slow: members of each room (default 50)" },
    { "rate", OPTION_REAL, AT(rate), "X",
      "messages a second (200); pairs: messages a MINUTE (100000); replay: at most (no limit)" },
    { "duration", OPTION_LONG, AT(duration), "S", "seconds of sending (default 15)" },
    { "grace", OPTION_LONG, AT(grace), "S",
      "seconds to wait for what is still under way (default 30)" },
    { "type", OPTION_TEXT, AT(type), "TYPE", "group or channel (default group)" },
    { "cuts-per-s", OPTION_REAL, AT(cuts_per_s), "X",
      "resume: connections torn a second (default 20)" },
    { "away-ms", OPTION_LONG, AT(away_ms), "MS",
      "resume, replay: longest time until a torn one comes back (default 2000)" },
    { "backoff-ms", OPTION_LONG, AT(backoff_ms), "MS",
      "first back-off, with full jitter, doubled up to 16 times (default 250)" },
    { "stalled", OPTION_LONG, AT(stalled), "N",
      "slow: members of each room that stop reading (default 1)" },
    { "corpus", OPTION_TEXT, AT(corpus), "FILE", "replay: .ndjson or .ndjson.gz" },
    { "limit", OPTION_LONG, AT(limit), "N",
      "replay: only the first N events of each conversation" },
    { "split", OPTION_LONG, AT(split), "K",
      "replay: cut each conversation into K, for more at once (default 1)" },
    { "listeners", OPTION_LONG, AT(listeners), "K",
      "replay: listeners of each conversation (default 2)" },
    { "cut", OPTION_LONG, AT(cut), "N",
      "replay: times a listener is torn off and comes back (default 20)" },
    { "open", OPTION_LONG, AT(open_max), "N",
      "replay: senders' sockets open at once (default 1500)" },
    { "nats", OPTION_TEXT, AT(nats), "URL",
      "also compare the stream (default $NATS_URL; none: left out)" },
    { "store", OPTION_TEXT, AT(store), "FILE",
      "also compare this SQLite file (default: found under --home)" },
    { "public-only", OPTION_FLAG, AT(public_only), NULL,
      "replay: pass without stream and store, where they are out of reach" },
    { "no-rest", OPTION_FLAG, AT(no_rest), NULL, "leave out the comparison with REST pages" },
    { "token", OPTION_TEXT, AT(token), "TOKEN", "talk: whose socket it is" },
    { "conversation", OPTION_TEXT, AT(conversation), "ID", "talk: where lines typed go" },
    { "send", OPTION_TEXT, AT(send), "TEXT", "talk: send this and leave once it is acknowledged" },
};

static const char usage[] =
    "usage: parley-bench MODE [options]\n"
    "Load generator and checker for a Parley server, over its public protocol.\n\n"
    "  connect   N idle sockets, all at once: time to hello, memory a connection\n"
    "  fanout    R rooms of M members at X messages a second: latencies, deliveries\n"
    "  pairs     conversations of two at X messages a minute\n"
    "  resume    fanout, with connections torn off and resumed by cursor\n"
    "  storm     fanout, with all connections torn off at once in the middle\n"
    "  slow      fanout, with members that stop reading\n"
    "  replay    a corpus of real conversations from socket to store and back, compared\n"
    "  talk      a terminal talker: prints events, sends lines\n\n"
    "Ends with 0 when nothing was lost, doubled, changed or out of order; 1 when something was; 2\n"
    "when it could not run. Times are of the intended moment of sending. Options:\n";

static void print_help(void)
{
    fputs(usage, stdout);
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        printf("  --%-14s %-9s %s\n", rules[i].name, rules[i].value ? rules[i].value : "",
               rules[i].help);
    exit(0);
}

static void set_option(struct options *options, const struct option_rule *rule, const char *value)
{
    char *at = (char *)options + rule->offset, *end = NULL;
    errno = 0;
    switch (rule->kind) {
    case OPTION_TEXT:
        *(const char **)(void *)at = value;
        return;
    case OPTION_FLAG:
        *(bool *)at = true;
        return;
    case OPTION_LIST:
        if (options->pid_count == OPTION_LIST_MAX)
            die("--%s: at most %d of them", rule->name, OPTION_LIST_MAX);
        options->pids[options->pid_count++] = value;
        return;
    case OPTION_LONG:
        *(long *)(void *)at = strtol(value, &end, 10);
        break;
    case OPTION_REAL:
        *(double *)(void *)at = strtod(value, &end);
        break;
    }
    if (errno || !end || *end || end == value || value[0] == '-')
        die("--%s %s: not a number that makes sense here", rule->name, value);
}

static const struct option_rule *find_rule(const char *argument, size_t name_len)
{
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        if (strlen(rules[i].name) == name_len && memcmp(rules[i].name, argument, name_len) == 0)
            return &rules[i];
    die("unknown option --%.*s (see --help)", (int)name_len, argument);
}

static void parse_argument(struct options *options, int argc, char **argv, int *at)
{
    const char *name = argv[*at] + 2, *equals = strchr(name, '=');
    const struct option_rule *rule =
        find_rule(name, equals ? (size_t)(equals - name) : strlen(name));
    if (rule->kind == OPTION_FLAG) {
        set_option(options, rule, "");
    } else if (equals) {
        set_option(options, rule, equals + 1);
    } else if (*at + 1 < argc) {
        set_option(options, rule, argv[++*at]);
    } else {
        die("--%s wants a value", rule->name);
    }
}

/* Message ids begin with it, so two runs within one second must not have the same. */
static const char *default_run(void)
{
    static char name[32];
    uint32_t salt = 0;
    if (getrandom(&salt, sizeof salt, 0) != sizeof salt)
        die("no random bytes");
    snprintf(name, sizeof name, "b%llx%06x", (unsigned long long)time(NULL), salt & 0xffffff);
    return name;
}

static const char *default_ws_url(const char *url)
{
    static char text[256];
    const char *rest = strstr(url, "://");
    snprintf(text, sizeof text, "%s://%s/v1/ws", strncmp(url, "https:", 6) == 0 ? "wss" : "ws",
             rest ? rest + 3 : url);
    return text;
}

void options_parse(struct options *options, int argc, char **argv)
{
    const char *env_url = getenv("PARLEY_URL"), *env_ws = getenv("PARLEY_WS_URL");
    *options = (struct options){ .parleyctl = "parleyctl",
                                 .type = "group",
                                 .home = getenv("PARLEY_HOME"),
                                 .nats = getenv("NATS_URL"),
                                 .seed = 1,
                                 .hold = 5,
                                 .rooms = 50,
                                 .members = 50,
                                 .duration = 15,
                                 .grace = 30,
                                 .cuts_per_s = 20,
                                 .away_ms = 2000,
                                 .backoff_ms = 250,
                                 .stalled = 1,
                                 .split = 1,
                                 .listeners = 2,
                                 .cut = 20,
                                 .open_max = 1500 };
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0 ||
            strcmp(argv[i], "help") == 0)
            print_help();
        else if (strncmp(argv[i], "--", 2) == 0)
            parse_argument(options, argc, argv, &i);
        else if (!options->mode)
            options->mode = argv[i];
        else
            die("%s: one mode is enough (see --help)", argv[i]);
    }
    if (!options->ws_url && !options->url && env_ws)
        options->ws_url = env_ws;
    if (!options->url)
        options->url = env_url ? env_url : "http://127.0.0.1:8080";
    if (!options->ws_url)
        options->ws_url = default_ws_url(options->url);
    if (options->home)
        (void)setenv("PARLEY_HOME", options->home, 1); /* parleyctl looks there for keys */
    if (!options->run)
        options->run = default_run();
    if (!options->mode)
        print_help();
}
