/* Forgets JSON records from a second thread, whose malloc lives in an arena of its own (64 MiB reservations, partly
 * PROT_NONE) and not in [heap]; THREADS others have an arena each and are idle. Arguments: COUNT RATE THREADS. */
#include "patient.h"

static void grow(void) {
    put_json();
    keep();
}
static void *leak(void *n) {
    fill((ulong_t)n, grow);
    serve(grow);
    return 0;
}
static void *idle(void *unused) {
    forget(malloc(5000));
    for (;;) pause();
    return unused;
}

int main(int argc, char **argv) {
    pthread_t thread;
    ulong_t n = argument(argc, argv, 1, 5000), others = argument(argc, argv, 3, 2);
    rate = argument(argc, argv, 2, 2000000);
    label = JSON_LABEL;
    while (others--) pthread_create(&thread, 0, idle, 0);
    pthread_create(&thread, 0, leak, (void *)n);
    pthread_join(thread, 0);
}
