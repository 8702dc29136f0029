/* Two kinds of records grow at one rate: one is kept in a list, the other forgotten. Arguments: BYTES/s of both. */
#include "patient.h"

struct held { struct held *next; char text[]; };
static struct held *list;
static uint64_t lost;

static void __attribute__((noinline)) grow(void) {
    put("{\"lost_id\":%lu,\"token\":\"", between(100000, 999999)), hex(24), put("\"}");
    lost++, keep();
    length = snprintf(scratch, sizeof scratch, "{\"held_id\":%lu,\"owner\":\"o%lu\"}", between(100000, 999999), below(9000));
    struct held *one = (struct held *)malloc(sizeof *one + length + 1);
    memcpy(one->text, scratch, length + 1), one->next = list, list = one;
    memset(scratch, 0, length + 1);
    count++, bytes += length, length = 0;
}
static void tell_lost(void) { dprintf(1, "lost=%lu\n", (ulong_t)lost); }
int main(int argc, char **argv) {
    rate = argument(argc, argv, 1, 4 << 20);
    fill(2000, grow);
    tell = tell_lost;
    serve(grow);
}
