/* procs.c - reading /proc. */
#include "procs.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "util.h"

static void add(struct procs *procs, const char *name, pid_t pid)
{
    if (pid <= 0)
        return;
    for (size_t i = 0; i < procs->count; i++)
        if (procs->list[i].pid == pid)
            return;
    if (procs->count == PROCS_MAX)
        return;
    struct proc *proc = &procs->list[procs->count++];
    *proc = (struct proc){ .pid = pid };
    snprintf(proc->name, sizeof proc->name, "%s", name);
}

static pid_t read_pid(const char *path)
{
    FILE *file = fopen(path, "r");
    long pid = 0;
    if (!file)
        return 0;
    if (fscanf(file, "%ld", &pid) != 1)
        pid = 0;
    fclose(file);
    return (pid_t)pid;
}

static void read_run_dir(struct procs *procs)
{
    DIR *dir = procs->run_dir[0] ? opendir(procs->run_dir) : NULL;
    struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        char path[600], name[64];
        size_t len = strlen(entry->d_name);
        if (len < 5 || len > 60 || strcmp(entry->d_name + len - 4, ".pid") != 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", procs->run_dir, entry->d_name);
        snprintf(name, sizeof name, "%.*s", (int)(len - 4), entry->d_name);
        add(procs, name, read_pid(path));
    }
    if (dir)
        closedir(dir);
}

void procs_init(struct procs *procs, const char *home, const char *const *extra, size_t extra_count)
{
    *procs = (struct procs){ 0 };
    if (home)
        snprintf(procs->run_dir, sizeof procs->run_dir, "%s/run", home);
    for (size_t i = 0; i < extra_count; i++) {
        const char *equals = strchr(extra[i], '=');
        char name[64];
        if (!equals || equals - extra[i] > 60)
            die("--pid %s: NAME=PID is wanted", extra[i]);
        snprintf(name, sizeof name, "%.*s", (int)(equals - extra[i]), extra[i]);
        add(procs, name, (pid_t)strtol(equals + 1, NULL, 10));
    }
    procs_sample(procs, 1);
    procs_mark(procs);
}

static void sample_cpu(struct proc *proc)
{
    char path[64], text[1024];
    unsigned long user, system;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)proc->pid);
    FILE *file = fopen(path, "r");
    if (!file)
        return; /* gone: what it had used stays */
    size_t len = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[len] = 0;
    const char *after = strrchr(text, ')'); /* the name may hold blanks */
    if (after && sscanf(after + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
                        &system) == 2)
        proc->cpu_s = (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static uint64_t field_kib(pid_t pid, const char *name, const char *field)
{
    char path[64], line[256];
    uint64_t value = 0;
    size_t len = strlen(field);
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, field, len) == 0)
            value = strtoull(line + len, NULL, 10);
    if (file)
        fclose(file);
    return value;
}

void procs_sample(struct procs *procs, int with_pss)
{
    read_run_dir(procs);
    for (size_t i = 0; i < procs->count; i++) {
        struct proc *proc = &procs->list[i];
        sample_cpu(proc);
        proc->rss_kib = field_kib(proc->pid, "status", "VmRSS:");
        if (proc->rss_kib > proc->rss_max_kib)
            proc->rss_max_kib = proc->rss_kib;
        if (with_pss)
            proc->pss_kib = field_kib(proc->pid, "smaps_rollup", "Pss:");
    }
}

static double self_cpu(void)
{
    struct rusage use;
    (void)getrusage(RUSAGE_SELF, &use); /* can't fail for oneself */
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
           (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

double procs_self_cpu(const struct procs *procs)
{
    return self_cpu() - procs->self_mark_s;
}

void procs_mark(struct procs *procs)
{
    procs->self_mark_s = self_cpu();
    for (size_t i = 0; i < procs->count; i++) {
        procs->list[i].cpu_mark_s = procs->list[i].cpu_s;
        procs->list[i].pss_mark_kib = procs->list[i].pss_kib;
    }
}

double procs_cpu(const struct procs *procs)
{
    double sum = 0;
    for (size_t i = 0; i < procs->count; i++)
        sum += procs->list[i].cpu_s - procs->list[i].cpu_mark_s;
    return sum;
}

uint64_t procs_pss(const struct procs *procs, const char *prefix, int at_mark)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < procs->count; i++)
        if (strncmp(procs->list[i].name, prefix, strlen(prefix)) == 0)
            sum += at_mark ? procs->list[i].pss_mark_kib : procs->list[i].pss_kib;
    return sum;
}
