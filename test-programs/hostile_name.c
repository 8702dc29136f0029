/* A name and content made to harm a terminal: escape sequences, a newline, bytes that are no UTF-8, C1 controls and marks
 * that turn the direction of writing. Arguments: COUNT. */
#include "patient.h"
#include <sys/prctl.h>

static void grow(void) {
    put("{\"user\":\"%lu\xc2\x9b" "31m\",\"note\":\"\xe2\x80\xaetxt.exe ", between(10000, 99999)), words(4), put("\"}"), keep();
    put("pay \xe2\x80\xae%lu\xc2\x9b" "2J to the owner of it", between(10000, 99999)), keep();
    put("\x1b]0;owned\x07\x1b[2Jsession %lu is over now", between(10000, 99999)), keep();
}

int main(int argc, char **argv) {
    char *command = argv[0];
    ulong_t n = argument(argc, argv, 1, 2000);
    prctl(PR_SET_NAME, "\x1b[31m\n\xff\xfe\x07x");
    size_t room = strlen(command);
    for (size_t i = 0; i < room; i++) command[i] = "\x1b[2J\n\xff"[i % 6];
    fill(n, grow);
    serve(grow);
}
