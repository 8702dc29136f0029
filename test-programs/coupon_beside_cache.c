/* A big JSON cache that does not grow, and a small leak of `coupon=…&shop=…` strings beside it in the same heap: what is
 * largest is not what grows. Arguments: CACHE_BYTES RATE. */
#include "patient.h"

static uint64_t cache_count, cache_bytes;

static void entry(void) {
    put("{\"sku\":\"%c%c-%lu\",\"price\":%lu.%02lu,\"stock\":%lu,\"title\":\"", (int)between('A', 'Z'), (int)between('A', 'Z'),
        between(1000, 9999), between(1, 900), below(100), below(5000));
    words(20), put("\",\"etag\":\""), hex(32), put("\"}");
    keep();
}
static void grow(void) {
    put("coupon="), hex(12);
    put("&shop=%lu&user=%lu&expires=%lu&sig=", between(1, 9999), between(100000, 999999), between(1700000000, 1800000000));
    hex(32), keep();
}
static void tell_cache(void) { dprintf(1, "cache_count=%lu cache_bytes=%lu\n", cache_count, cache_bytes); }

int main(int argc, char **argv) {
    ulong_t wanted = argument(argc, argv, 1, 300000000);
    while (bytes < wanted) entry();
    cache_count = count, cache_bytes = bytes, count = bytes = 0;
    rate = argument(argc, argv, 2, 2000000);
    label = "coupon=<hex>&shop=<int>&user=<int>&expires=<int>&sig=<hex>";
    tell = tell_cache;
    serve(grow);
}
