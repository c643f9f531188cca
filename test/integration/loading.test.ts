/** What a store loads: packages that it may never need take memory and time from everyone who opens it. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { inDirectory } from './real-store.js'

const BUILT = new URL('../../dist/index.js', import.meta.url).href

/** Runs `body` in a process of its own; gives the names of the packages that it has loaded by then. */
async function packagesLoadedBy(directory: string, body: string): Promise<string[]> {
  const program = `
    import { createRequire } from 'node:module'
    import { open } from ${JSON.stringify(BUILT)}
    const directory = ${JSON.stringify(directory)}
    ${body}
    console.log(JSON.stringify(Object.keys(createRequire(${JSON.stringify(BUILT)}).cache)))
    await store.close()
  `
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program])
  const paths: string[] = JSON.parse(stdout)
  const names = paths.map(
    (path) => /.*[\\/]node_modules[\\/]((?:@[^\\/]+[\\/])?[^\\/]+)/.exec(path)?.[1] ?? path,
  )
  return [...new Set(names)]
}

test('the thread that writes and reads does without what checks filters and what msgpack values need', () =>
  inDirectory(async (directory) => {
    const loaded = await packagesLoadedBy(
      directory,
      `const store = await open(directory, { valueEncoding: 'utf8' })
       await store.set('key', 'value')
       await store.flush()
       if ((await store.get('key')) !== 'value') throw new Error('lost')`,
    )
    expect(loaded).toContain('snappy')
    expect(loaded).not.toContain('bloom-filters')
    expect(loaded).not.toContain('msgpackr')
    expect(loaded).not.toContain('msgpackr-extract')
  }))

test("a store with the value encoding 'msgpack' has all of msgpackr", () =>
  inDirectory(async (directory) => {
    const loaded = await packagesLoadedBy(
      directory,
      `const store = await open(directory, { valueEncoding: 'msgpack' })`,
    )
    expect(loaded).toContain('msgpackr')
  }))
