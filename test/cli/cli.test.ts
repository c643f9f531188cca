import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { printable, shownBytes } from '../../src/adapters/cli/printable.js'
import { run } from '../../src/adapters/cli/run.js'
import { InlineExecutor } from '../../src/env/executor.js'
import { open } from '../../src/store/open.js'

const root = resolve(fileURLToPath(new URL('../..', import.meta.url)))
const { bin } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { bin: { varve: string } }
const command = resolve(root, bin.varve)

mkdirSync(join(root, '.tmp'), { recursive: true })
const work = mkdtempSync(join(root, '.tmp', 'cli-'))
afterAll(() => rmSync(work, { recursive: true, force: true }))

const sound = join(work, 'sound')
const ordered = join(work, 'ordered')
const damaged = join(work, 'damaged')

interface Ran {
  readonly status: number
  readonly out: string
  readonly error: string
}

/** Runs the built command, as a shell would. */
function spawned(...args: string[]): Promise<Ran> {
  return new Promise((done) => {
    execFile(process.execPath, [command, ...args], { timeout: 25_000 }, (failure, out, error) => {
      done({ status: failure === null ? 0 : Number(failure.code), out, error })
    })
  })
}

/** The same in this process, which is much faster. */
async function varve(...args: string[]): Promise<Ran> {
  const [out, error] = [new PassThrough(), new PassThrough()]
  const [outText, errorText] = [text(out), text(error)]
  const status = await run(args, { out, error })
  out.end()
  error.end()
  return { status, out: await outText, error: await errorText }
}

const HOSTILE = 'line\nbreak \u001b[31mred\u001b[0m \u202egnp.exe "quoted" \\'

async function fill(path: string): Promise<void> {
  const store = await open(path, {
    valueEncoding: 'utf8',
    compression: false,
    executor: new InlineExecutor(),
  })
  for (let i = 0; i < 50; i++)
    await store.set(`key${String(i).padStart(2, '0')}`, `value ${i} ${'x'.repeat(50)}`)
  await store.set(HOSTILE, 'hostile')
  await store.flush()
  await store.close()
}

beforeAll(async () => {
  await fill(sound)
  await fill(damaged)
  const table = readdirSync(damaged).find((name) => name.endsWith('.sst')) ?? ''
  const bytes = readFileSync(join(damaged, table))
  bytes[100] ^= 1
  writeFileSync(join(damaged, table), bytes)
  const store = await open(ordered, { keyEncoding: 'ordered', valueEncoding: 'json' })
  await store.set(['user', 7], { name: 'Ada' })
  await store.close()
})

describe('the command', () => {
  test('runs as the package offers it, and ends with the status that it says', async () => {
    const found = await spawned('verify', damaged, '--json')
    expect(found).toMatchObject({ status: 1, error: '' })
    expect(JSON.parse(found.out)).toMatchObject({ ok: false })
    expect(await spawned('dump', sound, '--keys', '--limit', '1')).toMatchObject({
      status: 0,
      out: '"key00"\n',
    })
    expect(await spawned('dump')).toMatchObject({ status: 2, out: '' })
  }, 90_000)
})

