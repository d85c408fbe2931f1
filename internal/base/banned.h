/* banned.h - calls that have a safe twin here are compile errors.
 *
 * Included before every file by the build (cmake/parley.cmake), as git's banned.h is.
 */
#ifndef BASE_BANNED_H
#define BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf gets strtok
#pragma GCC poison ctime asctime gmtime localtime atoi atol atoll atof

#endif
