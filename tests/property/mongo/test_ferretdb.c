/* Orders, crashes and several appliers on FerretDB 1.24 over PostgreSQL 15. */
#include "property/mongo/suite.h"

const enum mongo_kind orders_kind = MONGO_FERRETDB;
const struct orders_counts orders_counts = { .whole = 2, .broken = 4, .together = 6 };
