/* A disk that fails: loaded by LD_PRELOAD, it lets chosen calls on files below a folder fail, do half, or wait. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { READ = 1, WRITE = 2, SYNC = 4, OPEN = 8 };
enum { FAIL_ONCE = 1, FAIL = 2, HALF = 3, WAIT = 4 };

static char below[4096];
static int calls, act, number, wait_ms;
static long first;
static long counted[16];

/* From the first-th of these calls on files below a folder: fail with an error number, do half, or wait. */
void faults_begin(const char *folder, int which, int what, long from, int error, int ms) {
    calls = which, act = what, first = from, number = error, wait_ms = ms;
    strncpy(below, folder, sizeof below - 1);
}

/* How many calls of a kind there were below the folder. */
long faults_counted(int which) { return counted[which]; }

static int is_below(const char *path) {
    size_t length = strlen(below);
    if (!length || strncmp(path, below, length) || path[length] != '/') return 0;
    return strcmp(path + length, "/log") && strncmp(path + length, "/tmp/", 5);
}

/* 1 if the call shall fail, 2 if it shall do half, else 0. */
static int fault(int call, const char *path) {
    if (!below[0] || !is_below(path)) return 0;
    counted[call]++;
    if (!(calls & call) || --first > 0) return 0;
    if (act == HALF) return 2;
    if (act == WAIT) {
        struct timespec time = {0, wait_ms * 1000000L};
        nanosleep(&time, NULL);
        return 0;
    }
    if (act != FAIL && act != FAIL_ONCE) return 0;
    if (act == FAIL_ONCE) calls = 0;
    errno = number;
    return 1;
}

static int fault_of(int call, int handle) {
    char link[64], path[4096];
    if (!below[0] || handle < 0) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", handle);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return fault(call, path);
}

static int fault_in(int folder, const char *path) {
    char whole[8192], here[4096];
    if (!below[0] || folder != AT_FDCWD) return 0;
    if (path[0] == '/') return fault(OPEN, path);
    if (!getcwd(here, sizeof here)) return 0;
    snprintf(whole, sizeof whole, "%s/%s", here, path);
    return fault(OPEN, whole);
}

#define REAL(kind, name) static kind; if (!real) *(void **)&real = dlsym(RTLD_NEXT, name)

ssize_t read(int handle, void *to, size_t count) {
    REAL(ssize_t (*real)(int, void *, size_t), "read");
    return fault_of(READ, handle) == 1 ? -1 : real(handle, to, count);
}

ssize_t write(int handle, const void *from, size_t count) {
    REAL(ssize_t (*real)(int, const void *, size_t), "write");
    int found = fault_of(WRITE, handle);
    return found == 1 ? -1 : real(handle, from, found == 2 && count > 1 ? count / 2 : count);
}

ssize_t writev(int handle, const struct iovec *from, int count) {
    REAL(ssize_t (*real)(int, const struct iovec *, int), "writev");
    int found = fault_of(WRITE, handle);
    return found == 1 ? -1 : real(handle, from, found == 2 ? 1 : count);
}

int fsync(int handle) {
    REAL(int (*real)(int), "fsync");
    return fault_of(SYNC, handle) == 1 ? -1 : real(handle);
}

#define OPENED(name)                                                                     \
    int name(const char *path, int flags, ...) {                                         \
        REAL(int (*real)(const char *, int, ...), #name);                                \
        va_list more;                                                                    \
        va_start(more, flags);                                                           \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;          \
        va_end(more);                                                                    \
        return fault_in(AT_FDCWD, path) == 1 ? -1 : real(path, flags, mode);             \
    }
OPENED(open)
OPENED(open64)

#define OPENED_AT(name)                                                                  \
    int name(int folder, const char *path, int flags, ...) {                             \
        REAL(int (*real)(int, const char *, int, ...), #name);                           \
        va_list more;                                                                    \
        va_start(more, flags);                                                           \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;          \
        va_end(more);                                                                    \
        return fault_in(folder, path) == 1 ? -1 : real(folder, path, flags, mode);       \
    }
OPENED_AT(openat)
OPENED_AT(openat64)
