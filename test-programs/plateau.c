/* Negative control: grows by SIZE bytes at RATE after `go` and then no more, as a program that warms up. Arguments: SIZE
 * RATE. */
#include "patient.h"

static ulong_t size;

static void grow(void) {
    if (bytes >= size) return;
    put_json();
    keep();
}

int main(int argc, char **argv) {
    size = argument(argc, argv, 1, 8000000);
    rate = argument(argc, argv, 2, 16000000);
    serve(grow);
}
