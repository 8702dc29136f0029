/* Memory that cannot be read in the midst of memory that can: a PROT_NONE page within the heap (records before and behind
 * it), and a mapping of a file that was cut behind its first page. Arguments: COUNT. */
#include "patient.h"

static char *wall, *cut;

static void tell_where(void) { dprintf(1, "wall=%p cut=%p\n", (void *)wall, (void *)(cut + 4096)); }

int main(int argc, char **argv) {
    ulong_t n = argument(argc, argv, 1, 5000);
    for (ulong_t i = 0; i < n / 2; i++) put_json(), keep();
    wall = (char *)aligned_alloc(4096, 4096);
    mprotect(wall, 4096, PROT_NONE);
    for (ulong_t i = n / 2; i < n; i++) put_json(), keep();
    int file = memfd_create("cut", 0);
    if (ftruncate(file, 16384)) _exit(9);
    cut = (char *)mmap(0, 16384, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    memset(cut, 1, 16384);
    if (ftruncate(file, 4096)) _exit(9);
    label = JSON_LABEL;
    tell = tell_where;
    serve(nothing);
}
