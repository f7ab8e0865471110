/**
 * Hashes content the way its content address (CA) says, while the NAR is read.
 *
 * - `fixed:r:…`: the NAR; `fixed:…` (flat): the contents of the one file; both *modulo
 *   self-references*: each occurrence of the path's own hash part is replaced by zero bytes, and
 *   after the data comes `|<decimal offset>` for each. `text:…`: the contents, as they are.
 * - `fixed:git:…`: as git hashes blobs and trees.
 * - flat and text content is one regular file that is not executable. The git hash of a single node
 *   is the same for a file, an executable one and a symlink to such contents, so there too a root
 *   that is no directory must be a file of that kind.
 *
 * Source: Nix `src/libstore/local-store.cc` (hashCAPath), `src/libutil/references.cc`
 * (HashModuloSink), `src/libutil/git.cc`.
 */
import { compareBytes, concatBytes, EMPTY, utf8 } from '../bytes.ts';
import { NarthexError } from '../errors.ts';
import { createStreamingHash, Hash, type HashAlgorithm, type StreamingHash } from '../hash.ts';
import { checkLimit, DEFAULT_LIMITS, type Limits } from '../limits.ts';
import type { NarHandler } from '../nar/parser.ts';
import type { ContentAddress } from '../narinfo/contentAddress.ts';
import type { StorePath } from '../storePath.ts';

/** Sees a NAR, as bytes and as what the parser finds in it, and hashes what the CA is about. */
export interface ContentAddressHasher {
  readonly handler: NarHandler;
  /**
   * Takes the next bytes of the NAR.
   * @throws LIMIT_EXCEEDED for selfReferences
   */
  nar(bytes: Uint8Array): void;
  /** @throws CONTENT_ADDRESS_MISMATCH the content is of a kind that the CA does not allow */
  finish(): Hash;
}

/** The hasher for `ca`, at `storePath`. */
export function contentAddressHasher(
  ca: ContentAddress,
  storePath: StorePath,
  limits: Limits = DEFAULT_LIMITS,
): ContentAddressHasher {
  const { algorithm } = ca.hash;
  switch (ca.method) {
    case 'recursive': {
      const hasher = new SelfReferenceHasher(algorithm, storePath.hashPart, limits);
      return {
        handler: ignoreNodes,
        nar: (bytes) => hasher.update(bytes),
        finish: () => hasher.finish(),
      };
    }
    case 'flat':
      return new FlatHasher(
        new SelfReferenceHasher(algorithm, storePath.hashPart, limits),
        storePath,
      );
    case 'text':
      return new FlatHasher(new PlainHasher(algorithm), storePath);
    case 'git':
      return new GitHasher(algorithm, storePath);
  }
}

/** A parser's handler that passes all on to two. */
export function teeHandler(first: NarHandler, second: NarHandler): NarHandler {
  return {
    startDirectory(name) {
      first.startDirectory(name);
      second.startDirectory(name);
    },
    endDirectory() {
      first.endDirectory();
      second.endDirectory();
    },
    startFile(name, sizeBytes, executable) {
      first.startFile(name, sizeBytes, executable);
      second.startFile(name, sizeBytes, executable);
    },
    fileData(bytes) {
      first.fileData(bytes);
      second.fileData(bytes);
    },
    endFile() {
      first.endFile();
      second.endFile();
    },
    symlink(name, target) {
      first.symlink(name, target);
      second.symlink(name, target);
    },
  };
}

const ignoreNodes: NarHandler = {
  startDirectory() {},
  endDirectory() {},
  startFile() {},
  fileData() {},
  endFile() {},
  symlink() {},
};

interface ByteHasher {
  update(bytes: Uint8Array): void;
  finish(): Hash;
}

class PlainHasher implements ByteHasher {
  readonly #algorithm: HashAlgorithm;
  readonly #hash: StreamingHash;

  constructor(algorithm: HashAlgorithm) {
    this.#algorithm = algorithm;
    this.#hash = createStreamingHash(algorithm);
  }

  update(bytes: Uint8Array): void {
    this.#hash.update(bytes);
  }

  finish(): Hash {
    return Hash.of(this.#algorithm, this.#hash.digest());
  }
}

/** Hashes bytes modulo the occurrences of a path's own hash part. */
export class SelfReferenceHasher implements ByteHasher {
  readonly #limits: Limits;
  readonly #plain: PlainHasher;
  readonly #needle: Buffer;
  readonly #zeros: Uint8Array;
  /** The last bytes, shorter than the needle, which an occurrence may begin in. */
  #tail: Uint8Array = EMPTY;
  /** Offset of the tail's first byte. */
  #offset = 0;
  readonly #matches: number[] = [];

  constructor(algorithm: HashAlgorithm, hashPart: string, limits: Limits = DEFAULT_LIMITS) {
    this.#limits = limits;
    this.#plain = new PlainHasher(algorithm);
    this.#needle = Buffer.from(hashPart, 'latin1');
    this.#zeros = new Uint8Array(this.#needle.length);
  }

