/* demand.h - what must hold of every input: an assertion that no build leaves out. */
#ifndef FUZZ_WIRE_DEMAND_H
#define FUZZ_WIRE_DEMAND_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

#define demand(claim)                                                                              \
    do {                                                                                           \
        if (!(claim)) {                                                                            \
            (void)fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #claim);              \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#endif
