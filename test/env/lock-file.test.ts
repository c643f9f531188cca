/** The lock between processes: real files, real processes, real deaths. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants, promises, writeFileSync } from 'node:fs'
import {
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { LockHeldError } from '../../src/env/file-system.js'
import { acquireLockFile, type LockFilePrimitives, startTimeIn } from '../../src/env/lock-file.js'
import { NodeFileSystem } from '../../src/env/node-file-system.js'
import { compile } from './fixtures/compile.js'

const fileSystem = new NodeFileSystem()
const linux = process.platform === 'linux'
let compiled: string
let moduleUrl: string
let root: string
let path: string

beforeAll(async () => {
  compiled = await mkdtemp(join(tmpdir(), 'varve-lock-code-'))
  moduleUrl = await compile('env/node-file-system.ts', compiled)
}, 30_000)
afterAll(() => rm(compiled, { recursive: true, force: true }))
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'varve-lock-'))
  path = join(root, 'LOCK')
})
afterEach(() => rm(root, { recursive: true, force: true }))

/** A process that takes the lock on demand. */
class Contender {
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>

  constructor() {
    const script = fileURLToPath(new URL('./fixtures/take-lock.mjs', import.meta.url))
    this.#child = spawn(process.execPath, [script, moduleUrl, path], { stdio: ['pipe', 'pipe', 'inherit'] })
    const lines: Interface = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream })
    this.#lines = lines[Symbol.asyncIterator]()
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  static async started(): Promise<Contender> {
    const contender = new Contender()
    expect(await contender.answer()).toBe('ready')
    return contender
  }

  async ask(request: 'take' | 'release'): Promise<string> {
    this.#child.stdin?.write(`${request}\n`)
    return this.answer()
  }

  async answer(): Promise<string> {
    return (await this.#lines.next()).value as string
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    this.#child.kill('SIGKILL')
    await once(this.#child, 'exit')
  }
}

async function deadPid(): Promise<number> {
  const child = spawn(process.execPath, ['-e', ''])
  await once(child, 'exit')
  return child.pid as number
}

async function record(changes: Record<string, unknown>): Promise<void> {
  const lock = await fileSystem.lock(path)
  const own = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>
  await lock.release()
  await writeFile(path, JSON.stringify({ ...own, token: 'earlier', ...changes }))
}

/** Takes the lock, which nobody may share or have left traces of, and lets it go. */
async function expectTakeable(): Promise<void> {
  const lock = await fileSystem.lock(path)
  expect(await readdir(root)).toEqual(['LOCK'])
  await expect(fileSystem.lock(path)).rejects.toBeInstanceOf(LockHeldError)
  await lock.release()
  expect(await readdir(root)).toEqual([])
}

describe('a lock file', () => {
  it('names its holder', async () => {
    const lock = await fileSystem.lock(path)
    expect(JSON.parse(await readFile(path, 'utf8'))).toMatchObject({
      pid: process.pid,
      host: hostname(),
      since: expect.any(Number),
      token: expect.any(String),
      ...(linux
        ? { bootId: expect.stringMatching(/^[0-9a-f-]{36}$/), startTime: expect.stringMatching(/^\d+$/) }
        : {}),
    })
    await expect(fileSystem.lock(path)).rejects.toMatchObject({
      code: 'ELOCKED',
      holder: { pid: process.pid, host: hostname() },
    })
    await lock.release()
  })

  it('is released only while it is still ours, and once', async () => {
    const lock = await fileSystem.lock(path)
    const other = JSON.stringify({ ...JSON.parse(await readFile(path, 'utf8')), token: 'other' })
    await writeFile(path, other)
    await lock.release()
    expect(await readFile(path, 'utf8')).toBe(other)
  })

  it('is held against other processes until the holder lets go', async () => {
    const contender = await Contender.started()
    expect(await contender.ask('take')).toBe('taken')
    await expect(fileSystem.lock(path)).rejects.toBeInstanceOf(LockHeldError)
    expect(await contender.ask('release')).toBe('released')
    await expectTakeable()
    await contender.kill()
  })

  it('is taken over when its holder was killed', async () => {
    const contender = await Contender.started()
    expect(await contender.ask('take')).toBe('taken')
    await contender.kill()
    await expectTakeable()
  })

  it('is held against another thread of this process', async () => {
    const lock = await fileSystem.lock(path)
    const worker = new Worker(
      `const { parentPort, workerData } = require('node:worker_threads')
       import(workerData.url).then(({ NodeFileSystem }) => new NodeFileSystem().lock(workerData.path))
         .then(() => 'taken', (error) => error.code).then((answer) => parentPort.postMessage(answer))`,
      { eval: true, workerData: { url: moduleUrl, path } },
    )
    expect(await once(worker, 'message')).toEqual(['ELOCKED'])
    await worker.terminate()
    await lock.release()
  })

  it('that somebody has deleted is held against this thread, and let go of without a word', async () => {
    const lock = await fileSystem.lock(path)
    await rm(path)
    await symlink(root, join(root, 'link'))
    for (const name of [path, join(root, 'link', 'LOCK')]) {
      await expect(fileSystem.lock(name)).rejects.toMatchObject({ code: 'ELOCKED', isOwn: true })
      expect(await fileSystem.lockHolder(name)).toMatchObject({ pid: process.pid })
    }
    await rm(join(root, 'link'))
    await lock.release()
    expect(await fileSystem.lockHolder(path)).toBeUndefined()
    await expectTakeable()
  })

  it('in a directory that was made anew is another', async () => {
    const lock = await fileSystem.lock(path)
    await rm(root, { recursive: true })
    await mkdir(root)
    await expectTakeable()
    await lock.release()
  })

  describe('that cannot be removed', () => {
    /** Lets what removes, reads or writes a lock file fail from now on. */
    function fails(what: 'removing' | 'reading' | 'writing', code: string): void {
      const error = Object.assign(new Error(what), { code })
      if (what === 'removing') {
        vi.spyOn(promises, 'rm').mockRejectedValue(error)
        return
      }
      const { open } = promises
      vi.spyOn(promises, 'open').mockImplementation((name, flags, mode) => {
        const reads = typeof flags === 'number' && (flags & constants.O_RDWR) === 0
        return reads === (what === 'reading') ? Promise.reject(error) : open(name, flags, mode)
      })
    }
    afterEach(() => vi.restoreAllMocks())

    it('says that it is let go of, and goes to whoever comes', async () => {
      const contender = await Contender.started()
      const lock = await fileSystem.lock(path)
      const before = await readFile(path, 'utf8')
      expect(await contender.ask('take')).toBe('ELOCKED')
      fails('removing', 'EACCES')
      await lock.release()
      expect(await readFile(path, 'utf8')).toBe(before.replace('"held":1', '"held":0'))
      expect(await fileSystem.lockHolder(path)).toBeUndefined()
      expect(await contender.ask('take')).toBe('taken')
      expect(await contender.ask('release')).toBe('released')
      await contender.kill()
    })

    it('nor written, is known to be let go of in this process, and held for others', async () => {
      const contender = await Contender.started()
      const lock = await fileSystem.lock(path)
      fails('removing', 'EACCES')
      fails('writing', 'EROFS')
      await expect(lock.release()).rejects.toMatchObject({ code: 'EACCES' })
      vi.restoreAllMocks()
      expect(await contender.ask('take')).toBe('ELOCKED')
      await expectTakeable()
      await contender.kill()
    })

    it('because it cannot be looked at and somebody has deleted it, is let go of', async () => {
      const lock = await fileSystem.lock(path)
      await rm(path)
      fails('reading', 'EMFILE')
      await lock.release()
    })

    it('leaves that of another holder alone, whatever became of the name', async () => {
      const lock = await fileSystem.lock(path)
      const other = JSON.stringify({ ...JSON.parse(await readFile(path, 'utf8')), token: 'other' })
      fails('reading', 'EMFILE')
      writeFileSync(path, other)
      await lock.release()
      vi.restoreAllMocks()
      expect(await readFile(path, 'utf8')).toBe(other)
    })
  })

  describe.runIf(linux)('in a copy of its directory', () => {
    let contender: Contender
    let copy: string

    beforeEach(async () => {
      contender = await Contender.started()
      expect(await contender.ask('take')).toBe('taken')
      copy = `${root}-copy`
      await cp(root, copy, { recursive: true })
    })
    afterEach(async () => {
      await contender.kill()
      await rm(copy, { recursive: true, force: true })
    })

    it('is held by nobody there, and goes on being held where it was taken', async () => {
      expect(await fileSystem.lockHolder(join(copy, 'LOCK'))).toBeUndefined()
      const lock = await fileSystem.lock(join(copy, 'LOCK'))
      await expect(fileSystem.lock(path)).rejects.toMatchObject({
        holder: { pid: contender.pid, directory: root },
      })
      expect(await contender.ask('release')).toBe('released')
      await lock.release()
      expect(await readdir(copy)).toEqual([])
    })

    it('is held there too when what it was copied from is nowhere to be found', async () => {
      await rm(root, { recursive: true })
      await expect(fileSystem.lock(join(copy, 'LOCK'))).rejects.toMatchObject({ holder: { directory: root } })
    })

    it.each([
      ['when the boot is not known', { bootId: undefined }],
      ['when the holder has its own on another device', { directory: '/proc' }],
      ['when the holder told of no directory', { directory: undefined, inode: undefined }],
      ['when it is the one that the holder has, by another name', { inode: 'of the copy' }],
      ['when it is the one that the holder has, by another number', { directory: 'the copy', inode: '1' }],
    ])('is held there too %s', async (_, { ...changes }: Record<string, unknown>) => {
      if (changes.inode === 'of the copy') changes.inode = `${(await stat(copy)).ino}`
      if (changes.directory === 'the copy') changes.directory = copy
      const found = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>
      await writeFile(join(copy, 'LOCK'), JSON.stringify({ ...found, ...changes }))
      await expect(fileSystem.lock(join(copy, 'LOCK'))).rejects.toBeInstanceOf(LockHeldError)
      expect(await readdir(copy)).toEqual(['LOCK'])
    })

    it('is held in the one that was moved away under its holder, whatever has its name', async () => {
      await rm(copy, { recursive: true })
      await rename(root, copy)
      await cp(copy, root, { recursive: true })
      await expect(fileSystem.lock(join(copy, 'LOCK'))).rejects.toBeInstanceOf(LockHeldError)
    })

    it('is held by whatever path', async () => {
      await symlink(root, join(copy, 'link'))
      await expect(fileSystem.lock(join(copy, 'link', 'LOCK'))).rejects.toBeInstanceOf(LockHeldError)
    })
  })

  it('of a process that is gone is taken over', async () => {
    await record({ pid: await deadPid() })
    await expectTakeable()
  })

  it.runIf(linux)('of an earlier process, whose id a living one has, is taken over', async () => {
    const contender = await Contender.started()
    await record({ pid: contender.pid, startTime: '1' })
    await expectTakeable()
    await contender.kill()
  })

  it.runIf(linux)('of an earlier process with our id, or of an earlier boot, is taken over', async () => {
    await record({ startTime: '1' })
    await expectTakeable()
    await record({ bootId: '00000000-0000-0000-0000-000000000000' })
    await expectTakeable()
  })

  it('of a process that is gone has no holder, and stays as it is', async () => {
    const text = JSON.stringify({ pid: 2 ** 22 + 1, host: hostname(), since: 1, token: 'dead' })
    await writeFile(path, text)
    expect(await fileSystem.lockHolder(path)).toBeUndefined()
    expect(await readFile(path, 'utf8')).toBe(text)
    expect(await readdir(root)).toEqual(['LOCK'])
  })

  it('of another host is never taken over', async () => {
    const elsewhere = { host: 'elsewhere', pid: await deadPid() }
    // Another container of this machine, or of one that was booted at another time.
    for (const boot of [{}, { bootId: '00000000-0000-0000-0000-000000000000' }, { bootId: undefined }]) {
      await record({ ...elsewhere, ...boot })
      await expect(fileSystem.lock(path)).rejects.toMatchObject({ holder: { host: 'elsewhere' } })
      expect(await readdir(root)).toEqual(['LOCK'])
      await rm(path)
    }
  })

  it.each(['', '{"pid":', '[]', '{"pid":1,"host":"x","since":0,"token":"../x"}', '\0\0\0\0'])(
    'with the content %j, which no holder wrote, is taken over',
    async (content) => {
      await writeFile(path, content)
      await expectTakeable()
    },
  )

  it('that its owner is still writing is waited for', async () => {
    await record({ pid: process.ppid, startTime: undefined })
    const content = await readFile(path, 'utf8')
    await writeFile(path, '')
    const attempt = fileSystem.lock(path)
    setTimeout(() => void writeFile(path, content), 40)
    await expect(attempt).rejects.toMatchObject({ holder: { pid: process.ppid }, isOwn: false })
  })

  it('of a dead holder is taken over behind claimants that died as well', async () => {
    const pid = await deadPid()
    await record({ pid, token: 'first' })
    const first = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>
    await writeFile(`${path}.first.claim.tmp`, JSON.stringify({ ...first, token: 'second' }))
    await writeFile(`${path}.second.claim.tmp`, '')
    await expectTakeable()
  })

  it('of a dead holder is left to a living claimant', async () => {
    await record({ pid: await deadPid(), token: 'first' })
    const dead = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>
    const { startTime: _, ...living } = { ...dead, pid: process.pid, token: 'second' } as Record<
      string,
      unknown
    >
    await writeFile(`${path}.first.claim.tmp`, JSON.stringify(living))
    await expect(fileSystem.lock(path)).rejects.toMatchObject({ holder: { pid: process.pid } })
  })

  it('goes to exactly one of many processes that find it dead at once', async () => {
    const contenders = await Promise.all(Array.from({ length: 4 }, () => Contender.started()))
    for (let round = 0; round < 8; round++) {
      await record({ pid: await deadPid(), token: `dead-${round}` })
      const answers = await Promise.all(contenders.map((contender) => contender.ask('take')))
      expect(answers.toSorted()).toEqual(['ELOCKED', 'ELOCKED', 'ELOCKED', 'taken'])
      expect(await readdir(root)).toEqual(['LOCK'])
      await contenders[answers.indexOf('taken')].ask('release')
    }
    await Promise.all(contenders.map((contender) => contender.kill()))
  }, 30_000)
})

describe('a hostile lock file', () => {
  it('names its holder in one line of printable text', async () => {
    const record = { pid: 1, host: `h\u001b[2J\n${'x'.repeat(5000)}`, since: 0, token: 'token' }
    await writeFile(path, JSON.stringify(record))
    const error: unknown = await fileSystem.lock(path).catch((error: unknown) => error)
    expect(error).toBeInstanceOf(LockHeldError)
    expect((error as Error).message).toMatch(
      /^held by process 1 on h\\u001b\[2J\\u000ax+… since 1970-01-01T00:00:00.000Z$/,
    )
    expect((error as Error).message.length).toBeLessThan(400)
  })

  it.each(['1e300', '-1e17', '"now"'])('that claims to be held since %s is none', async (since) => {
    await writeFile(path, `{"pid":1,"host":"elsewhere","since":${since},"token":"token"}`)
    await (await fileSystem.lock(path)).release()
  })

  it.skipIf(process.platform === 'win32')(
    'that is a pipe, a link or huge is taken over at once',
    async () => {
      const path = join(root, 'LOCK')
      const makers = [
        async () => execFileSync('mkfifo', [path]),
        () => symlink('/dev/zero', path),
        async () => {
          await writeFile(path, '')
          await truncate(path, 2 ** 40)
        },
      ]
      for (const make of makers) {
        await make()
        expect(await new NodeFileSystem().lockHolder(path)).toBeUndefined()
        const lock = await new NodeFileSystem().lock(path)
        await lock.release()
        expect(await readdir(root)).toEqual([])
      }
    },
  )
})

describe('the start time of a process', () => {
  it('is found behind a name with spaces and parentheses', () => {
    const fields = Array.from({ length: 40 }, (_, index) => String(index + 3))
    expect(startTimeIn(`17 (a) b (c)) ${fields.join(' ')}`)).toBe('22')
    expect(startTimeIn(undefined)).toBeUndefined()
  })
})

/** A directory of texts whose every call is a separate step, for runs in every order. */
class Steps {
  readonly files = new Map<string, string>()
  readonly #waiting: (() => void)[] = []
  readonly #links: boolean
  /** Whether the lock file cannot be removed this time. */
  removeFails: () => boolean = () => false

  constructor(links: boolean) {
    this.#links = links
  }

  /** The system as one process sees it: processes 1000 and above are alive by their start time. */
  readonly system: LockFilePrimitives = {
    host: 'here',
    now: () => 0,
    pause: () => this.#step(),
    // Its contenders are processes of their own.
    directory: async () => undefined,
    bootId: async () => 'boot',
    startTime: async (pid) => (pid === process.pid ? 'now' : undefined),
    readText: (path) => this.#step(() => this.files.get(path)),
    create: (path, text) => this.#step(() => this.#add(path, text)),
    link: (from, to) =>
      this.#step(() => {
        if (!this.#links) throw Object.assign(new Error('no links'), { code: 'ENOTSUP' })
        this.#add(to, this.#get(from))
      }),
    rename: (from, to) =>
      this.#step(() => {
        this.files.set(to, this.#get(from))
        this.files.delete(from)
      }),
    remove: (path) =>
      this.#step(() => {
        if (path === 'LOCK' && this.removeFails()) throw Object.assign(new Error(path), { code: 'EACCES' })
        this.files.delete(path)
      }),
    overwrite: (path, text, position, byte) =>
      this.#step(() => {
        if (this.files.get(path) === text)
          this.files.set(path, text.slice(0, position) + byte + text.slice(position + 1))
      }),
  }

  /** Runs one waiting step; false when none waits. */
  runOne(random: () => number): boolean {
    const [step] = this.#waiting.splice(Math.floor(random() * this.#waiting.length), 1)
    step?.()
    return step !== undefined
  }

  #get(path: string): string {
    const text = this.files.get(path)
    if (text === undefined) throw Object.assign(new Error(path), { code: 'ENOENT' })
    return text
  }

  #add(path: string, text: string): void {
    if (this.files.has(path)) throw Object.assign(new Error(path), { code: 'EEXIST' })
    this.files.set(path, text)
  }

  #step(): Promise<void>
  #step<T>(effect: () => T): Promise<T>
  #step<T>(effect?: () => T): Promise<T | undefined> {
    return new Promise((resolve, reject) => {
      this.#waiting.push(() => {
        try {
          resolve(effect?.())
        } catch (error) {
          reject(error)
        }
      })
    })
  }
}

