/* file.c - INI files by libinih, held to what we call one.
 *
 * Debian's libinih hands no line number to its handler, so our reader counts: it is asked for
 * exactly one line at a time. Continuation lines are off (a stray indent would join two values),
 * and a line that is too long is an error instead of being cut in two.
 */
#include "config/table.h"

#include <errno.h>
#include <ini.h>

enum { FILE_LINE_CHARS = 4096 };

struct file_reader {
    FILE *file;
    int line;
    int long_line; /* number of the first line that is too long, 0 if none */
    config_file_fn each;
    void *closure;
    bool has_stopped;
};

static char *read_line(char *text, int room, void *stream)
{
    struct file_reader *reader = stream;
    size_t len;

    if (reader->long_line || reader->has_stopped || !fgets(text, room, reader->file))
        return NULL;
    reader->line++;
    len = strlen(text);
    if (len + 1 == (size_t)room && text[len - 1] != '\n') {
        reader->long_line = reader->line;
        return NULL;
    }
    return text;
}

static int on_setting(void *user, const char *section, const char *key, const char *value)
{
    struct file_reader *reader = user;

    reader->has_stopped = !reader->each(reader->closure, reader->line, section, key, value);
    return !reader->has_stopped;
}

enum rc config_file_read(const char *path, config_file_fn each, void *closure, int *out_bad_line)
{
    struct file_reader reader = { .each = each, .closure = closure };
    int result;

    reader.file = fopen(path, "re");
    if (!reader.file)
        return RC_NOT_FOUND;
    ini_use_stack = false;
    ini_max_line = FILE_LINE_CHARS;
    ini_initial_alloc = FILE_LINE_CHARS;
    ini_allow_multiline = false;
    ini_stop_on_first_error = true;
    result = ini_parse_stream(read_line, &reader, on_setting, &reader);
    /* A folder opens, but does not read. */
    if (ferror(reader.file) && result == 0)
        result = -1;
    (void)fclose(reader.file);
    if (reader.has_stopped)
        *out_bad_line = 0;
    else
        *out_bad_line = reader.long_line ? reader.long_line : result;
    if (result == -2)
        return RC_NOMEM;
    return result || reader.long_line ? RC_INVALID : RC_OK;
}
