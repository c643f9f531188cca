/** Targets: the parts of a table that are not sorted blocks, and what wraps all blocks. */
import { uncompressSync } from 'snappy'
import { VarintReader, writeU32 } from '../../dist/base/bytes.js'
import { crc32 } from '../../dist/base/checksum.js'
import { hash32 } from '../../dist/base/hash.js'
import { packMessage, unpackMessage } from '../../dist/base/message-pack.js'
import { BlockHandle } from '../../dist/sstable/block-handle.js'
import { CompressionKind, compress, decompress } from '../../dist/sstable/compression.js'
import { ExpiryIndex, ExpiryIndexBuilder } from '../../dist/sstable/expiry-index.js'
import { FilterBuilder, TableFilter } from '../../dist/sstable/filter.js'
import { checkFooterHandles, decodeFooter, encodeFooter } from '../../dist/sstable/footer.js'
import { openPhysicalBlock } from '../../dist/sstable/physical-block.js'
import { decodeProperties, encodeProperties } from '../../dist/sstable/properties.js'
import { decodeSmallSnappy, LARGEST_SMALL } from '../../dist/sstable/snappy-decoder.js'
import { mutateBytes } from '../mutate.js'
import { Digest, Finding } from '../outcome.js'
import { hostileMap } from '../values.js'

const DATABASE_ID = new Uint8Array(16).fill(9)

/** @param {string} text */
const bytesOf = (text) => new Uint8Array(Buffer.from(text))

/** @type {import('./index.js').Target} */
export const filter = {
  name: 'filter',
  codes: ['CORRUPTION'],
  seeds() {
    const builder = new FilterBuilder(10)
    for (let i = 0; i < 40; i++) builder.add(hash32(bytesOf(`key${i}`), 0, 4))
    return [builder.finish(), new FilterBuilder(4).finish()]
  },
  mutate: mutateBytes,
  run(bytes) {
    const digest = new Digest()
    const decoded = new TableFilter(bytes)
    for (let i = 0; i < 64; i++) digest.number(decoded.mayContain(Math.imul(i, 0x9e3779b1) >>> 0) ? 1 : 0)
    return digest.toString()
  },
}

/** @type {import('./index.js').Target} */
export const expiryIndex = {
  name: 'expiry-index',
  codes: ['CORRUPTION'],
  seeds() {
    const builder = new ExpiryIndexBuilder()
    for (let i = 0; i < 5; i++) builder.add(1_700_000_000_000 - i, new BlockHandle(i * 100, 100))
    return [builder.finish(), new ExpiryIndexBuilder().finish()]
  },
  mutate: mutateBytes,
  run(bytes) {
    const digest = new Digest()
    const index = new ExpiryIndex(bytes, 500)
    for (let i = 0; i < index.count; i++) {
      const end = index.offset(i) + index.size(i)
      if (Number.isNaN(index.expiresAt(i)) || end > 500) throw new Finding('lists a block that cannot be')
      digest.number(end)
    }
    return digest.toString()
  },
}

/** @type {import('./index.js').Target} */
export const footer = {
  name: 'footer',
  codes: ['CORRUPTION', 'UNSUPPORTED_FORMAT'],
  seeds: () =>
    [1, 2].map((indexLevels) =>
      encodeFooter({
        filter: new BlockHandle(500, 100),
        index: new BlockHandle(600, 200),
        indexLevels: indexLevels === 1 ? 1 : 2,
        properties: new BlockHandle(800, 120),
        tableNumber: 3,
        databaseId: DATABASE_ID,
      }),
    ),
  mutate(bytes, random, seeds) {
    const mutated = mutateBytes(bytes, random, seeds)
    if (mutated.length === 80) writeU32(mutated, 68, crc32(mutated.subarray(0, 68)))
    return mutated
  },
  run(bytes) {
    const decoded = decodeFooter(bytes)
    checkFooterHandles(decoded, 1000)
    const digest = new Digest()
    for (const { offset, size } of [decoded.filter, decoded.index, decoded.properties]) {
      if (!(offset >= 0 && offset + size <= 1000)) throw new Finding('names bytes outside the file')
      digest.number(offset + size)
    }
    digest.bytes(decoded.databaseId)
    return digest.toString()
  },
}

const PROPERTIES = {
  entryCount: 10,
  tombstoneCount: 1,
  expiringCount: 2,
  dataBlockCount: 3,
  smallestKey: bytesOf('a'),
  largestKey: bytesOf('z'),
  smallestSequence: 1,
  largestSequence: 10,
  earliestExpiry: 1e12,
  latestExpiry: Number.POSITIVE_INFINITY,
  expiryIndexOffset: 400,
  expiryIndexSize: 60,
  rawKeyBytes: 100,
  rawValueBytes: 2 ** 40,
  createdAt: 1.5,
  compression: /** @type {const} */ ('snappy'),
  filterBitsPerKey: 10,
}

