/* A client's cursor of any bytes: what is taken is exactly what cursor_write makes of it. */
#include "demand.h"
#include "wire/cursor.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct cursor cursor = { 0 };
    struct cursor again = { 0 };
    char text[CURSOR_TEXT_MAX + 1];
    size_t len;

    if (cursor_read(bytes_make(data, size), &cursor) != RC_OK)
        return 0;
    demand(cursor.partitions > 0 && cursor.partitions <= PARTITIONS_MAX);
    len = cursor_write(&cursor, text);
    demand(len <= CURSOR_TEXT_MAX && text[len] == 0);
    demand(cursor_read(bytes_make(text, len), &again) == RC_OK);
    demand(again.generation == cursor.generation && again.partitions == cursor.partitions);
    for (uint32_t p = 0; p < cursor.partitions; p++)
        demand(again.safe[p] == cursor.safe[p]);
    return 0;
}
