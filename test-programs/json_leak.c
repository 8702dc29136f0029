/* Forgets JSON records of one shape, every value different. Arguments: COUNT RATE. */
#include "patient.h"

static void grow(void) {
    put_json();
    keep();
}

int main(int argc, char **argv) {
    fill(argument(argc, argv, 1, 5000), grow);
    rate = argument(argc, argv, 2, 2000000);
    label = JSON_LABEL;
    serve(grow);
}
