/* utf8_forms.h - the text forms by utf8proc, which carries Unicode's tables. Thread: any. */
#ifndef ADAPTERS_UTF8PROC_UTF8_FORMS_H
#define ADAPTERS_UTF8PROC_UTF8_FORMS_H

#include "ports/text_forms.h"

/* The port; static storage. */
const struct text_forms *utf8_forms(void);

#endif
