/* replay.c - gives a fuzz target every file of a folder, once: its corpus as an ordinary test. An
 * empty folder fails, since a target without a corpus would pass by doing nothing. */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int give(int dir, const char *name)
{
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    struct stat stat;
    uint8_t *data;
    ssize_t len;

    if (fd < 0 || fstat(fd, &stat) != 0)
        return -1;
    data = malloc((size_t)stat.st_size + 1); /* its own size, so that a sanitizer sees the end */
    len = data ? read(fd, data, (size_t)stat.st_size) : -1;
    if (len >= 0)
        (void)LLVMFuzzerTestOneInput(data, (size_t)len);
    free(data);
    (void)close(fd);
    return len < 0 ? -1 : 0;
}

int main(int argc, char **argv)
{
    DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
    struct dirent *entry;
    int count = 0;

    if (!dir) {
        (void)fprintf(stderr, "usage: %s CORPUS_FOLDER\n", argv[0]);
        return 2;
    }
    while ((entry = readdir(dir))) {
        if (entry->d_name[0] == '.')
            continue;
        if (give(dirfd(dir), entry->d_name) != 0) {
            (void)fprintf(stderr, "%s can't be read\n", entry->d_name);
            return 1;
        }
        count++;
    }
    (void)closedir(dir);
    (void)printf("%d inputs\n", count);
    return count > 0 ? 0 : 1;
}
