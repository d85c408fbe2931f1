/* Orders, crashes and several appliers on mongo-java-server 1.47 in memory. */
#include "property/mongo/suite.h"

const enum mongo_kind orders_kind = MONGO_JAVA;
const struct orders_counts orders_counts = { .whole = 5, .broken = 12, .together = 20 };
