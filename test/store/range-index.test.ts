import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compareKeys } from '../../src/base/bytes.js'
import type { ByteRange } from '../../src/store/range.js'
import { RangeIndex } from '../../src/store/watch/range-index.js'

const key = fc.array(fc.constantFrom(0, 1, 0xff), { maxLength: 3 }).map((bytes) => Uint8Array.from(bytes))
const bound = fc.option(key, { nil: undefined })
const range: fc.Arbitrary<ByteRange> = fc.record({ lower: bound, upper: bound })

const KEYS = [[], [0], [0, 1], [1], [1, 0xff], [0xff], [0xff, 0, 1]].map((bytes) => Uint8Array.from(bytes))

function holds({ lower, upper }: ByteRange, at: Uint8Array): boolean {
  return (
    (lower === undefined || compareKeys(lower, at) <= 0) &&
    (upper === undefined || compareKeys(at, upper) < 0)
  )
}

test('finds the ranges that hold a key, whatever was added and removed', () => {
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.record({ add: range }) },
    { weight: 2, arbitrary: fc.record({ remove: fc.nat() }) },
    { weight: 2, arbitrary: fc.record({ find: key }) },
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
      const index = new RangeIndex<ByteRange>()
      const model: ByteRange[] = []
      for (const step of steps) {
        if ('add' in step) {
          const added = { ...step.add }
          index.add(added, added)
          model.push(added)
        } else if ('remove' in step) {
          const [removed] = model.splice(step.remove % (model.length + 1), 1)
          if (removed !== undefined) index.remove(removed)
        } else {
          const around = Uint8Array.from([9, ...step.find, 9])
          const found: ByteRange[] = []
          index.find(around, 1, around.length - 1, found)
          expect(new Set(found)).toEqual(new Set(model.filter((each) => holds(each, step.find))))
          expect(found).toHaveLength(new Set(found).size)
        }
        expect(index.size).toBe(model.length)
      }
      for (const at of KEYS) {
        const found: ByteRange[] = []
        index.find(at, 0, at.length, found)
        expect(new Set(found)).toEqual(new Set(model.filter((each) => holds(each, at))))
      }
    }),
  )
})