describe('varve', () => {
  test('verify says 0 for a sound store and 1 with the damage for another', async () => {
    const well = await varve('verify', sound)
    expect(well).toMatchObject({ status: 0, error: '' })
    expect(well.out).toMatch(/^sound: \d+ files/m)
    const found = await varve('verify', damaged)
    expect(found.status).toBe(1)
    expect(found.out).toMatch(/^error block-damaged \d+\.sst@0: .*keys >= "key\d\d"|^error block-damaged/m)
    expect(found.out).toContain('DAMAGED')
    const json = await varve('verify', damaged, '--json')
    expect(json.status).toBe(1)
    const report = JSON.parse(json.out) as { ok: boolean; findings: { code: string }[] }
    expect(report.ok).toBe(false)
    expect(report.findings.map(({ code }) => code)).toEqual(['block-damaged'])
  })

  test('repair writes a sound store and tells what is lost', async () => {
    const out = join(work, 'repaired')
    const done = await varve('repair', damaged, '--out', out)
    expect(done.status).toBe(1)
    expect(done.out).toMatch(/^lost \d+\.sst@0: /m)
    expect(done.out).toContain('INCOMPLETE')
    expect((await varve('verify', out)).status).toBe(0)
    expect((await varve('repair', sound, '--out', join(work, 'copy'), '--json')).status).toBe(0)
    const again = await varve('repair', damaged, '--out', out)
    expect(again).toMatchObject({ status: 1, out: '' })
    expect(again.error).toMatch(/^varve: EXISTS: /)
  })

  test('repair says 1 where it cannot write, and goes over what a repair left that was cut short', async () => {
    const refused = async (out: string): Promise<string> => {
      const { status, out: printed, error } = await varve('repair', damaged, '--out', out)
      expect({ status, printed }).toEqual({ status: 1, printed: '' })
      return error
    }
    const file = join(work, 'a-file')
    writeFileSync(file, '')
    expect(await refused(join(file, 'out'))).toMatch(/^varve: IO_ERROR: /)
    const out = join(work, 'cut-short')
    mkdirSync(`${out}.tmp`)
    writeFileSync(join(`${out}.tmp`, 'CURRENT'), 'of somebody else')
    expect(await refused(out)).toMatch(/^varve: EXISTS: /)
    writeFileSync(join(`${out}.tmp`, 'UNFINISHED.tmp'), '')
    expect((await varve('repair', damaged, '--out', out)).out).toContain('INCOMPLETE')
    expect((await varve('verify', out)).status).toBe(0)
    expect(readdirSync(work)).not.toContain('cut-short.tmp')
  })

  test('stats and dump read without writing, whatever the key encoding', async () => {
    const before = readdirSync(sound).sort()
    expect((await varve('stats', sound)).out).toMatch(/^entries \d+$/m)
    const stats = JSON.parse((await varve('stats', sound, '--json')).out) as { entries: number }
    expect(stats.entries).toBe(51)
    const { out, status } = await varve('dump', sound, '--prefix', 'key1', '--limit', '2', '--reverse')
    expect(status).toBe(0)
    expect(out.split('\n').map((line) => line.slice(0, 16))).toEqual([
      '"key19" "value 1',
      '"key18" "value 1',
      '',
    ])
    expect((await varve('dump', sound, '--keys', '--gte', 'key48', '--lt', 'l')).out).toBe(
      '"key48"\n"key49"\n',
    )
    expect((await varve('dump', ordered)).out).toContain('user')
    const json = await varve('dump', ordered, '--json', '--key-encoding', 'ordered', '--prefix', '["user"]')
    expect(JSON.parse(json.out)).toEqual({ key: ['user', 7], value: { utf8: '{"name":"Ada"}' } })
    expect(readdirSync(sound).sort()).toEqual(before)
  })

  test('lets no key move the cursor, break a line or hide', async () => {
    const { out } = await varve('dump', sound, '--gte', 'l')
    expect(out.split('\n')).toHaveLength(2)
    expect(out).toMatch(/^[\x20-\x7e]*\n$/)
    expect(out).toContain('line\\u{a}break \\u{1b}[31mred')
    expect(out).toContain('\\"quoted\\" \\\\')
  })

  test('destroy deletes a store when told twice', async () => {
    const doomed = join(work, 'doomed')
    await fill(doomed)
    writeFileSync(join(doomed, 'mine.txt'), 'stays')
    expect((await varve('destroy', doomed)).status).toBe(2)
    expect(await varve('destroy', doomed, '--yes')).toMatchObject({ status: 0, error: '' })
    expect(readdirSync(doomed)).toEqual(['mine.txt'])
    expect((await varve('destroy', doomed, '--yes')).status).toBe(1)
  })

  test('says 2 and how it is used when the command line makes no sense', async () => {
    for (const args of [
      [],
      ['explode', sound],
      ['verify'],
      ['verify', sound, 'more'],
      ['verify', sound, '--out', 'x'],
      ['verify', sound, '--bogus'],
      ['repair', sound],
      ['dump', sound, '--limit', 'many'],
      ['dump', sound, '--key-encoding', 'rot13'],
    ]) {
      const { status, out, error } = await varve(...args)
      expect({ args, status, out }).toEqual({ args, status: 2, out: '' })
      expect(error).toMatch(/^varve: .+\n/)
      expect(error).toContain('varve verify <path>')
    }
    expect(await varve('--help')).toMatchObject({ status: 0, error: '' })
    expect((await varve('--version')).out).toMatch(/^\d+\.\d+\.\d+\n$/)
    expect(await varve('verify', join(work, 'nowhere\u001b[2J'))).toMatchObject({ status: 1, out: '' })
    expect((await varve('verify', join(work, 'nowhere\u001b[2J'))).error).not.toContain('\u001b')
  }, 60_000)
})

describe('what is printed', () => {
  test('escapes what is unsafe, one to one', () => {
    expect(printable('a\\b\u0007\u2028\u200b\ud800')).toBe('a\\\\b\\u{7}\\u{2028}\\u{200b}\\u{d800}')
    expect(printable('\\u{7}')).toBe('\\\\u{7}')
    expect(printable('Grüße, 世界 🎉')).toBe('Grüße, 世界 🎉')
    expect(shownBytes(Uint8Array.of(0xff, 0))).toBe('0xff00')
    expect(shownBytes(Buffer.from('abcdef'), 3)).toBe('"abc"… (6 bytes)')
  })
})
