/** Hostile numbers, keys and structured values. */
import { HOSTILE_NUMBERS } from './mutate.js'

/** @typedef {import('./random.js').Random} Random */

/** Names that mean something to JavaScript. */
export const HOSTILE_NAMES = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'valueOf',
  'hasOwnProperty',
  '',
]

/** Text that would do harm in a file name, a log line or a terminal. */
export const HOSTILE_TEXTS = [
  '',
  '.',
  '..',
  '../../escape',
  '/etc/passwd',
  'C:\\windows',
  'CON',
  'a\0b',
  'line\nbreak',
  '\r\u001b[2J\u001b[31mred',
  '\u009b31m',
  '\u202eevil',
  '\ud800',
  '\u2028',
  '\u007f',
  '{"a":1}',
  'x'.repeat(5000),
]

/** Any number, not only whole ones. @param {Random} random */
export function hostileNumber(random) {
  const whole = random.pick(HOSTILE_NUMBERS)
  return random.pick([
    whole,
    whole,
    -whole,
    whole + 0.5,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    -0,
  ])
}

/** Anything that MessagePack can hold. @param {Random} random @param {number} depth @returns {unknown} */
export function hostileValue(random, depth = 0) {
  switch (random.below(depth > 3 ? 5 : 8)) {
    case 0:
      return hostileNumber(random)
    case 1:
      return random.pick([null, true, false, undefined])
    case 2:
      return random.pick(HOSTILE_TEXTS)
    case 3:
      return new Uint8Array(random.pick([0, 1, 16, 70_000]))
    case 4:
      return random.pick(HOSTILE_NUMBERS)
    case 5:
      return Array.from({ length: random.below(4) }, () => hostileValue(random, depth + 1))
    case 6:
      return hostileMap({}, random)
    default:
      return [[[[[[[[[[hostileNumber(random)]]]]]]]]]]
  }
}

/** `map` with a name taken away, changed or added. @param {Record<string, unknown>} map @param {Random} random */
export function hostileMap(map, random) {
  const names = Object.keys(map)
  const name = names.length > 0 && !random.oneIn(4) ? random.pick(names) : random.pick(HOSTILE_NAMES)
  const entries = Object.entries(map).filter(([other]) => other !== name)
  if (!random.oneIn(6)) entries.push([name, hostileValue(random, 1)])
  // Not by assignment, which would not make an own property of `__proto__`.
  return Object.fromEntries(entries)
}
