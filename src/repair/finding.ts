/** What `verify` finds, as plain data, and where findings are gathered. */
import type { ByteKeyRange, SequenceRange } from '../base/damage-range.js'
import { VarveError, whatIsWrong } from '../base/errors.js'

/**
 * `'error'`: opening refuses the store, or reads of some keys fail. `'warning'`: nothing is lost, but something is damaged.
 * `'note'`: what a crash or another program left; the next open deals with it, or it does no harm.
 */
export type Severity = 'error' | 'warning' | 'note'

/** What a {@link Finding} is about; stable. */
export type FindingCode =
  | 'current-missing'
  | 'current-damaged'
  | 'current-old'
  | 'manifest-missing'
  | 'manifest-damaged'
  | 'manifest-torn'
  | 'manifest-left-over'
  | 'log-damaged'
  | 'log-torn'
  | 'log-left-over'
  | 'table-missing'
  | 'table-damaged'
  | 'table-mismatch'
  | 'table-left-over'
  | 'block-damaged'
  | 'filter-damaged'
  | 'snapshot-damaged'
  | 'snapshot-left-over'
  | 'temporary-file'
  | 'stale-lock'
  | 'foreign-file'
  | 'unsupported-format'
  | 'unreadable'

/** One thing that `verify` found. */
export interface Finding {
  readonly severity: Severity
  readonly code: FindingCode
  /** The file, relative to the store's directory. */
  readonly file: string
  /** Where in the file, in bytes, when it is known. */
  readonly offset?: number
  /** What is wrong, in a sentence. */
  readonly what: string
  /** The keys that it concerns, at most, as bytes. */
  readonly keys?: ByteKeyRange
  /** The sequence numbers that it concerns, at most. */
  readonly sequences?: SequenceRange
}

/** What a finding may tell beside the error. */
export type FindingRanges = Pick<Finding, 'keys' | 'sequences'>

/** Findings that a report holds at most; a rotten disk could otherwise fill the memory with them. */
const MAX_FINDINGS = 10_000

/** Gathers findings about the files of one directory. */
export class Findings {
  readonly #directory: string
  readonly #prefix: string
  readonly #list: Finding[]
  readonly #counts: { omitted: number; bad: number }

  /** @param directory - where the files are; @param prefix - what stands before their names in the report */
  constructor(directory: string, prefix = '', parent?: Findings) {
    this.#directory = directory
    this.#prefix = prefix
    this.#list = parent === undefined ? [] : parent.#list
    this.#counts = parent === undefined ? { omitted: 0, bad: 0 } : parent.#counts
  }

  /** For a directory below this one, into the same report. */
  below(name: string): Findings {
    return new Findings(`${this.#directory}/${name}`, `${this.#prefix}${name}/`, this)
  }

  /** All findings, in the order in which they were made. */
  get list(): readonly Finding[] {
    return this.#list
  }

  /** Findings that were too many to be held. */
  get omitted(): number {
    return this.#counts.omitted
  }

  /** Whether there is nothing but notes. */
  get areHarmless(): boolean {
    return this.#counts.bad === 0
  }

  /** Takes over what another look at the same directory found. */
  addAll(findings: readonly Finding[]): void {
    for (const finding of findings) this.#push({ ...finding, file: this.#prefix + finding.file })
  }

  add(severity: Severity, code: FindingCode, name: string, what: string, ranges: FindingRanges = {}): void {
    this.#push({ severity, code, file: this.#prefix + name, what, ...ranges })
  }

  /** Takes in what an error tells. Its own kind counts more than `code`: a file that cannot be read is not damaged. */
  addError(
    severity: Severity,
    code: FindingCode,
    error: unknown,
    name: string,
    ranges: FindingRanges = {},
  ): void {
    if (!(error instanceof VarveError)) throw error
    const { path, offset } = error
    this.#push({
      severity,
      code: codeFor(error, code),
      file: this.#prefix + this.#nameOf(path ?? name),
      ...(offset === undefined ? {} : { offset }),
      what: whatIsWrong(error),
      ...ranges,
    })
  }

  #nameOf(path: string): string {
    return path.startsWith(this.#directory) ? path.slice(this.#directory.length + 1) : path
  }

  #push(finding: Finding): void {
    if (finding.severity !== 'note') this.#counts.bad++
    if (this.#list.length < MAX_FINDINGS) this.#list.push(finding)
    else this.#counts.omitted++
  }
}

function codeFor({ code }: VarveError, otherwise: FindingCode): FindingCode {
  if (code === 'IO_ERROR') return 'unreadable'
  return code === 'UNSUPPORTED_FORMAT' ? 'unsupported-format' : otherwise
}
