/* Thousands of equal small mappings that do not grow; a JSON record in each. Arguments: COUNT. */
#include "patient.h"

int main(int argc, char **argv) {
    for (ulong_t n = argument(argc, argv, 1, 5000); n--;) {
        char *piece = apart(16384);
        put_json();
        memcpy(piece, scratch, length);
        count++, bytes += length;
        memset(scratch, 0, length), length = 0;
    }
    label = JSON_LABEL;
    serve(nothing);
}
