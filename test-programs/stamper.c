/* Measures how long it was stopped: a thread stamps the clock each 100 µs, `gap_us` is the longest time between two stamps
 * since it was last told. Its heap holds SIZE bytes of JSON records; another thread writes to WRITES random pages of it a
 * second, what is there already. Arguments: SIZE [WRITES]. */
#include "patient.h"

static volatile uint64_t longest;

static uint64_t nanoseconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ull + t.tv_nsec;
}
static void *stamp(void *unused) {
    struct timespec pace = {0, 100000};
    for (uint64_t last = nanoseconds();;) {
        clock_nanosleep(CLOCK_MONOTONIC, 0, &pace, 0);
        uint64_t t = nanoseconds();
        if (t - last > longest) longest = t - last;
        last = t;
    }
    return unused;
}
static volatile char *heap;
static ulong_t heap_pages, writes;
static void *scribble(void *unused) {
    uint64_t random = 88172645463325252ull;
    for (double begun = now(), done = 0;; usleep(1000)) {
        for (; done < (now() - begun) * writes; done++) {
            random ^= random << 13, random ^= random >> 7, random ^= random << 17;
            volatile char *byte = heap + random % heap_pages * 4096;
            *byte = *byte;
        }
    }
    return unused;
}
static void tell_gap(void) { dprintf(1, "gap_us=%lu\n", __atomic_exchange_n(&longest, 0, __ATOMIC_SEQ_CST) / 1000); }

int main(int argc, char **argv) {
    ulong_t wanted = argument(argc, argv, 1, 64 << 20);
    while (bytes < wanted) put_json(), keep();
    pthread_t thread;
    pthread_create(&thread, 0, stamp, 0);
    writes = argument(argc, argv, 2, 0);
    heap_pages = wanted / 4096;
    heap = (char *)sbrk(0) - wanted;
    if (writes) pthread_create(&thread, 0, scribble, 0);
    label = JSON_LABEL;
    tell = tell_gap;
    serve(nothing);
}
