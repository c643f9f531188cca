/** Reports as lines for people. */
import type { ByteKeyRange, SequenceRange } from '../../base/damage-range.js'
import type { Finding } from '../../repair/finding.js'
import type { Loss, Uncertainty } from '../../repair/loss.js'
import type { DestroyReport } from '../../store/destroy.js'
import type { RepairReport } from '../../store/repair.js'
import type { VerifyReport } from '../../store/verify.js'
import { printable, shownBytes } from './printable.js'

/** Keys in a line are shown up to here. */
const MOST_KEY_BYTES = 48

const UNCERTAINTIES: Record<Uncertainty, string> = {
  deletions: 'older values of keys in the lost ranges may show again, deleted ones among them',
  order: 'there was no MANIFEST to say which tables count: keys that were deleted or cleared may be back',
  'log-hole': 'writes in front of and behind a damaged part of the log are there, those in it are not',
  'key-encoding': 'no file tells the key encoding: open the store with the one that it was made with',
}

export function verifyText(report: VerifyReport): string {
  const { ok, findings, omitted, files, bytes, tables, entries, segments, snapshots } = report
  const lines = findings.map(findingLine)
  if (omitted > 0) lines.push(`… and ${omitted} more`)
  lines.push(
    `${ok ? 'sound' : 'DAMAGED'}: ${files} files and ${bytes} bytes read; ${tables} tables with ${entries} entries, ${segments} log segments, ${snapshots} snapshots`,
  )
  return `${lines.join('\n')}\n`
}

export function repairText(report: RepairReport): string {
  const { complete, out, manifest, tablesKept, tablesRewritten, tablesLost, logGroups, logOperations } =
    report
  const lines = report.lost.map(lossLine)
  if (report.omitted > 0) lines.push(`… and ${report.omitted} more`)
  for (const one of report.uncertain) lines.push(`uncertain: ${UNCERTAINTIES[one]}`)
  lines.push(
    `by ${manifest === undefined ? 'the tables alone' : printable(manifest)}: ${tablesKept} tables kept, ${tablesRewritten} written anew, ${tablesLost} lost; ${logOperations} operations in ${logGroups} commits from the log`,
    `${complete ? 'complete' : 'INCOMPLETE'}: ${report.entries} entries in ${printable(out)}`,
  )
  return `${lines.join('\n')}\n`
}

export function destroyText({ files, bytes, left }: DestroyReport): string {
  const lines = left.map((path) => `left, not the store's: ${printable(path)}`)
  return `${[...lines, `${files} files with ${bytes} bytes deleted`].join('\n')}\n`
}

function findingLine({ severity, code, file, offset, what, keys, sequences }: Finding): string {
  return `${severity} ${code} ${place(file, offset)}: ${printable(what)}${ranges(keys, sequences)}`
}

function lossLine({ file, offset, what, keys, sequences, entries }: Loss): string {
  const count = entries === undefined ? '' : `, ${entries} entries`
  return `lost ${place(file, offset)}: ${printable(what)}${ranges(keys, sequences)}${count}`
}

function place(file: string, offset: number | undefined): string {
  return offset === undefined ? printable(file) : `${printable(file)}@${offset}`
}

function ranges(keys: ByteKeyRange | undefined, sequences: SequenceRange | undefined): string {
  const parts: string[] = []
  if (keys !== undefined) {
    const { gt, gte, lte, lt } = keys
    const bounds = [
      gt && `> ${shownBytes(gt, MOST_KEY_BYTES)}`,
      gte && `>= ${shownBytes(gte, MOST_KEY_BYTES)}`,
      lte && `<= ${shownBytes(lte, MOST_KEY_BYTES)}`,
      lt && `< ${shownBytes(lt, MOST_KEY_BYTES)}`,
    ]
    parts.push(`keys ${bounds.filter((bound) => bound !== undefined).join(' and ') || 'unknown'}`)
  }
  if (sequences !== undefined)
    parts.push(`sequence numbers ${sequences.first} to ${sequences.last ?? 'the end'}`)
  return parts.length === 0 ? '' : ` (${parts.join('; ')})`
}

/** Nested plain data, a value a line: `cache.hits 12`. */
export function plainText(value: unknown, name = ''): string {
  if (typeof value !== 'object' || value === null) return `${name} ${printable(String(value))}\n`
  return Object.entries(value)
    .map(([key, one]) => plainText(one, name === '' ? key : `${name}.${key}`))
    .join('')
}
