/* main.c - parleyctl, the operator's tool: a table of subcommands. */
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <unistd.h>

#include "ctl.h"
#include "ports/directory_store.h"

/* clang-format off */
static const struct ctl_command commands[] = {
    { "token check", "TOKEN | --from-file FILE",
      "say whether a token is good, whose it is, and if not, why", cmd_token_check, false },
    { "token revoke", "--user ID [--session ID] [--for 30d]",
      "have every gateway refuse the tokens of a user made so far, or of one session, and close its sockets; "
      "--for: at least the longest life of such a token", cmd_token_revoke, false },
    { "token", "--user ID [--name N] [--role R[,R]] [--session ID] [--ttl 1h] | --from-file FILE",
      "print an access token, or one a line for a file of ids (id, or id TAB name, a line)",
      cmd_token, false },
    { "keys list", "", "the keys that access tokens are checked with", cmd_keys_list, false },
    { "keys rotate", "[--keep 24h]",
      "make a new signing key and remove those that have not signed for that long: give more than the "
      "longest life of a token", cmd_keys_rotate, false },
    { "keys add", "", "make a new signing key; tokens of older ones stay good", cmd_keys_add, false },
    { "streams diff", "", "what differs between streams/ and the server", cmd_streams_diff, false },
    { "streams apply", "[--force] [--chat-max-bytes N]",
      "make and update streams and consumers; --force also lowers what is kept", cmd_streams_apply,
      false },
    { "streams check", "", "the same, and the server's version and syncing: what parleyd asks",
      cmd_streams_check, false },
    { "streams renew", "[--partitions N] [--accept-loss] [--keep DIR | --keep-nothing] [--generation N] [--chat-max-bytes N]",
      "streams of a new generation, with the store as the base: after a loss, a restore, or for another "
      "number of partitions; a run that was cut short is run again", cmd_streams_renew, false },
    { "status", "", "server, streams, persisters, store, dead letters, readiness; exit 1 if one is unwell",
      cmd_status, false },
    { "verify", "[--wait 15s]",
      "compare log and store: every event once in both, the same bytes, the chain of prev whole",
      cmd_verify, false },
    { "store init", "", "make the indexes of a MongoDB store that are missing", cmd_store_init, false },
    { "store check", "", "what the store is, and whether its indexes are as they should be",
      cmd_store_check, false },
    { "rebuild", "--in-place | --into FILE|URL|store.url [--accept-gap]",
      "make a store of the log, without side effects: a new one, a backup brought up to date, or "
      "the settings' own again, compared with log and old store",
      cmd_rebuild, false },
    { "backup", "DIR [--store-only | --streams-only]",
      "copy store and streams into a new folder while everything runs", cmd_backup, false },
    { "restore", "DIR [--store-only | --streams-only] [--force] [--as-is]",
      "put a backup back; streams come back sealed, streams renew is next", cmd_restore, false },
    { "replay", "--conversation ID [--until SEQ | --at TIME] [--state]",
      "a conversation's events, or with --state its messages, as of a seq or time; JSON lines",
      cmd_replay, false },
    { "dlq list", "[--reason R]", "the dead letters, oldest first", cmd_dlq_list, false },
    { "dlq show", "ID...", "headers and body of dead letters", cmd_dlq_show, false },
    { "dlq replay", "ID... | --reason R | --all [--body FILE] [--keep] [--force] [--dry-run]",
      "publish dead letters again, each under a new seq, and remove them; --dry-run only says which", cmd_dlq_replay, false },
    { "dlq purge", "ID... | --reason R | --older-than 7d | --all [--dry-run]",
      "remove dead letters for good", cmd_dlq_purge, false },
    { "user add", "USERNAME [--name N] [--role R[,R]] [--email A]",
      "make an account; the password is asked for, or a line of standard input", cmd_user_add, false },
    { "user list", "", "the accounts: id, username, roles, banned, address", cmd_user_list, false },
    { "user roles", "NAME ROLE[,ROLE]", "set an account's roles; its sessions end", cmd_user_roles, false },
    { "user ban", "NAME", "nobody logs in as NAME any more; sessions end on every gateway", cmd_user_ban, false },
    { "user unban", "NAME", "take a ban back", cmd_user_unban, false },
    { "user delete", "NAME", "erase an account, its sessions and its name for good", cmd_user_delete, false },
    { "user password", "NAME", "set a password, asked for as by user add; sessions end", cmd_user_password, false },
    { "user sessions", "NAME", "sessions of an account, the one seen last first", cmd_user_sessions, false },
    { "user revoke", "NAME [--session ID]", "end one session, or all", cmd_user_revoke, false },
    { "config check", "", "read all settings and say what is wrong", cmd_config_check, false },
    { "config show", "", "the settings in force and where each comes from", cmd_config_show, false },
    { "config default", "", "print a file with every setting", cmd_config_default, true },
    { "config env", "", "list the environment variables", cmd_config_env, true },
    { "config man", "", "print the manual page parley.ini(5)", cmd_config_man, true },
    { "config doc", "", "print docs/CONFIGURATION.md", cmd_config_doc, true },
};
/* clang-format on */

