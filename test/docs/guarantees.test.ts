/** Every guarantee of docs/guarantees.md leads to a test that is there, by file and by name. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const PAGE = fileURLToPath(new URL('../../docs/guarantees.md', import.meta.url))
const PROOF = /\[✓\]\(([^ )]+) "((?:[^"\\]|\\.)*)"\)/g

const page = readFileSync(PAGE, 'utf8')
const proofs = [...page.matchAll(PROOF)].map(([, path, name]) => ({
  path,
  name: name.replaceAll('\\"', '"'),
}))

test('every mark of docs/guarantees.md names a test', () => {
  expect(proofs.length).toBe(page.split('[✓]').length - 1)
  expect(proofs.length).toBeGreaterThan(30)
})

test('every test that docs/guarantees.md names is there', () => {
  const missing = proofs.filter(({ path, name }) => {
    const file = join(dirname(PAGE), path)
    return !existsSync(file) || !readFileSync(file, 'utf8').includes(name)
  })
  expect(missing).toEqual([])
})

test('every row of its tables has a proof', () => {
  const rows = page.split('\n').filter((line) => line.startsWith('| ') && !/^\| (\||`durability`)/.test(line))
  expect(rows.length).toBeGreaterThan(15)
  for (const row of rows) {
    const cells = row.split(' | ').slice(1)
    for (const cell of cells) expect(cell, row).toContain('[✓]')
  }
})
