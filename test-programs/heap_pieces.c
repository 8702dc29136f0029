/* A main arena in pieces: others move the break in between, then the break is blocked and malloc maps further pieces. A
 * part of the chunks is lost. Arguments: foreign|blocked. */
#include "patient.h"
#include <malloc.h>

static void **kept;
static ulong_t kept_count, lost_count;

static void __attribute__((noinline)) some(int n) {
    for (int i = 0; i < n; i++) {
        char *p = (char *)malloc(100 + i % 300);
        memset(p, 'a' + i % 20, 100);
        if (i % 3) kept[kept_count++] = p;
        else forget(p), lost_count++;
    }
}
static void __attribute__((noinline)) scrub(void) {
    volatile char garbage[8192];
    memset((char *)garbage, 0, sizeof garbage);
}
static void tell_pieces(void) {
    struct mallinfo2 m = mallinfo2();
    dprintf(1, "lost=%lu kept=%lu arena=%zu fordblks=%zu ordblks=%zu\n", lost_count, kept_count, m.arena, m.fordblks,
            m.ordblks);
}
int main(int argc, char **argv) {
    int foreign = argc < 2 || !strcmp(argv[1], "foreign");
    kept = (void **)mmap(0, 1 << 22, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mallopt(M_MMAP_THRESHOLD, 1 << 28);
    some(5000);
    for (int i = 0; i < 5 && foreign; i++) {
        char *other = (char *)sbrk(5000 + i * 40);
        memset(other, 0x21, 5000);
        some(5000);
    }
    if (!foreign) { /* a page right behind the break */
        char *end = (char *)(((uintptr_t)sbrk(0) + 4095) & ~4095ul);
        mmap(end, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
        some(60000);
    }
    scrub();
    tell = tell_pieces;
    serve(nothing);
}