  /** @throws LIMIT_EXCEEDED for selfReferences */
  update(bytes: Uint8Array): void {
    const window = Buffer.concat([this.#tail, bytes]);
    let done = 0;
    for (;;) {
      const at = window.indexOf(this.#needle, done);
      if (at === -1) break;
      this.#matches.push(this.#offset + at);
      checkLimit(this.#limits, 'selfReferences', this.#matches.length);
      this.#plain.update(window.subarray(done, at));
      this.#plain.update(this.#zeros);
      done = at + this.#needle.length;
    }
    const keep = Math.max(done, window.length - (this.#needle.length - 1));
    this.#plain.update(window.subarray(done, keep));
    this.#tail = new Uint8Array(window.subarray(keep)); // a view would keep the window alive
    this.#offset += keep;
  }

  finish(): Hash {
    this.#plain.update(this.#tail);
    for (const match of this.#matches) this.#plain.update(utf8(`|${match}`));
    return this.#plain.finish();
  }
}

/** The error about content that is not one regular file without executable bit. */
function notPlainFile(storePath: StorePath, actual: string): NarthexError {
  return new NarthexError(
    'CONTENT_ADDRESS_MISMATCH',
    `${storePath.absolute} is ${actual}, but its CA is about the contents of a plain file`,
    { storePath: storePath.absolute, expected: 'file', actual },
  );
}

/** Hashes the contents of the one file that there may be. */
class FlatHasher implements ContentAddressHasher {
  readonly #hasher: ByteHasher;
  readonly #storePath: StorePath;
  #fault: string | undefined;

  constructor(hasher: ByteHasher, storePath: StorePath) {
    this.#hasher = hasher;
    this.#storePath = storePath;
  }

  nar(): void {}

  readonly handler: NarHandler = {
    ...ignoreNodes,
    startDirectory: () => {
      this.#fault = 'a directory';
    },
    symlink: () => {
      this.#fault ??= 'a symlink';
    },
    startFile: (_name, _size, executable) => {
      if (executable) this.#fault ??= 'an executable file';
    },
    fileData: (bytes) => this.#hasher.update(bytes),
  };

  finish(): Hash {
    if (this.#fault !== undefined) throw notPlainFile(this.#storePath, this.#fault);
    return this.#hasher.finish();
  }
}

interface GitEntry {
  readonly name: Uint8Array;
  readonly mode: string;
  readonly hash: Uint8Array;
}

const GIT_MODE = { directory: '40000', file: '100644', executable: '100755', symlink: '120000' };
const SLASH = utf8('/');

/** Hashes a tree as git does. */
class GitHasher implements ContentAddressHasher {
  readonly #algorithm: HashAlgorithm;
  readonly #storePath: StorePath;
  readonly #open: { name: Uint8Array; entries: GitEntry[] }[] = [];
  #root: GitEntry | undefined;
  #file: { name: Uint8Array; mode: string; hash: StreamingHash } | undefined;

  constructor(algorithm: HashAlgorithm, storePath: StorePath) {
    this.#algorithm = algorithm;
    this.#storePath = storePath;
  }

  nar(): void {}

  readonly handler: NarHandler = {
    startDirectory: (name) => {
      this.#open.push({ name, entries: [] });
    },
    endDirectory: () => {
      const closed = this.#open.pop();
      if (closed === undefined) throw new TypeError('endDirectory without startDirectory');
      // git sorts as if directories' names ended in a slash
      const key = ({ name, mode }: GitEntry) =>
        mode === GIT_MODE.directory ? concatBytes([name, SLASH]) : name;
      const sorted = closed.entries.sort((a, b) => compareBytes(key(a), key(b)));
      const body = concatBytes(
        sorted.flatMap(({ name, mode, hash }) => [utf8(`${mode} `), name, Uint8Array.of(0), hash]),
      );
      const hash = this.#object('tree', body.length).update(body).digest();
      this.#add({ name: closed.name, mode: GIT_MODE.directory, hash });
    },
    startFile: (name, sizeBytes, executable) => {
      const mode = executable ? GIT_MODE.executable : GIT_MODE.file;
      this.#file = { name, mode, hash: this.#object('blob', sizeBytes) };
    },
    fileData: (bytes) => {
      this.#file?.hash.update(bytes);
    },
    endFile: () => {
      if (this.#file === undefined) throw new TypeError('endFile without startFile');
      this.#add({ name: this.#file.name, mode: this.#file.mode, hash: this.#file.hash.digest() });
    },
    symlink: (name, target) => {
      const hash = this.#object('blob', target.length).update(target).digest();
      this.#add({ name, mode: GIT_MODE.symlink, hash });
    },
  };

  finish(): Hash {
    const root = this.#root;
    if (root === undefined) throw new TypeError('the NAR is not complete');
    if (root.mode === GIT_MODE.executable)
      throw notPlainFile(this.#storePath, 'an executable file');
    if (root.mode === GIT_MODE.symlink) throw notPlainFile(this.#storePath, 'a symlink');
    return Hash.of(this.#algorithm, root.hash);
  }

  #object(type: string, sizeBytes: number): StreamingHash {
    return createStreamingHash(this.#algorithm).update(utf8(`${type} ${sizeBytes}\0`));
  }

  #add(entry: GitEntry): void {
    const parent = this.#open.at(-1);
    if (parent === undefined) this.#root = entry;
    else parent.entries.push(entry);
  }
}
