/**
 * Castore nodes: what lies under a name. Source: snix `castore/src/nodes/mod.rs`.
 *
 * Names and symlink targets are bytes. A node is valid once it is constructed; nothing re-checks one.
 */
import { displayBytes, equalBytes } from '../bytes.ts';
import { NarthexError } from '../errors.ts';
import { nameFault, targetFault } from '../nar/names.ts';
import type { Digest } from './digest.ts';

/** How much of a name or target stands in an error. */
const SHOWN_BYTES = 256;

function invalid(
  field: string,
  message: string,
  facts: Record<string, string | number> = {},
): NarthexError {
  return new NarthexError('NODE_INVALID', message, { ...facts, field });
}

function checkedSize(size: number): number {
  if (!Number.isSafeInteger(size) || size < 0) {
    throw invalid('size', `a node's size is a whole number below 2^53, not ${size}`, {
      actual: size,
    });
  }
  return size;
}

/** A directory: the digest of its {@link Directory}, and how many nodes are below it. */
export class DirectoryNode {
  readonly type = 'directory';
  readonly digest: Digest;
  /** Number of all descendants: directories, files and symlinks at any depth. */
  readonly size: number;

  /** @throws NODE_INVALID */
  constructor(digest: Digest, size: number) {
    this.digest = digest;
    this.size = checkedSize(size);
  }
}

/** A regular file: the digest and length of its contents. */
export class FileNode {
  readonly type = 'file';
  readonly digest: Digest;
  /** Length of the contents in bytes. */
  readonly size: number;
  readonly executable: boolean;

  /** @throws NODE_INVALID */
  constructor(digest: Digest, size: number, executable: boolean) {
    this.digest = digest;
    this.size = checkedSize(size);
    this.executable = executable;
  }
}

/** A symbolic link. */
export class SymlinkNode {
  readonly type = 'symlink';
  /** 1 to 4095 bytes without NUL. */
  readonly target: Uint8Array;

  /** @throws NODE_INVALID */
  constructor(target: Uint8Array) {
    const fault = targetFault(target);
    if (fault !== undefined) {
      throw invalid('target', fault, { actual: displayBytes(target.subarray(0, SHOWN_BYTES)) });
    }
    this.target = target;
  }
}

/** What lies under a name, or at a store path. */
export type Node = DirectoryNode | FileNode | SymlinkNode;

/** Whether two nodes stand for the same content. */
export function equalNodes(a: Node, b: Node): boolean {
  switch (a.type) {
    case 'directory':
      return b.type === 'directory' && a.size === b.size && a.digest.equals(b.digest);
    case 'file':
      return (
        b.type === 'file' &&
        a.size === b.size &&
        a.executable === b.executable &&
        a.digest.equals(b.digest)
      );
    case 'symlink':
      return b.type === 'symlink' && equalBytes(a.target, b.target);
  }
}

/**
 * Passes a name that may stand in a directory: 1 to 255 bytes, no `/`, no NUL, not `.` or `..`.
 * @throws NODE_INVALID
 */
export function checkName(name: Uint8Array): Uint8Array {
  const fault = nameFault(name);
  if (fault !== undefined) {
    throw invalid('name', fault, { actual: displayBytes(name.subarray(0, SHOWN_BYTES)) });
  }
  return name;
}
