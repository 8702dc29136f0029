/* Not dumpable: its own user may not look into it, only CAP_SYS_PTRACE may. Arguments: COUNT. */
#include "patient.h"
#include <sys/prctl.h>

int main(int argc, char **argv) {
    for (ulong_t n = argument(argc, argv, 1, 5000); n--;) put_json(), keep();
    prctl(PR_SET_DUMPABLE, 0);
    label = JSON_LABEL;
    serve(nothing);
}
