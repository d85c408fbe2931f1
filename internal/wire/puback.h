/* puback.h - JetStream's answer to a publish, read without a JSON library.
 *
 * It comes once a message and has four known members; a scan costs a twentieth of a parse.
 * Form (docs.nats.io, JetStream wire API): {"stream":"S","seq":3,"duplicate":true} or
 * {"error":{"code":400,"err_code":10071,"description":"…"},"stream":"S","seq":0}.
 */
#ifndef WIRE_PUBACK_H
#define WIRE_PUBACK_H

#include "base/bytes.h"

struct puback {
    uint64_t seq;
    bool is_duplicate;
    uint32_t error; /* err_code (or code, if that is all there is); 0: stored */
};

/* Reads it. Returns false when the text isn't an object that has a seq or an error. */
bool puback_read(struct bytes text, struct puback *out_ack);

#endif
