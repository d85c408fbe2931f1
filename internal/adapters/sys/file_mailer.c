#include "adapters/sys/file_mailer.h"

#include "base/clock.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct file_mailer {
    struct mailer port;
    char *folder, *from;
    _Atomic unsigned count;
};

static enum rc write_file(const struct file_mailer *m, const char *path, const struct mail *mail)
{
    FILE *file = fopen(path, "wxe");
    if (!file)
        return RC_UNAVAILABLE;
    bool is_written =
        fchmod(fileno(file), 0600) == 0 &&
        fprintf(file, "From: %s\nTo: %.*s\nSubject: %.*s\n\n%.*s", m->from, BYTES_ARG(mail->to),
                BYTES_ARG(mail->subject), BYTES_ARG(mail->text)) > 0;
    return fclose(file) == 0 && is_written ? RC_OK : RC_UNAVAILABLE;
}

static enum rc send_mail(void *self, const struct mail *mail)
{
    struct file_mailer *m = self;
    char path[4200], made[4200];
    unsigned number = atomic_fetch_add(&m->count, 1);
    long long at_us = (long long)clock_wall_us(clock_system());
    if (mkdir(m->folder, 0700) != 0 && errno != EEXIST)
        return RC_UNAVAILABLE;
    (void)snprintf(made, sizeof made, "%s/.%lld-%d-%u.part", m->folder, at_us, (int)getpid(),
                   number);
    (void)snprintf(path, sizeof path, "%s/%lld-%d-%u.eml", m->folder, at_us, (int)getpid(), number);
    enum rc rc = write_file(m, made, mail);
    if (rc == RC_OK && rename(made, path) != 0)
        rc = RC_UNAVAILABLE;
    if (rc != RC_OK)
        (void)unlink(made); /* may not be there */
    return rc;
}

enum rc file_mailer_create(const char *folder, const char *from, struct file_mailer **out_mailer)
{
    struct file_mailer *m = calloc(1, sizeof *m);
    if (!m)
        return RC_NOMEM;
    m->port = (struct mailer){ .self = m, .send = send_mail };
    m->folder = strdup(folder);
    m->from = strdup(from);
    if (!m->folder || !m->from) {
        file_mailer_destroy(m);
        return RC_NOMEM;
    }
    *out_mailer = m;
    return RC_OK;
}

const struct mailer *file_mailer_port(const struct file_mailer *mailer)
{
    return &mailer->port;
}

void file_mailer_destroy(struct file_mailer *m)
{
    if (!m)
        return;
    free(m->folder);
    free(m->from);
    free(m);
}
