/** The closures that benchmarks run on. */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type BinaryCache, readBinaryCache } from './binaryCache.ts';
import { CacheMaker, MADE_COMPRESSIONS } from './cacheMaker.ts';
import { packageClosure, type Versions } from './debianPackages.ts';

/** One closure in several compressions. */
export type CacheSet = readonly BinaryCache[];

/** How large a closure is wanted. */
export type Size = 'small' | 'usual';

/** Packages whose closures are mirrored: some 40 MB, and some 400 MB with compilers and editors. */
const ROOTS: Readonly<Record<Size, readonly string[]>> = {
  small: ['curl'],
  usual: ['git', 'vim', 'gcc', 'curl', 'python3'],
};

/**
 * Where packages of which there are two versions are looked for: programs and libraries that get security
 * updates within a stable release, which apt then offers beside the version of the release.
 */
const VERSIONED_ROOTS = [
  ...['git', 'python3', 'curl', 'openssh-server', 'bind9-dnsutils', 'postgresql-15', 'php8.2-cli'],
  ...['ghostscript', 'imagemagick', 'apache2', 'wget', 'gnupg', 'ffmpeg', 'systemd', 'sudo'],
];
/** As many packages as are compared in two versions. */
const VERSIONED_PACKAGES = 50;

/** Makes or finds closures. */
export class Closures {
  readonly #directory: string;
  readonly #say: (line: string) => void;
  readonly #maker: CacheMaker;
  readonly #given: { readonly directory: string; readonly publicKey: string } | undefined;

  /**
   * @param directory where what is made is kept
   * @param given an existing cache, or a directory of caches by compression, in place of a made one
   */
  constructor(
    directory: string,
    say: (line: string) => void,
    given: { readonly directory: string; readonly publicKey: string } | undefined,
  ) {
    this.#directory = directory;
    this.#say = say;
    this.#maker = new CacheMaker(directory, say);
    this.#given = given;
  }

  /** The closure that is mirrored, in each compression that there is. @throws BenchError */
  async mirrored(size: Size): Promise<CacheSet> {
    if (this.#given !== undefined) {
      return await readSet(this.#given.directory, this.#given.publicKey);
    }
    await mkdir(this.#directory, { recursive: true });
    const name = `debian-${size}`;
    return await this.#made(name, async () => {
      const closure = await packageClosure(ROOTS[size]);
      return [...closure.values()].map(([newest]) => newest);
    });
  }

  /** The same packages in their oldest and their newest versions that apt offers. @throws BenchError */
  async twoVersions(): Promise<readonly [older: CacheSet, newer: CacheSet]> {
    await mkdir(this.#directory, { recursive: true });
    const versioned = async () => {
      const closure = [...(await packageClosure(VERSIONED_ROOTS)).values()];
      return closure.filter((versions) => versions.length > 1).slice(0, VERSIONED_PACKAGES);
    };
    const oldest = (versions: Versions) => versions.at(-1) ?? versions[0];
    return [
      await this.#made('debian-older', async () => (await versioned()).map(oldest)),
      await this.#made('debian-newer', async () => (await versioned()).map(([newest]) => newest)),
    ];
  }

  async #made(name: string, packages: () => Promise<Versions[number][]>): Promise<CacheSet> {
    const known = join(this.#directory, 'caches', name);
    if (!existsSync(known)) {
      this.#say(`making the closure ${name} in ${this.#directory}`);
      await this.#maker.make({ name, packages: await packages() });
    }
    return await readSet(known, await this.#maker.publicKey());
  }
}

async function readSet(directory: string, publicKey: string): Promise<CacheSet> {
  if (existsSync(join(directory, 'nix-cache-info'))) {
    return [await readBinaryCache(directory, publicKey)];
  }
  const made = MADE_COMPRESSIONS.map((compression) => join(directory, compression));
  const set: BinaryCache[] = [];
  for (const cache of made.filter((path) => existsSync(path))) {
    set.push(await readBinaryCache(cache, publicKey));
  }
  return set;
}
