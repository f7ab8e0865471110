/**
 * Makes signed binary caches of Debian packages with real Nix, once: what is there is used again.
 *
 *     packages/<sha256>.deb           as downloaded
 *     key.secret, key.public          throw-away
 *     caches/<name>/<compression>/    as `nix copy` writes them
 *
 * Each package is unpacked, gets a file that names its references, as nixpkgs' packages have one, and
 * goes into a store through `nix-store --import`, so that nothing is built and /nix is not touched.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { appendFile, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { promisify } from 'node:util';
import { BenchError } from '../benchError.ts';
import { Nix } from '../nix.ts';
import { type DebianPackage, downloadPackages } from './debianPackages.ts';
import {
  EXPORT_END,
  EXPORT_HEAD,
  exportTail,
  type StorePackage,
  storePackages,
} from './storePackage.ts';

/** The compressions that caches are made with, as Nix names them. */
export const MADE_COMPRESSIONS = ['none', 'zstd', 'xz'] as const;

/** A set of packages that becomes one cache of each compression. */
export interface CacheSpec {
  readonly name: string;
  readonly packages: readonly DebianPackage[];
}

const KEY_NAME = 'narthex-bench-1';
const execute = promisify(execFile);

/** Makes caches in one directory. */
export class CacheMaker {
  readonly #directory: string;
  readonly #say: (line: string) => void;

  constructor(directory: string, say: (line: string) => void) {
    this.#directory = directory;
    this.#say = say;
  }

  /** The key that all are signed with, as `name:base64`. */
  async publicKey(): Promise<string> {
    return (await readFile(join(this.#directory, 'key.public'), 'utf8')).trim();
  }

  /**
   * The directory that holds the caches of a set by compression.
   * @throws BenchError
   */
  async make(spec: CacheSpec): Promise<string> {
    const made = join(this.#directory, 'caches', spec.name);
    if (existsSync(made)) return made;
    await mkdir(join(this.#directory, 'caches'), { recursive: true });
    const work = await mkdtemp(join(this.#directory, 'making-'));
    try {
      const nix = await Nix.open(work);
      const env = await nix.environment();
      await this.#ensureKey(env);
      const packages = storePackages(spec.packages);
      const store = join(work, 'store');
      await this.#import(packages, store, env);
      const referred = new Set(
        packages.flatMap(({ references }) => references.map(({ absolute }) => absolute)),
      );
      const roots = packages
        .map(({ storePath }) => storePath.absolute)
        .filter((path) => !referred.has(path));
      this.#say(`${spec.name}: ${packages.length} paths are written as caches; xz takes a while`);
      const caches = join(work, 'caches');
      await Promise.all(
        MADE_COMPRESSIONS.map((compression) =>
          this.#writeCache(join(caches, compression), compression, store, roots, env),
        ),
      );
      // whole or not at all
      await rename(caches, made);
    } finally {
      await execute('chmod', ['-R', 'u+w', work]);
      await rm(work, { recursive: true, force: true });
    }
    return made;
  }

  async #ensureKey(env: NodeJS.ProcessEnv): Promise<void> {
    const [secret, publicFile] = ['key.secret', 'key.public'].map((name) =>
      join(this.#directory, name),
    );
    if (secret === undefined || publicFile === undefined || existsSync(publicFile)) return;
    const args = ['--generate-binary-cache-key', KEY_NAME, secret, publicFile];
    await execute('nix-store', args, { env }).catch((error: Error) => {
      throw new BenchError(`real Nix is needed (Debian package nix-bin): ${error.message}`);
    });
  }

  async #import(
    packages: readonly StorePackage[],
    store: string,
    env: NodeJS.ProcessEnv,
  ): Promise<void> {
    const files = await downloadPackages(
      packages.map(({ debian }) => debian),
      join(this.#directory, 'packages'),
      this.#say,
    );
    const child = spawn('nix-store', ['--store', store, '--import'], {
      env,
      stdio: ['pipe', 'ignore', 'inherit'],
    });
    const ended = once(child, 'close');
    for (const one of packages) {
      const tree = `${store}-unpacked`;
      await unpack(one, files.get(one.debian) ?? '', tree);
      child.stdin.write(EXPORT_HEAD);
      await dump(tree, child.stdin, env);
      child.stdin.write(exportTail(one.storePath, one.references));
      await rm(tree, { recursive: true });
    }
    child.stdin.end(EXPORT_END);
    const [code] = await ended;
    if (code !== 0) throw new BenchError(`nix-store --import: exit ${code}`);
  }

  async #writeCache(
    directory: string,
    compression: string,
    store: string,
    roots: readonly string[],
    env: NodeJS.ProcessEnv,
  ): Promise<void> {
    const parameters = new URLSearchParams({
      compression,
      'secret-key': join(this.#directory, 'key.secret'),
    });
    const url = `file://${directory}?${parameters}`;
    await execute('nix', ['copy', '--from', store, '--to', url, ...roots], { env });
    // older Nix writes nothing but StoreDir
    await appendFile(join(directory, 'nix-cache-info'), 'WantMassQuery: 1\nPriority: 40\n');
  }
}

/** Unpacks a package as the tree of a store path, with references as nixpkgs leaves them. */
async function unpack(one: StorePackage, deb: string, tree: string): Promise<void> {
  await execute('dpkg-deb', ['-x', deb, tree]);
  const support = join(tree, 'nix-support');
  await mkdir(support);
  const references = one.references.map(({ absolute }) => `${absolute}\n`).join('');
  await writeFile(join(support, 'propagated-build-inputs'), references);
}

/** Writes the NAR of a tree, leaving `output` open. */
async function dump(tree: string, output: Writable, env: NodeJS.ProcessEnv): Promise<void> {
  const child = spawn('nix-store', ['--dump', tree], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'close');
  for await (const piece of child.stdout) {
    if (!output.write(piece)) await once(output, 'drain');
  }
  const [code] = await ended;
  if (code !== 0) throw new BenchError(`nix-store --dump ${tree}: exit ${code}`);
}
