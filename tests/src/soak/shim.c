/* Stands in front of the C library of a node under test (LD_PRELOAD): makes its clocks wrong, and its flushes slow or
   failing, as a file of settings says, which the test changes while the node runs. RocksDB asks gettimeofday, which
   stays right: it hands that time to the kernel, which would wait for the jump. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* The settings, in the order in which shim.rs writes them. */
struct settings {
    volatile int64_t wall_ahead_ms;
    volatile int64_t fast_ppm;
    volatile int64_t flushes_fail;
    volatile int64_t flush_delay_us;
};

static struct settings *settings;
/* The rate holds from the start of the process on, so that its monotonic clock never goes back. */
static int64_t fast_ppm;
static int64_t began_ns;

static int64_t nanos(const struct timespec *time) {
    return (int64_t)time->tv_sec * 1000000000 + time->tv_nsec;
}

static void set_nanos(struct timespec *time, int64_t to) {
    time->tv_sec = to / 1000000000;
    time->tv_nsec = to % 1000000000;
}

static int real_clock_gettime(clockid_t clock, struct timespec *time) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    return real ? real(clock, time) : (int)syscall(SYS_clock_gettime, clock, time);
}

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("NEXUS_TEST_SHIM");
    if (!path) return;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) _exit(97);
    void *found = mmap(NULL, sizeof(struct settings), PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (found == MAP_FAILED) _exit(97);
    struct timespec now;
    real_clock_gettime(CLOCK_MONOTONIC, &now);
    began_ns = nanos(&now);
    settings = found;
    fast_ppm = settings->fast_ppm;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    int failed = real_clock_gettime(clock, time);
    if (failed || !settings) return failed;
    if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) {
        set_nanos(time, nanos(time) + settings->wall_ahead_ms * 1000000);
    } else if (clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_COARSE || clock == CLOCK_BOOTTIME) {
        int64_t now = nanos(time);
        set_nanos(time, now + (int64_t)((__int128)(now - began_ns) * fast_ppm / 1000000));
    }
    return 0;
}

static int flush(int file, int (*real)(int)) {
    if (settings && settings->flush_delay_us > 0) {
        usleep((useconds_t)settings->flush_delay_us);
    }
    if (settings && settings->flushes_fail) {
        errno = EIO;
        return -1;
    }
    return real(file);
}

int fsync(int file) {
    static int (*real)(int);
    if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    return flush(file, real);
}

int fdatasync(int file) {
    static int (*real)(int);
    if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    return flush(file, real);
}
