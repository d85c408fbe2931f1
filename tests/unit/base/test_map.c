/* The hash map against the plainest thing that does the same: an array indexed by the key. */
#include "base/map.h"
#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>

enum { KEYS = 400, STEPS = 60000 };

static struct bytes key_of(unsigned number, char text[32])
{
    /* Lengths from 1 to 24, so that the hash's whole and partial words are both met. */
    int len = snprintf(text, 32, "%u-%.*s", number, (int)(number % 20), "abcdefghijklmnopqrst");
    return bytes_make(text, (size_t)len);
}

TEST(an_empty_map_has_nothing)
{
    struct map map;
    size_t at = 0;
    map_init(&map);
    CHECK(map_get(&map, bytes_of("a")) == NULL);
    CHECK(map_remove(&map, bytes_of("a")) == NULL);
    CHECK(map_next(&map, &at, NULL) == NULL);
    map_fini(&map);
}

TEST(keys_are_copied_and_compared_by_content)
{
    struct map map;
    char key[] = "abc";
    int value;
    map_init(&map);
    CHECK_RC(RC_OK, map_put(&map, bytes_of(key), &value));
    key[0] = 'x';
    CHECK(map_get(&map, bytes_of("abc")) == &value);
    CHECK(map_get(&map, bytes_of("xbc")) == NULL);
    CHECK(map_get(&map, bytes_of("ab")) == NULL);
    CHECK(map_get(&map, bytes_make("abc\0", 4)) == NULL);
    CHECK_RC(RC_OK, map_put(&map, bytes_of(""), &key));
    CHECK(map_get(&map, bytes_of("")) == &key);
    map_fini(&map);
}

TEST(putting_again_replaces)
{
    struct map map;
    int one, two;
    map_init(&map);
    CHECK_RC(RC_OK, map_put(&map, bytes_of("a"), &one));
    CHECK_RC(RC_OK, map_put(&map, bytes_of("a"), &two));
    CHECK_SIZE(1, map.count);
    CHECK(map_remove(&map, bytes_of("a")) == &two);
    CHECK_SIZE(0, map.count);
    map_fini(&map);
}

static void check_walk(const struct map *map, int *const expected[KEYS])
{
    bool was_met[KEYS] = { false };
    size_t at = 0, met = 0;
    struct bytes key;
    char text[32];
    for (int *value; (value = map_next(map, &at, &key));) {
        unsigned number = (unsigned)strtoul((const char *)key.ptr, NULL, 10);
        CHECK(number < KEYS && !was_met[number]);
        CHECK_BYTES(key_of(number, text), key);
        CHECK(value == expected[number]);
        was_met[number] = true;
        met++;
    }
    CHECK_SIZE(map->count, met);
}

TEST(random_puts_and_removals_agree_with_an_array)
{
    static int values[STEPS];
    int *expected[KEYS] = { NULL };
    struct map map;
    char text[32];
    map_init(&map);
    srandom(7);
    for (int step = 0; step < STEPS; step++) {
        unsigned number = (unsigned)random() % KEYS;
        struct bytes key = key_of(number, text);
        if (random() % 3) {
            CHECK_RC(RC_OK, map_put(&map, key, &values[step]));
            expected[number] = &values[step];
        } else {
            CHECK(map_remove(&map, key) == expected[number]);
            expected[number] = NULL;
        }
        number = (unsigned)random() % KEYS;
        CHECK(map_get(&map, key_of(number, text)) == expected[number]);
        if (step % 5000 == 0)
            check_walk(&map, expected);
    }
    check_walk(&map, expected);
    map_fini(&map);
}
