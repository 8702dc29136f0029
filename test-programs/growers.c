/* Grows in three ways, each in a function of its own: leaks_small() forgets pieces of malloc, maps_pages() maps a MiB,
 * touches and forgets it, frees_its_own() gives back all that it takes. With THREADS each round is made by a thread that
 * then ends. Arguments: ROUNDS RATE THREADS. */
#include "patient.h"
#include <malloc.h>

static uint64_t small, mapped;
static ulong_t threads;

__attribute__((noinline)) void leaks_small(void) {
    for (int i = 0; i < 3072; i++) {
        char *p = (char *)malloc(1000);
        if (!p) _exit(9);
        memset(forget(p), 1, 1000);
    }
    small += 3 << 20, bytes += 3 << 20;
}
__attribute__((noinline)) void maps_pages(void) {
    char *p = (char *)mmap(0, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) _exit(9);
    memset(forget(p), 2, 1 << 20);
    mapped += 1 << 20, bytes += 1 << 20;
}
__attribute__((noinline)) void frees_its_own(void) {
    char *p = (char *)malloc(2 << 20);
    if (!p) _exit(9);
    free(forget(memset(p, 3, 2 << 20)));
}
static void *once(void *unused) {
    leaks_small(), maps_pages(), frees_its_own();
    count++;
    return unused;
}
static void grow(void) {
    pthread_t thread;
    if (!threads) {
        once(0);
        return;
    }
    if (pthread_create(&thread, 0, once, 0)) _exit(9);
    pthread_join(thread, 0);
}
static void both(void) { dprintf(1, "small=%lu mapped=%lu\n", (ulong_t)small, (ulong_t)mapped); }

int main(int argc, char **argv) {
    tell = both;
    /* Else the threshold moves up and the piece that is freed comes from the heap: kept, not given back. */
#ifdef M_MMAP_THRESHOLD
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
#endif
    threads = argument(argc, argv, 3, 0);
    fill(argument(argc, argv, 1, 0), grow);
    rate = argument(argc, argv, 2, 16 << 20);
    serve(grow);
}
