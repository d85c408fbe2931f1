/* unsynced.c - a file system that forgets, at a power cut, what was not synced.
 *
 *     unsynced CACHE DISK MOUNTPOINT
 *
 * CACHE is what programs see, DISK what is on the platters. Data written goes to CACHE at once and
 * to DISK when the file is synced (fsync, fdatasync, or each write of a file that was opened with
 * O_SYNC or O_DSYNC). Names (create, rename, unlink, mkdir) and sizes that were cut reach both at
 * once, as a journal in order would have it: only data is lost, never a name. So a file that was
 * written, renamed over another and not synced is empty after the cut.
 *
 * The cut itself is made from outside (power.py): the programs are killed, this is unmounted, CACHE
 * is replaced by a copy of DISK. One thread (-s): a mutex would do nothing else.
 */
#define FUSE_USE_VERSION 31
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { BUCKETS = 65536, COPY_BYTES = 1 << 16 };

/* What of one file isn't on disk yet: one range that covers it all. What lies between two dirty
 * parts is the same on both sides, so copying it too changes nothing. */
struct dirty {
    ino_t ino;
    off_t from, to;
    struct dirty *next;
};

static const char *cache, *disk;
static struct dirty *table[BUCKETS];

static struct dirty **find(ino_t ino)
{
    struct dirty **at = &table[ino % BUCKETS];
    while (*at && (*at)->ino != ino)
        at = &(*at)->next;
    return at;
}

static void mark(ino_t ino, off_t from, off_t to)
{
    struct dirty **at = find(ino);
    if (!*at) {
        *at = calloc(1, sizeof **at);
        if (!*at)
            abort();
        **at = (struct dirty){ .ino = ino, .from = from, .to = to };
        return;
    }
    (*at)->from = from < (*at)->from ? from : (*at)->from;
    (*at)->to = to > (*at)->to ? to : (*at)->to;
}

static void forget(ino_t ino)
{
    struct dirty **at = find(ino), *gone = *at;
    if (gone) {
        *at = gone->next;
        free(gone);
    }
}

static const char *in(const char *base, const char *path, char out[PATH_MAX])
{
    (void)snprintf(out, PATH_MAX, "%s%s", base, path);
    return out;
}

#define CACHE(path) in(cache, path, (char[PATH_MAX]){ 0 })
#define DISK(path) in(disk, path, (char[PATH_MAX]){ 0 })

static int result(int rc)
{
    return rc < 0 ? -errno : 0;
}

static int copy_range(int from, int to, off_t at, off_t end)
{
    static char block[COPY_BYTES];
    while (at < end) {
        size_t want = end - at > COPY_BYTES ? COPY_BYTES : (size_t)(end - at);
        ssize_t got = pread(from, block, want, at);
        if (got <= 0)
            return got < 0 ? -errno : 0; /* the file was cut short since */
        if (pwrite(to, block, (size_t)got, at) != got)
            return -EIO;
        at += got;
    }
    return 0;
}

static int sync_file(const char *path, int fd)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return -errno;
    struct dirty *dirty = *find(st.st_ino);
    if (!dirty || st.st_nlink == 0)
        return 0;
    int to = open(DISK(path), O_WRONLY | O_CREAT, st.st_mode & 07777);
    if (to < 0)
        return -errno;
    int rc = copy_range(fd, to, dirty->from, dirty->to);
    close(to);
    if (rc == 0)
        forget(st.st_ino);
    return rc;
}

static int fs_getattr(const char *path, struct stat *st, struct fuse_file_info *fi)
{
    return result(fi ? fstat((int)fi->fh, st) : lstat(CACHE(path), st));
}

static int fs_readdir(const char *path, void *buf, fuse_fill_dir_t fill, off_t at,
                      struct fuse_file_info *fi, enum fuse_readdir_flags flags)
{
    DIR *dir = opendir(CACHE(path));
    (void)at, (void)fi, (void)flags;
    if (!dir)
        return -errno;
    for (struct dirent *e = readdir(dir); e; e = readdir(dir))
        if (fill(buf, e->d_name, NULL, 0, 0))
            break;
    closedir(dir);
    return 0;
}

static int fs_mkdir(const char *path, mode_t mode)
{
    (void)mkdir(DISK(path), mode);
    return result(mkdir(CACHE(path), mode));
}

static int fs_rmdir(const char *path)
{
    (void)rmdir(DISK(path));
    return result(rmdir(CACHE(path)));
}

static int fs_unlink(const char *path)
{
    struct stat st;
    if (lstat(CACHE(path), &st) == 0 && st.st_nlink == 1)
        forget(st.st_ino);
    (void)unlink(DISK(path));
    return result(unlink(CACHE(path)));
}

static int fs_rename(const char *from, const char *to, unsigned flags)
{
    struct stat st;
    if (flags)
        return -EINVAL;
    if (lstat(CACHE(to), &st) == 0)
        forget(st.st_ino);
    (void)rename(DISK(from), DISK(to));
    return result(rename(CACHE(from), CACHE(to)));
}

static int fs_link(const char *from, const char *to)
{
    (void)link(DISK(from), DISK(to));
    return result(link(CACHE(from), CACHE(to)));
}

static int fs_symlink(const char *target, const char *path)
{
    (void)!symlink(target, DISK(path));
    return result(symlink(target, CACHE(path)));
}

