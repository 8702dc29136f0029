/* Stamps one growing number across PAGES pages, in order, round after round, without a break or with a sleep of REST ms after
 * each round; with `drop` each stretch of 2 MiB is given back before it is stamped anew. A snapshot of one instant shows
 * this round's numbers up to one page, and the last round's after it. Arguments: PAGES REST [drop]. */
#include "patient.h"

static char *base;
static ulong_t pages, rest;
static int drops;
static volatile int begun;

static void *stamp(void *unused) {
    const ulong_t block = (2ul << 20) / 4096;
    for (uint64_t number = 1;;) {
        for (ulong_t page = 0; page < pages; page++) {
            if (drops && page % block == 0) madvise(base + page * 4096, block * 4096, MADV_DONTNEED);
            *(volatile uint64_t *)(base + page * 4096) = number++;
        }
        begun = 1;
        if (rest) usleep(rest * 1000);
    }
    return unused;
}
static void tell_span(void) { dprintf(1, "start=%p pages=%lu size=%lu\n", (void *)base, pages, pages * 4096); }

int main(int argc, char **argv) {
    pages = argument(argc, argv, 1, 4096);
    rest = argument(argc, argv, 2, 0);
    drops = argc > 3;
    base = apart(pages * 4096 + (2 << 20));
    base += (2 << 20) - (ulong_t)base % (2 << 20);
    pthread_t thread;
    pthread_create(&thread, 0, stamp, 0);
    while (!begun) usleep(1000);
    tell = tell_span;
    serve(nothing);
}
