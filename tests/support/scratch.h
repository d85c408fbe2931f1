/* scratch.h - an empty folder of a test's own, removed with all that is in it. */
#ifndef TESTS_SUPPORT_SCRATCH_H
#define TESTS_SUPPORT_SCRATCH_H

#include <stddef.h>

enum { SCRATCH_PATH_CHARS = 256 };

struct scratch {
    char path[SCRATCH_PATH_CHARS]; /* below $TMPDIR or /tmp */
};

/* Makes the folder; ends the program with a message if it can't. */
void scratch_init(struct scratch *scratch);

/* Writes the path of a file of that name in the folder. */
void scratch_file(const struct scratch *scratch, const char *name, char *out, size_t room);

void scratch_fini(struct scratch *scratch);

#endif
