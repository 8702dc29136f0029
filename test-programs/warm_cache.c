/* Negative control: a full cache that recycles. Each record is put in the place of the oldest. Arguments: ENTRIES RATE. */
#include "patient.h"

static char **slot;
static ulong_t entries, next;

static void grow(void) {
    put("{\"key\":\""), hex(16), put("\",\"ttl\":%lu,\"value\":\"", between(1000, 9999)), hex(160), put("\"}");
    free(slot[next % entries]);
    slot[next++ % entries] = keep();
}
static void tell_live(void) { dprintf(1, "live=%lu\n", next < entries ? next : entries); }

int main(int argc, char **argv) {
    entries = argument(argc, argv, 1, 50000);
    slot = (char **)calloc(entries, sizeof *slot);
    fill(2 * entries, grow);
    rate = argument(argc, argv, 2, 4000000);
    tell = tell_live;
    serve(grow);
}
