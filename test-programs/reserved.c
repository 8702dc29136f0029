/* A terabyte that is only reserved (PROT_NONE), beside a small heap of JSON records. Arguments: SIZE COUNT. */
#include "patient.h"

int main(int argc, char **argv) {
    if (mmap(0, argument(argc, argv, 1, 1024ul << 30), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) == MAP_FAILED)
        _exit(9);
    for (ulong_t n = argument(argc, argv, 2, 2000); n--;) put_json(), keep();
    label = JSON_LABEL;
    serve(nothing);
}
