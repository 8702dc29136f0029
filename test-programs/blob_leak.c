/* Forgets pieces that begin with the signature of png, gzip and an x509 certificate in turn, a third of COUNT each, each of
 * 2 KiB of random bytes. Arguments: COUNT RATE. */
#include "patient.h"

static void grow(void) {
    static const char *const head[] = {"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\1\0\0\0\1\0\x08\6\0\0\0", "\x1f\x8b\x08\0\0\0\0\0\0\3",
                                       "\x30\x82\7\xf0\x30\x82\6\xd8\xa0\3\2\1\2\2\x14"};
    static const size_t size[] = {29, 10, 15};
    unsigned char *p = (unsigned char *)malloc(2048);
    for (int i = 0; i < 2048; i++) p[i] = rnd() >> 20;
    memcpy(p, head[count % 3], size[count % 3]);
    forget(p), count++, bytes += 2048;
}
static void tell_thirds(void) { dprintf(1, "png=%lu gzip=%lu x509=%lu\n", (count + 2) / 3, (count + 1) / 3, count / 3); }

int main(int argc, char **argv) {
    fill(argument(argc, argv, 1, 1500), grow);
    rate = argument(argc, argv, 2, 1000000);
    tell = tell_thirds;
    serve(grow);
}
