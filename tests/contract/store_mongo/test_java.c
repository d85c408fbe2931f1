/* The store contract on mongo-java-server 1.47 in memory. */
#include "contract/store_mongo/kind.h"

const enum mongo_kind fixture_kind = MONGO_JAVA;
