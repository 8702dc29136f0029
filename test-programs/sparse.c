/* A reservation of SIZE bytes of which one page in each of PAGES equal parts was touched, a JSON record in each; what was
 * never touched must not be touched by a reader either. Arguments: SIZE PAGES. */
#include "patient.h"

static char *base;
static ulong_t size;

static void tell_span(void) { dprintf(1, "start=%p size=%lu resident=%lu\n", (void *)base, size, count * 4096); }

int main(int argc, char **argv) {
    size = argument(argc, argv, 1, 8ul << 30);
    ulong_t pages = argument(argc, argv, 2, 512);
    base = (char *)mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) _exit(9);
    for (ulong_t i = 0; i < pages; i++) {
        put_json();
        memcpy(base + i * (size / pages), scratch, length);
        count++, bytes += length;
        memset(scratch, 0, length), length = 0;
    }
    label = JSON_LABEL;
    tell = tell_span;
    serve(nothing);
}
