/* Forgets request lines with signed URLs. Arguments: COUNT RATE. */
#include "patient.h"

static void grow(void) {
    put("GET /v1/orders/%lu?expires=%lu&sig=", between(1000000, 9999999), between(1700000000, 1800000000));
    hex(32), keep();
}

int main(int argc, char **argv) {
    fill(argument(argc, argv, 1, 5000), grow);
    rate = argument(argc, argv, 2, 1000000);
    label = "GET /v1/orders/<int>?expires=<int>&sig=<hex>";
    serve(grow);
}
