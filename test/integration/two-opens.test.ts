/** Several processes and one store, on a real disk. */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, rename } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, test } from 'vitest'
import { builtPackage, inDirectory } from './real-store.js'

const HOLDER = fileURLToPath(new URL('./fixtures/hold-store.mjs', import.meta.url))
const OPTIONS = { valueEncoding: 'utf8' } as const

/** A process that opens the store in a directory and holds it. */
class Holder {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>
  readonly #lines: AsyncIterator<string>
  readonly #exited: Promise<unknown>

  constructor(directory: string) {
    this.#child = spawn(process.execPath, [HOLDER, directory], { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#exited = once(this.#child, 'exit')
    this.#lines = createInterface(this.#child.stdout)[Symbol.asyncIterator]()
    holders.add(this)
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  async says(): Promise<string> {
    return (await this.#lines.next()).value as string
  }

  /** Lets it close the store and end. */
  async end(): Promise<void> {
    this.#child.stdin.end()
    await this.#exited
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#exited
  }
}

const holders = new Set<Holder>()
afterEach(async () => {
  for (const holder of holders) await holder.kill()
  holders.clear()
})

async function holding(directory: string): Promise<Holder> {
  const holder = new Holder(directory)
  expect([await holder.says(), await holder.says()]).toEqual(['open', 'written'])
  return holder
}

test.runIf(process.platform === 'linux')(
  'a copy of what another process has open may be opened',
  async () => {
    const { open, verify } = await builtPackage()
    await inDirectory(async (parent) => {
      const holder = await holding(`${parent}/db`)
      await cp(`${parent}/db`, `${parent}/copy`, { recursive: true })
      expect(await verify(`${parent}/copy`)).toMatchObject({ ok: true })
      const copy = await open<string, string>(`${parent}/copy`, OPTIONS)
      expect(await copy.get('from')).toBe(String(holder.pid))
      await expect(open(`${parent}/db`, OPTIONS)).rejects.toMatchObject({ code: 'LOCKED' })
      await copy.close()
      await holder.end()
    })
  },
)

test('where LOCK may have come along with a copy, LOCKED says so', async () => {
  const { open, verify } = await builtPackage()
  await inDirectory(async (parent) => {
    const holder = await holding(`${parent}/db`)
    await rename(`${parent}/db`, `${parent}/moved`)
    for (const call of [() => open(`${parent}/moved`, OPTIONS), () => verify(`${parent}/moved`)]) {
      await expect(call()).rejects.toMatchObject({
        code: 'LOCKED',
        message: expect.stringContaining(`It was opened as ${parent}/db. Only if this directory is a copy`),
      })
    }
    await holder.kill()
  })
})

test('what another process has open is LOCKED, and may be read', async () => {
  const { destroy, open, repair, verify } = await builtPackage()
  await inDirectory(async (parent) => {
    const directory = `${parent}/db`
    const holder = await holding(directory)
    for (const call of [
      () => open(directory, OPTIONS),
      () => verify(directory),
      () => repair(directory, { out: `${parent}/out` }),
      () => destroy(directory),
    ]) {
      const error: unknown = await call().catch((caught: unknown) => caught)
      expect(error).toMatchObject({ code: 'LOCKED' })
      expect((error as Error).message).toContain(`process ${holder.pid} on `)
    }
    const reader = await open<string, string>(directory, { ...OPTIONS, readOnly: true })
    expect(await reader.get('from')).toBe(String(holder.pid))
    await reader.close()
    await holder.end()
    await (await open(directory, OPTIONS)).close()
  })
}, 60_000)

test.each(['end', 'kill'] as const)(
  'lockTimeout waits for another process, and gets the store at its %s',
  async (how) => {
    const { open } = await builtPackage()
    await inDirectory(async (directory) => {
      const holder = await holding(directory)
      await expect(open(directory, { ...OPTIONS, lockTimeout: 100 })).rejects.toMatchObject({
        code: 'LOCKED',
      })
      const waiting = open<string, string>(directory, { ...OPTIONS, lockTimeout: 30_000 })
      await holder[how]()
      const store = await waiting
      expect(await store.get('from')).toBe(String(holder.pid))
      await store.close()
    })
  },
  60_000,
)

test('of processes that open a store at once, new or left by one that was killed, one gets it', async () => {
  await inDirectory(async (directory) => {
    for (let round = 0; round < 3; round++) {
      const racers = Array.from({ length: 3 }, () => new Holder(directory))
      const answers = await Promise.all(racers.map((racer) => racer.says()))
      expect(answers.toSorted()).toEqual(['LOCKED', 'LOCKED', 'open'])
      await racers[answers.indexOf('open')].kill()
    }
  })
}, 60_000)
