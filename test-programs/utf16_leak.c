/* Forgets UTF-16LE strings, as Windows programs and JavaScript engines hold them. Arguments: COUNT RATE. */
#include "patient.h"

static void grow(void) {
    put("Order %lu shipped to customer %lu", between(10000, 99999), between(1000000, 9999999));
    uint16_t *wide = (uint16_t *)calloc(length + 1, 2);
    for (size_t i = 0; i < length; i++) wide[i] = scratch[i];
    forget(wide);
    count++, bytes += 2 * length;
    memset(scratch, 0, length), length = 0;
}

int main(int argc, char **argv) {
    fill(argument(argc, argv, 1, 5000), grow);
    rate = argument(argc, argv, 2, 1000000);
    label = "Order <int> shipped to customer <int>";
    serve(grow);
}
