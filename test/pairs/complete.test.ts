/**
 * Each two features that can meet, meet in a test of this folder, which says so in its title: `expiry × view: …`.
 *
 * A feature that is new gets a line here, and this test tells what is missing.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const FEATURES = [
  'expiry',
  'eviction',
  'batch',
  'conditional write',
  'transaction',
  'watch',
  'view',
  'iterator',
  'snapshot',
  'restore',
  'clear',
  'compaction',
  'reopen',
  'crash',
  'persistence',
  'read-only',
] as const

/** Pairs that do not meet, or that the whole test suite is about, with the reason. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  'batch × conditional write': 'two writes in their order: test/model/interleavings.test.ts',
  'batch × compaction': 'test/model: compaction drops no part of what is committed',
  'batch × reopen': 'test/model: what is reopened ends between two calls',
  'conditional write × iterator': 'an iterator shows one moment: test/model',
  'conditional write × compaction': 'test/store/conditional-writes.test.ts reads tables before it decides',
  'conditional write × reopen': 'a write like others: test/model',
  'transaction × reopen': 'a transaction does not outlive its process',
  'view × iterator': 'an iterator of a view: test/model',
  'view × reopen': 'a view does not outlive its process: test/store/close.test.ts',
  'view × crash': 'a view does not outlive its process',
  'iterator × snapshot': 'an iterator shows one moment: test/model',
  'iterator × reopen': 'an iterator does not outlive its process: test/store/close.test.ts',
  'iterator × crash': 'an iterator does not outlive its process',
  'compaction × reopen': 'test/model',
  'compaction × crash': 'test/model/crashes.test.ts',
  'reopen × crash': 'test/model/crashes.test.ts: crashes in the middle of opening',
}

const titles = readdirSync(import.meta.dirname)
  .filter((name) => name.endsWith('.test.ts') && name !== 'complete.test.ts')
  .flatMap(
    (name) =>
      readFileSync(`${import.meta.dirname}/${name}`, 'utf8').match(/['"`][^'"`\n]* × [^'"`\n]*['"`]/g) ?? [],
  )

/** Whether some title names both; those of one title are joined by `×`, several lists by `,`. */
function isTested(one: string, other: string): boolean {
  return titles.some((title) =>
    title
      .slice(1, -1)
      .split(/[:,]/)
      .some((list) => {
        const named = list.split(' × ').map((name) => name.trim())
        return named.includes(one) && named.includes(other)
      }),
  )
}

test('each pair of features meets in a test', () => {
  const missing: string[] = []
  const superfluous = new Set(Object.keys(ELSEWHERE))
  for (const [i, one] of FEATURES.entries()) {
    for (const other of FEATURES.slice(i + 1)) {
      const pair = `${one} × ${other}`
      if (isTested(one, other)) continue
      if (!superfluous.delete(pair)) missing.push(pair)
    }
  }
  expect(missing).toEqual([])
  expect([...superfluous], 'is tested here, so it need not be elsewhere').toEqual([])
})