/** Changes the bytes of a MessagePack map, or what it says. @type {import('./index.js').Target['mutate']} */
export function mutateMap(bytes, random, seeds) {
  if (random.oneIn(2)) return mutateBytes(bytes, random, seeds)
  try {
    const map = /** @type {Record<string, unknown>} */ (unpackMessage(bytes.slice()))
    return new Uint8Array(packMessage(hostileMap(map, random)))
  } catch {
    return mutateBytes(bytes, random, seeds)
  }
}

/** @type {import('./index.js').Target} */
export const properties = {
  name: 'properties',
  codes: ['CORRUPTION'],
  seeds: () => [new Uint8Array(encodeProperties(PROPERTIES))],
  mutate: mutateMap,
  run(bytes) {
    const decoded = decodeProperties(bytes)
    const digest = new Digest()
    for (const [name, value] of Object.entries(decoded)) {
      if (typeof value === 'number') digest.number(value)
      else digest.bytes(value instanceof Uint8Array ? value : bytesOf(value))
      if (name.includes('__')) throw new Finding(`has a property ${name}`)
    }
    return digest.toString()
  },
}

/** @type {import('./index.js').Target} */
export const compression = {
  name: 'compression',
  codes: ['CORRUPTION'],
  seeds: () =>
    [bytesOf('abcdefgh'.repeat(200)), new Uint8Array(5000), new Uint8Array(200_000)].flatMap((payload) =>
      /** @type {const} */ (['snappy', 'gzip']).map((kind) => {
        const compressed = compress(payload, kind) ?? payload
        return new Uint8Array([CompressionKind[kind], ...compressed])
      }),
    ),
  mutate: mutateBytes,
  run(bytes) {
    const payload = decompress(bytes.subarray(1), bytes[0] ?? 0)
    const digest = new Digest()
    digest.bytes(payload)
    return digest.toString()
  },
}

/** The package's answer is the right one. @type {import('./index.js').Target} */
export const smallSnappy = {
  name: 'small-snappy',
  codes: ['CORRUPTION'],
  seeds: () =>
    [
      bytesOf('abcdefgh'.repeat(200)),
      new Uint8Array(5000),
      bytesOf('one value, another value, '.repeat(40)),
    ].map((payload) => new Uint8Array(compress(payload, 'snappy') ?? payload)),
  mutate: mutateBytes,
  run(bytes) {
    const small = bytes.subarray(0, LARGEST_SMALL)
    // The package takes any number of bytes for the length, and as much memory as that says.
    const claimed = new VarintReader(small, 0, Math.min(5, small.length)).read()
    if (claimed > LARGEST_SMALL) return 'large'
    const wanted = orNothing(() => uncompressSync(small))
    const digest = new Digest()
    try {
      const payload = decodeSmallSnappy(small)
      if (payload === undefined) throw new Finding('leaves a small block to the package')
      if (wanted === undefined) throw new Finding('takes what the package refuses')
      if (Buffer.compare(payload, wanted) !== 0) throw new Finding('makes other bytes of it than the package')
      digest.bytes(payload)
    } catch (error) {
      if (wanted !== undefined && !(error instanceof Finding))
        throw new Finding('refuses what the package takes')
      throw error
    }
    return digest.toString()
  },
}

/** @param {() => unknown} make @returns {Uint8Array | undefined} */
function orNothing(make) {
  try {
    return /** @type {Uint8Array} */ (make())
  } catch {
    return undefined
  }
}

/** @type {import('./index.js').Target} */
export const physicalBlock = {
  name: 'physical-block',
  codes: ['CORRUPTION'],
  seeds: () =>
    compression
      .seeds()
      .slice(0, 2)
      .map((bytes) => sealedEnvelope(new Uint8Array([...bytes.subarray(1), bytes[0], 0, 0, 0, 0]))),
  mutate(bytes, random, seeds) {
    const mutated = mutateBytes(bytes, random, seeds)
    return random.oneIn(4) ? mutated : sealedEnvelope(mutated)
  },
  run(bytes) {
    const digest = new Digest()
    digest.bytes(openPhysicalBlock(bytes, 5, 0, true))
    const isSealed = bytes.length >= 5 && Buffer.compare(sealedEnvelope(bytes.slice()), bytes) === 0
    if (!isSealed) throw new Finding('takes what is no block')
    return digest.toString()
  },
}

/** @param {Uint8Array} bytes */
function sealedEnvelope(bytes) {
  if (bytes.length >= 5) writeU32(bytes, bytes.length - 4, crc32(bytes.subarray(0, bytes.length - 4), 5))
  return bytes
}
