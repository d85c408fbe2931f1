/* The store contract on the server that MONGODB_URI names: `MONGODB_URI=… tests/run mongo`. It uses
 * a database of its own there, contract_<pid>, which is left behind empty of documents. */
#include "contract/store_mongo/kind.h"

#include <stdio.h>
#include <stdlib.h>

const enum mongo_kind fixture_kind = MONGO_GIVEN;

/* Before main: without a server there is nothing to pass. 77 is ctest's word for skipped. */
__attribute__((constructor)) static void skip_without_server(void)
{
    const char *uri = getenv("MONGODB_URI");
    if (uri && *uri)
        return;
    (void)fputs("skipped: MONGODB_URI names no server\n", stderr);
    exit(77);
}
