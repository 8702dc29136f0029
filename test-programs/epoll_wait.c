/* A thread in epoll_wait, as servers spend their lives. `eintr` counts the waits that a stop of the process ended.
 * Arguments: COUNT. */
#include "patient.h"
#include <sched.h>
#include <sys/epoll.h>

static volatile ulong_t eintr;
static volatile int ready;

static void *wait_for_events(void *unused) {
    struct epoll_event event;
    int set = epoll_create1(0);
    for (ready = 1;;)
        if (epoll_wait(set, &event, 1, -1) < 0 && errno == EINTR) eintr++;
    return unused;
}
static void tell_eintr(void) { dprintf(1, "eintr=%lu\n", eintr); }

int main(int argc, char **argv) {
    pthread_t thread;
    for (ulong_t n = argument(argc, argv, 1, 5000); n--;) put_json(), keep();
    pthread_create(&thread, 0, wait_for_events, 0);
    while (!ready) sched_yield();
    tell = tell_eintr;
    serve(nothing);
}
