/* Grows after `go` and becomes another program (itself anew, with an empty heap) MILLISECONDS later: same pid, same start
 * time, other memory. Arguments: MILLISECONDS COUNT. */
#include "patient.h"

static double life;
static char *self;

static void grow(void) {
    if (started > 0 && now() - started > life) execl("/proc/self/exe", self, "1000000", "0", (char *)0);
    put_json();
    keep();
}

int main(int argc, char **argv) {
    self = argv[0];
    life = argument(argc, argv, 1, 500) / 1e3;
    fill(argument(argc, argv, 2, 20000), grow);
    rate = 2000000;
    label = JSON_LABEL;
    serve(grow);
}
