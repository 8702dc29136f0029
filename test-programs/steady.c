/* Negative control: a heap of JSON records that stays as it is, while requests come and go in it. Arguments: COUNT; `go`
 * starts the requests. */
#include "patient.h"

static void request(void) {
    char *answer = (char *)malloc(8000);
    memset(answer, 'x', 8000);
    forget(answer);
    free(answer);
}

int main(int argc, char **argv) {
    for (ulong_t n = argument(argc, argv, 1, 20000); n--;) put_json(), keep();
    label = JSON_LABEL;
    rate = 1e18; /* bytes do not grow: one request per tick */
    serve(request);
}
