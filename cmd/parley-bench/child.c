/* child.c - pipe, posix_spawn, wait. */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util.h"

void child_start(struct child *child, const char *const argv[])
{
    int ends[2];
    posix_spawn_file_actions_t actions;
    if (pipe2(ends, O_CLOEXEC) != 0 || posix_spawn_file_actions_init(&actions) != 0 ||
        posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO) != 0)
        die("no pipe for %s", argv[0]);
    /* posix_spawn changes nothing of argv; its type is older than const. */
    int failed =
        posix_spawnp(&child->pid, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv, environ);
    if (failed)
        die("cannot run %s: %s", argv[0], strerror(failed));
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    child->out = fdopen(ends[0], "r");
    if (!child->out)
        die("out of memory");
}

int child_wait(struct child *child)
{
    int status = 0;
    fclose(child->out);
    while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

char *child_read(const char *const argv[])
{
    struct child child;
    struct sbuf out = { 0 };
    char block[65536];
    size_t len;
    child_start(&child, argv);
    while ((len = fread(block, 1, sizeof block, child.out)) > 0)
        sbuf_add(&out, block, len);
    int status = child_wait(&child);
    if (status != 0)
        die("%s ended with %d", argv[0], status);
    sbuf_text(&out);
    return out.ptr;
}
