/* Many threads that wait in different ways: futex, epoll, nanosleep and a busy one that writes its own memory. `wrong` counts
 * waits that ended for no reason of the program's. Arguments: THREADS COUNT. */
#include "patient.h"
#include <sys/epoll.h>

static ulong_t threads;
static volatile ulong_t wrong, beats;
static pthread_mutex_t never = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t all;

static void *in_futex(void *unused) { return pthread_barrier_wait(&all), pthread_mutex_lock(&never), wrong++, unused; }
static void *in_epoll(void *unused) {
    struct epoll_event event;
    int set = epoll_create1(0);
    for (pthread_barrier_wait(&all);;) epoll_wait(set, &event, 1, -1), wrong++;
    return unused;
}
static void *in_sleep(void *unused) {
    struct timespec day = {86400, 0};
    for (pthread_barrier_wait(&all);;) clock_nanosleep(CLOCK_MONOTONIC, 0, &day, 0), wrong++;
    return unused;
}
static void *busy(void *unused) {
    static volatile ulong_t page[4096];
    for (memset((char *)page, 1, sizeof page), pthread_barrier_wait(&all);; beats++) page[beats % 4096] = beats;
    return unused;
}
static void tell_threads(void) { dprintf(1, "threads=%lu wrong=%lu beats=%lu\n", threads + 1, wrong, beats); }

int main(int argc, char **argv) {
    void *(*const way[])(void *) = {in_futex, in_epoll, in_sleep, busy};
    threads = argument(argc, argv, 1, 64);
    for (ulong_t n = argument(argc, argv, 2, 5000); n--;) put_json(), keep();
    pthread_mutex_lock(&never);
    pthread_barrier_init(&all, 0, threads + 1);
    for (ulong_t i = 0; i < threads; i++) {
        pthread_t thread;
        pthread_attr_t attributes;
        pthread_attr_init(&attributes);
        pthread_attr_setstacksize(&attributes, 1 << 17);
        if (pthread_create(&thread, &attributes, way[i == 0 ? 3 : i % 3], 0)) _exit(9);
    }
    tell = tell_threads;
    pthread_barrier_wait(&all);
    usleep(20000); /* from the barrier into their waits */
    serve(nothing);
}
