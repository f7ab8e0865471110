/**
 * The NAR parser: a push parser without I/O, the hot path of every ingest.
 *
 * It is a state machine over *tokens* (strings on the wire, see `wire.ts`). A token that lies whole
 * in the pushed chunk is read in place; one that spans chunks is gathered first, in a buffer as long
 * as the longest token. Contents of files are handed on as views and never gathered. So memory is
 * bounded by the names of the open directories, whatever the chunks and whatever the NAR.
 */
import { displayBytes, EMPTY } from '../bytes.ts';
import { type ErrorFacts, NarthexError } from '../errors.ts';
import { checkLimit, DEFAULT_LIMITS, type Limits } from '../limits.ts';
import { Action, STEPS, State, type Step } from './grammar.ts';
import { targetFault } from './names.ts';
import { OpenDirectories } from './openDirectories.ts';
import {
  badStringLength,
  expectedIn,
  invalidNar,
  type NarPlace,
  narTooLong,
  otherNarSize,
  trailingBytes,
  unexpectedToken,
  wrongPadding,
} from './parserErrors.ts';
import {
  isTokenAt,
  LENGTH_BYTES,
  LONGEST_TOKEN_BYTES,
  lengthAt,
  MAX_NAME_BYTES,
  MAX_TARGET_BYTES,
  paddingBytes,
  stringBytes,
  TOKENS,
} from './wire.ts';

/**
 * Receives what a NAR holds, in its order. The root has the empty name. `name` and `target` are
 * copies that may be kept, but not changed: the parser compares the next name with the last.
 */
export interface NarHandler {
  startDirectory(name: Uint8Array): void;
  endDirectory(): void;
  startFile(name: Uint8Array, sizeBytes: number, executable: boolean): void;
  /** Contents of the file, never empty; a view into the pushed chunk, valid during this call only. */
  fileData(bytes: Uint8Array): void;
  endFile(): void;
  symlink(name: Uint8Array, target: Uint8Array): void;
}

/** Options of a {@link NarParser}. */
export interface NarParserOptions {
  /** Applied: `narBytes`, `narDepth`, `narEntries`, `directoryEntries`. */
  readonly limits?: Limits | undefined;
  /** The declared size: a NAR that is longer fails as soon as it shows, a shorter one at `end()`. */
  readonly narSizeBytes?: number | undefined;
}

/** Bytes that close a directory which is an entry: its own `)` and the entry's. */
const CLOSE_ENTRY_BYTES = 2 * TOKENS.close.wireBytes;

/**
 * Parses one NAR. Give it the bytes by `push`, in chunks of any size, then call `end`.
 *
 * Every error has the facts `offset` (in bytes from the start of the NAR, of the token that is
 * wrong), `path` (of the node inside the NAR, as `displayBytes` shows it) and, where they say
 * something, `expected` and `actual`. After an error the parser is of no use: it throws the same
 * error again. What the handler throws passes through and counts as an error.
 */
export class NarParser {
  readonly #handler: NarHandler;
  readonly #limits: Limits;
  readonly #narSizeBytes: number | undefined;
  /** Where the NAR must have ended. */
  readonly #maxBytes: number;

  #state: State = State.Magic;
  #failure: { readonly error: unknown } | undefined;
  #offset = 0;
  /** Bytes of contents, or of padding, still to come. */
  #left = 0;
  #sizeBytes = 0;
  #executable = false;
  /** The name of the node that is being read; `undefined` between the entries of a directory. */
  #name: Uint8Array | undefined = EMPTY;
  readonly #open = new OpenDirectories();
  #entries = 0;

  /** The beginning of a token that spans chunks. */
  readonly #carry = new Uint8Array(stringBytes(MAX_TARGET_BYTES));
  readonly #carryView = new DataView(this.#carry.buffer);
  #carried = 0;

  constructor(handler: NarHandler, options: NarParserOptions = {}) {
    this.#handler = handler;
    this.#limits = options.limits ?? DEFAULT_LIMITS;
    this.#narSizeBytes = options.narSizeBytes;
    this.#maxBytes = options.narSizeBytes ?? this.#limits.narBytes;
  }

  /**
   * How far the NAR is read, in bytes. Seen from inside a handler's `startFile` and `fileData` it is
   * the offset of the next, or of these, contents: a listing's `narOffset`.
   */
  get offset(): number {
    return this.#offset;
  }

