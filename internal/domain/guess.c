#include "domain/guess.h"

int64_t guess_wait_ms(const struct ladder *source, const struct ladder *account, int64_t now_ms)
{
    int64_t wait_ms = ladder_wait_ms(source, now_ms);

    if (wait_ms > 0 || ladder_is_known(source, now_ms))
        return wait_ms;
    return ladder_wait_ms(account, now_ms);
}

void guess_count_source(struct ladder *source, int64_t now_ms)
{
    ladder_fail(source, &ladder_of_source, now_ms);
}

void guess_count_account(struct ladder *account, int64_t now_ms)
{
    ladder_fail(account, &ladder_of_account, now_ms);
}

void guess_right_source(struct ladder *source, int64_t now_ms)
{
    ladder_succeed(source, now_ms);
}

void guess_right_account(struct ladder *account, int64_t now_ms)
{
    (void)now_ms;
    ladder_take_back(account, &ladder_of_account);
}

void guess_take_back_source(struct ladder *source, int64_t now_ms)
{
    (void)now_ms;
    ladder_take_back(source, &ladder_of_source);
}

void guess_take_back_account(struct ladder *account, int64_t now_ms)
{
    (void)now_ms;
    ladder_take_back(account, &ladder_of_account);
}
