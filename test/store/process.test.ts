import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { InlineExecutor } from '../../src/env/executor.js'
import { NodeFileSystem } from '../../src/env/node-file-system.js'
import { builtPackage } from '../integration/real-store.js'
import { openText, temporaryDirectory } from './stores.js'

const PACKAGE = new URL('../../dist/index.js', import.meta.url)

/** Runs a program of one module to its end; its exit code, what it printed, and how long it took. */
async function run(program: string): Promise<{ code: number | null; output: string; durationMs: number }> {
  const began = Date.now()
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    cwd: fileURLToPath(new URL('../../', import.meta.url)),
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 20_000,
  })
  let output = ''
  child.stdout.on('data', (chunk) => {
    output += chunk
  })
  child.stderr.on('data', (chunk) => {
    output += chunk
  })
  const [code] = await once(child, 'close')
  return { code, output, durationMs: Date.now() - began }
}

function program(directory: string, body: string, options = '{}'): string {
  return `
    import { open } from ${JSON.stringify(PACKAGE.href)}
    const store = await open(${JSON.stringify(directory)}, { valueEncoding: 'utf8', ...${options} })
    process.on('exit', () => console.log('waited', Date.now() - globalThis.ended))
    ${body}
    globalThis.ended = Date.now()
  `
}

/** How long the process went on behind the last line of its program. */
function waitedMs(output: string): number {
  return Number(/waited (\d+)/.exec(output)?.[1])
}

/** Read by the package that wrote it. */
async function contents(directory: string): Promise<[string, string][]> {
  const { open } = await builtPackage()
  const store = await open<string, string>(directory, { valueEncoding: 'utf8' })
  try {
    return await store.entries().all()
  } finally {
    await store.close()
  }
}

test.each([
  ['one awaited write', "await store.set('a', '1')"],
  ['a write that nobody awaits', "store.set('a', '1')"],
  ['a write that is content with memory', "await store.set('a', '1', { durability: 'memory' })"],
  ['a write to the device', "await store.set('a', '1', { durability: 'disk' })"],
  ['an open iterator and a view', "await store.set('a', '1'); await store.keys().next(); store.view()"],
  ['a flush that is awaited', "await store.set('a', '1'); await store.flush()"],
])(
  'a process that falls off its end without close is not held, and what it wrote is there: %s',
  async (_name, body) => {
    const directory = await temporaryDirectory()
    const { code, output } = await run(program(directory, body))
    expect(output).toMatch(/^waited \d+\n$/)
    expect(code).toBe(0)
    expect(waitedMs(output)).toBeLessThan(1000)
    expect(await contents(directory)).toEqual([['a', '1']])
  },
)

test.each([
  ['flush', "'wal'"],
  ['close', "'snapshot'"],
  ['snapshot', "'hybrid'"],
])(
  'what is awaited ends before the process does, though its clock stands still: %s',
  async (call, persistence) => {
    const directory = await temporaryDirectory()
    const body = `
    const { ManualClock } = await import(${JSON.stringify(new URL('testing.js', PACKAGE).href)})
    await store.close()
    const still = await open(${JSON.stringify(directory)}, { clock: new ManualClock(), persistence: ${persistence} })
    await still.set('a', '1')
    await still.${call}()
    console.log('ended')`
    const { code, output } = await run(program(directory, body))
    expect(output).toContain('ended')
    expect(code).toBe(0)
  },
)

test('background work under way does not hold it either', async () => {
  const directory = await temporaryDirectory()
  const body = "for (let i = 0; i < 20000; i++) await store.set('k' + i, 'x'.repeat(100))"
  const { code, output } = await run(
    program(directory, body, '{ memtableSize: 65536, targetFileSize: 65536 }'),
  )
  expect(code).toBe(0)
  expect(waitedMs(output)).toBeLessThan(1500)
  expect(await contents(directory)).toHaveLength(20_000)
})

test('process.exit in the middle loses nothing that was acknowledged', async () => {
  const directory = await temporaryDirectory()
  const body = "for (let i = 0; i < 100; i++) await store.set('k' + i, 'x'); process.exit(3)"
  const { code } = await run(program(directory, body))
  expect(code).toBe(3)
  expect(await contents(directory)).toHaveLength(100)
})

test('an error that nobody catches ends the process as ever, and the lock is free', async () => {
  const directory = await temporaryDirectory()
  const { code, output } = await run(program(directory, "await store.set('a', '1'); throw new Error('mine')"))
  expect(code).toBe(1)
  expect(output).toContain('mine')
  expect(await contents(directory)).toEqual([['a', '1']])
})

test('a second process is LOCKED and told which one holds the store', async () => {
  const directory = await temporaryDirectory()
  await openText({ path: directory, fileSystem: new NodeFileSystem(), executor: new InlineExecutor() })
  const { code, output } = await run(program(directory, ''))
  expect(code).toBe(1)
  expect(output).toContain('LOCKED')
  expect(output).toContain(`process ${process.pid} `)
})

test('a finished program that awaited close leaves nothing to replay', async () => {
  const directory = await temporaryDirectory()
  const { code, output } = await run(program(directory, "await store.set('a', '1'); await store.close()"))
  expect([code, output]).toEqual([0, expect.stringMatching(/^waited/)])
  expect(await contents(directory)).toEqual([['a', '1']])
})
