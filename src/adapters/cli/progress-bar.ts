/** A progress bar on a terminal; none where there is no terminal, or `cli-progress` was not installed. */
import type { OnProgress } from '../../repair/progress.js'
import { printable } from './printable.js'

export interface ProgressBar {
  readonly onProgress: OnProgress | undefined
  stop(): void
}

const NONE: ProgressBar = { onProgress: undefined, stop: () => undefined }

export async function progressBar(stream: NodeJS.WritableStream, isWanted: boolean): Promise<ProgressBar> {
  const isTerminal = 'isTTY' in stream && stream.isTTY === true
  if (!isWanted || !isTerminal) return NONE
  // An optional dependency: without it everything works, only in silence.
  const library = await import('cli-progress').catch(() => undefined)
  if (library === undefined) return NONE
  const bar = new library.default.SingleBar({
    stream,
    format: '{bar} {percentage}% {filesDone}/{filesTotal} {file}',
    hideCursor: true,
    clearOnComplete: true,
  })
  bar.start(1, 0, { file: '', filesDone: 0, filesTotal: 0 })
  return {
    onProgress: ({ file, filesDone, filesTotal, bytesDone, bytesTotal }) => {
      bar.setTotal(Math.max(1, bytesTotal))
      bar.update(bytesDone, { file: printable(file), filesDone, filesTotal })
    },
    stop: () => bar.stop(),
  }
}
