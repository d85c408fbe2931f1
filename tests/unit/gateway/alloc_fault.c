#include "unit/gateway/alloc_fault.h"

#include <stdbool.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static bool is_counting;
static int pauses;
static uint64_t counted, failing_at;
static size_t spared;

void alloc_fault_begin(uint64_t failing)
{
    counted = 0;
    failing_at = failing;
    is_counting = true;
}

uint64_t alloc_fault_end(void)
{
    is_counting = false;
    return counted;
}

void alloc_fault_spare(size_t size)
{
    spared = size;
}

void alloc_fault_pause(void)
{
    pauses++;
}

void alloc_fault_resume(void)
{
    pauses--;
}

static bool fails(size_t size)
{
    return is_counting && !pauses && size != spared && ++counted == failing_at;
}

void *__wrap_malloc(size_t size)
{
    return fails(size) ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails(size) ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fails(size) ? NULL : __real_realloc(old, size);
}
