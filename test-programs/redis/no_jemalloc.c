/* Stands in for libjemalloc.so.2, so that a redis that takes malloc from there takes it from the C library. What it asks
 * jemalloc alone is answered with "not known". */
#include <stddef.h>

int mallctl(const char *name, void *old, size_t *length, void *value, size_t size) {
    (void)name, (void)old, (void)length, (void)value, (void)size;
    return 2;
}
void malloc_stats_print(void (*print)(void *, const char *), void *to, const char *options) {
    (void)print, (void)to, (void)options;
}
size_t nallocx(size_t size, int flags) {
    (void)flags;
    return size < 25 ? 24 : ((size + 8 + 15) & ~(size_t)15) - 8;
}
