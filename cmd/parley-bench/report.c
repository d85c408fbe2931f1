/* report.c - text and JSON side by side. */
#include "report.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void key(struct report *report, const char *name)
{
    if (report->needs_comma)
        sbuf_puts(&report->json, ",");
    report->needs_comma = true;
    sbuf_printf(&report->json, "\"%s\":", name);
}

void report_init(struct report *report, const struct options *options)
{
    *report = (struct report){ 0 };
    sbuf_puts(&report->json, "{");
    report_text(report, "mode", options->mode);
    report_text(report, "run", options->run);
    report_text(report, "url", options->ws_url);
}

void report_group(struct report *report, const char *name)
{
    key(report, name);
    sbuf_puts(&report->json, "{");
    sbuf_printf(&report->text, "%s\n", name);
    report->needs_comma = false;
}

void report_end_group(struct report *report)
{
    sbuf_puts(&report->json, "}");
    report->needs_comma = true;
}

void report_count(struct report *report, const char *name, uint64_t value)
{
    key(report, name);
    sbuf_printf(&report->json, "%" PRIu64, value);
    sbuf_printf(&report->text, "  %-28s %" PRIu64 "\n", name, value);
}

void report_real(struct report *report, const char *name, double value)
{
    key(report, name);
    sbuf_printf(&report->json, "%.3f", value);
    sbuf_printf(&report->text, "  %-28s %.2f\n", name, value);
}

void report_text(struct report *report, const char *name, const char *value)
{
    key(report, name);
    sbuf_puts(&report->json, "\"");
    sbuf_json(&report->json, bytes_of(value));
    sbuf_puts(&report->json, "\"");
    sbuf_printf(&report->text, "  %-28s %s\n", name, value);
}

void report_hist(struct report *report, const char *name, const struct hist *hist)
{
    static const struct {
        const char *name;
        double q;
    } marks[] = { { "p50", 0.5 },  { "p90", 0.9 },    { "p95", 0.95 },
                  { "p99", 0.99 }, { "p999", 0.999 }, { "max", 1 } };
    key(report, name);
    sbuf_printf(&report->json, "{\"count\":%" PRIu64 ",\"meanMs\":%.3f", hist->count,
                hist_mean_ms(hist));
    sbuf_printf(&report->text, "  %-28s", name);
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        double ms = hist_ms(hist, marks[i].q);
        sbuf_printf(&report->json, ",\"%sMs\":%.3f", marks[i].name, ms);
        sbuf_printf(&report->text, " %s %.2f ", marks[i].name, ms);
    }
    sbuf_puts(&report->json, "}");
    sbuf_printf(&report->text, "ms (%" PRIu64 ")\n", hist->count);
}

void report_tally(struct report *report, const struct tally *tally)
{
    static const char *const names[] = { "lost",    "doubled", "outOfOrder", "brokenChain",
                                         "unknown", "changed", "different",  "malformed",
                                         "repeats", "resets",  "withdrawn",  "unconfirmed" };
    const uint64_t *values = (const uint64_t *)tally;
    static_assert(sizeof *tally / sizeof *values == sizeof names / sizeof names[0],
                  "a name for each count");
    report_group(report, "checker");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        report_count(report, names[i], values[i]);
    report_end_group(report);
}

void report_table(struct report *report, const char *name, const char *const *columns)
{
    key(report, name);
    sbuf_puts(&report->json, "{");
    sbuf_printf(&report->text, "%-14s", name);
    for (size_t i = 0; columns[i]; i++)
        sbuf_printf(&report->text, " %11s", columns[i]);
    sbuf_puts(&report->text, "\n");
    report->needs_comma = false;
}

void report_row(struct report *report, const char *name, const char *const *columns,
                const uint64_t *cells)
{
    key(report, name);
    sbuf_printf(&report->text, "  %-12s", name);
    if (!cells) {
        sbuf_puts(&report->json, "null");
        sbuf_puts(&report->text, "   not looked at\n");
        return;
    }
    for (size_t i = 0; columns[i]; i++) {
        sbuf_printf(&report->json, "%s\"%s\":%" PRIu64, i ? "," : "{", columns[i], cells[i]);
        sbuf_printf(&report->text, " %11" PRIu64, cells[i]);
    }
    sbuf_puts(&report->json, "}");
    sbuf_puts(&report->text, "\n");
}

/* One line a name: a process that was restarted is counted with the ones before it, its memory is
 * that of the one that lives. */
static struct proc merged(const struct procs *procs, size_t first)
{
    struct proc sum = procs->list[first];
    sum.cpu_s -= sum.cpu_mark_s;
    for (size_t i = first + 1; i < procs->count; i++) {
        const struct proc *p = &procs->list[i];
        if (strcmp(p->name, sum.name) != 0)
            continue;
        sum.cpu_s += p->cpu_s - p->cpu_mark_s;
        sum.pid = p->pid;
        sum.pss_kib = p->pss_kib > sum.pss_kib ? p->pss_kib : sum.pss_kib;
        sum.rss_kib = p->rss_kib > sum.rss_kib ? p->rss_kib : sum.rss_kib;
        sum.rss_max_kib = p->rss_max_kib > sum.rss_max_kib ? p->rss_max_kib : sum.rss_max_kib;
        sum.starts++;
    }
    return sum;
}

static bool was_told(const struct procs *procs, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (strcmp(procs->list[i].name, procs->list[at].name) == 0)
            return true;
    return false;
}

void report_procs(struct report *report, const struct procs *procs)
{
    if (procs->count == 0)
        return;
    key(report, "processes");
    sbuf_puts(&report->json, "[");
    sbuf_puts(&report->text, "processes (in the window)\n");
    for (size_t i = 0; i < procs->count; i++) {
        if (was_told(procs, i))
            continue;
        struct proc p = merged(procs, i);
        sbuf_printf(&report->json,
                    "%s{\"name\":\"%s\",\"pid\":%d,\"restarts\":%u,\"cpuSeconds\":%.3f,"
                    "\"pssKib\":%" PRIu64 ",\"rssKib\":%" PRIu64 ",\"rssMaxKib\":%" PRIu64 "}",
                    i ? "," : "", p.name, (int)p.pid, p.starts, p.cpu_s, p.pss_kib, p.rss_kib,
                    p.rss_max_kib);
        sbuf_printf(&report->text,
                    "  %-28s %.2f CPU-s, PSS %.1f MiB, RSS %.1f MiB (most %.1f), restarts %u\n",
                    p.name, p.cpu_s, (double)p.pss_kib / 1024, (double)p.rss_kib / 1024,
                    (double)p.rss_max_kib / 1024, p.starts);
    }
    sbuf_puts(&report->json, "]");
    report->needs_comma = true;
}

static void write_json(struct report *report, const char *path)
{
    FILE *file = strcmp(path, "-") == 0 ? stdout : fopen(path, "w");
    if (!file)
        die("--json %s: cannot be written", path);
    fprintf(file, "%s\n", sbuf_text(&report->json));
    if (file != stdout)
        fclose(file);
}

int report_finish(struct report *report, const struct options *options, bool is_good)
{
    const char *verdict = is_good ? "pass" : "fail";
    report_text(report, "verdict", verdict);
    sbuf_puts(&report->json, "}");
    if (!options->json || strcmp(options->json, "-") != 0)
        fputs(sbuf_text(&report->text), stdout);
    if (options->json)
        write_json(report, options->json);
    sbuf_free(&report->json);
    sbuf_free(&report->text);
    return is_good ? 0 : 1;
}
