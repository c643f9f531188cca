/**
 * Keys, values, hashes and checksums: what every operation pays before it reaches the engine. Run after `npm run build`:
 *
 *   node bench/components/encoding.bench.js
 *
 * Every task handles a thousand operations; the table shows one.
 */
import { Bench } from 'tinybench'
import { keyAt } from '../data/keys.js'

const dist = process.env.VARVE_DIST ?? '../../dist'
const { crc32, portableCrc32 } = await import(`${dist}/base/checksum.js`)
const { compareBytes } = await import(`${dist}/base/bytes.js`)
const { hash32 } = await import(`${dist}/base/hash.js`)
const { SearchKey } = await import(`${dist}/memtable/search-key.js`)
const { keyEncodingOf } = await import(`${dist}/store/encodings/key-encoding.js`)
const { valueEncodingOf } = await import(`${dist}/store/encodings/value-encoding.js`)

const COUNT = 1000
const bench = new Bench({ time: 500, warmupTime: 100 })
/** @param {string} name @param {(i: number) => void} run */
function task(name, run) {
  bench.add(name, () => {
    for (let i = 0; i < COUNT; i++) run(i)
  })
}

const strings = Array.from({ length: COUNT }, (_, i) => keyAt(i, 1))
const arrays = strings.map((text, i) => ['user', i, text])
const target = new SearchKey()
for (const [name, keys] of /** @type {const} */ ([
  ['utf8', strings],
  ['ordered', arrays],
])) {
  const encoding = keyEncodingOf(name)
  const encoded = keys.map((key) => {
    encoding.encode(key, target)
    return target.bytes.slice(0, target.length)
  })
  task(`key ${name}: encode`, (i) => encoding.encode(keys[i], target))
  task(`key ${name}: decode`, (i) => encoding.decode(encoded[i], 0, encoded[i].length))
}

const records = strings.map((text, i) => ({ id: i, name: text, tags: ['a', 'b'], score: i / 7 }))
for (const [name, values] of /** @type {const} */ ([
  ['buffer', strings.map((text) => Buffer.from(text.repeat(6)))],
  ['utf8', strings.map((text) => text.repeat(6))],
  ['json', records],
  ['msgpack', records],
])) {
  const encoding = valueEncodingOf(name)
  const encoded = values.map((value) => Uint8Array.from(encoding.encode(value)))
  task(`value ${name}: encode`, (i) => encoding.encode(values[i]))
  task(`value ${name}: decode`, (i) => encoding.decode(encoded[i], 0, encoded[i].length))
}

const bytes = strings.map((text) => new Uint8Array(Buffer.from(text)))
const block = new Uint8Array(4096).map((_, i) => i * 31)
task('hash32 of 16 bytes', (i) => hash32(bytes[i], 0, 16))
task('compareBytes of 16 bytes', (i) => compareBytes(bytes[i], 0, 16, bytes[(i + 1) % COUNT], 0, 16))
task('crc32 of 4 KiB', () => crc32(block))
task('… in JavaScript', () => portableCrc32(block))

await bench.run()
console.table(
  bench.tasks.map(({ name, result }) => ({
    task: name,
    'ns/op': Math.round((result.latency.p50 * 1e6) / COUNT),
  })),
)
