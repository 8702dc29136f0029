/* A heap of every sort whose truth is known: kept and lost, in several arenas, small and mapped, aligned, grown, cyclic,
 * held only by their middle, and freed. `lost` are chunks nothing leads to, `inner` those of them that only another
 * lost one points to; `frees` were given back. Sizes are malloc_usable_size + 8, as chunks have them.
 * Arguments: THREADS RECORDS. */
#include "patient.h"
#include <malloc.h>

struct node { struct node *next; char text[40]; };
static void **kept;
static ulong_t records, kept_count, kept_bytes, lost_count, lost_bytes, inner_count, middle_count, list_count;
static struct node *list;
char *label_text; /* for a debugger to print */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t barrier;

static size_t chunk(void *p) { /* a mapping of its own has one word more in front and none behind */
    return malloc_usable_size(p) + (((size_t *)p)[-1] & 2 ? 16 : 8);
}
static void hold(void *p) {
    pthread_mutex_lock(&lock);
    kept[kept_count++] = p, kept_bytes += chunk(p);
    pthread_mutex_unlock(&lock);
}
static void lose(void *p) {
    pthread_mutex_lock(&lock);
    lost_count++, lost_bytes += chunk(p);
    pthread_mutex_unlock(&lock);
    forget(p);
}
static void __attribute__((noinline)) one(ulong_t i) {
    char *p = (char *)malloc(64 + i % 7 * 16);
    sprintf(p, "{\"lost_id\":%lu,\"session\":\"%08lx\"}", i, i * 2654435761ul % 0xffffffff);
    lose(p);
    p = (char *)malloc(48 + i % 5 * 16);
    sprintf(p, "{\"kept_id\":%lu,\"name\":\"n%lu\"}", i, i);
    hold(p);
    if (i % 4 == 0) { /* a lost parent with a lost child, and now and then a lost ring */
        struct node *parent = (struct node *)malloc(sizeof *parent), *child = (struct node *)malloc(sizeof *child);
        memset(parent, 'p', sizeof *parent), memset(child, 'c', sizeof *child);
        parent->next = child, child->next = i % 16 ? NULL : parent;
        __atomic_add_fetch(&inner_count, i % 16 ? 1 : 2, __ATOMIC_RELAXED);
        lose(parent), lose(child);
    }
    if (i % 8 == 0) hold(realloc(malloc(24), 200 + i % 300));
    if (i % 64 == 0) hold(aligned_alloc(256, 512)), lose(aligned_alloc(128, 256));
}
static void __attribute__((noinline)) middle(ulong_t i) { /* held by an odd place in its middle: reachable */
    char *p = (char *)malloc(100);
    memset(p, 'm', 100);
    pthread_mutex_lock(&lock);
    kept[records * 4 + middle_count++] = p + 20 + i % 3, kept_bytes += chunk(p);
    pthread_mutex_unlock(&lock);
}
static void __attribute__((noinline)) scrub(void) { /* overwrites what calls left on the stack */
    volatile char garbage[16384];
    memset((char *)garbage, 0, sizeof garbage);
}
static void *fill_arena(void *share) {
    for (ulong_t i = 0; i < (ulong_t)share; i++) one(i);
    void *freed[64]; /* bins, fast bins and the cache of this thread get something */
    for (int i = 0; i < 64; i++) freed[i] = malloc(16 + i * 24);
    for (int i = 0; i < 64; i += 2) free(freed[i]);
    for (int i = 1; i < 64; i += 2) hold(freed[i]);
    for (int i = 0; i < 30; i++) freed[i] = malloc(40);
    for (int i = 0; i < 30; i++) free(freed[i]); /* seven to the cache, the rest to a fast bin */
    memset(freed, 0, sizeof freed);
    scrub();
    pthread_barrier_wait(&barrier);
    for (;;) pause();
}
static void tell_heap(void) {
    struct mallinfo2 m = mallinfo2();
    dprintf(1, "kept=%lu kept_bytes=%lu lost=%lu lost_bytes=%lu inner=%lu\n", kept_count + middle_count + list_count, kept_bytes,
            lost_count, lost_bytes, inner_count);
    dprintf(1, "arena=%zu ordblks=%zu smblks=%zu hblks=%zu hblkhd=%zu fsmblks=%zu uordblks=%zu fordblks=%zu keepcost=%zu\n",
            m.arena, m.ordblks, m.smblks, m.hblks, m.hblkhd, m.fsmblks, m.uordblks, m.fordblks, m.keepcost);
    dprintf(1, "middle_at=%p list_at=%p\n", kept[records * 4], (void *)list);
}
int main(int argc, char **argv) {
    ulong_t threads = argument(argc, argv, 1, 3);
    records = argument(argc, argv, 2, 5000);
    kept = (void **)mmap(0, (records * 5 + 4096) * sizeof *kept, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pthread_barrier_init(&barrier, NULL, threads + 1);
    for (ulong_t i = 0; i < threads; i++) {
        pthread_t thread;
        pthread_create(&thread, NULL, fill_arena, (void *)(records / (threads + 1)));
    }
    for (ulong_t i = 0; i < records / (threads + 1); i++) one(i);
    for (ulong_t i = 0; i < 50; i++) middle(i);
    for (int i = 0; i < 100; i++) {
        struct node *n = (struct node *)malloc(sizeof *n);
        memset(n, 'l', sizeof *n), n->next = list, list = n, list_count++, kept_bytes += chunk(n);
    }
    hold(malloc(300000)), lose(malloc(400000)), hold(aligned_alloc(65536, 200000)), lose(aligned_alloc(8192, 300000));
    void *gaps[400];
    for (int i = 0; i < 400; i++) gaps[i] = malloc(2000);
    for (int i = 0; i < 400; i += 2) free(gaps[i]);
    for (int i = 1; i < 400; i += 2) hold(gaps[i]);
    memset(gaps, 0, sizeof gaps);
    hold(label_text = strcpy((char *)malloc(40), "a text to be found"));
    pthread_barrier_wait(&barrier);
    scrub();
    tell = tell_heap;
    serve(nothing);
}
