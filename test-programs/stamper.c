/* Measures how long it was stopped: a thread stamps the clock each 100 µs, `gap_us` is the longest time between two stamps
 * since it was last told. Its heap holds SIZE bytes of JSON records. Arguments: SIZE. */
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
static void tell_gap(void) { dprintf(1, "gap_us=%lu\n", __atomic_exchange_n(&longest, 0, __ATOMIC_SEQ_CST) / 1000); }

int main(int argc, char **argv) {
    ulong_t wanted = argument(argc, argv, 1, 64 << 20);
    while (bytes < wanted) put_json(), keep();
    pthread_t thread;
    pthread_create(&thread, 0, stamp, 0);
    label = JSON_LABEL;
    tell = tell_gap;
    serve(nothing);
}
