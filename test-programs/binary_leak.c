/* Forgets random bytes: nothing in them can be named. Arguments: COUNT RATE. */
#include "patient.h"

static void grow(void) {
    uint64_t *p = (uint64_t *)malloc(1024);
    for (int i = 0; i < 128; i++) p[i] = rnd();
    forget(p), count++, bytes += 1024;
}

int main(int argc, char **argv) {
    fill(argument(argc, argv, 1, 5000), grow);
    rate = argument(argc, argv, 2, 1000000);
    serve(grow);
}
