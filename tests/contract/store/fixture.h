/* fixture.h - a store for one test, of whatever adapter the program is about. */
#ifndef TESTS_CONTRACT_STORE_FIXTURE_H
#define TESTS_CONTRACT_STORE_FIXTURE_H

#include "ports/account_store.h"
#include "ports/directory_store.h"
#include "ports/message_store.h"

struct store_fixture; /* each program has its own */

struct store_fixture *store_fixture_open(void);
const struct message_store *store_fixture_messages(struct store_fixture *fixture);
const struct directory_store *store_fixture_directory(struct store_fixture *fixture);
const struct account_store *store_fixture_accounts(struct store_fixture *fixture);
/* Whether of many guarded updates at once one alone succeeds. FerretDB 1.24 looks and writes in two
 * steps, so there several may. */
bool store_fixture_compares_and_sets(const struct store_fixture *fixture);
/* Closes and opens it again, where the adapter keeps anything beyond that. */
void store_fixture_reopen(struct store_fixture *fixture);
void store_fixture_close(struct store_fixture *fixture);

#endif
