/* libcrypt_old.so: the library of the demonstration. enc_record() works on a copy of each record and forgets the copy; with
 * a server that calls it per record, the worker's [heap] fills with JSON. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

unsigned enc_record(const char *record, size_t length) {
    char *copy = malloc(length + 1);
    uint32_t sum = 2166136261u;
    if (!copy) return 0;
    memcpy(copy, record, length);
    copy[length] = 0;
    for (size_t i = 0; i < length; i++) sum = (sum ^ (unsigned char)copy[i]) * 16777619u;
    return sum; /* `copy` is never freed */
}
