/* JSON records as heaps really hold them, COUNT of each form, every form with a key of its own in its middle: whole, cut
 * short, escaped inside a string, nested (two of them in the array of one record), followed by garbage, and freed so that the allocator overwrote the
 * front. Arguments: COUNT. */
#include "patient.h"

static ulong_t each;

static void record(const char *quote, const char *form) {
    put("{%sorder%s:%lu,%sshop%s:%s", quote, quote, between(10000, 99999), quote, quote, quote), words(3);
    put("%s,%s%s%s:%lu,%snote%s:%s", quote, quote, form, quote, between(10, 99), quote, quote, quote), words(8);
    put("%s}", quote);
}

static void tell_forms(void) {
    dprintf(1, "whole=%lu truncated=%lu escaped=%lu nested=%lu garbage=%lu overwritten=%lu\n", each, each, each, each, each,
            each);
}

int main(int argc, char **argv) {
    each = argument(argc, argv, 1, 1000);
    char **doomed = (char **)malloc(each * sizeof *doomed);
    for (ulong_t i = 0; i < each; i++) {
        record("\"", "whole"), keep();
        record("\"", "truncated"), length -= between(8, 30), scratch[length] = 0, keep();
        put("msg=\""), record("\\\"", "escaped"), put("\" level=info"), keep();
        put("{\"batch\":[{\"kind\":\"a\",\"inner\":"), record("\"", "nested");
        put("},{\"kind\":\"b\",\"inner\":"), record("\"", "nested"), put("}]}"), keep();
        record("\"", "garbage"), put("]]>%%!~ttyl;;"), keep();
        record("\"", "overwritten"), doomed[i] = keep(), count--;
        forget(malloc(40)); /* keeps what is freed below from merging with its neighbours */
    }
    for (ulong_t i = 0; i < each; i++) free(doomed[i]);
    tell = tell_forms;
    serve(nothing);
}
