/** A promise that is settled from outside. */
export class Deferred<T> {
  readonly promise: Promise<T>
  readonly resolve: (value: T) => void
  readonly reject: (reason: unknown) => void

  constructor() {
    let resolve: (value: T) => void = () => {}
    let reject: (reason: unknown) => void = () => {}
    this.promise = new Promise<T>((onResolve, onReject) => {
      resolve = onResolve
      reject = onReject
    })
    this.resolve = resolve
    this.reject = reject
  }
}
