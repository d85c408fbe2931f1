/* print.c - the table as people read it. */
#include "config/table.h"

static const char *section_help(const char *section)
{
    static const char *const texts[][2] = {
        { "server", "The process" },
        { "gateway", "WebSocket and REST" },
        { "limits", "Rate limits (token buckets, per user)" },
        { "ops", "Operations listener" },
        { "nats", "The NATS servers" },
        { "store", "The store" },
        { "tls", "TLS of the gateway" },
        { "auth", "Access tokens" },
        { "accounts", "Accounts of this server" },
        { "mail", "Mail to people" },
        { "issuer", "An identity provider" },
        { "issuer2", "A second one" },
        { "issuer3", "A third one" },
        { "issuer4", "A fourth one" },
        { "streams", "JetStream streams" },
        { "persister", "The persister" },
        { "mind", "parleyd mind" },
    };

    for (size_t i = 0; i < COUNT_OF(texts); i++)
        if (strcmp(texts[i][0], section) == 0)
            return texts[i][1];
    return section;
}

static bool starts_section(size_t i)
{
    return i == 0 || strcmp(config_rows[i].section, config_rows[i - 1].section) != 0;
}

void config_write_help(enum config_program program, struct buf *out)
{
    buf_add_text(out, "  --config FILE\n      file of settings; $PARLEY_CONFIG, else parley.ini in "
                      "home, if empty\n");
    for (size_t i = 0; i < config_row_count; i++) {
        const struct config_row *row = &config_rows[i];
        if (starts_section(i))
            buf_add_format(out, "\n%s:\n", section_help(row->section));
        buf_add_format(out, "  --%s.%s%s", row->section, row->key, row->is_secret ? "_file" : "");
        if (row->flag && (row->flag_programs & program))
            buf_add_format(out, ", --%s", row->flag);
        if (*row->fallback)
            buf_add_format(out, "  [%s]", row->fallback);
        buf_add_format(out, "\n      %s\n", row->help);
    }
}

/* '|' ends a cell of a Markdown table. */
static void add_cell(struct buf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '|')
            buf_add_byte(out, '\\');
        buf_add_byte(out, (uint8_t)*text);
    }
}

void config_write_markdown(struct buf *out)
{
    char takes[256];

    buf_add_text(
        out,
        "# Configuration\n\n"
        "This page is made by `parleyctl config doc` from the table in internal/config/table.c.\n\n"
        "Settings come from four places, each over the one before: the default; the file "
        "(`--config FILE`, `$PARLEY_CONFIG`, else `$PARLEY_HOME/parley.ini`); the environment, "
        "`PARLEY_<SECTION>_<KEY>`; flags, `--section.key=value`. A value is checked wherever it "
        "stands. An unknown key, a key given twice or a value out of its limits stops the start "
        "with a line that names the key, the file and the line. An unknown variable that begins "
        "with `PARLEY_<SECTION>_` is a warning; a variable that is set to nothing counts as not "
        "set.\n\n"
        "The file is INI: `[section]`, `key = value`, comments after `#` or `;` at the start of a "
        "line, or after a blank and `;`. No value runs over several lines. Relative paths start "
        "at `server.home` (a relative `server.home` at the working folder).\n\n"
        "A **secret** is not taken from a flag. Beside `key` there is `key_file` (in the "
        "environment `PARLEY_<SECTION>_<KEY>_FILE`), the name of a file that holds it.\n\n"
        "`parleyctl config check` reads all four and says what is wrong; `config show` lists the "
        "values in force and where each comes from; `config default` prints a file with every "
        "setting; `config env` lists the variables.\n");
    for (size_t i = 0; i < config_row_count; i++) {
        const struct config_row *row = &config_rows[i];
        if (starts_section(i))
            buf_add_format(
                out, "\n## [%s] %s\n\n| key | default | takes | meaning |\n|---|---|---|---|\n",
                row->section, section_help(row->section));
        config_value_describe(row, takes);
        buf_add_format(out, "| `%s`", row->key);
        if (row->flag)
            buf_add_format(out, " (`--%s`)", row->flag);
        buf_add_format(out, *row->fallback ? " | `%s` | " : " |%s | ", row->fallback);
        add_cell(out, takes);
        if (row->unit && *row->unit && strcmp(row->unit, "bytes") != 0)
            buf_add_format(out, "; %s", row->unit);
        buf_add_text(out, " | ");
        add_cell(out, row->help);
        buf_add_text(out, row->is_secret       ? " (secret) |\n"
                          : row->has_file_form ? " (also as `url_file`) |\n"
                                               : " |\n");
    }
}

void config_write_sample(struct buf *out)
{
    for (size_t i = 0; i < config_row_count; i++) {
        const struct config_row *row = &config_rows[i];
        if (starts_section(i))
            buf_add_format(out, "%s[%s]\n", i ? "\n" : "", row->section);
        buf_add_format(out, "# %s\n", row->help);
        buf_add_format(out, "%s%s%s =%s%s\n", *row->fallback ? "" : "# ", row->key,
                       row->is_secret ? "_file" : "", *row->fallback ? " " : "", row->fallback);
    }
}

