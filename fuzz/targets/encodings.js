/** Targets: the encodings of users' keys and values. */
import { unpackMessage } from '../../dist/base/message-pack.js'
import { SearchKey } from '../../dist/memtable/search-key.js'
import { keyEncodingOf } from '../../dist/store/encodings/key-encoding.js'
import { valueEncodingOf } from '../../dist/store/encodings/value-encoding.js'
import { mutateBytes } from '../mutate.js'
import { Digest, Finding } from '../outcome.js'
import { hostileValue } from '../values.js'

/** @param {import('../../dist/store/encodings/key-encoding.js').KeyEncodingName} name @param {unknown} key */
function keyBytes(name, key) {
  const target = new SearchKey()
  keyEncodingOf(name).encode(key, target)
  return target.bytes.slice(0, target.length)
}

const ORDERED_KEYS = [
  null,
  true,
  -1.5,
  1e300,
  new Date(0),
  new Date(-5),
  12345678901234567890n,
  -1n,
  0n,
  'text\0\u0001\u00ff',
  ['user', 7, ['nested', [], 3n], null],
  [['a'], 'b\0'],
]

/** @type {import('./index.js').Target} */
export const orderedKey = {
  name: 'ordered-key',
  codes: ['CORRUPTION'],
  seeds: () => [...ORDERED_KEYS.map((key) => keyBytes('ordered', key)), new Uint8Array(3000).fill(0xa0)],
  mutate: mutateBytes,
  run(bytes) {
    const key = keyEncodingOf('ordered').decode(bytes, 0, bytes.length)
    // What comes out is a key: it can be put in again.
    return Buffer.from(keyBytes('ordered', key)).toString('hex')
  },
}

/** @type {import('./index.js').Target} */
export const utf8 = {
  name: 'utf8',
  codes: [],
  seeds: () => [new Uint8Array(Buffer.from('plain, grüße, 漢字, 🎉, \0'))],
  mutate: mutateBytes,
  run(bytes) {
    const key = keyEncodingOf('utf8').decode(bytes, 0, bytes.length)
    keyBytes('utf8', key)
    return JSON.stringify(valueEncodingOf('utf8').decode(bytes, 0, bytes.length)) + JSON.stringify(key)
  },
}

const VALUES = [
  { name: 'x', list: [1, 2.5, 'three', null, true], nested: { deep: { deeper: ['y'] } } },
  new Map([['a', 1]]),
  new Set([1, 2]),
  new Date(1_700_000_000_123),
  12345678901234567890n,
  -(2n ** 200n),
  new Uint8Array([1, 2, 3]),
  new Float64Array([1.5, 2.5]),
  /pattern/g,
  new RangeError('away'),
  Array.from({ length: 40 }, (_, i) => ({ id: i, label: `item ${i}` })),
  'x'.repeat(300),
]

/** What a decoded value is made of; anything else was smuggled in. */
const PLAIN = [Object, Array, Map, Set, Date, Buffer, RegExp, Float64Array, Uint8Array, ArrayBuffer, DataView]
const ERRORS = [
  Error,
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
  AggregateError,
]
const BUILT_IN = [Object.prototype, Array.prototype, globalThis, Function]

/** @param {Digest} digest @param {any} value @param {Set<unknown>} seen */
function digestValue(digest, value, seen = new Set()) {
  if (typeof value === 'function' || typeof value === 'symbol') throw new Finding('decodes to code')
  if (typeof value !== 'object' || value === null) {
    digest.bytes(Buffer.from(String(value)))
    return
  }
  if (seen.has(value)) return
  seen.add(value)
  const known = [
    ...PLAIN,
    ...ERRORS,
    BigInt64Array,
    BigUint64Array,
    Float32Array,
    Int32Array,
    Uint32Array,
    Int16Array,
    Uint16Array,
    Int8Array,
    Uint8ClampedArray,
  ]
  const prototype = Object.getPrototypeOf(value)
  if (BUILT_IN.includes(value)) throw new Finding('decodes to a built-in object')
  if (!known.some((type) => type.prototype === prototype))
    throw new Finding(`decodes to an object of another kind, ${prototype?.constructor?.name}`)
  if (ArrayBuffer.isView(value))
    digest.bytes(new Uint8Array(value.buffer, value.byteOffset, value.byteLength))
  else for (const name of Object.keys(value)) digestValue(digest, value[name], seen)
  if (value instanceof Map || value instanceof Set)
    for (const entry of value) digestValue(digest, entry, seen)
}

