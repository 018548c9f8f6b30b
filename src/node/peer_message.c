#include "node/peer_message.h"

void peer_header_write(struct writer *w, const struct peer_header *header)
{
    write_u8(w, (uint8_t)header->type);
    write_u64(w, header->from_incarnation);
    write_u64(w, header->to_incarnation);
}

void peer_header_read(struct reader *r, struct peer_header *out_header)
{
    const uint8_t type = read_u8(r);
    if (type < PEER_HELLO || type > PEER_RESUME_ANSWER) {
        r->failed = true;
    }
    out_header->type = (enum peer_message_type)type;
    out_header->from_incarnation = read_u64(r);
    out_header->to_incarnation = read_u64(r);
}

void snapshot_chunk_write(struct writer *w, const struct snapshot_chunk *chunk)
{
    write_u32(w, chunk->group);
    write_u64(w, chunk->term);
    write_u64(w, chunk->id);
    write_u64(w, chunk->index);
    write_u64(w, chunk->index_term);
    write_u32(w, chunk->sequence);
    write_u8(w, chunk->last);
    write_u64(w, chunk->checksum);
}

void snapshot_chunk_read(struct reader *r, struct snapshot_chunk *out_chunk)
{
    out_chunk->group = read_u32(r);
    out_chunk->term = read_u64(r);
    out_chunk->id = read_u64(r);
    out_chunk->index = read_u64(r);
    out_chunk->index_term = read_u64(r);
    out_chunk->sequence = read_u32(r);
    const uint8_t last = read_u8(r);
    out_chunk->last = last == 1;
    out_chunk->checksum = read_u64(r);
    if (last > 1 || out_chunk->index == 0 || out_chunk->index_term == 0 ||
        out_chunk->index_term > out_chunk->term) {
        r->failed = true; /* raft_restore takes these for checked. */
    }
    out_chunk->data = read_bytes(r, reader_left(r));
}

void snapshot_ack_write(struct writer *w, const struct snapshot_ack *ack)
{
    write_u32(w, ack->group);
    write_u64(w, ack->id);
    write_u32(w, ack->next_sequence);
    write_u8(w, (uint8_t)ack->status);
}

void snapshot_ack_read(struct reader *r, struct snapshot_ack *out_ack)
{
    out_ack->group = read_u32(r);
    out_ack->id = read_u64(r);
    out_ack->next_sequence = read_u32(r);
    const uint8_t status = read_u8(r);
    if (status > SNAPSHOT_REFUSED) {
        r->failed = true;
    }
    out_ack->status = (enum snapshot_status)status;
}

void resume_question_write(struct writer *w, const struct resume_question *question)
{
    write_u32(w, question->group);
    write_u64(w, question->term);
    write_u64(w, question->last_index);
}

void resume_question_read(struct reader *r, struct resume_question *out_question)
{
    out_question->group = read_u32(r);
    out_question->term = read_u64(r);
    out_question->last_index = read_u64(r);
    r->failed = r->failed || reader_left(r) > 0;
}

void resume_answer_write(struct writer *w, const struct resume_answer *answer)
{
    write_u32(w, answer->group);
    write_u64(w, answer->asker);
    write_u64(w, answer->said.incarnation);
    write_u64(w, answer->said.promise.term);
    write_u64(w, answer->said.promise.index);
}

void resume_answer_read(struct reader *r, struct resume_answer *out_answer)
{
    out_answer->group = read_u32(r);
    out_answer->asker = read_u64(r);
    out_answer->said.incarnation = read_u64(r);
    out_answer->said.promise.term = read_u64(r);
    out_answer->said.promise.index = read_u64(r);
    r->failed = r->failed || reader_left(r) > 0;
}