  /**
   * Takes the next bytes of the NAR and calls the handler for what they complete.
   * @throws NAR_INVALID, NAR_SIZE_MISMATCH, LIMIT_EXCEEDED
   */
  push(chunk: Uint8Array): void {
    if (this.#failure !== undefined) throw this.#failure.error;
    if (this.#state === State.Ended) {
      throw new NarthexError('NAR_INVALID', 'bytes were pushed after the end of a NAR', {
        offset: this.#offset,
      });
    }
    try {
      this.#read(chunk);
    } catch (error) {
      this.#failure = { error };
      throw error;
    }
  }

  /**
   * Says that no more bytes come.
   * @throws NAR_INVALID when the NAR is not complete (with `receivedBytes`), NAR_SIZE_MISMATCH
   */
  end(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
    if (this.#state === State.Ended) return;
    try {
      if (this.#state !== State.Done) {
        throw this.#invalid('the NAR is cut off', {
          expected: expectedIn(this.#state, this.#left),
          actual: 'end of input',
          receivedBytes: this.#offset + this.#carried,
        });
      }
      if (this.#narSizeBytes !== undefined && this.#offset !== this.#narSizeBytes) {
        throw otherNarSize(this.#where(), this.#narSizeBytes, this.#offset);
      }
    } catch (error) {
      this.#failure = { error };
      throw error;
    }
    this.#state = State.Ended;
  }

  #read(chunk: Uint8Array): void {
    const room = this.#maxBytes - this.#offset - this.#carried;
    const length = Math.min(chunk.length, room);
    // not chunk.subarray: a Buffer would make every view and copy below a Buffer, which is slower
    const bytes = new Uint8Array(chunk.buffer, chunk.byteOffset, length);
    const view = new DataView(chunk.buffer, chunk.byteOffset, length);
    let at = 0;
    while (at < length) {
      if (this.#state === State.Contents) at += this.#readContents(bytes, at);
      else if (this.#state === State.ContentsPadding) at += this.#readPadding(bytes, at);
      else if (this.#state === State.Done) throw trailingBytes(this.#where());
      else if (this.#carried > 0) at += this.#gather(bytes, at);
      else {
        const taken = this.#readToken(bytes, view, at);
        // not whole: what is there of it begins the carry
        at += taken > 0 ? taken : this.#gather(bytes, at);
      }
    }
    if (length < chunk.length) {
      if (this.#state === State.Done) throw trailingBytes(this.#where());
      throw this.#tooLong(this.#maxBytes + chunk.length - length);
    }
  }

  /** Adds to the carry what the token in it lacks, and reads the token once it is whole. */
  #gather(bytes: Uint8Array, at: number): number {
    const wanted =
      this.#carried < LENGTH_BYTES ? LENGTH_BYTES : stringBytes(lengthAt(this.#carryView, 0));
    const added = Math.min(wanted - this.#carried, bytes.length - at);
    this.#carry.set(bytes.subarray(at, at + added), this.#carried);
    this.#carried += added;
    if (this.#carried === wanted) {
      const token = this.#carry.subarray(0, wanted);
      if (this.#readToken(token, this.#carryView, 0) > 0) this.#carried = 0;
    }
    return added;
  }

  /**
   * Reads the token at `at` and acts on it. Returns its length on the wire; 0 when `bytes` ends
   * before it does, and then the length it claims is one that fits the carry.
   */
  #readToken(bytes: Uint8Array, view: DataView, at: number): number {
    const available = bytes.length - at;
    if (available < LENGTH_BYTES) return 0;
    const steps = STEPS[this.#state];
    if (steps !== undefined) {
      for (const step of steps) {
        const { wireBytes } = step.token;
        if (available >= wireBytes && isTokenAt(view, at, step.token)) {
          this.#take(step);
          return wireBytes;
        }
      }
      const length = lengthAt(view, at);
      if (length <= LONGEST_TOKEN_BYTES && available < stringBytes(length)) return 0;
      throw unexpectedToken(this.#where(), this.#state, bytes, view, at);
    }
    if (this.#state === State.FileSize) {
      this.#startFile(view, at);
      return LENGTH_BYTES;
    }
    const length = lengthAt(view, at);
    const inName = this.#state === State.Name;
    if (length === 0 || length > (inName ? MAX_NAME_BYTES : MAX_TARGET_BYTES)) {
      throw badStringLength(this.#where(), inName, view.getBigUint64(at, true));
    }
    const wireBytes = stringBytes(length);
    if (available < wireBytes) return 0;
    const end = at + LENGTH_BYTES + length;
    const value = bytes.slice(at + LENGTH_BYTES, end);
    if (inName) this.#checkName(value);
    else this.#checkTarget(value);
    this.#checkZeros(bytes, end, at + wireBytes, this.#offset + LENGTH_BYTES + length);
    this.#offset += wireBytes;
    if (inName) {
      this.#name = value;
      this.#state = State.NodeKey;
    } else {
      this.#state = State.SymlinkClose;
      this.#handler.symlink(this.#name ?? EMPTY, value);
    }
    return wireBytes;
  }

  #take({ token, next }: Step): void {
    // limits first, while the offset still is that of the token
    if (next === Action.CountEntry) this.#countEntry();
    else if (next === Action.StartDirectory) this.#checkDepth();
    this.#offset += token.wireBytes;
    switch (next) {
      case Action.CountEntry:
        this.#state = State.TypeKey;
        break;
      case Action.SetExecutable:
        this.#executable = true;
        this.#state = State.ExecutableValue;
        break;
      case Action.StartDirectory:
        this.#startDirectory();
        break;
      case Action.EndDirectory:
        this.#name = this.#open.close();
        this.#endNode();
        this.#handler.endDirectory();
        break;
      case Action.EndFile:
        this.#endNode();
        this.#handler.endFile();
        break;
      case Action.EndSymlink:
        this.#endNode();
        break;
      case Action.EndEntry:
        this.#name = undefined;
        this.#state = State.EntryOrClose;
        break;
      default:
        this.#state = next;
    }
  }

  #countEntry(): void {
    this.#entries += 1;
    if (this.#entries > this.#limits.narEntries) {
      checkLimit(this.#limits, 'narEntries', this.#entries, this.#where());
    }
  }

  #checkDepth(): void {
    const depth = this.#open.depth + 1;
    if (depth > this.#limits.narDepth) {
      checkLimit(this.#limits, 'narDepth', depth, this.#where());
    }
  }

  #startDirectory(): void {
    const name = this.#name ?? EMPTY;
    this.#open.open(name);
    this.#name = undefined;
    this.#state = State.EntryOrClose;
    this.#handler.startDirectory(name);
  }

  #endNode(): void {
    this.#state = this.#open.depth === 0 ? State.Done : State.EntryClose;
  }

  #startFile(view: DataView, at: number): void {
    const size = lengthAt(view, at);
    if (size > Number.MAX_SAFE_INTEGER) {
      throw this.#invalid('a file is larger than 2^53 - 1 bytes', {
        expected: Number.MAX_SAFE_INTEGER,
        actual: view.getBigUint64(at, true),
      });
    }
    // the least that must follow: contents, padding, and what closes each node that is open
    const leastBytes =
      this.#offset +
      stringBytes(size) +
      TOKENS.close.wireBytes +
      this.#open.depth * CLOSE_ENTRY_BYTES;
    if (leastBytes > this.#maxBytes) throw this.#tooLong(leastBytes);
    const executable = this.#executable;
    this.#executable = false;
    this.#sizeBytes = size;
    this.#offset += LENGTH_BYTES;
    this.#left = size;
    this.#state = size > 0 ? State.Contents : State.FileClose;
    this.#handler.startFile(this.#name ?? EMPTY, size, executable);
  }

  #readContents(bytes: Uint8Array, at: number): number {
    const length = Math.min(this.#left, bytes.length - at);
    this.#handler.fileData(bytes.subarray(at, at + length));
    this.#offset += length;
    this.#left -= length;
    if (this.#left === 0) {
      this.#left = paddingBytes(this.#sizeBytes);
      this.#state = this.#left > 0 ? State.ContentsPadding : State.FileClose;
    }
    return length;
  }

  #readPadding(bytes: Uint8Array, at: number): number {
    const length = Math.min(this.#left, bytes.length - at);
    this.#checkZeros(bytes, at, at + length, this.#offset);
    this.#offset += length;
    this.#left -= length;
    if (this.#left === 0) this.#state = State.FileClose;
    return length;
  }

  #checkZeros(bytes: Uint8Array, from: number, to: number, offset: number): void {
    for (let i = from; i < to; i++) {
      const byte = bytes[i];
      if (byte !== 0) throw wrongPadding(this.#where(), offset + i - from, byte);
    }
  }

  #checkName(name: Uint8Array): void {
    const fault = this.#open.faultOf(name);
    if (fault !== undefined) {
      const { message, expected } = fault;
      throw this.#invalid(message, { expected, actual: displayBytes(name) });
    }
    const entries = this.#open.add(name);
    if (entries > this.#limits.directoryEntries) {
      checkLimit(this.#limits, 'directoryEntries', entries, this.#where());
    }
  }

  #checkTarget(target: Uint8Array): void {
    const fault = targetFault(target);
    if (fault !== undefined) {
      throw this.#invalid(fault, { expected: fault, actual: displayBytes(target) });
    }
  }

  /** The place of the next token. */
  #where(): NarPlace {
    return { offset: this.#offset, path: this.#open.path(this.#name) };
  }

  #invalid(message: string, facts: ErrorFacts): NarthexError {
    return invalidNar(this.#where(), message, facts);
  }

  #tooLong(atLeastBytes: number): NarthexError {
    const where = this.#where();
    return this.#narSizeBytes === undefined
      ? narTooLong(where, this.#maxBytes, atLeastBytes)
      : otherNarSize(where, this.#narSizeBytes, atLeastBytes);
  }
}
