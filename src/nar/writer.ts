/**
 * The NAR writer: gives the bytes around the contents of files, step by step, and holds every step
 * to the rules that the parser enforces. Contents themselves never pass through it.
 */
import { displayBytes } from '../bytes.ts';
import { type ErrorFacts, NarthexError } from '../errors.ts';
import { directoryHead, directoryTail, fileHead, fileTail, symlinkFraming } from './framing.ts';
import { targetFault } from './names.ts';
import { OpenDirectories } from './openDirectories.ts';

export {
  directoryHeadBytes,
  directoryOverheadBytes,
  directoryTailBytes,
  fileFramingBytes,
  fileHeadBytes,
  fileTailBytes,
  symlinkFramingBytes,
} from './framing.ts';

/**
 * Writes one NAR. Its methods mirror `NarHandler`; each returns the bytes that the step adds, as one
 * new byte string. The first node is the root and has the empty name. Names that are passed in must
 * not be changed afterwards.
 *
 * Between `startFile` and `endFile` the caller writes exactly as many bytes of contents as announced.
 * A step that breaks a rule throws NAR_INVALID with `path`, `expected` and `actual`, and changes
 * nothing.
 */
export class NarWriter {
  readonly #open = new OpenDirectories();
  #file: { readonly name: Uint8Array; readonly sizeBytes: number } | undefined;
  #started = false;

  /** Whether the contents of a file are due. */
  get inFile(): boolean {
    return this.#file !== undefined;
  }

  /** @throws NAR_INVALID */
  startDirectory(name: Uint8Array): Uint8Array {
    this.#enter(name);
    this.#open.open(name);
    return directoryHead(name);
  }

  /** @throws NAR_INVALID */
  endDirectory(): Uint8Array {
    if (this.#file !== undefined) throw this.#misplaced('the end of a file', 'a directory ends');
    const name = this.#open.close();
    if (name === undefined) throw this.#misplaced('a node', 'a directory ends');
    return directoryTail(name.length);
  }

  /**
   * Everything up to the first byte of the contents.
   * @throws NAR_INVALID
   */
  startFile(name: Uint8Array, sizeBytes: number, executable: boolean): Uint8Array {
    if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0) {
      throw this.#invalid('the size of a file is a whole number of bytes below 2^53', {
        actual: sizeBytes,
      });
    }
    this.#enter(name);
    this.#file = { name, sizeBytes };
    return fileHead(name, sizeBytes, executable);
  }

  /**
   * Everything from the last byte of the contents, padding included.
   * @throws NAR_INVALID
   */
  endFile(): Uint8Array {
    const file = this.#file;
    if (file === undefined) throw this.#misplaced('a node', 'a file ends');
    this.#file = undefined;
    return fileTail(file.name.length, file.sizeBytes);
  }

  /** @throws NAR_INVALID */
  symlink(name: Uint8Array, target: Uint8Array): Uint8Array {
    const fault = targetFault(target);
    if (fault !== undefined) {
      throw this.#invalid(fault, { expected: fault, actual: displayBytes(target) });
    }
    this.#enter(name);
    return symlinkFraming(name, target);
  }

  /**
   * Says that no more steps come.
   * @throws NAR_INVALID when the NAR is not complete
   */
  end(): void {
    if (!this.#started || this.#file !== undefined || this.#open.depth > 0) {
      throw this.#misplaced('more', 'the NAR ends');
    }
  }

  /** Checks that a node of this name may come here. */
  #enter(name: Uint8Array): void {
    if (this.#file !== undefined) throw this.#misplaced('the end of a file', 'a node begins');
    if (this.#open.depth > 0) {
      const fault = this.#open.faultOf(name);
      if (fault !== undefined) {
        const { message, expected } = fault;
        throw this.#invalid(message, { expected, actual: displayBytes(name) });
      }
      this.#open.add(name);
      return;
    }
    if (this.#started) throw this.#misplaced('nothing more', 'a second root begins');
    if (name.length > 0) {
      throw this.#invalid('the root of a NAR has no name', {
        expected: '',
        actual: displayBytes(name),
      });
    }
    this.#started = true;
  }

  #misplaced(expected: string, actual: string): NarthexError {
    return this.#invalid(`${actual} where ${expected} was due`, { expected, actual });
  }

  #invalid(message: string, facts: ErrorFacts): NarthexError {
    const path = this.#open.path(this.#file?.name);
    return new NarthexError('NAR_INVALID', `${message} (${path})`, { ...facts, path });
  }
}
