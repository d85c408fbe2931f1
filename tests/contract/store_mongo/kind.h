/* kind.h - which server the program's store is on; each program defines it. */
#ifndef TESTS_CONTRACT_STORE_MONGO_KIND_H
#define TESTS_CONTRACT_STORE_MONGO_KIND_H

#include "support/mongo_server.h"

extern const enum mongo_kind fixture_kind;

#endif
