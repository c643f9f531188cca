/** SNAPSHOT on disk: as docs/format/snapshot.md says, and nothing else passes. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { copyOf } from '../../src/base/bytes.js'
import { decodeSnapshotFacts, encodeSnapshotFacts } from '../../src/store/snapshots/snapshot-facts.js'

const facts = { createdAt: 1704067200000, sequence: 123, automatic: false }

test('the example of the documentation is what is written', () => {
  const page = readFileSync(new URL('../../docs/format/snapshot.md', import.meta.url), 'utf8')
  expect(page).toContain(`\`\`\`\n${Buffer.from(encodeSnapshotFacts(facts))}\`\`\``)
})

test('comes back as it was', () => {
  for (const automatic of [false, true]) {
    const one = { createdAt: 0, sequence: Number.MAX_SAFE_INTEGER, automatic }
    expect(decodeSnapshotFacts(encodeSnapshotFacts(one), 'here')).toEqual(one)
  }
})

test('with any bit flipped, cut off anywhere or with more behind it, is damaged', () => {
  const bytes = encodeSnapshotFacts(facts)
  const refused = expect.objectContaining({ code: 'CORRUPTION', path: 'here' })
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = copyOf(bytes)
    flipped[bit >> 3] ^= 1 << (bit & 7)
    expect(() => decodeSnapshotFacts(flipped, 'here'), `bit ${bit}`).toThrow(refused)
  }
  for (let length = 0; length < bytes.length; length++) {
    expect(() => decodeSnapshotFacts(bytes.subarray(0, length), 'here')).toThrow(refused)
  }
  expect(() => decodeSnapshotFacts(Buffer.concat([bytes, Buffer.from('\n')]), 'here')).toThrow(refused)
})
