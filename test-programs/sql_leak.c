/* Forgets SQL statements with their values written in. Arguments: COUNT RATE. */
#include "patient.h"

static void grow(void) {
    put("SELECT id, total FROM orders WHERE user_id = %lu AND token = '", between(1000, 9999999));
    hex(32), put("' ORDER BY id DESC LIMIT %lu", between(10, 99)), keep();
}

int main(int argc, char **argv) {
    fill(argument(argc, argv, 1, 5000), grow);
    rate = argument(argc, argv, 2, 1000000);
    label = "SELECT id, total FROM orders WHERE user_id = <int> AND token = '<hex>' ORDER BY id DESC LIMIT <int>";
    serve(grow);
}
