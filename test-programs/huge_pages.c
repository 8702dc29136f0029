/* Grows by 8 MiB at a time that the kernel may give as huge pages, in huge(), and by a MiB of small ones, in small().
 * Arguments: RATE COUNT. */
#include "patient.h"

static char *mapped(size_t size, int advice) {
    char *p = (char *)mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) _exit(9);
    madvise(p, size, advice);
    bytes += size;
    return p;
}
__attribute__((noinline)) void huge(void) { forget(memset(mapped(8 << 20, MADV_HUGEPAGE), 1, 8 << 20)); }
__attribute__((noinline)) void small(void) { forget(memset(mapped(1 << 20, MADV_NOHUGEPAGE), 1, 1 << 20)); }
static void grow(void) { huge(), small(); }

int main(int argc, char **argv) {
    fill(argument(argc, argv, 2, 1), grow);
    rate = argument(argc, argv, 1, 64 << 20);
    serve(grow);
}
