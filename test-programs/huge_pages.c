/* Grows by 8 MiB at a time that the kernel may give as huge pages, in huge(), and by a MiB of small ones, in small().
 * Arguments: RATE COUNT. */
#include "patient.h"

static void maps(size_t size, int advice) {
    char *p = (char *)mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) _exit(9);
    madvise(p, size, advice);
    memset(forget(p), 1, size);
    bytes += size;
}
__attribute__((noinline)) void huge(void) {
    maps(8 << 20, MADV_HUGEPAGE);
    forget(0);
}
__attribute__((noinline)) void small(void) {
    maps(1 << 20, MADV_NOHUGEPAGE);
    forget(0);
}
static void grow(void) { huge(), small(); }

int main(int argc, char **argv) {
    fill(argument(argc, argv, 2, 1), grow);
    rate = argument(argc, argv, 1, 64 << 20);
    serve(grow);
}
