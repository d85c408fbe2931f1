#include "contract/store/samples.h"

enum { ARENA_BYTES = 64 << 20 };

void bench_open(struct bench *bench)
{
    bench->fixture = store_fixture_open();
    bench->m = store_fixture_messages(bench->fixture);
    bench->d = store_fixture_directory(bench->fixture);
    bench->a = store_fixture_accounts(bench->fixture);
    arena_init(&bench->arena, ARENA_BYTES);
}

void bench_close(struct bench *bench)
{
    arena_fini(&bench->arena);
    store_fixture_close(bench->fixture);
}
