#include "options.h"

#include <unistd.h>

static const char usage[] =
    "parleyd: a chat server on NATS JetStream\n\n"
    "usage: parleyd [--role gateway,persister] [--config FILE] [--home DIR] [--section.key=value]\n"
    "       parleyd mind [the same]\n\n"
    "`parleyd` runs the roles in this process, in the foreground. `parleyd mind` starts a\n"
    "nats-server and the roles as its children, restarts what dies, and passes their logs on.\n"
    "SIGTERM drains and ends with 0. SIGHUP looks for changed keys.\n\n"
    "  --help     this page\n"
    "  --version  the version\n\n"
    "Settings come from the default in [brackets], the file, PARLEY_<SECTION>_<KEY>, and flags:\n";

static int print_help(void)
{
    SCOPED_BUF(text, 256 * 1024);

    buf_add_text(&text, usage);
    config_write_help(CONFIG_PARLEYD, &text);
    return text.has_failed || fwrite(text.ptr, 1, text.len, stdout) != text.len ||
           fflush(stdout) != 0;
}

static bool has_word(const char *word, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], word) == 0)
            return true;
    return false;
}

static struct options leave(int exit_code)
{
    return (struct options){ .action = OPTIONS_EXIT, .exit_code = exit_code };
}

static struct options refuse(const char *text)
{
    (void)fprintf(stderr, "parleyd: %s\n", text);
    return leave(2);
}

/* Keeps argv as it was given; the word at `mind` is left out. */
static bool keep_flags(struct options *options, int argc, char **argv, const char *mind)
{
    options->flags = calloc((size_t)argc + 1, sizeof *options->flags);
    if (!options->flags)
        return false;
    for (int i = 0; i < argc; i++)
        if (argv[i] != mind)
            options->flags[options->flag_count++] = argv[i];
    return true;
}

struct options options_read(int argc, char **argv)
{
    struct options options = { .action = OPTIONS_SERVE };
    struct config_error error = { "" };
    int given = argc;
    char **copy;
    const char *mind = NULL;
    bool is_kept;

    if (has_word("--help", argc, argv) || has_word("-h", argc, argv))
        return leave(print_help());
    if (has_word("--version", argc, argv))
        return leave(puts("parleyd " PARLEY_VERSION) < 0);
    copy = calloc((size_t)argc + 1, sizeof *copy);
    if (!copy)
        return refuse("out of memory");
    memcpy(copy, argv, (size_t)argc * sizeof *copy);
    if (config_load(CONFIG_PARLEYD, &argc, argv, environ, &options.config, &error) != RC_OK) {
        free(copy);
        return refuse(error.text);
    }
    if (argc > 1 && strcmp(argv[1], "mind") == 0) {
        options.action = OPTIONS_MIND;
        mind = argv[1];
    }
    is_kept = keep_flags(&options, given, copy, mind);
    free(copy);
    if (is_kept && argc <= (mind ? 2 : 1))
        return options;
    if (is_kept)
        (void)fprintf(stderr, "parleyd: %s: no such flag or word; try --help\n",
                      argv[mind ? 2 : 1]);
    options_fini(&options);
    return leave(2);
}

void options_fini(struct options *options)
{
    config_destroy(options->config);
    free(options->flags);
    *options = leave(options->exit_code);
}
