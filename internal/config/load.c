/* load.c - four sources, each over the one before.
 *
 * Every value of every source is checked, also one that a later source replaces: a wrong line in
 * the file should not come to light on the day the variable that hid it is taken away.
 */
#include "config/table.h"

#include <errno.h>
#include <stdarg.h>
#include <unistd.h>

#include "config/finish.h"

enum { FLAGS_MAX = 256 };

struct flag {
    const struct config_row *row;
    bool is_file;
    const char *text;
    char name[128];
};

struct loader {
    enum config_program program;
    struct config *config;
    struct config_error *error;
    char **environ;
    struct flag flags[FLAGS_MAX];
    size_t flag_count;
    const char *file; /* --config, else PARLEY_CONFIG; borrowed */
    enum rc rc;       /* of a callback */
    char path[4096];
    bool in_file[512]; /* by row: the file has set it */
};

static enum rc __attribute__((format(printf, 3, 4)))
fail(struct loader *loader, enum rc rc, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(loader->error->text, sizeof loader->error->text, format, args);
    va_end(args);
    return rc;
}

static char *variable_get(const struct loader *loader, const char *name)
{
    size_t len = strlen(name);

    for (char **entry = loader->environ; entry && *entry; entry++)
        if (strncmp(*entry, name, len) == 0 && (*entry)[len] == '=' && (*entry)[len + 1])
            return *entry + len + 1;
    return NULL;
}

/* Sets one row from one source; where is "file:line", a variable, or a flag. */
static enum rc apply(struct loader *loader, const struct config_row *row, bool is_file,
                     const char *text, enum config_source source, const char *where)
{
    struct config_origin *origin = &loader->config->origins[row - config_rows];
    char why[256] = "";
    /* A secret's file is read at the end, when home is known; until then its path is the value. */
    enum rc rc = is_file ? config_text_set(loader->config, row, text)
                         : config_value_set(loader->config, row, text, why);

    if (rc == RC_NOMEM)
        return fail(loader, rc, "out of memory");
    if (rc != RC_OK && (row->is_secret || strchr(text, '@')))
        return fail(loader, rc, "%s.%s (%s): give %s", row->section, row->key, where, why);
    if (rc != RC_OK)
        return fail(loader, rc, "%s.%s = \"%.100s\" (%s): give %s", row->section, row->key, text,
                    where, why);
    origin->source = source;
    origin->is_secret_file = is_file;
    (void)snprintf(origin->where, sizeof origin->where, "%s", where);
    (void)snprintf(origin->text, sizeof origin->text, "%s", row->is_secret && !is_file ? "" : text);
    return RC_OK;
}

static enum rc apply_defaults(struct loader *loader)
{
    for (size_t i = 0; i < config_row_count; i++)
        TRY(apply(loader, &config_rows[i], false, config_rows[i].fallback, CONFIG_FROM_DEFAULT,
                  "default"));
    return RC_OK;
}

static enum rc fail_unknown(struct loader *loader, const char *section, const char *key,
                            const char *where)
{
    const struct config_row *near = config_row_near(bytes_of(section), bytes_of(key));

    if (near)
        return fail(loader, RC_INVALID, "%s.%s (%s): no such setting; did you mean %s.%s?", section,
                    key, where, near->section, near->key);
    return fail(loader, RC_INVALID,
                "%s.%s (%s): no such setting; `parleyctl config doc` lists them", section, key,
                where);
}

static bool on_file_setting(void *closure, int line, const char *section, const char *key,
                            const char *value)
{
    struct loader *loader = closure;
    char where[sizeof loader->path + 16];
    bool is_file = false;
    const struct config_row *row = config_row_find(bytes_of(section), bytes_of(key), &is_file);

    (void)snprintf(where, sizeof where, "%s:%d", loader->path, line);
    if (!row && !*section)
        loader->rc =
            fail(loader, RC_INVALID, "%s (%s): stands before the first [section]", key, where);
    else if (!row)
        loader->rc = fail_unknown(loader, section, key, where);
    else if (loader->in_file[row - config_rows])
        loader->rc = fail(loader, RC_INVALID, "%s.%s (%s): is given twice; it stands at %s already",
                          section, key, where, loader->config->origins[row - config_rows].where);
    else
        loader->rc = apply(loader, row, is_file, value, CONFIG_FROM_FILE, where);
    if (loader->rc == RC_OK)
        loader->in_file[row - config_rows] = true;
    return loader->rc == RC_OK;
}

/* Where home is before the file has been read: the file may lie in it. */
static const char *early_home(const struct loader *loader)
{
    const char *home = variable_get(loader, "PARLEY_SERVER_HOME");

    if (!home)
        home = variable_get(loader, "PARLEY_HOME");
    for (size_t i = 0; i < loader->flag_count; i++)
        if (loader->flags[i].row == &config_rows[0])
            home = loader->flags[i].text;
    return home ? home : config_rows[0].fallback;
}

