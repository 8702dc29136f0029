/* Forgets C structs that begin with a function pointer, as event loops and drivers have them. Arguments: COUNT RATE. */
#include "patient.h"

struct timer {
    void (*expired)(struct timer *);
    uint64_t numbers[9];
};

__attribute__((noinline)) static void on_order_timeout(struct timer *timer) { timer->numbers[0]++; }

static void grow(void) {
    struct timer *timer = (struct timer *)malloc(sizeof *timer);
    timer->expired = on_order_timeout;
    for (int i = 0; i < 9; i++) timer->numbers[i] = rnd() & 0x0101010101010101;
    forget(timer), count++, bytes += sizeof *timer;
}

int main(int argc, char **argv) {
    fill(argument(argc, argv, 1, 5000), grow);
    rate = argument(argc, argv, 2, 1000000);
    label = "on_order_timeout";
    serve(grow);
}
