/**
 * Puts the checksums of a mutated file right, so that the mutation is found behind them. Lenient on purpose: whatever
 * the mutation left of a structure is followed as far as it goes.
 */
import { readU32, readU64, writeU32 } from '../dist/base/bytes.js'
import { crc32, fileSalt, salted } from '../dist/base/checksum.js'
import {
  framedLength,
  headerCheck,
  RECORD_HEADER_LENGTH,
  RECORD_MAGIC,
} from '../dist/record/record-format.js'
import { Block } from '../dist/sstable/block.js'
import { BlockHandle, decodeHandle } from '../dist/sstable/block-handle.js'
import { FOOTER_LENGTH } from '../dist/sstable/footer.js'
import { ENVELOPE_LENGTH, openPhysicalBlock } from '../dist/sstable/physical-block.js'
import { decodeProperties } from '../dist/sstable/properties.js'
import { MANIFEST_HEADER_LENGTH } from '../dist/version/manifest-format.js'
import { GROUP_HEADER_LENGTH } from '../dist/wal/wal-format.js'

/**
 * Seals the record at `at`; returns where the next one begins, or -1 when none stands there.
 * @param {Uint8Array} bytes @param {number} at @param {number} salt
 */
export function sealRecord(bytes, at, salt) {
  if (at + RECORD_HEADER_LENGTH > bytes.length || readU32(bytes, at + 4) !== RECORD_MAGIC) return -1
  const length = readU32(bytes, at + 8)
  const end = at + framedLength(length)
  if (end > bytes.length) return -1
  const placeSalt = salted(salt, at)
  bytes.fill(0, at + RECORD_HEADER_LENGTH + length, end)
  const check = headerCheck(length, bytes[at + 12], placeSalt)
  bytes[at + 13] = check
  bytes[at + 14] = check >>> 8
  bytes[at + 15] = check >>> 16
  writeU32(bytes, at, placeSalt)
  writeU32(bytes, at, crc32(bytes.subarray(at, end)))
  return end
}

/** @param {Uint8Array} bytes @param {number} start @param {number} salt */
export function sealRecords(bytes, start, salt) {
  for (let at = start; at >= 0; ) at = sealRecord(bytes, at, salt)
  return bytes
}

/** A segment: its header is sealed as what it claims to be, and each record follows the one before. @param {Uint8Array} bytes */
export function sealSegment(bytes) {
  if (bytes.length < 48) return bytes
  const salt = fileSalt(bytes.slice(24, 40), readU64(bytes, 40))
  let before = 0
  for (let at = 0; at >= 0; ) {
    const payload = at + RECORD_HEADER_LENGTH
    if (
      at > 0 &&
      payload + GROUP_HEADER_LENGTH <= bytes.length &&
      readU32(bytes, at + 8) >= GROUP_HEADER_LENGTH
    ) {
      writeU32(bytes, payload + 20, readU32(bytes, before))
    }
    before = at
    at = sealRecord(bytes, at, salt)
  }
  return bytes
}

/** @param {Uint8Array} bytes */
export function sealManifest(bytes) {
  if (bytes.length < MANIFEST_HEADER_LENGTH) return bytes
  writeU32(bytes, 44, crc32(bytes.subarray(0, 44)))
  return sealRecords(bytes, MANIFEST_HEADER_LENGTH, fileSalt(bytes.slice(12, 28), readU64(bytes, 28)))
}

/** A small file of text lines, the last of which is its checksum. @param {Uint8Array} bytes */
export function sealText(bytes) {
  const text = Buffer.from(bytes).toString('latin1')
  const at = text.lastIndexOf('crc32 ')
  if (at < 0) return bytes
  const body = text.slice(0, at)
  const checksum = crc32(Buffer.from(body, 'latin1')).toString(16).padStart(8, '0')
  return new Uint8Array(Buffer.from(`${body}crc32 ${checksum}\n`, 'latin1'))
}

/** A table: its footer, and every block that can be found from there. @param {Uint8Array} bytes */
export function sealTable(bytes) {
  const footer = bytes.length - FOOTER_LENGTH
  if (footer < 0) return bytes
  writeU32(bytes, footer + 68, crc32(bytes.subarray(footer, footer + 68)))
  const salt = fileSalt(bytes.slice(footer + 52, footer + 68), readU64(bytes, footer + 44))
  const handleAt = (/** @type {number} */ at) => new BlockHandle(readU64(bytes, at), readU32(bytes, at + 8))
  const [filter, index, properties] = [handleAt(footer), handleAt(footer + 12), handleAt(footer + 24)]
  for (const handle of [filter, index, properties]) sealBlock(bytes, handle, salt)
  attempt(() => {
    const { expiryIndexOffset, expiryIndexSize } = decodeProperties(openAt(bytes, properties, salt))
    sealBlock(bytes, new BlockHandle(expiryIndexOffset, expiryIndexSize), salt)
  })
  sealBehindIndex(bytes, index, salt, readU32(bytes, footer + 36))
  return bytes
}

/** @param {Uint8Array} bytes @param {BlockHandle} index @param {number} salt @param {number} levels */
function sealBehindIndex(bytes, index, salt, levels) {
  attempt(() => {
    const block = new Block(openAt(bytes, index, salt))
    for (let i = 0; i < block.count; i++) {
      const handle = new BlockHandle()
      attempt(() => decodeHandle(block.bytes, block.valueStartAt(i), block.endAt(i), handle))
      sealBlock(bytes, handle, salt)
      if (levels === 2) sealBehindIndex(bytes, handle, salt, 1)
    }
  })
}

/** @param {Uint8Array} bytes @param {BlockHandle} handle @param {number} salt */
function openAt(bytes, { offset, size }, salt) {
  return openPhysicalBlock(bytes.subarray(offset, offset + size), salt, offset, false)
}

/** @param {Uint8Array} bytes @param {BlockHandle} handle @param {number} salt */
function sealBlock(bytes, { offset, size }, salt) {
  if (size < ENVELOPE_LENGTH || offset + size > bytes.length) return
  const checksumAt = offset + size - 4
  writeU32(bytes, checksumAt, crc32(bytes.subarray(offset, checksumAt), salted(salt, offset)))
}

/** @param {() => void} action */
function attempt(action) {
  try {
    action()
  } catch {
    // What cannot be followed is left as it is.
  }
}
