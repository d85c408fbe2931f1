/* A name of any bytes: its folded form is UTF-8 and its own folded form; what was checked is within
 * its limits and can't be taken for an address. */
#include "../wire/demand.h"
#include "adapters/utf8proc/utf8_forms.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    SCOPED_ARENA(arena, 1 << 22);
    const struct text_forms *forms = utf8_forms();
    struct bytes text = bytes_make(data, size), key, again;
    struct text_facts facts;

    if (size > 4096 || forms->fold(text, &arena, &key) != RC_OK) {
        demand(size > 4096 || !bytes_is_utf8(text) || memchr(data, 0, size) || size == 0);
        return 0;
    }
    demand(bytes_is_utf8(key));
    demand(forms->fold(key, &arena, &again) == RC_OK && bytes_equal(key, again));
    demand(forms->facts(text, &facts) == RC_OK);
    if (username_check(text, key, &facts, NULL) == RC_OK)
        demand(key.len > 0 && key.len <= USERNAME_KEY_BYTES_MAX && !memchr(key.ptr, '@', key.len));
    if (email_check(text, &facts, NULL) == RC_OK)
        demand(size <= EMAIL_BYTES_MAX && !memchr(data, '\n', size) && !memchr(data, ' ', size));
    return 0;
}
