/**
 * A disk that fills up at any byte, a process that has any number of descriptors, reads and writes that are short: nothing
 * acknowledged is lost, and work goes on without a reopen once there is room. `VARVE_FAULTS=all` tries every byte.
 */
import { expect, test } from 'vitest'
import { FaultFileSystem, MemoryFileSystem } from '../../src/testing.js'
import { randomFrom } from '../model/random.js'
import { FaultyHistory } from './history.js'

const { VARVE_SEED = String(Math.floor(Math.random() * 1000)), VARVE_FAULTS } = process.env

/** How many of the offsets `npm test` tries. */
const TRIES = 150

/** Carries the history out under a quota, lifts it, and lets the store go on. */
async function outgrow(quota: (faults: FaultFileSystem) => void): Promise<readonly string[]> {
  const faults = new FaultFileSystem(new MemoryFileSystem())
  quota(faults)
  const history = new FaultyHistory(faults)
  await history.open()
  await history.work()
  await history.check('while there is no room', true)
  faults.heal()
  await history.check('when there is room', false)
  if (history.store !== undefined) await history.resumes()
  await history.close()
  await history.open()
  await history.check('behind a reopen', false)
  await history.resumes()
  await history.close()
  expect(faults.openCount).toBe(0)
  return history.failures
}

async function withoutQuota(): Promise<{ bytes: number; failures: readonly string[] }> {
  let bytes = 0
  const faults = new FaultFileSystem(new MemoryFileSystem())
  const history = new FaultyHistory(faults)
  await history.open()
  await history.work()
  bytes = faults.bytesWritten
  await history.close()
  return { bytes, failures: history.failures }
}

test(`no space from any byte on (VARVE_SEED=${VARVE_SEED})`, { timeout: 3_600_000 }, async () => {
  const { bytes, failures } = await withoutQuota()
  expect(failures).toEqual([])
  const step = VARVE_FAULTS === 'all' ? 1 : bytes / TRIES
  let refusals = 0
  for (let at = step * randomFrom(Number(VARVE_SEED))(); at < bytes; at += step) {
    const quota = Math.floor(at)
    const codes = await outgrow((faults) => {
      faults.byteQuota = quota
    }).catch((error: unknown) => {
      throw new Error(`no space from byte ${quota} on`, { cause: error })
    })
    refusals += codes.length
    expect([...new Set(codes)], `from byte ${quota} on`).toEqual(['NO_SPACE'])
  }
  expect(refusals).toBeGreaterThan(TRIES)
})

test('any number of descriptors', { timeout: 600_000 }, async () => {
  let refusals = 0
  for (let quota = 0; quota < 12; quota++) {
    const codes = await outgrow((faults) => {
      faults.descriptorQuota = quota
    }).catch((error: unknown) => {
      throw new Error(`${quota} descriptors`, { cause: error })
    })
    refusals += codes.length
    expect(
      codes.every((code) => code === 'IO_ERROR'),
      `${quota} descriptors: ${codes.join()}`,
    ).toBe(true)
  }
  expect(refusals).toBeGreaterThan(0)
})

test(`short reads and writes are no failure (VARVE_SEED=${VARVE_SEED})`, { timeout: 600_000 }, async () => {
  const random = randomFrom(Number(VARVE_SEED))
  for (const most of [1, 7, 300]) {
    const codes = await outgrow((faults) => {
      faults.shorten = (_kind, length) => Math.min(length, 1 + Math.floor(random() * most))
    })
    expect(codes, `at most ${most} bytes at once`).toEqual([])
  }
})