static enum rc apply_file(struct loader *loader)
{
    bool is_named = loader->file != NULL;
    int bad_line = 0;
    enum rc rc;

    if (is_named)
        (void)snprintf(loader->path, sizeof loader->path, "%s", loader->file);
    else
        (void)snprintf(loader->path, sizeof loader->path, "%s/parley.ini", early_home(loader));
    rc = config_file_read(loader->path, on_file_setting, loader, &bad_line);
    if (rc == RC_NOT_FOUND && !is_named && errno == ENOENT)
        return RC_OK;
    if (rc == RC_NOT_FOUND)
        return fail(loader, rc, "%s: %s", loader->path, strerror(errno));
    if (loader->rc != RC_OK)
        return loader->rc;
    if (rc == RC_INVALID && bad_line > 0)
        return fail(loader, rc,
                    "%s:%d: give [section], key = value, or a comment that begins with # or ;, "
                    "in less than 4096 characters, without an indent",
                    loader->path, bad_line);
    if (rc != RC_OK)
        return fail(loader, rc, "%s: can't be read", loader->path);
    free(loader->config->file);
    loader->config->file = strdup(loader->path);
    return loader->config->file ? RC_OK : fail(loader, RC_NOMEM, "out of memory");
}

/* Unknown variables only warn: Kubernetes puts some of its own beside ours. */
static enum rc warn_variable(struct loader *loader, struct bytes name)
{
    char *more = NULL;

    if (asprintf(&more, "%s%sthe variable %.*s names no setting and is ignored",
                 loader->config->warnings, *loader->config->warnings ? "\n" : "",
                 BYTES_ARG(name)) < 0)
        return fail(loader, RC_NOMEM, "out of memory");
    free(loader->config->warnings);
    loader->config->warnings = more;
    return RC_OK;
}

static bool is_in_a_section(struct bytes name)
{
    if (bytes_is(name, "PARLEY_OPS_URL"))
        return false; /* deploy/local/up sets it for clients, beside PARLEY_URL */
    for (size_t i = 0; i < config_row_count; i++) {
        char variable[96];
        config_row_variable(&config_rows[i], variable);
        variable[strlen("PARLEY_") + strlen(config_rows[i].section) + 1] = 0;
        if (bytes_starts(name, variable))
            return true;
    }
    return false;
}

static const struct config_row *row_of_variable(struct bytes name, bool *out_is_file)
{
    for (size_t i = 0; i < config_row_count; i++) {
        char variable[96 + 8];
        config_row_variable(&config_rows[i], variable);
        *out_is_file = false;
        if (bytes_is(name, variable))
            return &config_rows[i];
        memcpy(variable + strlen(variable), "_FILE", sizeof "_FILE");
        *out_is_file = true;
        if (config_row_takes_file(&config_rows[i]) && bytes_is(name, variable))
            return &config_rows[i];
    }
    return NULL;
}

static enum rc apply_variable(struct loader *loader, struct bytes name, const char *value)
{
    char where[128];
    bool is_file = false;
    const struct config_row *row = row_of_variable(name, &is_file);

    if (!row && bytes_is(name, "PARLEY_OPS_URL"))
        return RC_OK; /* for clients, from $PARLEY_HOME/env; looks like one of [ops] */
    if (!row)
        return is_in_a_section(name) ? warn_variable(loader, name) : RC_OK;
    if (!*value)
        return RC_OK; /* set to nothing counts as not set: compose files do that */
    (void)snprintf(where, sizeof where, "%.*s", BYTES_ARG(name));
    if (row->is_secret &&
        loader->config->origins[row - config_rows].source == CONFIG_FROM_ENVIRONMENT)
        return fail(loader, RC_INVALID, "%s.%s: set either %s or %s, not both", row->section,
                    row->key, loader->config->origins[row - config_rows].where, where);
    return apply(loader, row, is_file, value, CONFIG_FROM_ENVIRONMENT, where);
}

static enum rc apply_environment(struct loader *loader)
{
    char *home = variable_get(loader, "PARLEY_HOME");

    if (home)
        TRY(apply(loader, &config_rows[0], false, home, CONFIG_FROM_ENVIRONMENT, "PARLEY_HOME"));
    for (char **entry = loader->environ; entry && *entry; entry++) {
        size_t len = strcspn(*entry, "=");
        if (strncmp(*entry, "PARLEY_", 7) == 0 && (*entry)[len] == '=')
            TRY(apply_variable(loader, bytes_make(*entry, len), *entry + len + 1));
    }
    return RC_OK;
}

static enum rc apply_flags(struct loader *loader)
{
    for (size_t i = 0; i < loader->flag_count; i++) {
        struct flag *flag = &loader->flags[i];
        TRY(apply(loader, flag->row, flag->is_file, flag->text, CONFIG_FROM_FLAG, flag->name));
    }
    return RC_OK;
}

