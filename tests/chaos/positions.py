"""positions.py - how far log and store are: partition → seq. A log's seqs begin behind its floor, generation
times 2^40 (docs/SUBJECTS.md); the store has no row for a partition in which nothing was ever said."""

SEQ_BITS = 40


def records_left(last, applied):
    """last: of each partition's log; applied: the store's word, without the partitions that it has no row for, or
    with their row of an older generation. Gives partition → how many records the store lacks, if any."""
    left = {}
    for partition, seq in last.items():
        floor = seq >> SEQ_BITS << SEQ_BITS
        lacks = seq - max(applied.get(partition, 0), floor)
        if lacks > 0:
            left[partition] = lacks
    return left
