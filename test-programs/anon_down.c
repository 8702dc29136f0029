/* One anonymous mapping that grows downwards: the kernel places each new piece right below the last and merges them, so
 * that the start moves and the end stays. Filled with JSON records. Arguments: COUNT RATE. */
#include "patient.h"

static char *piece;
static size_t used = 1 << 18;

static void grow(void) {
    put_json();
    if (used + length + 1 > 1 << 18) {
        piece = (char *)mmap(piece ? piece - (1 << 18) : 0, 1 << 18, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (piece == MAP_FAILED) _exit(9);
        used = 0;
    }
    memcpy(piece + used, scratch, length);
    used += length + 1, count++, bytes += length;
    memset(scratch, 0, length), length = 0;
}

int main(int argc, char **argv) {
    fill(argument(argc, argv, 1, 5000), grow);
    rate = argument(argc, argv, 2, 4000000);
    label = JSON_LABEL;
    serve(grow);
}
