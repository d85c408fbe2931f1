/* fault.h - what a person must learn beside a result code: which field, and what would be right.
 *
 * The caller owns it, passes it last, and reads it only when the call failed.
 */
#ifndef BASE_FAULT_H
#define BASE_FAULT_H

#include <stdbool.h>
#include <stddef.h>

struct fault {
    char field[64]; /* the field's name as the sender spells it; empty if none */
    char text[192]; /* one sentence: what is wrong and what would be right; no input bytes */
    bool is_size;   /* nothing is wrong with it but that it is too large */
};

/* Writes both and returns nothing; fault may be NULL. */
void fault_set(struct fault *fault, const char *field, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for what is larger than bytes_max. */
void fault_set_large(struct fault *fault, const char *field, size_t bytes_max);

#endif
