/** One step of fuzzing: which input a seed stands for, what a failing one comes down to, and where inputs are kept. */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { answerTo, Finding } from './outcome.js'
import { Random } from './random.js'

/** @typedef {import('./targets/index.js').Target} Target */

const CORPUS = fileURLToPath(new URL('corpus/', import.meta.url))

/** The kept inputs of a target, by file name. @param {Target} target */
export function corpusOf({ name }) {
  const directory = join(CORPUS, name)
  if (!existsSync(directory)) return []
  return readdirSync(directory)
    .filter((file) => file.endsWith('.bin'))
    .sort()
    .map((file) => ({
      file: join(directory, file),
      bytes: new Uint8Array(readFileSync(join(directory, file))),
    }))
}

/** Keeps an input under a name made of its content; returns its path. @param {Target} target @param {Uint8Array} input */
export function keep({ name }, input) {
  const directory = join(CORPUS, name)
  mkdirSync(directory, { recursive: true })
  const file = join(directory, `${createHash('sha256').update(input).digest('hex').slice(0, 12)}.bin`)
  writeFileSync(file, input)
  return file
}

/** The input that a seed stands for. It does not depend on the corpus, so a seed stays what it is. @param {Target} target @param {number} seed */
export function inputOf(target, seed) {
  const random = new Random(seed)
  const seeds = seedsOf(target)
  let input = random.pick(seeds)
  for (let times = 1 + random.below(2); times > 0; times--)
    input = target.mutate(input.slice(), random, seeds)
  return input
}

/** @type {WeakMap<Target, Uint8Array[]>} */
const seedCache = new WeakMap()

/** The seeds of a target, made once. @param {Target} target */
export function seedsOf(target) {
  let seeds = seedCache.get(target)
  if (seeds === undefined) seedCache.set(target, (seeds = target.seeds()))
  return seeds
}

/** What is wrong with the answer to an input; `undefined` when nothing is. @param {Target} target @param {Uint8Array} input */
export async function problemOf(target, input) {
  try {
    await answerTo(target, input)
    return undefined
  } catch (error) {
    if (error instanceof Finding) return error
    throw error
  }
}

/** At most this many attempts at making a failing input smaller. */
const REDUCTION_LIMIT = 3_000

/**
 * A smaller input that fails in the same way: greedily without pieces, from large to small, and then with zeros.
 * @param {Uint8Array} input @param {(candidate: Uint8Array) => Promise<boolean>} fails
 */
export async function reduced(input, fails) {
  let best = input
  let attempts = 0
  for (let size = Math.max(1, best.length >> 1); size >= 1 && attempts < REDUCTION_LIMIT; ) {
    let isSmaller = false
    for (let at = 0; at + size <= best.length && attempts < REDUCTION_LIMIT; ) {
      const candidate = new Uint8Array([...best.subarray(0, at), ...best.subarray(at + size)])
      attempts++
      if (await fails(candidate)) {
        best = candidate
        isSmaller = true
      } else {
        at += size
      }
    }
    if (!isSmaller || size > 1) size >>= 1
  }
  return best
}

/** The kind of a finding: what it says without its numbers and quotations. @param {Finding} finding */
export function kindOf({ message }) {
  return message
    .replace(/"(?:\\.|[^"\\])*"/g, (text) => text.slice(0, 40))
    .replace(/\d+/g, 'n')
    .slice(0, 120)
}
