/**
 * What is no regular file, in the place of one: a directory, a link, a pipe. It is damage of that file alone, for `open`, `verify`
 * and `repair` alike; nothing is read through it, and nothing waits for it.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { NodeFileSystem } from '../../src/env/node-file-system.js'
import { repair } from '../../src/store/repair.js'
import { verify } from '../../src/store/verify.js'
import { keyOf, makeStore, namesOf, outcomeOf, type SmallStore } from './images.js'

const KEYS = Array.from({ length: 32 }, (_, i) => keyOf(i))

const root = mkdtempSync(join(tmpdir(), 'varve-no-file-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

let small: SmallStore
beforeAll(async () => {
  small = await makeStore()
})

test.runIf(process.platform !== 'win32').each([
  ['a directory', (path: string): void => mkdirSync(path)],
  ['a link that leads nowhere', (path: string): void => symlinkSync('nowhere', path)],
  [
    'a link to the file',
    (path: string, file: string): void => {
      renameSync(file, `${path}.elsewhere`)
      symlinkSync(`${path}.elsewhere`, path)
    },
  ],
  ['a pipe', (path: string): void => void execFileSync('mkfifo', [path])],
])('%s in the place of a file is damage of that file', async (_what, replace) => {
  const [table] = namesOf(small.closed, 'sst')
  const [manifest] = namesOf(small.closed, 'manifest')
  const [segment] = namesOf(small.closed, 'wal')
  const codes = { CURRENT: 'current', [manifest]: 'manifest', [segment]: 'log', [table]: 'table' }
  for (const [name, kind] of Object.entries(codes)) {
    const directory = mkdtempSync(join(root, 'store-'))
    for (const [each, bytes] of small.closed) writeFileSync(join(directory, each), bytes)
    const file = join(directory, name)
    const aside = join(root, 'aside')
    renameSync(file, aside)
    replace(file, aside)
    const fileSystem = new NodeFileSystem()
    const { findings } = await verify(directory)
    const found = findings.filter(({ severity }) => severity === 'error')
    expect(found, name).toMatchObject([{ code: `${kind}-damaged`, file: name }])
    const outcome = await outcomeOf(fileSystem, KEYS, directory)
    expect(outcome.refusal, name).toMatchObject({ code: 'CORRUPTION', path: file })
    const out = `${directory}.repaired`
    const report = await repair(directory, { out })
    expect(report.lost.map((loss) => loss.file)).toEqual(kind === 'log' || kind === 'table' ? [name] : [])
    const { state, refusal } = await outcomeOf(fileSystem, KEYS, out)
    expect(refusal).toBeUndefined()
    expect(state.size, name).toBeGreaterThan(10)
  }
})
