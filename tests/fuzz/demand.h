/* demand.h - what must hold of any input: says where it doesn't, and ends the target as a finding.
 */
#ifndef FUZZ_DEMAND_H
#define FUZZ_DEMAND_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static inline void demand_at(bool is_so, const char *file, int line)
{
    if (is_so)
        return;
    (void)fprintf(stderr, "%s:%d: not so\n", file, line);
    abort();
}
#define demand(claim) demand_at((claim), __FILE__, __LINE__)

#endif
