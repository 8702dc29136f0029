/* A server under load: each tick makes three thousand temporary buffers and gives them back in any order, keeps twenty
 * objects and loses five. What malloc leaves in memory that is used again looks like pointers; of the objects kept one in
 * EVERY is hardly written and keeps such links. Arguments: TICKS/s EVERY. */
#include "patient.h"

struct object { struct object *next; char text[]; };
static struct object *sessions;
static uint64_t lost, kept_count;
static char *held[3000];
static ulong_t every;

/* A buffer of any size; one that is hardly written keeps what was there. */
static void *make(size_t head, int written) {
    size_t size = 16 + below(160);
    char *p = (char *)malloc(head + size);
    if (written) memset(p + head, 'x', size - 1), p[head + size - 1] = 0;
    snprintf(p + head, 16, "request %lu", between(100, 999));
    return p;
}
static void __attribute__((noinline)) temporary(void) {
    for (int i = 0; i < 3000; i++) {
        int at = below(3000);
        free(held[at]);
        held[at] = (char *)make(0, 0);
    }
    for (int i = 0; i < 3000; i++) free(held[i]), held[i] = NULL;
}
static void __attribute__((noinline)) scrub(void) {
    volatile char garbage[8192];
    memset((char *)garbage, 0, sizeof garbage);
}
static void grow(void) {
    for (int i = 0; i < 20; i++) {
        if (i % 4 == 0) {
            char *p = (char *)malloc(120);
            snprintf(p, 120, "{\"lost_user\":%lu,\"session\":\"%08lx\"}", between(1000, 9999), (ulong_t)rnd() & 0xffffffff);
            forget(p), p = NULL, lost++;
        }
        struct object *o = (struct object *)make(sizeof *o, kept_count % every != 0);
        o->next = sessions, sessions = o, kept_count++;
    }
    temporary();
    scrub();
    count++, bytes++;
}
static void tell_lost(void) { dprintf(1, "lost=%lu kept=%lu\n", (ulong_t)lost, (ulong_t)kept_count); }
int main(int argc, char **argv) {
    rate = argument(argc, argv, 1, 100);
    every = argument(argc, argv, 2, 16);
    tell = tell_lost;
    serve(grow);
}
