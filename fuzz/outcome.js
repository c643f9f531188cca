/**
 * Runs one input through one target and holds the outcome against the rules:
 *
 * - it is a value or a `VarveError` with a code that the target allows, never another throw;
 * - it is the same whatever lies around the input in memory, so nothing is read out of bounds;
 * - it takes time and memory in proportion to the input;
 * - no prototype is changed.
 */
import { readFileSync } from 'node:fs'
import { getHeapStatistics } from 'node:v8'
import { errnoOf, VarveError } from '../dist/base/errors.js'

/** @typedef {import('./targets/index.js').Target} Target */

/** Far more of a processor than any input should take, far less than what hangs. */
const TIME_LIMIT_MS = 2_000
/** What an input may cost in memory, whatever it claims: a fixed part and a multiple of its size. */
const MEMORY_LIMIT_BYTES = 48 * 2 ** 20
const MEMORY_LIMIT_RATIO = 2_048

/** What the process may reserve for an input: native code takes memory that JavaScript does not hear of, but never so much. */
const RESERVATION_LIMIT_BYTES = 512 * 2 ** 20

/** What is wrong with how a target answered. */
export class Finding extends Error {
  name = 'Finding'
}

/**
 * The answer to `input`: a digest of the value, or the code of the error. Throws a {@link Finding}.
 * @param {Target} target @param {Uint8Array} input
 */
export async function answerTo(target, input) {
  const began = cpuTimeMs()
  const memoryBefore = memoryInUse()
  const reservedBefore = memoryEverReserved()
  const answer = await oneAnswer(target, surrounded(input, 0xa5))
  const memory = memoryInUse() - memoryBefore
  const elapsed = cpuTimeMs() - began
  if (elapsed > TIME_LIMIT_MS) throw new Finding(`took ${Math.round(elapsed)} ms`)
  if (memory > MEMORY_LIMIT_BYTES + MEMORY_LIMIT_RATIO * input.length)
    throw new Finding(`took ${memory} bytes of memory`)
  const reserved = memoryEverReserved() - reservedBefore
  if (reserved > RESERVATION_LIMIT_BYTES + MEMORY_LIMIT_RATIO * input.length)
    throw new Finding(`reserved ${reserved} bytes of memory`)
  if (target.isPure !== false) {
    const again = await oneAnswer(target, surrounded(input, 0x01))
    if (again !== answer)
      throw new Finding(`answers ${again} and ${answer} to the same bytes in other surroundings`)
  }
  checkPrototypes()
  return answer
}

/** @param {Target} target @param {Uint8Array} input */
async function oneAnswer(target, input) {
  try {
    return `value ${await target.run(input)}`
  } catch (error) {
    if (error instanceof Finding) throw error
    if (error instanceof VarveError && target.codes.includes(error.code) && isWellSaid(error))
      return `error ${error.code}`
    throw new Finding(`throws ${describe(error)}`, { cause: error })
  }
}

/** What would forge a line of a log or steer a terminal. */
const UNPRINTABLE = /[\p{Cc}\p{Cs}\u2028-\u202e\u2066-\u2069]/u

/** The longest message that fits a log. */
const MESSAGE_LIMIT = 2_000

/**
 * Whether the message fits a line of a log, and the error stems from the input rather than from a mistake.
 * @param {VarveError} error
 */
export function isWellSaid(error) {
  if (UNPRINTABLE.test(error.message) || error.message.length > MESSAGE_LIMIT) return false
  return error.code !== 'IO_ERROR' || errnoOf(error.cause) !== undefined
}

/** @param {unknown} error */
function describe(error) {
  if (!(error instanceof Error)) return String(error)
  const code = error instanceof VarveError ? `${error.code}: ` : ''
  const cause = error.cause instanceof Error ? `; cause: ${error.cause.message}` : ''
  return `${error.name} ${code}${JSON.stringify(error.message.slice(0, 300))}${cause.slice(0, 300)}`
}

/** What this process has had of the processors: a busy machine does not stretch it. */
export function cpuTimeMs() {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

function memoryInUse() {
  const { used_heap_size, external_memory } = getHeapStatistics()
  return used_heap_size + external_memory
}

/** The most address space that this process has had; 0 where nothing tells it. */
function memoryEverReserved() {
  if (process.platform !== 'linux') return 0
  const peak = /^VmPeak:\s*(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'latin1'))
  return peak === null ? 0 : Number(peak[1]) * 1024
}

/** The input in the middle of other bytes, as it lies in a read buffer. @param {Uint8Array} input @param {number} filler */
function surrounded(input, filler) {
  const margin = filler === 1 ? 24 : 64
  const bytes = new Uint8Array(input.length + 2 * margin).fill(filler)
  bytes.set(input, margin)
  return bytes.subarray(margin, margin + input.length)
}

const PROTOTYPES = [Object, Array, Map, Uint8Array, Error].map(({ prototype }) => ({
  prototype,
  names: Reflect.ownKeys(prototype).length,
}))

function checkPrototypes() {
  for (const { prototype, names } of PROTOTYPES) {
    if (Reflect.ownKeys(prototype).length !== names) throw new Finding('has changed a prototype')
  }
}

/** A running checksum of numbers and bytes, to tell two values apart. */
export class Digest {
  #hash = 0x811c9dc5
  #count = 0

  /** @param {number} value */
  number(value) {
    this.#hash = Math.imul(this.#hash ^ (value | 0) ^ ((value / 0x1_0000_0000) | 0), 0x01000193)
    this.#count++
  }

  /** @param {Uint8Array} bytes @param {number} [start] @param {number} [end] */
  bytes(bytes, start = 0, end = bytes.length) {
    if (!(start >= 0 && start <= end && end <= bytes.length))
      throw new Finding(`describes bytes from ${start} to ${end} of ${bytes.length}`)
    let hash = this.#hash
    for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i], 0x01000193)
    this.#hash = hash ^ (end - start)
    this.#count++
  }

  toString() {
    return `${this.#count}:${(this.#hash >>> 0).toString(16)}`
  }
}
