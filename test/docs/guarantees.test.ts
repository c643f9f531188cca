/** Every guarantee of docs/guarantees.md and every promise of docs/security.md leads to a test that is there, by file and by name. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const PROOF = /\[✓\]\(([^ )]+) "((?:[^"\\]|\\.)*)"\)/g

/** Of each page: how many proofs there are at least, and which cells of a row must have one. */
const PAGES: readonly (readonly [name: string, proofs: number, provenFrom: number])[] = [
  ['guarantees.md', 30, 1],
  ['security.md', 12, -1],
]

describe.each(PAGES)('docs/%s', (name, least, provenFrom) => {
  const path = fileURLToPath(new URL(`../../docs/${name}`, import.meta.url))
  const page = readFileSync(path, 'utf8')
  const proofs = [...page.matchAll(PROOF)].map(([, file, title]) => ({
    file,
    title: title.replaceAll('\\"', '"'),
  }))

  test('every mark names a test', () => {
    expect(proofs.length).toBe(page.split('[✓]').length - 1)
    expect(proofs.length).toBeGreaterThan(least)
  })

  test('every test that it names is there', () => {
    const missing = proofs.filter(({ file, title }) => {
      const there = join(dirname(path), file)
      return !existsSync(there) || !holdsTitle(readFileSync(there, 'utf8'), title)
    })
    expect(missing).toEqual([])
  })

  test('every row of its tables has a proof', () => {
    const rows = page
      .split('\n')
      .filter((line) => line.startsWith('| ') && !/^\| (\||`durability`|hostile \|)/.test(line))
    expect(rows.length).toBeGreaterThan(8)
    for (const row of rows) {
      const cells = row.replace(/ \|$/, '').split(' | ').slice(provenFrom)
      for (const cell of cells) expect(cell, row).toContain('[✓]')
    }
  })
})

/** Whether a test is called so; quotes may be escaped in the source. */
function holdsTitle(source: string, title: string): boolean {
  return source.includes(title) || source.includes(title.replaceAll("'", "\\'"))
}