static void __attribute__((format(printf, 1, 0)))
say(const char *format, va_list args, const char *tail)
{
    (void)fputs("parleyctl: ", stderr);
    (void)vfprintf(stderr, format, args);
    (void)fputs(tail, stderr);
}

int ctl_fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(format, args, "\n");
    va_end(args);
    return CTL_FAILED;
}

int ctl_usage(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(format, args, "\nTry `parleyctl --help`.\n");
    va_end(args);
    return CTL_USAGE;
}

int ctl_print(const struct buf *text)
{
    if (text->has_failed)
        return ctl_fail("out of memory");
    if (fwrite(text->ptr, 1, text->len, stdout) != text->len || fflush(stdout) != 0)
        return ctl_fail("can't write to standard output");
    return CTL_OK;
}

bool ctl_read_file(const char *path, struct buf *out)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    char block[64 * 1024];
    size_t len;
    bool is_read;

    if (!file) {
        (void)ctl_fail("%s: %s", path, strerror(errno));
        return false;
    }
    while (!out->has_failed && (len = fread(block, 1, sizeof block, file)) > 0)
        buf_add(out, bytes_make(block, len));
    is_read = !ferror(file) && !out->has_failed;
    if (file != stdin)
        (void)fclose(file);
    if (!is_read)
        (void)ctl_fail("%s: can't be read, or is larger than 256 MiB", path);
    return is_read;
}

bool ctl_next_line(struct bytes *rest, int *number, struct bytes *out_line)
{
    while (rest->len > 0) {
        const uint8_t *end = memchr(rest->ptr, '\n', rest->len);
        size_t len = end ? (size_t)(end - rest->ptr) : rest->len;
        size_t taken = len + (end != NULL);
        struct bytes line = bytes_make(rest->ptr, len);
        *rest = bytes_make(rest->ptr + taken, rest->len - taken);
        ++*number;
        if (line.len > 0 && line.ptr[line.len - 1] == '\r')
            line.len--;
        if (line.len == 0)
            continue;
        *out_line = line;
        return true;
    }
    return false;
}

bool ctl_read_span(const char *text, int64_t *out_seconds)
{
    static const char units[] = "smhd";
    static const int64_t seconds[] = { 1, 60, 3600, 86400 };
    size_t len = strlen(text);
    const char *unit = len ? strchr(units, text[len - 1]) : NULL;
    int64_t scale = unit ? seconds[unit - units] : 1;
    uint64_t number = 0;

    if (!bytes_to_u64(bytes_make(text, unit ? len - 1 : len), INT64_C(36500) * 86400, &number) ||
        number == 0 || number > (uint64_t)(INT64_C(36500) * 86400 / scale))
        return false;
    *out_seconds = (int64_t)number * scale;
    return true;
}

bool ctl_is_user_name(struct bytes name)
{
    static_assert(USER_NAME_BYTES_MAX == 128, "CTL_USER_NAME says so");
    return name.len <= USER_NAME_BYTES_MAX && bytes_is_utf8(name) && !bytes_has_control(name);
}

static const struct ctl_option *find_option(const struct ctl_option *options, size_t count,
                                            struct bytes name)
{
    for (size_t i = 0; i < count; i++)
        if (bytes_is(name, options[i].name))
            return &options[i];
    return NULL;
}

/* Reads the option at argv[0]. Returns how many words it took, 0 on an error. */
static int take_option(const struct ctl_option *options, size_t count, char **argv)
{
    const char *text = argv[0] + 2;
    struct bytes name = { (const uint8_t *)text, strcspn(text, "=") };
    const struct ctl_option *option = find_option(options, count, name);
    bool has_value = text[name.len] == '=';

    if (!option || (option->is_given && has_value)) {
        (void)ctl_usage("--%.*s: no such option here", BYTES_ARG(name));
        return 0;
    }
    if (option->is_given) {
        *option->is_given = true;
        return 1;
    }
    if (!has_value && !argv[1]) {
        (void)ctl_usage("--%s needs a value", option->name);
        return 0;
    }
    *option->value = has_value ? text + name.len + 1 : argv[1];
    return has_value ? 1 : 2;
}

