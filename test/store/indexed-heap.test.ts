import fc from 'fast-check'
import { expect, test } from 'vitest'
import { IndexedHeap } from '../../src/store/eviction/indexed-heap.js'

test('keeps slots in order while they come, go and change', () => {
  const slot = fc.nat(200)
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.tuple(fc.constant('set' as const), slot, fc.nat(20)) },
    { weight: 1, arbitrary: fc.tuple(fc.constant('delete' as const), slot, fc.constant(0)) },
    { weight: 1, arbitrary: fc.tuple(fc.constant('look' as const), fc.constant(0), fc.nat(10)) },
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300, size: 'max' }), (steps) => {
      const heap = new IndexedHeap()
      const model = new Map<number, [priority: number, tie: number]>()
      const sorted = (): number[] =>
        [...model].sort(([, [a, b]], [, [c, d]]) => a - c || b - d).map(([one]) => one)
      for (const [number, [what, one, value]] of steps.entries()) {
        if (what === 'set') {
          heap.set(one, value, number)
          model.set(one, [value, number])
        } else if (what === 'delete') {
          heap.delete(one)
          model.delete(one)
        } else {
          const seen: number[] = []
          for (const next of heap.inOrder()) {
            if (seen.length === value) break
            seen.push(next)
          }
          expect(seen).toEqual(sorted().slice(0, value))
        }
        expect(heap.count).toBe(model.size)
        expect(heap.first).toBe(sorted()[0] ?? -1)
        expect(heap.has(one)).toBe(model.has(one))
      }
      expect([...heap.inOrder()]).toEqual(sorted())
      expect([...heap.inOrder()]).toEqual(sorted())
    }),
  )
})