static const struct config_row *row_of_flag(enum config_program program, struct bytes name,
                                            bool *out_is_file)
{
    const uint8_t *dot = name.len ? memchr(name.ptr, '.', name.len) : NULL;

    *out_is_file = false;
    if (dot) {
        size_t section_len = (size_t)(dot - name.ptr);
        return config_row_find(bytes_make(name.ptr, section_len),
                               bytes_make(dot + 1, name.len - section_len - 1), out_is_file);
    }
    for (size_t i = 0; i < config_row_count; i++)
        if (config_rows[i].flag && (config_rows[i].flag_programs & program) &&
            bytes_is(name, config_rows[i].flag))
            return &config_rows[i];
    return NULL;
}

static enum rc fail_flag(struct loader *loader, struct bytes name)
{
    char copy[96];
    char *dot;

    (void)snprintf(copy, sizeof copy, "%.*s", BYTES_ARG(name));
    dot = strchr(copy, '.');
    if (!dot)
        return fail(loader, RC_INVALID, "--%s: no such setting", copy);
    *dot = 0;
    return fail_unknown(loader, copy, dot + 1, "flag");
}

/* Takes the flag at argv[*at], and its value if that is the next word. Leaves what is no setting:
 * then *out_taken is 0. */
static enum rc take_flag(struct loader *loader, char **argv, int *out_taken)
{
    const char *text = argv[0] + 2;
    struct bytes name = { (const uint8_t *)text, strcspn(text, "=") };
    const char *value = text[name.len] ? text + name.len + 1 : NULL;
    struct flag flag = { .row = NULL };
    bool is_config = bytes_is(name, "config");

    *out_taken = 0;
    flag.row = is_config ? NULL : row_of_flag(loader->program, name, &flag.is_file);
    if (!flag.row && !is_config)
        return memchr(text, '.', name.len) ? fail_flag(loader, name) : RC_OK;
    if (!value && flag.row && flag.row->kind == CONFIG_BOOL)
        value = "true";
    else if (!value && argv[1])
        value = argv[++*out_taken];
    if (!value)
        return fail(loader, RC_INVALID, "%s: needs a value", argv[0]);
    ++*out_taken;
    if (is_config) {
        loader->file = value;
        return RC_OK;
    }
    if (flag.row->is_secret && !flag.is_file)
        return fail(loader, RC_INVALID,
                    "--%s.%s: a secret is not taken from a flag, which others can see; use "
                    "--%s.%s_file, the file or the environment",
                    flag.row->section, flag.row->key, flag.row->section, flag.row->key);
    if (loader->flag_count == FLAGS_MAX)
        return fail(loader, RC_INVALID, "more than %d flags", FLAGS_MAX);
    flag.text = value;
    (void)snprintf(flag.name, sizeof flag.name, "--%.*s", BYTES_ARG(name));
    loader->flags[loader->flag_count++] = flag;
    return RC_OK;
}

static enum rc take_flags(struct loader *loader, int *argc, char **argv)
{
    int kept = 1;
    int at = 1;

    while (at < *argc && strcmp(argv[at], "--") != 0) {
        int taken = 0;
        if (strncmp(argv[at], "--", 2) == 0)
            TRY(take_flag(loader, argv + at, &taken));
        if (taken == 0)
            argv[kept++] = argv[at++];
        at += taken;
    }
    while (at < *argc)
        argv[kept++] = argv[at++];
    *argc = kept;
    argv[kept] = NULL;
    return RC_OK;
}

static enum rc load_all(struct loader *loader, int *argc, char **argv)
{
    loader->config->file = strdup("");
    loader->config->warnings = strdup("");
    if (!loader->config->file || !loader->config->warnings)
        return fail(loader, RC_NOMEM, "out of memory");
    loader->file = variable_get(loader, "PARLEY_CONFIG");
    TRY(take_flags(loader, argc, argv));
    TRY(apply_defaults(loader));
    TRY(apply_file(loader));
    TRY(apply_environment(loader));
    TRY(apply_flags(loader));
    return config_finish(loader->config, loader->error);
}

enum rc config_load(enum config_program program, int *argc, char **argv, char **variables,
                    struct config **out, struct config_error *out_error)
{
    struct loader *loader = calloc(1, sizeof *loader);
    struct config *config = calloc(1, sizeof *config);
    enum rc rc = RC_NOMEM;

    if (config)
        config->origins = calloc(config_row_count, sizeof *config->origins);
    if (loader && config && config->origins && config_row_count <= COUNT_OF(loader->in_file)) {
        *loader = (struct loader){
            .program = program, .config = config, .error = out_error, .environ = variables
        };
        rc = load_all(loader, argc, argv);
    } else {
        (void)snprintf(out_error->text, sizeof out_error->text, "out of memory");
    }
    free(loader);
    if (rc != RC_OK) {
        config_destroy(config);
        return rc;
    }
    *out = config;
    return RC_OK;
}