static int fs_readlink(const char *path, char *buf, size_t size)
{
    ssize_t got = readlink(CACHE(path), buf, size - 1);
    if (got < 0)
        return -errno;
    buf[got] = 0;
    return 0;
}

static int fs_chmod(const char *path, mode_t mode, struct fuse_file_info *fi)
{
    (void)fi;
    (void)chmod(DISK(path), mode);
    return result(chmod(CACHE(path), mode));
}

static int fs_chown(const char *path, uid_t uid, gid_t gid, struct fuse_file_info *fi)
{
    (void)fi;
    (void)!lchown(DISK(path), uid, gid);
    return result(lchown(CACHE(path), uid, gid));
}

static int fs_utimens(const char *path, const struct timespec at[2], struct fuse_file_info *fi)
{
    (void)fi;
    return result(utimensat(AT_FDCWD, CACHE(path), at, AT_SYMLINK_NOFOLLOW));
}

/* Cutting short reaches the disk at once; growing is data like any other. */
static void cut_disk(const char *path, off_t size)
{
    struct stat st;
    if (stat(DISK(path), &st) == 0 && st.st_size > size)
        (void)!truncate(DISK(path), size);
}

static int fs_truncate(const char *path, off_t size, struct fuse_file_info *fi)
{
    cut_disk(path, size);
    return result(fi ? ftruncate((int)fi->fh, size) : truncate(CACHE(path), size));
}

static int open_both(const char *path, mode_t mode, struct fuse_file_info *fi)
{
    int flags = fi->flags & ~(O_SYNC | O_DSYNC | O_APPEND);
    if ((flags & O_ACCMODE) == O_WRONLY) /* syncing reads what was written */
        flags = (flags & ~O_ACCMODE) | O_RDWR;
    if (flags & O_CREAT) {
        int on_disk = open(DISK(path), O_WRONLY | O_CREAT, mode);
        if (on_disk >= 0)
            close(on_disk);
    }
    if (flags & O_TRUNC)
        cut_disk(path, 0);
    int fd = open(CACHE(path), flags, mode);
    if (fd < 0)
        return -errno;
    fi->fh = (uint64_t)fd;
    return 0;
}

static int fs_open(const char *path, struct fuse_file_info *fi)
{
    return open_both(path, 0, fi);
}

static int fs_create(const char *path, mode_t mode, struct fuse_file_info *fi)
{
    fi->flags |= O_CREAT;
    return open_both(path, mode, fi);
}

static int fs_read(const char *path, char *buf, size_t size, off_t at, struct fuse_file_info *fi)
{
    ssize_t got = pread((int)fi->fh, buf, size, at);
    (void)path;
    return got < 0 ? -errno : (int)got;
}

static int fs_write(const char *path, const char *buf, size_t size, off_t at,
                    struct fuse_file_info *fi)
{
    struct stat st;
    ssize_t put = pwrite((int)fi->fh, buf, size, at);
    if (put < 0)
        return -errno;
    if (fstat((int)fi->fh, &st) == 0)
        mark(st.st_ino, at, at + put);
    if (fi->flags & (O_SYNC | O_DSYNC)) {
        int rc = sync_file(path, (int)fi->fh);
        if (rc != 0)
            return rc;
    }
    return (int)put;
}

static int fs_fsync(const char *path, int is_data_only, struct fuse_file_info *fi)
{
    (void)is_data_only;
    return sync_file(path, (int)fi->fh);
}

static int fs_fsyncdir(const char *path, int is_data_only, struct fuse_file_info *fi)
{
    (void)path, (void)is_data_only, (void)fi;
    return 0; /* names are there already */
}

static int fs_release(const char *path, struct fuse_file_info *fi)
{
    (void)path;
    return result(close((int)fi->fh));
}

static int fs_statfs(const char *path, struct statvfs *st)
{
    return result(statvfs(CACHE(path), st));
}

static int fs_access(const char *path, int mask)
{
    return result(access(CACHE(path), mask));
}

static void *fs_init(struct fuse_conn_info *conn, struct fuse_config *config)
{
    (void)conn;
    config->use_ino = 1;
    config->hard_remove = 1;
    config->nullpath_ok = 0;
    return NULL;
}

static const struct fuse_operations operations = {
    .init = fs_init,
    .getattr = fs_getattr,
    .readdir = fs_readdir,
    .mkdir = fs_mkdir,
    .rmdir = fs_rmdir,
    .unlink = fs_unlink,
    .rename = fs_rename,
    .link = fs_link,
    .symlink = fs_symlink,
    .readlink = fs_readlink,
    .chmod = fs_chmod,
    .chown = fs_chown,
    .utimens = fs_utimens,
    .truncate = fs_truncate,
    .open = fs_open,
    .create = fs_create,
    .read = fs_read,
    .write = fs_write,
    .fsync = fs_fsync,
    .fsyncdir = fs_fsyncdir,
    .release = fs_release,
    .statfs = fs_statfs,
    .access = fs_access,
};

int main(int argc, char **argv)
{
    if (argc != 4) {
        (void)fprintf(stderr, "usage: unsynced CACHE DISK MOUNTPOINT\n");
        return 2;
    }
    cache = argv[1];
    disk = argv[2];
    char *args[] = { argv[0], "-f", "-s", "-o", "default_permissions", argv[3], NULL };
    return fuse_main(6, args, &operations, NULL);
}
