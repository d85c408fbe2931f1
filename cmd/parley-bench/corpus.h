/* corpus.h - a log of real conversations: NDJSON, plain or gzipped (docs: tests/data/README.md). */
#ifndef BENCH_CORPUS_H
#define BENCH_CORPUS_H

#include "util.h"

enum corpus_kind { CORPUS_MESSAGE, CORPUS_ACTION, CORPUS_JOINED, CORPUS_LEFT };

struct corpus_event {
    uint32_t conversation, user; /* indexes */
    enum corpus_kind kind;
    struct bytes text; /* as JSON wrote it: still escaped */
};

struct corpus {
    struct corpus_event *events;
    size_t count, cap;
    char **conversations; /* names as in the file */
    char **users;         /* nicknames, unescaped */
    size_t conversation_count, conversation_cap, user_count, user_cap;
    char *text; /* what the events point into */
};

/* Reads a file. Ends the program when it can't be read or a line isn't what it should be.
 *   limit  at most so many events of each conversation; 0: all
 */
void corpus_load(struct corpus *corpus, const char *path, size_t limit);
void corpus_fini(struct corpus *corpus);

#endif
