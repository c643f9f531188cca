import { beforeAll, describe, expect, test } from 'vitest'
import type { VarveError } from '../../src/base/errors.js'
import { open } from '../../src/store/open.js'
import { type RepairReport, repair } from '../../src/store/repair.js'
import { verify } from '../../src/store/verify.js'
import {
  bytesOf,
  DIRECTORY,
  diskOf,
  flipped,
  type Image,
  imageOf,
  keyOf,
  makeStore,
  namesOf,
  OPTIONS,
  outcomeOf,
  type SmallStore,
  type State,
  shownState,
  surroundings,
  tellsOf,
  withFile,
} from './images.js'

const OUT = '/repaired'
const KEYS = Array.from({ length: 32 }, (_, i) => keyOf(i))

let small: SmallStore
beforeAll(async () => {
  small = await makeStore()
})

/** Repairs an image and reads the result, which must be sound; the source stays as it was. */
async function repaired(image: Image): Promise<{ report: RepairReport; state: State }> {
  const fileSystem = await diskOf(image)
  const report = await repair(DIRECTORY, { out: OUT, fileSystem })
  expect(structuredClone(report), 'plain data').toEqual(report)
  expect(await imageOf(fileSystem), 'the source is left as it was').toEqual(image)
  expect(await fileSystem.stat(`${OUT}.tmp`), 'nothing is left over').toBeUndefined()
  expect((await verify(OUT, { fileSystem })).findings).toEqual([])
  const { refusal, state, failed } = await outcomeOf(fileSystem, KEYS, OUT)
  expect(refusal).toBeUndefined()
  expect(failed.size).toBe(0)
  expect(fileSystem.openCount, 'no file stays open').toBe(0)
  return { report, state }
}

/** Keys outside the lost ranges have their values. */
function expectAllBut(report: RepairReport, state: State): void {
  for (const key of KEYS) {
    if (state.get(key) === small.state.get(key)) continue
    expect(
      tellsOf(report, key),
      `${key} is ${state.get(key)} and not told of in ${JSON.stringify(report)}`,
    ).toBe(true)
  }
}

