/** What a parser says about a NAR, as lines that are compared and read at a glance. */
import { displayBytes } from '../../src/bytes.ts';
import { NarthexError } from '../../src/errors.ts';
import { type NarHandler, NarParser, type NarParserOptions } from '../../src/nar/parser.ts';

/** What came of parsing: the calls of the handler, and the error if there was one. */
export interface NarTrace {
  /** One line a call; consecutive data are one line, so that chunking does not show. */
  readonly lines: readonly string[];
  readonly error: NarthexError | undefined;
}

class Recorder implements NarHandler {
  readonly lines: string[] = [];
  #data: Uint8Array[] = [];

  #add(line: string): void {
    this.flush();
    this.lines.push(line);
  }

  flush(): void {
    if (this.#data.length === 0) return;
    const data = Buffer.concat(this.#data);
    this.#data = [];
    this.lines.push(`data "${displayBytes(data)}"`);
  }

  startDirectory(name: Uint8Array): void {
    this.#add(`directory "${displayBytes(name)}"`);
  }

  endDirectory(): void {
    this.#add('directoryEnd');
  }

  startFile(name: Uint8Array, sizeBytes: number, executable: boolean): void {
    this.#add(`file "${displayBytes(name)}" ${sizeBytes}${executable ? ' executable' : ''}`);
  }

  fileData(bytes: Uint8Array): void {
    if (bytes.length === 0) throw new Error('fileData got no bytes');
    this.#data.push(bytes.slice()); // the view is valid during the call only
  }

  endFile(): void {
    this.#add('fileEnd');
  }

  symlink(name: Uint8Array, target: Uint8Array): void {
    this.#add(`symlink "${displayBytes(name)}" -> "${displayBytes(target)}"`);
  }
}

/** `bytes` in pieces of `chunkBytes`, each in memory of its own that is overwritten afterwards. */
export function* chunksOf(bytes: Uint8Array, chunkBytes: number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    const chunk = Uint8Array.from(bytes.subarray(at, at + chunkBytes));
    yield chunk;
    chunk.fill(0xaa); // who kept a view instead of a copy, gets caught
  }
}

/** Parses a NAR that is pushed in pieces of `chunkBytes`. */
export function traceNar(
  nar: Uint8Array,
  chunkBytes: number = nar.length,
  options: NarParserOptions = {},
): NarTrace {
  const recorder = new Recorder();
  const parser = new NarParser(recorder, options);
  let error: NarthexError | undefined;
  try {
    for (const chunk of chunksOf(nar, Math.max(chunkBytes, 1))) parser.push(chunk);
    parser.end();
  } catch (caught) {
    if (!(caught instanceof NarthexError)) throw caught;
    error = caught;
  }
  recorder.flush();
  return { lines: recorder.lines, error };
}
