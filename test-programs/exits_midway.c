/* Grows after `go` and ends MILLISECONDS later. Arguments: MILLISECONDS COUNT. */
#include "patient.h"

static double life;

static void grow(void) {
    if (started > 0 && now() - started > life) _exit(0);
    put_json();
    keep();
}

int main(int argc, char **argv) {
    life = argument(argc, argv, 1, 500) / 1e3;
    fill(argument(argc, argv, 2, 20000), grow);
    rate = 2000000;
    label = JSON_LABEL;
    serve(grow);
}
