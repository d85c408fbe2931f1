#include "support/scratch.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void scratch_init(struct scratch *scratch)
{
    const char *base = getenv("TMPDIR");
    (void)snprintf(scratch->path, sizeof scratch->path, "%s/parley-test-XXXXXX",
                   base && strlen(base) < SCRATCH_PATH_CHARS / 2 ? base : "/tmp");
    if (!mkdtemp(scratch->path)) {
        (void)fprintf(stderr, "no scratch folder %s: %s\n", scratch->path, strerror(errno));
        abort();
    }
}

void scratch_file(const struct scratch *scratch, const char *name, char *out, size_t room)
{
    (void)snprintf(out, room, "%s/%s", scratch->path, name);
}

static int remove_one(const char *path, const struct stat *info, int flag, struct FTW *at)
{
    (void)info, (void)flag, (void)at;
    return remove(path);
}

void scratch_fini(struct scratch *scratch)
{
    (void)nftw(scratch->path, remove_one, 16, FTW_DEPTH | FTW_PHYS); /* a leftover is harmless */
    scratch->path[0] = 0;
}
