/* What every patient shares. A patient is a process in one known situation: it prints what is true of it
 * (`key=value …` lines, `label=…` to the end of its line), then READY, and waits on stdin. Commands: `go` grows at the
 * rate of its arguments, `stop` ends that, `more N` grows N times, `count` only tells; each is answered with the truth
 * and OK. It exits when stdin closes, so that a dead test leaves nothing behind. Values are pseudo-random from a fixed
 * seed: the same arguments give the same bytes. */
#ifndef PATIENT_H
#define PATIENT_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

typedef unsigned long ulong_t;
static const char *label;       /* what leakscope should call the group, or NULL */
static uint64_t count, bytes;   /* records kept, and their lengths without the final NUL */
static double rate;             /* bytes per second after `go` */
static double started;          /* when `go` came, 0 before */
static void (*tell)(void);      /* further truth, printed with the rest */
static int announced;

static inline uint64_t rnd(void) {
    static uint64_t state = 88172645463325252ull;
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return state;
}
static inline ulong_t below(ulong_t n) { return rnd() % n; }
static inline ulong_t between(ulong_t low, ulong_t high) { return low + below(high - low + 1); }

/* The record being written. It is wiped once kept: a copy left in .bss would be one more record than was told. */
static char scratch[65536];
static size_t length;

static inline void put(const char *format, ...) {
    va_list list;
    va_start(list, format);
    length += vsnprintf(scratch + length, sizeof scratch - length, format, list);
    va_end(list);
}
static inline void hex(int digits) {
    while (digits--) scratch[length++] = "0123456789abcdef"[below(16)];
}
static inline const char *word(void) {
    static const char *const list[] = {"parcel", "left", "the", "store", "with", "two", "blue", "chairs", "and", "a",
                                       "lamp", "for", "garden", "after", "rain", "morning", "courier", "waits", "at", "gate"};
    return list[below(sizeof list / sizeof *list)];
}
static inline void words(int n) {
    while (n--) put(n ? "%s " : "%s", word());
}
static inline void *forget(void *p) { /* hides the pointer from the optimiser, which would drop an unused malloc */
    __asm__ volatile("" ::"r"(p) : "memory");
    return p;
}
static inline char *keep(void) {
    char *p = (char *)malloc(length + 1);
    if (!p) _exit(9);
    memcpy(p, scratch, length + 1);
    memset(scratch, 0, length + 1);
    count++, bytes += length, length = 0;
    return (char *)forget(p);
}
static inline void fill(ulong_t n, void (*grow)(void)) {
    while (n--) grow();
}

static inline double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}
/* dprintf formats on the stack: stdio's buffer would put the truth itself into the heap. */
static inline void truth(void) {
    dprintf(1, "groups=%d count=%lu bytes=%lu\n", label ? 1 : 0, (ulong_t)count, (ulong_t)bytes);
    if (tell) tell();
}
static inline void announce(void) {
    if (label) dprintf(1, "label=%s\n", label);
    truth();
    dprintf(1, "READY\n");
    announced = 1;
}
/* A line of stdin; 1 with a line, 0 when `milliseconds` passed without one. Ends the process at end of file. */
static inline int command(char *line, int milliseconds) {
    static char pending[4096];
    static size_t held;
    for (;;) {
        char *end = (char *)memchr(pending, '\n', held);
        if (end) {
            size_t n = end - pending;
            memcpy(line, pending, n), line[n] = 0;
            held -= n + 1;
            memmove(pending, end + 1, held);
            return 1;
        }
        struct pollfd in = {0, POLLIN, 0};
        int n = poll(&in, 1, milliseconds);
        if (n < 0 && errno == EINTR) continue;
        if (n == 0) return 0;
        ssize_t got = read(0, pending + held, sizeof pending - held);
        if (got <= 0) _exit(0);
        held += got;
    }
}
/* Tells, then obeys until stdin closes. While growing, every 5 ms as much is added as the rate asks since `go`. */
static inline void serve(void (*grow)(void)) {
    char line[4096];
    uint64_t base = 0;
    if (!announced) announce();
    for (;;) {
        int got = command(line, started > 0 ? 5 : -1);
        while (started > 0 && bytes - base < rate * (now() - started)) {
            uint64_t before = bytes;
            grow();
            if (bytes == before) break;
        }
        if (!got) continue;
        if (!strcmp(line, "go")) started = now(), base = bytes;
        else if (!strcmp(line, "stop")) started = 0;
        else if (!strncmp(line, "more ", 5)) fill(strtoul(line + 5, 0, 10), grow);
        truth();
        dprintf(1, "OK\n");
    }
}
static inline void nothing(void) {}
/* The n-th argument as a number that may end in K, M or G; `otherwise` where it is missing. */
static inline ulong_t argument(int argc, char **argv, int n, ulong_t otherwise) {
    if (n >= argc) return otherwise;
    char *end;
    ulong_t value = strtoul(argv[n], &end, 10);
    return *end == 'G' ? value << 30 : *end == 'M' ? value << 20 : *end == 'K' ? value << 10 : value;
}
/* `size` bytes of private memory with a hole of a page on either side, so that neighbours stay mappings of their own. */
static inline char *apart(size_t size) {
    char *p = (char *)mmap(0, size + 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) _exit(9);
    munmap(p, 4096);
    munmap(p + 4096 + size, 4096);
    return p + 4096;
}
/* The record that most patients use: one shape, every value different. */
static inline void put_json(void) {
    static const char *const os[] = {"Android 14", "iOS 17.4", "Windows 11", "HarmonyOS 4"};
    static const char *const model[] = {"Pixel 8 Pro", "iPhone 15", "Surface Go", "Mate 60 Pro", "Galaxy S23"};
    put("{\"trace_id\":\""), hex(32);
    put("\",\"user_id\":%lu,\"device\":{\"os\":\"%s\",\"model\":\"%s\"},\"payload\":\"", between(100000, 999999),
        os[below(4)], model[below(5)]);
    words(between(8, 24));
    put("\",\"sign\":\""), hex(40), put("\"}");
}
#define JSON_LABEL "{trace_id:hex, user_id:int, device:{os, model}, payload:str, sign:hex}"
#endif