describe('repair', () => {
  test('of a sound store gives the same store, its tables untouched', async () => {
    for (const image of [small.closed, small.crashed]) {
      const { report, state } = await repaired(image)
      expect(shownState(state)).toBe(shownState(small.state))
      expect(report).toMatchObject({
        complete: true,
        lost: [],
        uncertain: [],
        tablesRewritten: 0,
        tablesLost: 0,
      })
      expect(report.tablesKept).toBe(namesOf(image, 'sst').length)
      expect(report.logOperations).toBe(17)
      expect(report.manifest).toBe(namesOf(image, 'manifest').at(-1))
    }
  })

  test('brings everything back when CURRENT is damaged or missing', async () => {
    const current = bytesOf(small.closed, 'CURRENT')
    for (const bytes of [undefined, current.slice(3), flipped(current, 100), new Uint8Array(0)]) {
      const { report, state } = await repaired(withFile(small.closed, 'CURRENT', bytes))
      expect(shownState(state)).toBe(shownState(small.state))
      expect(report.complete).toBe(true)
    }
  })

  test('merges all tables when there is no MANIFEST, and says that the order is uncertain', async () => {
    for (const image of [small.closed, small.crashed]) {
      const [name] = namesOf(image, 'manifest')
      for (const damaged of [
        undefined,
        bytesOf(image, name).slice(0, 60),
        flipped(bytesOf(image, name), 8 * Math.floor(bytesOf(image, name).length * 0.6)),
      ]) {
        const { report, state } = await repaired(withFile(image, name, damaged))
        expect(shownState(state)).toBe(shownState(small.state))
        expect(report.manifest).toBeUndefined()
        expect(report.lost).toEqual([])
        expect(report.uncertain).toContain('order')
        expect(report.uncertain.includes('key-encoding')).toBe(
          damaged?.length !== bytesOf(image, name).length,
        )
      }
    }
  })

  test('works without CURRENT and MANIFEST, by the tables alone', async () => {
    let image = withFile(small.closed, 'CURRENT', undefined)
    for (const name of namesOf(image, 'manifest')) image = withFile(image, name, undefined)
    const { report, state } = await repaired(image)
    expect(shownState(state)).toBe(shownState(small.state))
    expect(report.uncertain).toEqual(['key-encoding', 'order'])
  })

  test('loses nothing with an index, a footer, a filter or properties', async () => {
    for (const name of namesOf(small.closed, 'sst')) {
      const bytes = bytesOf(small.closed, name)
      for (let back = 1; back < 400; back += 29) {
        const at = bytes.length - back
        const { report, state } = await repaired(withFile(small.closed, name, flipped(bytes, at * 8)))
        if (report.lost.length > 0) continue
        expect(shownState(state), `${name} at ${at}`).toBe(shownState(small.state))
        expect(report.tablesRewritten, `${name} at ${at}`).toBe(1)
      }
      const { report } = await repaired(withFile(small.closed, name, flipped(bytes, 8 * (bytes.length - 20))))
      expect(report.lost).toEqual([])
      expect(report.tablesRewritten).toBe(1)
    }
  })

  test('loses one block with one block, and names its keys', async () => {
    for (const name of namesOf(small.closed, 'sst')) {
      const bytes = bytesOf(small.closed, name)
      for (let at = 0; at < bytes.length; at += 61) {
        const { report, state } = await repaired(withFile(small.closed, name, flipped(bytes, at * 8)))
        expectAllBut(report, state)
        expect(report.lost.length).toBeLessThanOrEqual(1)
      }
    }
  })

  test('takes from a cut table what is in front of the cut', async () => {
    for (const name of namesOf(small.closed, 'sst')) {
      const bytes = bytesOf(small.closed, name)
      let recovered = -1
      for (let length = 0; length < bytes.length; length += 131) {
        const { report, state } = await repaired(withFile(small.closed, name, bytes.slice(0, length)))
        expectAllBut(report, state)
        expect(report.entries).toBeGreaterThanOrEqual(recovered)
        recovered = report.entries
      }
    }
  })

  test('reports a missing table, and finds swapped ones', async () => {
    const [one, other] = namesOf(small.closed, 'sst')
    const { report, state } = await repaired(withFile(small.closed, one, undefined))
    expectAllBut(report, state)
    expect(report).toMatchObject({ tablesLost: 1, complete: false })
    expect(report.lost).toHaveLength(1)
    expect(report.lost[0]).toMatchObject({ file: one })
    expect(report.lost[0].entries).toBeGreaterThan(0)
    const swapped = withFile(
      withFile(small.closed, one, bytesOf(small.closed, other)),
      other,
      bytesOf(small.closed, one),
    )
    const again = await repaired(swapped)
    expect(shownState(again.state)).toBe(shownState(small.state))
    expect(again.report).toMatchObject({ complete: true, tablesRewritten: 2 })
  })

  test('takes log records behind damage, and names the sequence numbers of the hole', async () => {
    for (const name of namesOf(small.closed, 'wal')) {
      const bytes = bytesOf(small.closed, name)
      for (let at = 0; at < bytes.length; at += 41) {
        const { report, state } = await repaired(withFile(small.closed, name, flipped(bytes, at * 8)))
        expectAllBut(report, state)
        for (const { file, sequences } of report.lost) {
          expect(file).toBe(name)
          if (sequences?.last !== undefined) expect(sequences.last - sequences.first).toBeLessThan(2)
        }
        expect(report.logOperations).toBeGreaterThanOrEqual(
          report.lost[0]?.sequences?.last === undefined ? 0 : 16,
        )
      }
    }
  })

  test('reports the sequence numbers of missing segments', async () => {
    const segments = namesOf(small.closed, 'wal')
    for (const name of segments) {
      const { report } = await repaired(withFile(small.closed, name, undefined))
      expect(report.complete, name).toBe(false)
      expect(report.lost, name).toHaveLength(1)
      expect(report.uncertain, name).toContain('log-hole')
      const { first = 0, last } = report.lost[0].sequences ?? {}
      expect(first).toBeGreaterThan(40)
      if (name === segments.at(-1)) expect(last).toBeUndefined()
      else expect(last).toBeGreaterThan(first)
    }
  })

  test('misses the segment that only a seal tells of, behind a crash', async () => {
    const written = namesOf(small.crashed, 'wal').filter((name) => bytesOf(small.crashed, name).length > 0)
    const live = written.at(-1) ?? ''
    const { report } = await repaired(withFile(small.crashed, live, undefined))
    expect(report).toMatchObject({ complete: false, uncertain: ['log-hole'], lost: [{ file: live }] })
  })

  test('takes zeros for lost where the log is known to have been longer', async () => {
    for (const name of namesOf(small.closed, 'wal')) {
      const bytes = bytesOf(small.closed, name)
      for (let at = 0; at < bytes.length; at += 56) {
        const { report, state } = await repaired(withFile(small.closed, name, bytes.slice().fill(0, at)))
        expectAllBut(report, state)
        expect(report.complete, `${name} from ${at} on`).toBe(false)
        expect(report.uncertain, `${name} from ${at} on`).toEqual(['log-hole'])
      }
    }
  })

  test('takes the tables that there are for those of a MANIFEST that has lost its last edits', async () => {
    const [name] = namesOf(small.crashed, 'manifest')
    const bytes = bytesOf(small.crashed, name)
    for (let length = 0; length < bytes.length; length += 24) {
      const { report, state } = await repaired(withFile(small.crashed, name, bytes.slice(0, length)))
      expect(shownState(state), `${length} bytes`).toBe(shownState(small.state))
      expect(report.lost).toEqual([])
    }
  })

  test('refuses what it must not do', async () => {
    const fileSystem = await diskOf(small.closed)
    const refusalOf = (path: string, out: string): Promise<unknown> =>
      repair(path, { out, fileSystem }).then(
        () => undefined,
        (error: VarveError) => error.code,
      )
    await fileSystem.mkdir('/taken/by')
    await fileSystem.mkdir('/beside.tmp/somebody')
    await fileSystem.mkdir('/empty')
    expect(await refusalOf('/nowhere', OUT)).toBe('NOT_FOUND')
    expect(await refusalOf('/empty', OUT)).toBe('NOT_FOUND')
    expect(await refusalOf(DIRECTORY, '/taken')).toBe('EXISTS')
    expect(await refusalOf(DIRECTORY, '/beside')).toBe('EXISTS')
    expect(await refusalOf(DIRECTORY, DIRECTORY)).toBe('INVALID_ARGUMENT')
    expect(await refusalOf(DIRECTORY, `${DIRECTORY}/in`)).toBe('INVALID_ARGUMENT')
    expect(await refusalOf(DIRECTORY, '')).toBe('INVALID_ARGUMENT')
    expect(await fileSystem.stat(OUT)).toBeUndefined()
    expect(await refusalOf(DIRECTORY, '/empty')).toBeUndefined()
    const store = await open(DIRECTORY, { ...OPTIONS, ...surroundings(fileSystem) })
    expect(await refusalOf(DIRECTORY, OUT)).toBe('LOCKED')
    await store.close()
    expect(await imageOf(fileSystem, '/beside.tmp')).toEqual(new Map())
  })
})
