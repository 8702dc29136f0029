/* Negative control: memory that rises and is given back, once a second. Arguments: TOP RATE. */
#include "patient.h"

static ulong_t top, held;
static void *piece[65536];

static void grow(void) {
    piece[held] = malloc(100000); /* below glibc's mmap threshold: the break rises, and falls when all are free */
    memset(piece[held++], 5, 100000);
    count++, bytes += 100000;
    if (held * 100000 < top) return;
    while (held) free(piece[--held]);
}

int main(int argc, char **argv) {
    top = argument(argc, argv, 1, 20000000);
    rate = argument(argc, argv, 2, 40000000);
    serve(grow);
}
