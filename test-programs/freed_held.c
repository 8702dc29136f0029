/* Negative control: big, but free. Records were freed, and one chunk above them keeps the heap from being given back.
 * Arguments: BYTES. */
#include "patient.h"

int main(int argc, char **argv) {
    ulong_t wanted = argument(argc, argv, 1, 100000000), held = 0;
    char **list = (char **)malloc(wanted / 100 * sizeof *list);
    while (bytes < wanted) put_json(), list[held++] = keep();
    forget(malloc(100));
    while (held) free(list[--held]);
    count = bytes = 0;
    serve(nothing);
}