void config_write_environment(struct buf *out, bool as_json)
{
    char variable[96];

    buf_add_text(out, as_json ? "[" : "");
    for (size_t i = 0; i < config_row_count; i++) {
        const struct config_row *row = &config_rows[i];
        config_row_variable(row, variable);
        if (as_json) {
            buf_add_format(out, "%s\n  {\"name\":\"%s\",\"setting\":\"%s.%s\",\"secret\":%s}",
                           i ? "," : "", variable, row->section, row->key,
                           row->is_secret ? "true" : "false");
            continue;
        }
        buf_add_format(out, "%s\n", variable);
        if (config_row_takes_file(row))
            buf_add_format(out, "%s_FILE\n", variable);
    }
    buf_add_text(out, as_json ? "\n]\n" : "");
}

/* The value in force: of paths, the absolute one. Secrets, and URLs with a user in them, are only
 * said to be there. */
static const char *shown_value(const struct config *config, size_t i)
{
    const struct config_row *row = &config_rows[i];
    const char *text = row->kind <= CONFIG_STORE
                           ? *(char *const *)(const void *)((const char *)config + row->offset)
                           : config->origins[i].text;

    if (row->is_secret)
        return *text ? "(set)" : "";
    return row->kind <= CONFIG_STORE && strstr(text, "://") && strchr(text, '@') ? "(set)" : text;
}

static void add_value_json(const struct config *config, size_t i, struct buf *out)
{
    const struct config_row *row = &config_rows[i];

    if (starts_section(i))
        buf_add_format(out, "%s\n  \"%s\": {", i ? "\n  }," : "", row->section);
    buf_add_format(out, "%s\n    \"%s\": {\"value\": ", starts_section(i) ? "" : ",", row->key);
    buf_add_json_string(out, bytes_of(shown_value(config, i)));
    buf_add_text(out, ", \"from\": ");
    buf_add_json_string(out, bytes_of(config->origins[i].where));
    buf_add_byte(out, '}');
}

void config_write_values(const struct config *config, bool as_json, struct buf *out)
{
    buf_add_text(out, as_json ? "{" : "");
    for (size_t i = 0; i < config_row_count; i++) {
        const struct config_row *row = &config_rows[i];
        if (as_json)
            add_value_json(config, i, out);
        else
            buf_add_format(out, "%s.%s = %s  # %s\n", row->section, row->key,
                           shown_value(config, i), config->origins[i].where);
    }
    buf_add_text(out, as_json ? "\n  }\n}\n" : "");
}

/* mdoc(7) takes a line that begins with a dot or a quote for a command, and a backslash for an
 * escape. */
static void add_mdoc(struct buf *out, const char *text)
{
    if (*text == '.' || *text == '\'')
        buf_add_text(out, "\\&");
    for (; *text; text++) {
        if (*text == '\\')
            buf_add_text(out, "\\e");
        else
            buf_add_byte(out, (uint8_t)*text);
    }
}

void config_write_man(struct buf *out)
{
    char takes[256];

    buf_add_text(out,
                 ".Dd $Mdocdate$\n.Dt PARLEY.INI 5\n.Os\n.Sh NAME\n.Nm parley.ini\n"
                 ".Nd settings of parleyd and parleyctl\n.Sh DESCRIPTION\n"
                 "Settings come from the default, the file\n.Pq Pa $PARLEY_HOME/parley.ini ,\n"
                 "the environment\n.Pq Ev PARLEY_<SECTION>_<KEY>\nand flags\n"
                 ".Pq Fl -section.key=value ,\neach over the one before.\n"
                 "An unknown key, a key given twice or a value out of its limits stops the start.\n"
                 "Relative paths start at\n.Cm server.home .\n"
                 "A secret may be given by the name of a file, under the key with\n.Cm _file\n"
                 "at its end, and is not taken from a flag.\n");
    for (size_t i = 0; i < config_row_count; i++) {
        const struct config_row *row = &config_rows[i];
        if (starts_section(i))
            buf_add_format(out, "%s.Ss [%s] %s\n.Bl -tag -width Ds\n", i ? ".El\n" : "",
                           row->section, section_help(row->section));
        config_value_describe(row, takes);
        buf_add_format(out, ".It Cm %s\n", row->key);
        add_mdoc(out, row->help);
        buf_add_text(out, ".\nTakes ");
        add_mdoc(out, takes);
        if (*row->fallback) {
            buf_add_text(out, ";\ndefault: ");
            add_mdoc(out, row->fallback);
        }
        buf_add_text(out, ".\n");
    }
    buf_add_text(out, ".El\n.Sh SEE ALSO\n.Xr parleyctl 1 ,\n.Xr parleyd 8\n");
}
