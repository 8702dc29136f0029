/* Starts threads that never end, 64 KiB of each stack touched. Arguments: COUNT RATE (bytes of touched stack). */
#include "patient.h"

static void *wait_for_ever(void *unused) {
    volatile char used[65536];
    memset((char *)used, 1, sizeof used);
    for (;;) pause();
    return unused;
}
static void grow(void) {
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 1 << 20);
    if (pthread_create(&thread, &attributes, wait_for_ever, 0)) return;
    count++, bytes += 65536;
}

int main(int argc, char **argv) {
    fill(argument(argc, argv, 1, 4), grow);
    rate = argument(argc, argv, 2, 20 * 65536);
    serve(grow);
}
