/* Forgets small XML documents. Arguments: COUNT RATE. */
#include "patient.h"

static void grow(void) {
    put("<order id=\"%lu\"><sku>AB-%lu</sku><qty>%lu</qty><token>", between(100000, 999999), between(1000, 9999), between(1, 40));
    hex(24), put("</token></order>"), keep();
}

int main(int argc, char **argv) {
    fill(argument(argc, argv, 1, 5000), grow);
    rate = argument(argc, argv, 2, 1000000);
    label = "<order id=\"<int>\"><sku>AB-<int></sku><qty><int></qty><token><hex></token></order>";
    serve(grow);
}
