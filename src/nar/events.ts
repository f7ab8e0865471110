/** NARs as streams of events: what {@link NarParser} pushes, pulled; and the way back to bytes. */
import { displayBytes } from '../bytes.ts';
import { NarthexError } from '../errors.ts';
import { NarParser, type NarParserOptions } from './parser.ts';
import { NarWriter } from './writer.ts';

/**
 * What a NAR holds, in its order. The root has the empty name. The `bytes` of `data` are a view into
 * the source's chunk, valid until the next event is asked for; names and targets may be kept.
 */
export type NarEvent =
  | { readonly type: 'directory'; readonly name: Uint8Array }
  | { readonly type: 'directoryEnd' }
  | {
      readonly type: 'file';
      readonly name: Uint8Array;
      readonly sizeBytes: number;
      readonly executable: boolean;
    }
  | { readonly type: 'data'; readonly bytes: Uint8Array }
  | { readonly type: 'fileEnd' }
  | { readonly type: 'symlink'; readonly name: Uint8Array; readonly target: Uint8Array };

/** Options of {@link readNar}. */
export interface ReadNarOptions extends NarParserOptions {
  /** Heeded between chunks and events; a source that waits must heed it by itself. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Parses the NAR that `source` yields. All events before a fault are yielded before it is thrown.
 * Every early exit reaches the source's `return()`.
 * @throws NAR_INVALID, NAR_SIZE_MISMATCH, LIMIT_EXCEEDED, `signal.reason`, what `source` throws
 */
export async function* readNar(
  source: AsyncIterable<Uint8Array>,
  options: ReadNarOptions = {},
): AsyncGenerator<NarEvent, void, undefined> {
  const { signal } = options;
  let events: NarEvent[] = [];
  const parser = new NarParser(
    {
      startDirectory: (name) => events.push({ type: 'directory', name }),
      endDirectory: () => events.push({ type: 'directoryEnd' }),
      startFile: (name, sizeBytes, executable) =>
        events.push({ type: 'file', name, sizeBytes, executable }),
      fileData: (bytes) => events.push({ type: 'data', bytes }),
      endFile: () => events.push({ type: 'fileEnd' }),
      symlink: (name, target) => events.push({ type: 'symlink', name, target }),
    },
    options,
  );
  signal?.throwIfAborted();
  for await (const chunk of source) {
    signal?.throwIfAborted();
    let failure: { readonly error: unknown } | undefined;
    try {
      parser.push(chunk);
    } catch (error) {
      failure = { error };
    }
    for (const event of events) {
      yield event;
      signal?.throwIfAborted();
    }
    events = [];
    if (failure !== undefined) throw failure.error;
  }
  parser.end();
}

/**
 * Writes the NAR that `events` describe: the inverse of {@link readNar}. Contents are passed on as
 * they come, not copied, and counted against the sizes announced.
 * @throws NAR_INVALID when the events are not a NAR, what `events` throws
 */
export async function* writeNar(
  events: AsyncIterable<NarEvent> | Iterable<NarEvent>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const writer = new NarWriter();
  let file = { name: '', sizeBytes: 0 };
  let writtenBytes = 0;
  for await (const event of events) {
    switch (event.type) {
      case 'directory':
        yield writer.startDirectory(event.name);
        break;
      case 'directoryEnd':
        yield writer.endDirectory();
        break;
      case 'file':
        yield writer.startFile(event.name, event.sizeBytes, event.executable);
        file = { name: displayBytes(event.name), sizeBytes: event.sizeBytes };
        writtenBytes = 0;
        break;
      case 'data':
        writtenBytes += event.bytes.length;
        if (!writer.inFile || writtenBytes > file.sizeBytes) throw wrongSize(file, writtenBytes);
        if (event.bytes.length > 0) yield event.bytes;
        break;
      case 'fileEnd':
        if (writtenBytes !== file.sizeBytes) throw wrongSize(file, writtenBytes);
        yield writer.endFile();
        break;
      case 'symlink':
        yield writer.symlink(event.name, event.target);
        break;
    }
  }
  writer.end();
}

function wrongSize(file: { name: string; sizeBytes: number }, actual: number): NarthexError {
  return new NarthexError(
    'NAR_INVALID',
    `a file was announced with ${file.sizeBytes} bytes and has ${actual}`,
    { name: file.name, expected: file.sizeBytes, actual },
  );
}
