/* Maps 1 MiB pieces, touches them and never unmaps them; they do not merge. Arguments: COUNT RATE. */
#include "patient.h"

static void grow(void) {
    memset(apart(1 << 20), 7, 1 << 20);
    count++, bytes += 1 << 20;
}

int main(int argc, char **argv) {
    fill(argument(argc, argv, 1, 4), grow);
    rate = argument(argc, argv, 2, 8 << 20);
    serve(grow);
}
