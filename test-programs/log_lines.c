/* Forgets log lines that begin with a time. Arguments: COUNT RATE. */
#include "patient.h"

static void grow(void) {
    put("2024-%02lu-%02lu %02lu:%02lu:%02lu.%03lu INFO [worker-%lu] order %lu accepted in %lu ms", between(1, 12),
        between(1, 28), below(24), below(60), below(60), below(1000), below(16), between(100000, 999999), between(1, 400));
    keep();
}

int main(int argc, char **argv) {
    fill(argument(argc, argv, 1, 5000), grow);
    rate = argument(argc, argv, 2, 1000000);
    label = "<time> INFO [worker-<int>] order <int> accepted in <int> ms";
    serve(grow);
}