describe.each([
  [true, 0],
  [false, 0],
  [true, 0.5],
  [false, 0.5],
])('taking over, in every order of steps, with links: %s, removals that fail: %s', (links, failing) => {
  it('never gives the lock to two holders, and always to one', async () => {
    for (let seed = 1; seed <= 400; seed++) {
      let state = seed
      const random = (): number => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0
        return state / 2 ** 32
      }
      const steps = new Steps(links)
      steps.removeFails = () => random() < failing
      const dead = {
        pid: process.pid,
        host: 'here',
        bootId: 'boot',
        startTime: 'before',
        since: 0,
        token: 'dead',
      }
      steps.files.set('LOCK', JSON.stringify(dead))
      let holders = 0
      let taken = 0
      let ended = 0
      const contend = async (): Promise<void> => {
        // The second time finds whatever the others left in the meantime.
        for (let time = 0; time < 2; time++) {
          const lock = await acquireLockFile('LOCK', steps.system).catch((error: unknown) => {
            expect(error, `seed ${seed}`).toBeInstanceOf(LockHeldError)
          })
          if (!lock) continue
          taken++
          expect(++holders, `seed ${seed}`).toBe(1)
          await steps.system.pause(1)
          holders--
          await lock.release()
        }
        ended++
      }
      const contenders = Array.from({ length: 3 }, contend)
      while (ended < contenders.length) {
        for (let turn = 0; turn < 20; turn++) await Promise.resolve()
        if (!steps.runOne(random)) await new Promise((resolve) => setImmediate(resolve))
      }
      await Promise.all(contenders)
      expect(taken, `seed ${seed}`).toBeGreaterThan(0)
      const left = [...steps.files].filter(([, text]) => !text.startsWith('{"held":0,'))
      expect(left, `seed ${seed}`).toEqual([])
      if (failing === 0) expect([...steps.files.keys()], `seed ${seed}`).toEqual([])
    }
  })
})
