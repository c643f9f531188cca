/** Right answers: a benchmark of wrong ones measures nothing. */
import { drawn } from '../data/random.js'

const CHECKED_KEYS = 200
const ABSENT_KEYS = 10

/** @param {unknown} condition @param {string} what */
export function expect(condition, what) {
  if (!condition) throw new Error(`Wrong answer: ${what}.`)
}

/** Cheap enough for the middle of a measurement. @param {unknown} value @param {number} length */
export function expectLength(value, length) {
  if (!(value instanceof Uint8Array) || value.length !== length) {
    throw new Error(
      `Wrong answer: ${value === undefined ? 'no value' : 'another value'} where one of ${length} bytes is.`,
    )
  }
}

/** @param {unknown} value @param {Buffer} wanted @param {string} key */
export function expectValue(value, wanted, key) {
  expect(
    value instanceof Uint8Array && wanted.equals(value),
    `the value of ${key.slice(0, 40)} is another one`,
  )
}

/**
 * Looks at some of the first `present` keys of the dataset, byte by byte, and at some that must be absent. Not to be timed.
 * @param {import('../stores/session.js').Session} session
 * @param {import('../data/dataset.js').Dataset} dataset
 * @param {number} [present]
 */
export async function expectContents(session, dataset, present = dataset.keys.length) {
  for (const index of drawn({ count: Math.min(CHECKED_KEYS, present), below: present, seed: 99 })) {
    const key = dataset.keyAt(index)
    expectValue(await session.get(key), dataset.values.at(index), key)
  }
  const firstAbsent = Math.max(present, dataset.keys.length)
  for (let index = firstAbsent; index < firstAbsent + ABSENT_KEYS; index++) {
    const key = dataset.keyAt(index)
    expect((await session.get(key)) === undefined, `${key.slice(0, 40)} is absent`)
  }
}
