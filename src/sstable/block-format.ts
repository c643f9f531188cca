/**
 * The layout of a block's payload (docs/format/sstable.md): entries | sequences | offset table | trailer. On disk: never change.
 *
 *   entry     varint keyLength | user key | kind u8 | varint valueLength | stored value
 *   sequences per entry (sequence − baseSequence), little-endian, `sequenceWidth` bytes
 *   offsets   per entry where it begins, u16 or u32; absent when all entries have the same length
 *   trailer   baseSequence u64 | entry count u32 | flags u8
 *             (bit 0: u32 offsets; bits 1–3: sequenceWidth, 0 to 7; bit 4: even, no offsets)
 *
 * Sequence numbers stand in a column of their own because the builder knows their minimum only at the end; a block
 * whose entries share one sequence (an index) spends nothing on them.
 */

/** The bytes of the trailer. */
export const BLOCK_TRAILER_LENGTH = 13
/** Trailer flag: offsets are u32 instead of u16. */
export const FLAG_WIDE_OFFSETS = 1
/** Where the sequence width begins in the trailer's flags. */
export const FLAG_SEQUENCE_WIDTH_SHIFT = 1
/** Trailer flag: all entries have the same length, and there are no offsets. */
export const FLAG_EVEN = 16
/** The largest payload with u16 offsets. */
export const MAX_NARROW_PAYLOAD = 0xffff

/** All flags together. */
export const LARGEST_FLAGS = 31
