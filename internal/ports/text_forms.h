/* text_forms.h - port: the forms of Unicode text that identities are compared in.
 *
 * Thread: any.
 */
#ifndef PORTS_TEXT_FORMS_H
#define PORTS_TEXT_FORMS_H

#include "base/arena.h"
#include "domain/account.h"

struct text_forms {
    /* NFKC with case folded and what is invisible left out (Unicode's toNFKC_Casefold), so that
     * "ＡＤＡ", "Ada" and "ada" are one name.
     *   text    UTF-8
     *   out     in the arena, NUL after it
     *   errors  RC_INVALID not UTF-8; RC_NOMEM */
    enum rc (*fold)(struct bytes text, struct arena *arena, struct bytes *out);
    /* NFC: what a keyboard composes and what it doesn't become one. Else as fold. */
    enum rc (*compose)(struct bytes text, struct arena *arena, struct bytes *out);
    /* RC_INVALID not UTF-8. */
    enum rc (*facts)(struct bytes text, struct text_facts *out);
};

#endif
