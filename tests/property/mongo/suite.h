/* suite.h - which server a program's store is on, and how many seeds it has time for. */
#ifndef TESTS_PROPERTY_MONGO_SUITE_H
#define TESTS_PROPERTY_MONGO_SUITE_H

#include "support/mongo_server.h"

struct orders_counts {
    unsigned whole;    /* logs of which all that can be read is compared with the memory store */
    unsigned broken;   /* logs whose persister is killed */
    unsigned together; /* logs that several appliers apply at once */
};

extern const enum mongo_kind orders_kind;
extern const struct orders_counts orders_counts;

#endif