/** Extensions that reach for something: records, references, bundles, code-like names. */
const HOSTILE_MESSAGES = [
  // A record definition and four records of it, which the decoder would compile code for.
  [0x95, 0xd4, 0x72, 0x40, 0x91, 0xa1, 0x61, 0x01, 0x40, 0x02, 0x40, 0x03, 0x40, 0x04, 0x40, 0x05],
  // A reference to itself: an array with the id 1 that holds itself.
  [0xd6, 0x69, 0, 0, 0, 1, 0x91, 0xd6, 0x70, 0, 0, 0, 1],
  // A bundle of strings that begins in front of the message.
  [0xd6, 0x62, 0xff, 0xff, 0xff, 0x00, 0xc1, 0x01],
  // An error of a class that is no class.
  [0xd4, 0x65, 0x00, 0x93, 0xa7, ...Buffer.from('valueOf'), 0xa1, 0x78, 0xc0],
  [0xd4, 0x65, 0x00, 0x93, 0xab, ...Buffer.from('constructor'), 0xa1, 0x78, 0xc0],
  // Its name is a list of one name.
  [0xd4, 0x65, 0x00, 0x93, 0x91, 0xab, ...Buffer.from('constructor'), 0xa1, 0x78, 0xc0],
  // Extensions that nobody writes, in the place of a value.
  ...[0x01, 0x62, 0x69, 0x70, 0x72].flatMap((type) => [
    [0x92, 0xd6, type, 0, 0, 0, 1, 0xc0],
    [0x92, 0xd4, type, 0x40, 0xc0],
  ]),
  // A map with the key __proto__.
  [0x81, 0xa9, ...Buffer.from('__proto__'), 0x81, 0xa8, ...Buffer.from('polluted'), 0xc3],
  // Lengths far beyond the message.
  [0xdd, 0x02, 0x00, 0x00, 0x00],
  [0xdf, 0x02, 0x00, 0x00, 0x00],
  [0xdb, 0xff, 0xff, 0xff, 0xff],
  [0xc9, 0xff, 0xff, 0xff, 0xff, 0x42],
  new Array(4000).fill(0x91),
].map((bytes) => Uint8Array.from(bytes))

/** @type {import('./index.js').Target} */
export const msgpackValue = {
  name: 'msgpack-value',
  codes: ['INVALID_VALUE'],
  seeds: () => [
    ...VALUES.map((value) => new Uint8Array(valueEncodingOf('msgpack').encode(value))),
    ...HOSTILE_MESSAGES,
  ],
  mutate(bytes, random, seeds) {
    if (random.oneIn(4))
      return new Uint8Array(valueEncodingOf('msgpack').encode(hostileValue(random) ?? null))
    return mutateBytes(bytes, random, seeds)
  },
  run(bytes) {
    const digest = new Digest()
    const encoding = valueEncodingOf('msgpack')
    let problem
    try {
      digestValue(digest, encoding.decode(bytes, 0, bytes.length))
    } catch (error) {
      problem = error
    }
    // Whatever came before, a sound value is decoded as ever.
    const sound = JSON.stringify(encoding.decode(SOUND, 0, SOUND.length))
    if (sound !== SOUND_TEXT) throw new Finding('spoils the decoder for the next value')
    if (problem !== undefined) throw problem
    return digest.toString()
  },
}

const SOUND = new Uint8Array(valueEncodingOf('msgpack').encode(VALUES[0]))
const SOUND_TEXT = JSON.stringify(VALUES[0])

/** What stands in a store's own files is plain: no extension makes anything else of it. @param {unknown} value */
function checkPlain(value) {
  if (value === undefined) throw new Finding('decodes to undefined')
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return
  const prototype = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== Array.prototype)
    throw new Finding('decodes to more than plain data')
  for (const field of Object.values(value)) checkPlain(field)
}

/** @type {import('./index.js').Target} */
export const message = {
  name: 'message',
  codes: ['CORRUPTION'],
  seeds: () =>
    [...VALUES.slice(0, 1), ...VALUES.slice(-2)]
      .map((value) => new Uint8Array(valueEncodingOf('msgpack').encode(value)))
      .concat(HOSTILE_MESSAGES),
  mutate: mutateBytes,
  run(bytes) {
    const digest = new Digest()
    const value = unpackMessage(bytes)
    checkPlain(value)
    digestValue(digest, value)
    return digest.toString()
  },
}

/** @type {import('./index.js').Target} */
export const jsonValue = {
  name: 'json-value',
  codes: ['INVALID_VALUE'],
  seeds: () =>
    [...VALUES.slice(0, 1), 'text', 12.5, { ['__proto__']: { polluted: true } }]
      .map((value) => new Uint8Array(Buffer.from(JSON.stringify(value))))
      .concat([
        new Uint8Array(Buffer.from('{"__proto__":{"polluted":true}}')),
        new Uint8Array(Buffer.from('['.repeat(3000))),
      ]),
  mutate: mutateBytes,
  run(bytes) {
    const digest = new Digest()
    digestValue(digest, valueEncodingOf('json').decode(bytes, 0, bytes.length))
    return digest.toString()
  },
}
