/* table.h - the rows that settings are made from; private to internal/config. */
#ifndef CONFIG_TABLE_H
#define CONFIG_TABLE_H

#include "config/config.h"

/* The first five are texts: their fields are char *. */
enum config_kind {
    CONFIG_TEXT,
    CONFIG_NAME,  /* [A-Za-z0-9_-], up to 64 */
    CONFIG_PATH,  /* relative ones start at server.home */
    CONFIG_URL,   /* begins with one of the words in `choices` */
    CONFIG_STORE, /* a CONFIG_URL whose sqlite: or file: form holds a path */
    CONFIG_INT,
    CONFIG_BYTES,   /* an integer, or one with KiB, MiB, GiB (or k, m, g) */
    CONFIG_BOOL,    /* true|false, yes|no, on|off, 1|0 */
    CONFIG_CHOICE,  /* one of the words in `choices`; its place in the list is the value */
    CONFIG_ROLES,   /* some of the words in `choices`, separated by commas; bits */
    CONFIG_ADDRESS, /* host:port, [v6]:port, :port */
};

struct config_row {
    const char *section;
    const char *key;
    enum config_kind kind;
    size_t offset; /* of the field in struct config */
    const char *fallback;
    int64_t min;
    int64_t max;
    const char *unit;
    const char *choices; /* words separated by '|' */
    bool is_secret;
    bool has_file_form;     /* not secret by itself, but may hold one: store.url */
    const char *flag;       /* short flag without dashes, or NULL */
    unsigned flag_programs; /* enum config_program, or-ed */
    const char *help;
};

enum config_source {
    CONFIG_FROM_DEFAULT,
    CONFIG_FROM_FILE,
    CONFIG_FROM_ENVIRONMENT,
    CONFIG_FROM_FLAG,
};

struct config_origin {
    enum config_source source;
    char where[320]; /* "parley.ini:12", "PARLEY_GATEWAY_LISTEN", "--listen" */
    char text[512];  /* the value as given (cut), "" for secrets */
    bool is_secret_file;
};

extern const struct config_row config_rows[];
extern const size_t config_row_count;

/* The row of that section and key (which need not end in NUL); NULL if there is none. *out_is_file
 * tells that the key was its "_file" form. */
const struct config_row *config_row_find(struct bytes section, struct bytes key, bool *out_is_file);

/* The row nearest in spelling, for "did you mean"; NULL if none is near. */
const struct config_row *config_row_near(struct bytes section, struct bytes key);

/* Whether the key has a "_file" form. */
static inline bool config_row_takes_file(const struct config_row *row)
{
    return row->is_secret || row->has_file_form;
}

/* Writes the variable's name, "PARLEY_GATEWAY_LISTEN". */
void config_row_variable(const struct config_row *row, char out[96]);

/* Parses text into the row's field of config. On RC_INVALID, out_why says what would be right. */
MUST_CHECK enum rc config_value_set(struct config *config, const struct config_row *row,
                                    const char *text, char out_why[256]);

/* Puts text into a text row's field unchecked: the path of a secret's file, for the time being. */
MUST_CHECK enum rc config_text_set(struct config *config, const struct config_row *row,
                                   const char *text);

/* What the row takes, for people: "1 to 64", "auto, on or off". */
void config_value_describe(const struct config_row *row, char out[256]);

/* One setting as the file gives it. Return false to stop. */
typedef bool (*config_file_fn)(void *closure, int line, const char *section, const char *key,
                               const char *value);

/* Reads an INI file (config_file.c is the only place that knows libinih).
 *   errors  RC_NOT_FOUND can't be opened; RC_INVALID a line that isn't INI: *out_bad_line is its
 *           number, 0 when the callback stopped
 */
MUST_CHECK enum rc config_file_read(const char *path, config_file_fn each, void *closure,
                                    int *out_bad_line);

#endif
