/* An arena: alignment, zeroes, and its maximum, which is what keeps a peer from growing it. */
#include "base/arena.h"
#include "support/check.h"

TEST(memory_is_zeroed_and_aligned_for_any_type)
{
    SCOPED_ARENA(arena, 1 << 20);
    for (size_t size = 0; size < 300; size += 7) {
        uint8_t *ptr = arena_alloc(&arena, size);
        CHECK(ptr != NULL);
        CHECK_U64(0, (uintptr_t)ptr % _Alignof(max_align_t));
        for (size_t i = 0; i < size; i++)
            CHECK_INT(0, ptr[i]);
        memset(ptr, 0xff, size);
    }
}

TEST(the_maximum_is_kept_and_what_was_given_out_stays)
{
    SCOPED_ARENA(arena, 64);
    uint8_t *first = arena_alloc(&arena, 32);
    first[31] = 7;
    CHECK(arena_alloc(&arena, 33) == NULL);
    CHECK(arena_alloc(&arena, 32) != NULL);
    CHECK(arena_alloc(&arena, 1) == NULL);
    CHECK_INT(7, first[31]);
    CHECK(arena_alloc(&arena, SIZE_MAX) == NULL);
    CHECK(arena_alloc(&arena, SIZE_MAX - 8) == NULL);
}

TEST(an_ended_arena_can_be_used_again)
{
    struct arena arena;
    arena_init(&arena, 64);
    CHECK(arena_alloc(&arena, 64) != NULL);
    CHECK(arena_alloc(&arena, 16) == NULL);
    arena_fini(&arena);
    CHECK(arena_alloc(&arena, 64) != NULL);
    arena_fini(&arena);
}

TEST(larger_than_a_chunk_is_no_matter)
{
    SCOPED_ARENA(arena, 1 << 20);
    uint8_t *small = arena_alloc(&arena, 16);
    uint8_t *large = arena_alloc(&arena, 100000);
    CHECK(small && large);
    memset(large, 1, 100000);
    CHECK_INT(0, small[15]);
}

TEST(a_copy_ends_with_a_nul_that_is_not_counted)
{
    SCOPED_ARENA(arena, 4096);
    struct bytes copy = arena_copy(&arena, bytes_make("abcdef", 3));
    CHECK_TEXT("abc", copy);
    CHECK_INT(0, copy.ptr[3]);
    copy = arena_copy(&arena, (struct bytes){ NULL, 0 });
    CHECK_SIZE(0, copy.len);
    CHECK(copy.ptr != NULL);
}

TEST(a_copy_that_does_not_fit_has_no_pointer)
{
    SCOPED_ARENA(arena, 16);
    CHECK(arena_copy(&arena, bytes_of("sixteen letters!")).ptr == NULL);
    CHECK(arena_copy(&arena, bytes_of("fifteen letters")).ptr != NULL);
}

TEST(a_formatted_text_has_its_length)
{
    SCOPED_ARENA(arena, 4096);
    CHECK_TEXT("a-7", arena_format(&arena, "%s-%d", "a", 7));
    CHECK_TEXT("", arena_format(&arena, "%s", ""));
    SCOPED_ARENA(small, 16);
    struct bytes text = arena_format(&small, "%s", "seventeen letters");
    CHECK(text.ptr == NULL);
    CHECK_SIZE(0, text.len);
}
