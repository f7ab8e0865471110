/**
 * What surrounds contents and entries in a NAR, as lengths and as bytes, without any state: enough
 * to compute the size of a NAR and the place of everything in it before a byte is produced.
 *
 * Each node has a *head* (up to its contents, its first entry, or its end) and a *tail*. A symlink
 * has a head only. An empty name, or a name length of 0, means the root: the head then begins with
 * the magic, and the entry around the node is missing.
 *
 * A length here is of framing only and so always small. A NAR's size is the sum over a tree, and a
 * small castore DAG can render to 2^64 files: whoever sums does so in bigint, or stops at a limit.
 */
import { FRAMING, LENGTH_BYTES, paddingBytes, setLength, stringBytes } from './wire.ts';

/** Bytes before a node itself. */
function leadBytes(nameLength: number): number {
  return nameLength === 0
    ? FRAMING.magic.length
    : FRAMING.beforeName.length + stringBytes(nameLength) + FRAMING.afterName.length;
}

function closeOf(nameLength: number): Uint8Array {
  return nameLength === 0 ? FRAMING.closeRoot : FRAMING.closeEntry;
}

/** Length in bytes of what comes before a directory's first entry. */
export function directoryHeadBytes(nameLength: number): number {
  return leadBytes(nameLength) + FRAMING.directory.length;
}

/** Length in bytes of what comes after a directory's last entry. */
export function directoryTailBytes(nameLength: number): number {
  return closeOf(nameLength).length;
}

/** Bytes that a directory adds to those of its entries. */
export function directoryOverheadBytes(nameLength: number): number {
  return directoryHeadBytes(nameLength) + directoryTailBytes(nameLength);
}

/** Length in bytes of what comes before a file's contents, the size field included. */
export function fileHeadBytes(nameLength: number, executable: boolean): number {
  const run = executable ? FRAMING.executable : FRAMING.regular;
  return leadBytes(nameLength) + run.length + LENGTH_BYTES;
}

/** Length in bytes of what comes after a file's contents, padding included. */
export function fileTailBytes(nameLength: number, sizeBytes: number): number {
  return paddingBytes(sizeBytes) + closeOf(nameLength).length;
}

/** Bytes that a file adds to its contents. */
export function fileFramingBytes(
  nameLength: number,
  sizeBytes: number,
  executable: boolean,
): number {
  return fileHeadBytes(nameLength, executable) + fileTailBytes(nameLength, sizeBytes);
}

/** Bytes of a symlink, its target included. */
export function symlinkFramingBytes(nameLength: number, targetLength: number): number {
  return (
    leadBytes(nameLength) +
    FRAMING.symlink.length +
    stringBytes(targetLength) +
    closeOf(nameLength).length
  );
}

/** A byte string of known length that is filled from the front. */
class Assembly {
  readonly bytes: Uint8Array;
  #at = 0;

  constructor(length: number) {
    this.bytes = new Uint8Array(length);
  }

  put(part: Uint8Array): this {
    this.bytes.set(part, this.#at);
    this.#at += part.length;
    return this;
  }

  putLength(lengthBytes: number): this {
    setLength(new DataView(this.bytes.buffer), this.#at, lengthBytes);
    this.#at += LENGTH_BYTES;
    return this;
  }

  putString(value: Uint8Array): this {
    this.putLength(value.length).put(value);
    this.#at += paddingBytes(value.length); // zero already
    return this;
  }

  putLead(name: Uint8Array): this {
    if (name.length === 0) return this.put(FRAMING.magic);
    return this.put(FRAMING.beforeName).putString(name).put(FRAMING.afterName);
  }
}

/** The bytes before a directory's first entry. */
export function directoryHead(name: Uint8Array): Uint8Array {
  return new Assembly(directoryHeadBytes(name.length)).putLead(name).put(FRAMING.directory).bytes;
}

/** The bytes after a directory's last entry. */
export function directoryTail(nameLength: number): Uint8Array {
  return closeOf(nameLength).slice();
}

/** The bytes before a file's contents. */
export function fileHead(name: Uint8Array, sizeBytes: number, executable: boolean): Uint8Array {
  return new Assembly(fileHeadBytes(name.length, executable))
    .putLead(name)
    .put(executable ? FRAMING.executable : FRAMING.regular)
    .putLength(sizeBytes).bytes;
}

/** The bytes after a file's contents. */
export function fileTail(nameLength: number, sizeBytes: number): Uint8Array {
  const tail = new Uint8Array(fileTailBytes(nameLength, sizeBytes));
  tail.set(closeOf(nameLength), paddingBytes(sizeBytes));
  return tail;
}

/** The bytes of a symlink. */
export function symlinkFraming(name: Uint8Array, target: Uint8Array): Uint8Array {
  return new Assembly(symlinkFramingBytes(name.length, target.length))
    .putLead(name)
    .put(FRAMING.symlink)
    .putString(target)
    .put(closeOf(name.length)).bytes;
}
