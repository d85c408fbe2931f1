/* The store contract on FerretDB 1.24 over PostgreSQL 15. */
#include "contract/store_mongo/kind.h"

const enum mongo_kind fixture_kind = MONGO_FERRETDB;
