#include "adapters/utf8proc/utf8_forms.h"

#include <stdlib.h>
#include <utf8proc.h>

enum {
    FOLD =
        UTF8PROC_STABLE | UTF8PROC_COMPAT | UTF8PROC_COMPOSE | UTF8PROC_CASEFOLD | UTF8PROC_IGNORE
};

static enum rc map_once(struct bytes text, int options, struct arena *arena, struct bytes *out)
{
    utf8proc_uint8_t *mapped = NULL;
    utf8proc_ssize_t len =
        utf8proc_map(text.ptr ? text.ptr : (const uint8_t *)"", (utf8proc_ssize_t)text.len, &mapped,
                     (utf8proc_option_t)options);
    if (len == UTF8PROC_ERROR_NOMEM)
        return RC_NOMEM;
    if (len < 0)
        return RC_INVALID;
    struct bytes copy = arena_copy(arena, bytes_make(mapped, (size_t)len));
    free(mapped);
    if (!copy.ptr)
        return RC_NOMEM;
    *out = copy;
    return RC_OK;
}

/* Twice: folding case may leave what normalizes further, and a key must be its own key. */
static enum rc fold(struct bytes text, struct arena *arena, struct bytes *out)
{
    struct bytes once;
    TRY(map_once(text, FOLD, arena, &once));
    return map_once(once, FOLD, arena, out);
}

static enum rc compose(struct bytes text, struct arena *arena, struct bytes *out)
{
    return map_once(text, UTF8PROC_STABLE | UTF8PROC_COMPOSE, arena, out);
}

/* What may stand in a name and be seen there. */
static bool is_visible(utf8proc_int32_t point)
{
    const utf8proc_property_t *p = utf8proc_get_property(point);
    switch ((utf8proc_category_t)p->category) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
        return false;
    default:
        return !p->ignorable;
    }
}

static enum rc read_facts(struct bytes text, struct text_facts *out)
{
    struct text_facts found = { .is_plain = true };
    bool was_blank = true; /* so that one in front counts as one too many */
    for (size_t at = 0; at < text.len;) {
        utf8proc_int32_t point;
        utf8proc_ssize_t len =
            utf8proc_iterate(text.ptr + at, (utf8proc_ssize_t)(text.len - at), &point);
        if (len <= 0)
            return RC_INVALID;
        bool is_blank = utf8proc_category(point) == UTF8PROC_CATEGORY_ZS;
        if (!is_visible(point) || (is_blank && (was_blank || point != ' ')))
            found.is_plain = false;
        was_blank = is_blank;
        found.chars++;
        at += (size_t)len;
    }
    if (was_blank)
        found.is_plain = false;
    *out = found;
    return RC_OK;
}

const struct text_forms *utf8_forms(void)
{
    static const struct text_forms forms = { fold, compose, read_facts };
    return &forms;
}