bool ctl_options(const struct ctl_option *options, size_t count, int *argc, char **argv)
{
    int kept = 1;

    for (int at = 1; at < *argc;) {
        int taken = 0;
        if (strncmp(argv[at], "--", 2) != 0) {
            argv[kept++] = argv[at++];
            continue;
        }
        taken = take_option(options, count, argv + at);
        if (taken == 0)
            return false;
        at += taken;
    }
    *argc = kept;
    argv[kept] = NULL;
    return true;
}

static int print_help(void)
{
    SCOPED_BUF(text, 256 * 1024);

    buf_add_text(&text,
                 "parleyctl: operate a Parley server\n\n"
                 "usage: parleyctl [--config FILE] [--home DIR] [--section.key=value] [--json] "
                 "COMMAND ...\n\nCommands:\n");
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        buf_add_format(&text, "  %s %s\n      %s\n", commands[i].words, commands[i].arguments,
                       commands[i].help);
    buf_add_text(&text,
                 "\n--json gives every result as JSON; what has a record a line, one object a "
                 "line. Exit: 0 done, 1 failed or a check "
                 "found something, 2 wrong arguments or settings.\n\nSettings:\n");
    config_write_help(CONFIG_PARLEYCTL, &text);
    return ctl_print(&text);
}

/* How many words of the command stand at argv[0]; 0 if it is another one. */
static int match_words(const char *words, int argc, char **argv)
{
    int count = 0;

    while (*words) {
        size_t len = strcspn(words, " ");
        if (count >= argc || strlen(argv[count]) != len || strncmp(argv[count], words, len) != 0)
            return 0;
        words += len + (words[len] == ' ');
        count++;
    }
    return count;
}

static const struct ctl_command *find_command(int argc, char **argv, int *out_words)
{
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        *out_words = match_words(commands[i].words, argc, argv);
        if (*out_words)
            return &commands[i];
    }
    return NULL;
}

/* Takes a word out of argv wherever it stands. Returns whether it was there. */
static bool take_word(const char *word, int *argc, char **argv)
{
    int kept = 1;
    bool was_there = false;

    for (int at = 1; at < *argc; at++) {
        if (strcmp(argv[at], word) == 0)
            was_there = true;
        else
            argv[kept++] = argv[at];
    }
    *argc = kept;
    argv[kept] = NULL;
    return was_there;
}

/* The commands that print what the table says work however wrong the settings are. */
static int run_without_config(bool is_json, int argc, char **argv)
{
    struct ctl ctl = { .is_json = is_json };
    int words = 0;

    for (int at = 1; at < argc; at++) {
        const struct ctl_command *command = find_command(argc - at, argv + at, &words);
        if (command && command->does_without_config)
            return command->run(&ctl, argc - at - words + 1, argv + at + words - 1);
    }
    return -1;
}

static int run_command(struct ctl *ctl, int argc, char **argv)
{
    int words = 0;
    const struct ctl_command *command = find_command(argc - 1, argv + 1, &words);

    if (argc < 2)
        return ctl_usage("which command?");
    if (!command)
        return ctl_usage("%s%s%s: no such command", argv[1], argc > 2 ? " " : "",
                         argc > 2 ? argv[2] : "");
    return command->run(ctl, argc - words, argv + words);
}

int main(int argc, char **argv)
{
    struct config *config = NULL;
    struct config_error error = { "" };
    struct ctl ctl = { .is_json = take_word("--json", &argc, argv) };
    int code;

    if (take_word("--help", &argc, argv) || take_word("-h", &argc, argv))
        return print_help();
    if (take_word("--version", &argc, argv))
        return puts("parleyctl " PARLEY_VERSION) < 0;
    log_setup(&(struct log_options){ .level = LOG_LEVEL_WARN, .service = "parleyctl" });
    if (config_load(CONFIG_PARLEYCTL, &argc, argv, environ, &config, &error) != RC_OK) {
        code = run_without_config(ctl.is_json, argc, argv);
        return code >= 0 ? code : (ctl_fail("%s", error.text), CTL_USAGE);
    }
    ctl.config = config;
    code = run_command(&ctl, argc, argv);
    config_destroy(config);
    return code;
}
