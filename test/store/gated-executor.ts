/** An executor whose jobs begin when they are let. */
import { InlineExecutor, type Job } from '../../src/env/executor.js'

/** Runs jobs inline; while it is held those of one name, or all, wait. */
export class GatedExecutor extends InlineExecutor {
  readonly #waiting: (() => void)[] = []
  #isHolding = false
  readonly #name: string | undefined

  /** @param name - of the jobs that wait; all by default */
  constructor(name?: string) {
    super()
    this.#name = name
  }

  override async execute<Input, Output>(job: Job<Input, Output>, input: Input): Promise<Output> {
    const waits = this.#isHolding && (this.#name === undefined || job.name === this.#name)
    if (waits) await new Promise<void>((go) => this.#waiting.push(go))
    return super.execute(job, input)
  }

  hold(): void {
    this.#isHolding = true
  }

  release(): void {
    this.#isHolding = false
    for (const go of this.#waiting.splice(0)) go()
  }
}
