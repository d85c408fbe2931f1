/* alloc_fault.h - the n-th allocation of a run fails, for programs linked with --wrap=malloc.
 *
 * Only what is linked statically is seen: shared libraries allocate as always. One thread.
 */
#ifndef TESTS_UNIT_GATEWAY_ALLOC_FAULT_H
#define TESTS_UNIT_GATEWAY_ALLOC_FAULT_H

#include <stddef.h>
#include <stdint.h>

/* From now on allocations are counted; the one with this number (1: the first) fails, 0: none. */
void alloc_fault_begin(uint64_t failing);
/* Ends it; returns how many there were. */
uint64_t alloc_fault_end(void);

/* Allocations of exactly this size neither count nor fail: what the program aborts without. */
void alloc_fault_spare(size_t size);

/* Between these two the test's own allocations are neither counted nor failed; they nest. */
void alloc_fault_pause(void);
void alloc_fault_resume(void);

#endif
