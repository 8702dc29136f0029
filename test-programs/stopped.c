/* Stops itself with SIGSTOP once it is ready; nobody may wake it but who stopped it. Arguments: COUNT. */
#include "patient.h"
#include <signal.h>

int main(int argc, char **argv) {
    for (ulong_t n = argument(argc, argv, 1, 5000); n--;) put_json(), keep();
    label = JSON_LABEL;
    announce();
    raise(SIGSTOP);
    serve(nothing);
}
