/* Forgets key=value lines as structured loggers write them. Arguments: COUNT RATE. */
#include "patient.h"

static void grow(void) {
    put("level=info user=%lu action=login ip=10.%lu.%lu.%lu latency=%lums session=", between(1000, 999999), below(256),
        below(256), below(256), between(1, 900));
    hex(24), keep();
}

int main(int argc, char **argv) {
    fill(argument(argc, argv, 1, 5000), grow);
    rate = argument(argc, argv, 2, 1000000);
    label = "level=info user=<int> action=login ip=<ip> latency=<int>ms session=<hex>";
    serve(grow);
}
