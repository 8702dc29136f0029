/* Forgets UTF-8 text in Chinese, Cyrillic and with emoji in turn, a third of COUNT each. Arguments: COUNT RATE. */
#include "patient.h"

static void grow(void) {
    switch (count % 3) {
    case 0: put("用户 %lu 已下单 订单号 %lu 等待付款", between(10000, 99999), between(1000000, 9999999)); break;
    case 1: put("Заказ %lu отправлен покупателю %lu", between(10000, 99999), between(1000000, 9999999)); break;
    case 2: put("🎉 winner %lu takes 🏆 number %lu home", between(10000, 99999), between(1000000, 9999999)); break;
    }
    keep();
}
static void tell_thirds(void) {
    dprintf(1, "chinese=%lu cyrillic=%lu emoji=%lu\n", (count + 2) / 3, (count + 1) / 3, count / 3);
}

int main(int argc, char **argv) {
    fill(argument(argc, argv, 1, 6000), grow);
    rate = argument(argc, argv, 2, 1000000);
    tell = tell_thirds;
    serve(grow);
}
