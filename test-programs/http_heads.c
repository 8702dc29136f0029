/* Forgets whole HTTP request heads. Arguments: COUNT RATE. */
#include "patient.h"

static void grow(void) {
    put("GET /cart/%lu/items HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: okhttp/4.%lu.%lu\r\nCookie: sid=", between(1000, 99999),
        below(13), below(10));
    hex(32), put("\r\nX-Request-Id: "), hex(16), put("\r\nAccept: */*\r\n\r\n"), keep();
}

int main(int argc, char **argv) {
    fill(argument(argc, argv, 1, 5000), grow);
    rate = argument(argc, argv, 2, 1000000);
    label = "GET /cart/<int>/items HTTP/1.1";
    serve(grow);
}
