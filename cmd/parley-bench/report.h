/* report.h - one report, as text for people and as JSON for programs. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include "checker.h"
#include "hist.h"
#include "options.h"
#include "procs.h"
#include "util.h"

struct report {
    struct sbuf json, text;
    bool needs_comma;
};

void report_init(struct report *report, const struct options *options);
/* A group of figures: an object in JSON, a heading in text. */
void report_group(struct report *report, const char *name);
void report_end_group(struct report *report);
void report_count(struct report *report, const char *name, uint64_t value);
void report_real(struct report *report, const char *name, double value);
void report_text(struct report *report, const char *name, const char *value);
void report_hist(struct report *report, const char *name, const struct hist *hist);
void report_tally(struct report *report, const struct tally *tally);
void report_procs(struct report *report, const struct procs *procs);

/* A table: columns end with NULL; then rows, then report_end_group. A row without cells stands for
 * what wasn't looked at. */
void report_table(struct report *report, const char *name, const char *const *columns);
void report_row(struct report *report, const char *name, const char *const *columns,
                const uint64_t *cells);

/* Ends it with the verdict, prints it, writes --json.
 *   returns  the exit status: 0 when is_good, else 1
 */
int report_finish(struct report *report, const struct options *options, bool is_good);

#endif
