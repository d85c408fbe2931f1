#include "base/fault.h"

#include <stdarg.h>
#include <stdio.h>

void fault_set(struct fault *fault, const char *field, const char *format, ...)
{
    va_list args;
    if (!fault)
        return;
    fault->is_size = false;
    (void)snprintf(fault->field, sizeof fault->field, "%s", field ? field : "");
    va_start(args, format);
    (void)vsnprintf(fault->text, sizeof fault->text, format, args);
    va_end(args);
}

void fault_set_large(struct fault *fault, const char *field, size_t bytes_max)
{
    fault_set(fault, field, "%s may have at most %zu bytes.", field, bytes_max);
    if (fault)
        fault->is_size = true;
}
