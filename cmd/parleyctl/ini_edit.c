#include "ini_edit.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl.h"

static struct bytes trimmed(struct bytes text)
{
    while (text.len && (text.ptr[0] == ' ' || text.ptr[0] == '\t'))
        text = bytes_make(text.ptr + 1, text.len - 1);
    while (text.len && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t' ||
                        text.ptr[text.len - 1] == '\r'))
        text.len--;
    return text;
}

static bool is_section(struct bytes line, bool *out_is_it, const char *section)
{
    line = trimmed(line);
    if (line.len < 2 || line.ptr[0] != '[' || line.ptr[line.len - 1] != ']')
        return false;
    *out_is_it = bytes_is(trimmed(bytes_make(line.ptr + 1, line.len - 2)), section);
    return true;
}

static bool is_key(struct bytes line, const char *key)
{
    const uint8_t *equals = memchr(line.ptr, '=', line.len);
    return equals && bytes_is(trimmed(bytes_make(line.ptr, (size_t)(equals - line.ptr))), key);
}

static void write_changed(struct buf *out, struct bytes text, const char *section, const char *key,
                          const char *value)
{
    bool is_inside = false, is_done = false, is_it;

    while (text.len) {
        const uint8_t *end = memchr(text.ptr, '\n', text.len);
        struct bytes line = bytes_make(text.ptr, end ? (size_t)(end - text.ptr) : text.len);
        size_t taken = line.len + (end != NULL);
        text = bytes_make(text.ptr + taken, text.len - taken);
        if (is_section(line, &is_it, section)) {
            if (is_inside && !is_done)
                buf_add_format(out, "%s = %s\n", key, value);
            is_done = is_done || is_inside;
            is_inside = is_it;
        } else if (is_inside && !is_done && is_key(line, key)) {
            buf_add_format(out, "%s = %s\n", key, value);
            is_done = true;
            continue;
        }
        buf_add(out, line);
        buf_add_byte(out, '\n');
    }
    if (!is_inside && !is_done)
        buf_add_format(out, "[%s]\n", section);
    if (!is_done)
        buf_add_format(out, "%s = %s\n", key, value);
}

static bool replace(const char *path, const struct buf *text)
{
    char part[4200];
    struct stat old;
    (void)snprintf(part, sizeof part, "%.4096s.part", path);
    bool is_written = stat(path, &old) == 0;
    FILE *file = is_written ? fopen(part, "we") : NULL;
    is_written = file && fchmod(fileno(file), old.st_mode & 07777) == 0 &&
                 fwrite(text->ptr, 1, text->len, file) == text->len && fflush(file) == 0 &&
                 fsync(fileno(file)) == 0;
    if (file)
        is_written = fclose(file) == 0 && is_written;
    if (is_written && rename(part, path) == 0)
        return true;
    (void)ctl_fail("%s can't be written: %s", path, strerror(errno));
    (void)unlink(part); /* it is of no use */
    return false;
}

bool ini_edit(const char *path, const char *section, const char *key, const char *value)
{
    SCOPED_BUF(text, CTL_FILE_BYTES_MAX);
    SCOPED_BUF(out, CTL_FILE_BYTES_MAX);

    if (!ctl_read_file(path, &text))
        return false;
    write_changed(&out, buf_bytes(&text), section, key, value);
    return !out.has_failed && replace(path, &out);
}
