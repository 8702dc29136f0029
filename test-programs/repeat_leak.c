/* Forgets the same string again and again. Arguments: COUNT RATE. */
#include "patient.h"

static void grow(void) {
    put("The banner of the shop, set in a frame of paper flowers");
    keep();
}

int main(int argc, char **argv) {
    fill(argument(argc, argv, 1, 5000), grow);
    rate = argument(argc, argv, 2, 1000000);
    label = "The banner of the shop, set in a frame of paper flowers";
    serve(grow);
}
